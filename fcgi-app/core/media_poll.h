/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How jobs come to their ends: what providers say of them, asked by poll-jobs or because a callback
 * came. Any thread. Of the app only conf and store are used.
 */
#ifndef AIG_MEDIA_POLL_H
#define AIG_MEDIA_POLL_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/media_end.h"
#include "store/task.h"

#include <signal.h>

/* A callback of kie.ai for a job: headers may be NULL. 0: taken in. 403: not from there, too old,
 * or repeated. What it says is not believed: how the job is, kie.ai is asked. */
int media_callback(struct media_outcome *out, struct app *app, struct arena *arena, const char *id,
                   const char *timestamp, const char *signature, struct span body,
                   struct err *err) AIG_MUST_USE;

struct media_polled {
    size_t asked;
    size_t ended;
    size_t failed;             /* no answer, or none that was understood; asked again later */
    const char **delivery_ids; /* webhooks that are due now; in the arena */
    size_t delivery_count;
};

/* Asks the providers how these jobs are, at_once of them at the same time. -1: the database is
 * away.
 */
int media_poll(struct media_polled *out, struct app *app, struct arena *arena,
               const struct task *tasks, size_t count, size_t at_once,
               struct err *err) AIG_MUST_USE;

struct media_report {
    size_t asked;
    size_t ended;
    size_t failed;
};

/* poll-jobs: asks for all that are due, and tries the webhooks of those that have ended once, until
 * none is left, *stop is set or the deadline (monotonic; 0: none) is over. */
int media_poll_due(struct media_report *report, const struct conf *conf, struct store *store,
                   const volatile sig_atomic_t *stop, int64_t deadline_ms,
                   struct err *err) AIG_MUST_USE;

#endif
