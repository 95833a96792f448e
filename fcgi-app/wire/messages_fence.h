/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the code fence off JSON that a model was told to write bare and that comes in pieces:
 * "```json\n{...}\n```" becomes "{...}\n". Text that does not begin with a fence is not changed.
 * Pure.
 */
#ifndef AIG_MESSAGES_FENCE_H
#define AIG_MESSAGES_FENCE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/mem.h"

enum messages_fence_phase {
    FENCE_START,    /* blanks and backticks so far */
    FENCE_LANGUAGE, /* after three backticks, up to the end of the line */
    FENCE_JSON,     /* within the fence */
    FENCE_OFF,      /* there is none */
    FENCE_CLOSED    /* what follows the fence is not JSON */
};

enum { MESSAGES_FENCE_HELD = 32 };

/* All zero at the start. */
struct messages_fence {
    enum messages_fence_phase phase;
    char held[MESSAGES_FENCE_HELD]; /* what would be a fence */
    size_t held_len;
    bool in_string;
    bool escaped;
};

/* What of the next piece is to be shown: a part of it, or made in the arena. */
struct span messages_fence_take(struct messages_fence *fence, struct span piece,
                                struct arena *arena);
/* At the end of the text: what was held back and is no fence. Valid as long as `fence`. */
struct span messages_fence_end(struct messages_fence *fence);

#endif
