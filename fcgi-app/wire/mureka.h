/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mureka's API (platform.mureka.ai/docs): POST /v1/song/generate makes a task {id, status}, GET
 * /v1/song/query/{id} tells how it is: preparing, queued, running, streaming, succeeded, failed,
 * timeouted, cancelled; choices[{url, flac_url, duration}], failed_reason. Errors are a status and
 * {error:{message}}. Pure.
 */
#ifndef AIG_MUREKA_H
#define AIG_MUREKA_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "wire/media.h"

#define MUREKA_CREATE_PATH "/v1/song/generate"
#define MUREKA_QUERY_PATH  "/v1/song/query/"

/* Appends the body of a creation: the customer's input, not streamed. */
void mureka_write_request(struct buf *out, struct json_object *input);

/* As kie_read_created. */
int mureka_read_created(struct media_news *news, bool *sure, struct arena *arena, int http_status,
                        struct span body, struct err *err) AIG_MUST_USE;

/* As kie_read_record. */
int mureka_read_task(struct media_news *news, struct arena *arena, const char *upstream_id,
                     const char *task_id, int http_status, struct span body,
                     struct err *err) AIG_MUST_USE;

#endif
