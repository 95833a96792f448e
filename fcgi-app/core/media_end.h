/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a provider's news to a job's end. Of the app only conf and store are used, so that cron
 * programs can call it. Any thread.
 */
#ifndef AIG_MEDIA_END_H
#define AIG_MEDIA_END_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "store/task.h"
#include "wire/kie_record.h"
#include "wire/media.h"

/* A task as customers see it. */
struct kie_record media_record(const struct task *t);

/* What has become of a job. */
struct media_outcome {
    bool ended;              /* it has ended, now or before */
    const char *delivery_id; /* of a webhook that is due now; NULL: none. In the arena */
};

/* Takes news in: an open job moves on, an end is booked once. */
int media_learn(struct media_outcome *out, struct app *app, struct arena *arena,
                const struct task *t, const struct media_news *news, struct err *err) AIG_MUST_USE;

/* Ends a job that cannot come to an end by itself (nobody confirmed it, it is too old): released.
 */
int media_give_up(struct media_outcome *out, struct app *app, struct arena *arena,
                  const struct task *t, const char *code, const char *msg,
                  struct err *err) AIG_MUST_USE;

#endif
