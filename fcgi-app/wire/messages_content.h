/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request in Anthropic's language taken apart into neutral content, for providers of another
 * format. Source: Anthropic API reference, "Create a Message". Pure.
 *
 * Results of tools become messages of their own before the user's words. What no other provider has
 * and what does not change the answer (cache marks of a tool, edits of the context, metadata) stays
 * behind; blocks and tools that only Anthropic knows are a 400.
 */
#ifndef AIG_MESSAGES_CONTENT_H
#define AIG_MESSAGES_CONTENT_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/neutral.h"

/* Sets request->content from request->body (messages_read_request has checked it); everything in
 * the arena or borrowed from the body. */
int messages_read_content(struct neutral_request *request, struct arena *arena,
                          struct err *err) AIG_MUST_USE;

/* The client wants to be shown thoughts: thinking is on and not to be omitted. */
bool messages_shows_thoughts(const struct neutral_request *request);

#endif
