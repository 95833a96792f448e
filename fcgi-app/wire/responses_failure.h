/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A failure that OpenAI's Responses tells in a 2xx: status "failed", events response.failed and
 * error. Source: OpenAI API reference, "Responses", error codes. Pure.
 */
#ifndef AIG_RESPONSES_FAILURE_H
#define AIG_RESPONSES_FAILURE_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"

/* Sets err from an object with code, message and param (NULL: it says nothing). What the request
 * itself is to blame for is a 400. Returns -1. */
int responses_hidden_failure(struct err *err, struct json_object *error);

#endif
