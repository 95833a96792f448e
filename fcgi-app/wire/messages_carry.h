/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasoning state of other providers on its way through Anthropic's clients. These bring thinking
 * blocks back unchanged, so what Gemini, OpenAI or OpenRouter need on the next turn goes out as a
 * block of redacted_thinking whose data is ours, and shown thoughts as a thinking block whose
 * signature says that they are not Claude's. Neither is ever sent to Anthropic. Pure.
 */
#ifndef AIG_MESSAGES_CARRY_H
#define AIG_MESSAGES_CARRY_H

#include "base/base.h"
#include "base/buf.h"
#include "base/jsonx.h"
#include "base/mem.h"

/* The signature of shown thoughts that are not Claude's. */
#define MESSAGES_CARRY_SIGNATURE "aig1."

enum { MESSAGES_CARRY_MAX = 16 * 1024 * 1024 };

/* Appends the data of a block that carries `state`. call_id NULL: an array of reasoning_details of
 * the message; else the extra_content of that call. */
void messages_carry_write(struct buf *out, const char *call_id, struct json_object *state);

/* What came back in a block. 0: *state is it (the caller owns it), *call_id whose, in the arena, or
 * NULL. -1: this is nothing of ours. */
int messages_carry_read(struct json_object **state, const char **call_id, struct arena *arena,
                        struct span data) AIG_MUST_USE;

/* This block of a message is ours. */
bool messages_carry_is(struct json_object *block);

/* The messages of a request without our blocks; the caller owns the result (members are shared). A
 * message that has nothing else is left out. */
struct json_object *messages_carry_strip(struct json_object *messages);

#endif
