/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a conversation as Google's `contents` and `systemInstruction`. Sources: Gemini
 * API reference, "Generating content" (Content, Part), guides "Function calling", "Thought
 * signatures". Pure.
 */
#ifndef AIG_GEMINI_MESSAGES_H
#define AIG_GEMINI_MESSAGES_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "wire/dialect.h"
#include "wire/neutral.h"

/* Sets both members of root. `model` is the name that the client knows. -1: 400 for what the model
 * cannot be shown and for results of calls that are not there. */
int gemini_write_messages(struct json_object *root, const struct neutral_content *content,
                          const struct dialect *dialect, const char *model,
                          struct err *err) AIG_MUST_USE;

#endif
