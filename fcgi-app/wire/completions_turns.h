/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a chat completions request from neutral ones, for wire/completions_upstream.
 * Source: OpenAI API reference, "Create chat completion" (messages). Pure.
 */
#ifndef AIG_COMPLETIONS_TURNS_H
#define AIG_COMPLETIONS_TURNS_H

#include "base/base.h"
#include "base/err.h"
#include "wire/neutral.h"

/* `extensions` as in struct completions_rules, `model` as the client knows it. The caller owns
 * *out, an array; nothing on failure. */
int completions_turns(struct json_object **out, const struct neutral_content *content,
                      bool extensions, const char *model, struct err *err) AIG_MUST_USE;

#endif
