/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole answers: JSON, and errors in OpenAI's envelope {"error":{message,type,param,code}}
 * (OpenAI's API reference, "Error codes").
 */
#ifndef AIG_REPLY_H
#define AIG_REPLY_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "http/fcgi.h"

/* Adds x-request-id, request-id (the same, as Anthropic's clients look for it) and
 * openai-processing-ms: every answer has them. */
void reply_common_headers(struct exchange *x);

/* Sends status and a body of JSON text. -1 when the client is gone. */
int reply_body(struct exchange *x, int status, const struct buf *body);

/* Sends status and a JSON body. -1 when the client is gone. */
int reply_json(struct exchange *x, int status, struct json_object *body);

/* Sends a status without a body (204). -1 when the client is gone. */
int reply_empty(struct exchange *x, int status);

/* Appends {"error":{...}} to out. */
void reply_error_body(struct buf *out, const struct err *e);
/* Adds the headers that go with an error: Retry-After, WWW-Authenticate, Allow (may be NULL). */
void reply_error_headers(struct exchange *x, const struct err *e, const char *allow);
/* Sends the error with its status, Retry-After and, for a 405, Allow (may be NULL). */
void reply_error(struct exchange *x, const struct err *e, const char *allow);
/* The same in another language: `body` appends the JSON object; NULL: OpenAI's. */
typedef void reply_error_body_fn(struct buf *out, const struct err *e, const char *request_id);
void reply_error_as(struct exchange *x, const struct err *e, const char *allow,
                    reply_error_body_fn *body);

#endif
