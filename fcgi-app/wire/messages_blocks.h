/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content blocks of Anthropic's Messages from parts, calls and results of neutral messages. Source:
 * Anthropic API reference, "Create a Message" (content blocks), "Vision", "PDF support",
 * "Thinking". Pure. Every json_object that comes out is the caller's.
 */
#ifndef AIG_MESSAGES_BLOCKS_H
#define AIG_MESSAGES_BLOCKS_H

#include "base/base.h"
#include "base/err.h"
#include "wire/neutral.h"

/* Where the request is being read, for error messages. */
struct messages_place {
    const char *model; /* the name that the client knows */
    size_t message;
    size_t part;
    struct err *err;
};

/* Nothing but blanks: the provider refuses such text. */
bool messages_is_blank(struct span text);

struct json_object *messages_text_block(struct span text, struct json_object *cache_control);

/* *out NULL and 0: blank text, which is left out. -1: 400, the provider does not take it. */
int messages_part_block(struct json_object **out, const struct neutral_part *part,
                        const struct messages_place *place) AIG_MUST_USE;

/* tool_use. Arguments that are no JSON object go as {"arguments": "the text"}. */
struct json_object *messages_call_block(const struct neutral_call *call);

/* tool_result of a ROLE_TOOL message. */
int messages_result_block(struct json_object **out, const struct neutral_message *message,
                          const struct messages_place *place) AIG_MUST_USE;

/* Thinking that a client carried back: an array of {"index": position among the message's blocks,
 * "block": {...}}; empty if there is none that is Claude's and signed. */
struct json_object *messages_thought_blocks(struct json_object *reasoning_details);

#endif
