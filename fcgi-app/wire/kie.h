/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kie.ai as a provider (docs.kie.ai: market/common, common-api/webhook-verification, and the old
 * families veo3-api, suno-api, runway-api, flux-kontext-api, 4o-image-api). It answers HTTP 200
 * also to what it refuses: the truth is the body's `code`. Pure.
 */
#ifndef AIG_KIE_H
#define AIG_KIE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "wire/media.h"

/* Where a task is made and asked for: "/api/v1/jobs/createTask". api < MEDIA_KIE__COUNT. */
const char *kie_create_path(enum media_api api);
const char *kie_query_path(enum media_api api);
/* kie.ai refuses this family without a callBackUrl. */
bool kie_needs_callback(enum media_api api);

/* Appends the body of a creation. callback_url may be NULL. */
void kie_write_request(struct buf *out, enum media_api api, const char *upstream_model,
                       struct json_object *input, const char *callback_url);

/* The answer to a creation. 0: made, news->upstream_id is set. -1: `sure` says whether it is
 * certain that nothing was made. */
int kie_read_created(struct media_news *news, bool *sure, struct arena *arena, int http_status,
                     struct span body, struct err *err) AIG_MUST_USE;

/* The answer to the question how a task is. -1: not understood, or not now; ask again later
 * (ERR_NOT_FOUND: kie.ai does not know this task). */
int kie_read_record(struct media_news *news, struct arena *arena, enum media_api api,
                    const char *upstream_id, const char *task_id, int http_status, struct span body,
                    struct err *err) AIG_MUST_USE;

/* How far the time in a callback may be from ours. */
enum { KIE_CALLBACK_SKEW_S = 300 };

struct kie_callback {
    const char *upstream_id; /* in the arena */
    int64_t ts;              /* unix seconds in its head */
};

/* A callback whose signature is right: base64(HMAC-SHA256(key, taskId "." timestamp)). Only the
 * task id is signed, so nothing else of the body is looked at. Headers may be NULL. 403 otherwise,
 * with the reason in the detail. */
int kie_read_callback(struct kie_callback *out, struct arena *arena, const char *key,
                      const char *timestamp, const char *signature, struct span body, int64_t now_s,
                      struct err *err) AIG_MUST_USE;

#endif
