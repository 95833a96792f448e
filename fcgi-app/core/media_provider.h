/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media providers as core/media and core/media_poll see them: which one an interface belongs
 * to, where it is called and how what it answers is read. Pure but for the configuration.
 */
#ifndef AIG_MEDIA_PROVIDER_H
#define AIG_MEDIA_PROVIDER_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/batch.h"
#include "store/task.h"
#include "wire/media.h"

enum conf_provider media_provider_of(enum media_api api);

/* Bearer and JSON: all of them. Texts in the arena. */
struct media_provider_head {
    const char *lines[3];
    size_t count;
};

struct media_provider_head media_provider_head(struct arena *arena, const struct conf *conf,
                                               enum media_api api);

const char *media_provider_create_path(enum media_api api);
/* Where to ask for a task; in the arena. */
const char *media_provider_query_url(struct arena *arena, const struct conf *conf,
                                     enum media_api api, const char *upstream_id) AIG_MUST_USE;

struct batch_limits media_provider_limits(const struct conf *conf, size_t at_once);

/* The error for a call that brought no answer. Returns -1. */
int media_provider_silent(const struct batch_result *r, const char *provider, struct err *err);

/* The answer to a creation, as kie_read_created. */
int media_provider_created(struct media_news *news, bool *sure, struct arena *arena,
                           enum media_api api, const struct batch_result *r,
                           struct err *err) AIG_MUST_USE;

/* The answer to the question how a task is, as kie_read_record. */
int media_provider_news(struct media_news *news, struct arena *arena, enum media_api api,
                        const struct task *t, const struct batch_result *r,
                        struct err *err) AIG_MUST_USE;

#endif
