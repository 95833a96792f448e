/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicate's HTTP API (replicate.com/docs/reference/http): POST /v1/predictions {version, input}
 * makes a prediction {id, status}, GET /v1/predictions/{id} tells how it is: starting, processing,
 * succeeded, failed, canceled, aborted; output is an address or a list of them,
 * metrics.predict_time the seconds that are billed. Errors are a status and {detail, title}. Pure.
 */
#ifndef AIG_REPLICATE_H
#define AIG_REPLICATE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "wire/media.h"

#define REPLICATE_PATH "/v1/predictions"

/* Appends the body of a creation. upstream_model is "owner/name:version". */
void replicate_write_request(struct buf *out, const char *upstream_model,
                             struct json_object *input);

/* As kie_read_created. */
int replicate_read_created(struct media_news *news, bool *sure, struct arena *arena,
                           int http_status, struct span body, struct err *err) AIG_MUST_USE;

/* As kie_read_record. */
int replicate_read_prediction(struct media_news *news, struct arena *arena, const char *upstream_id,
                              const char *task_id, int http_status, struct span body,
                              struct err *err) AIG_MUST_USE;

#endif
