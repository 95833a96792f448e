/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasoning state of providers other than OpenAI in the `encrypted_content` of a reasoning item, in
 * which clients of the Responses API carry it back: thinking blocks of Claude, thought signatures
 * of Gemini, reasoning_details of OpenRouter. Pure.
 */
#ifndef AIG_RESPONSES_CARRY_H
#define AIG_RESPONSES_CARRY_H

#include "base/base.h"
#include "base/buf.h"
#include "base/jsonx.h"

/* Appends the text. `details`: reasoning_details of the message, or NULL; `calls`: an object of
 * call id -> extra_content, or NULL. Nothing is appended where there is no state. */
void responses_carry_write(struct buf *out, struct json_object *details, struct json_object *calls);

/* What responses_carry_write has written; the caller owns both (NULL: there is none). false: the
 * text is not from here, such as OpenAI's own. */
bool responses_carry_read(struct json_object **details, struct json_object **calls,
                          struct span text);

/* The text is from here: OpenAI would refuse it. */
bool responses_carry_is(struct span text);

#endif
