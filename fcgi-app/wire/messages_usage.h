/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage objects of Anthropic's Messages as token counts. Source: Anthropic API reference, "Create a
 * Message" (usage), "Streaming Messages", "Prompt caching". A stream tells the counts in several
 * events: later ones replace earlier ones, absent ones stay. Pure.
 */
#ifndef AIG_MESSAGES_USAGE_H
#define AIG_MESSAGES_USAGE_H

#include "base/base.h"
#include "base/jsonx.h"
#include "wire/usage.h"

/* What one answer has told so far; all zero at its start. */
struct messages_counts {
    int64_t input;
    int64_t cache_read;
    int64_t cache_write;
    int64_t cache_write_1h;
    int64_t output;
    int64_t thinking;
};

/* Takes a usage object into account; *out is what is known after it, `known` if `final` and the
 * object tells the answer's tokens. */
void messages_usage_read(struct usage *out, struct messages_counts *counts,
                         struct json_object *usage, bool final);

/* The usage object of an answer that another provider gave, with our price. cost_usd NULL: not
 * known yet. The caller owns it. */
struct json_object *messages_usage_json(const struct usage *usage, const char *cost_usd);

#endif
