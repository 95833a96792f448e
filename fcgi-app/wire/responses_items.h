/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to POST /v1/responses taken apart, for providers of another format. Source: OpenAI API
 * reference, "Create a model response" (input items, tools, text, reasoning). Pure.
 */
#ifndef AIG_RESPONSES_ITEMS_H
#define AIG_RESPONSES_ITEMS_H

#include "base/base.h"
#include "wire/neutral.h"

/* Sets request->content, in the arena. -1: 400, the request needs OpenAI's own API or is wrong. */
int responses_read_content(struct neutral_request *request, struct arena *arena,
                           struct err *err) AIG_MUST_USE;

#endif
