/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat completions as an upstream's request for clients of another language: from neutral content.
 * Source: OpenAI API reference, "Create chat completion"; OpenRouter API reference, "Chat
 * completion", "Reasoning tokens", "PDF inputs". Pure.
 *
 * What stands in a tool's result and is no text follows the results as the user's: both providers
 * take text only in them.
 */
#ifndef AIG_COMPLETIONS_UPSTREAM_H
#define AIG_COMPLETIONS_UPSTREAM_H

#include "base/base.h"
#include "base/err.h"
#include "wire/neutral.h"

/* What tells the providers of this format apart. */
struct completions_rules {
    const char *dialect;     /* of wire/dialect */
    const char *limit_field; /* how it calls the output limit */
    /* OpenRouter's: cache_control, reasoning_details, top_k, files by URL. */
    bool extensions;
};

/* The request as a JSON object that the caller owns, in *out; nothing on failure. 400: the provider
 * cannot do what is asked. */
int completions_upstream_request(struct json_object **out, const struct neutral_request *request,
                                 const struct neutral_target *target,
                                 const struct completions_rules *rules,
                                 struct err *err) AIG_MUST_USE;

#endif
