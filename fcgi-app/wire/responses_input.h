/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation as the input items of OpenAI's Responses: messages, calls, their results, and
 * reasoning in the place where it stood. Source: OpenAI API reference, "Create a model response",
 * input. Pure.
 */
#ifndef AIG_RESPONSES_INPUT_H
#define AIG_RESPONSES_INPUT_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "wire/neutral.h"

/* The format of reasoning_details that this provider takes back. */
#define RESPONSES_REASONING_FORMAT "openai-responses-v1"

/* The array of items; the caller owns it. `model` is the name that the client knows. With
 * `reasoning`, encrypted reasoning goes back. -1: 400. */
int responses_input(struct json_object **out, const struct neutral_content *content,
                    const char *model, bool reasoning, struct err *err) AIG_MUST_USE;

#endif
