/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recraft's API (recraft.ai/docs/api-reference: POST /v1/images/generations). It answers when the
 * images are there: {created, credits, data:[{image_id, url}]}; 1,000 credits are one US dollar.
 * Errors are a status and {code, message}. Pure.
 */
#ifndef AIG_RECRAFT_H
#define AIG_RECRAFT_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "wire/media.h"

#define RECRAFT_CREATE_PATH "/v1/images/generations"

/* Appends the body of a creation: the customer's input, images as addresses. */
void recraft_write_request(struct buf *out, struct json_object *input);

/* Its answer. 0: *news is MEDIA_SUCCESS or MEDIA_FAIL (a refusal of what was asked). -1: it failed
 * on our or the provider's side. */
int recraft_read_answer(struct media_news *news, struct arena *arena, int http_status,
                        struct span body, struct err *err) AIG_MUST_USE;

#endif
