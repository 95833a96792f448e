/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encrypted reasoning of one answer of OpenAI's Responses, as it is offered for the next turn.
 * Everything lies in the arena of the request. Pure.
 */
#ifndef AIG_RESPONSES_THOUGHTS_H
#define AIG_RESPONSES_THOUGHTS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/jsonx.h"
#include "base/mem.h"

struct responses_thought;

/* All zero: none. */
struct responses_thoughts {
    struct responses_thought *first;
    struct responses_thought **end;
    size_t bytes;
};

/* Adds an item; `position` is its place among the items that a client sends back. Without data it
 * is left out. */
void responses_thoughts_keep(struct responses_thoughts *thoughts, struct arena *arena,
                             int64_t position, struct span id, struct span data);

/* An array of reasoning_details, the caller owns it. NULL: there are none, or too many to offer. */
struct json_object *responses_thoughts_json(const struct responses_thoughts *thoughts);

#endif
