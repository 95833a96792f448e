/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failures of Anthropic's Messages. Source: Anthropic API reference, "Errors". Pure.
 */
#ifndef AIG_MESSAGES_FAILURE_H
#define AIG_MESSAGES_FAILURE_H

#include "base/base.h"
#include "base/err.h"
#include "wire/format.h"

/* The error of an error event or of an error in a 2xx: nothing in it is the client's fault. Always
 * -1. */
int messages_hidden_failure(struct err *err, struct json_object *error);

/* Appends {"type":"error","error":{...},"request_id":...} for a client: the type that Anthropic has
 * for the status, and as extensions the gateway's own code and param. A refused `thread` has the
 * details by which the SDKs go on with the whole conversation in each request. */
void messages_error_body(struct buf *out, const struct err *e, const char *request_id);

/* As in struct format. */
void messages_read_failure(struct err *err, int status, int retry_after_s, struct span body);

#endif
