/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's request in Anthropic's language. Sources: Anthropic API reference, "Create a Message",
 * "Count tokens in a Message", "Beta headers". Pure.
 *
 * What would make a call dearer than its hold is refused whoever serves it: other speeds and places
 * of service, tools that the provider runs, servers and containers it connects to, models that step
 * in. Everything else passes: what only Anthropic knows changes nothing elsewhere.
 */
#ifndef AIG_MESSAGES_CLIENT_H
#define AIG_MESSAGES_CLIENT_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/neutral.h"

enum { MESSAGES_OUTPUT_MAX = 100 * 1000 * 1000 };

/* Reads a client's request; max_tokens may be absent (count_tokens has none). On success the caller
 * owns *out (neutral_request_fini); on failure nothing. */
int messages_read_request(struct neutral_request *out, const char *text, size_t len,
                          struct err *err) AIG_MUST_USE;

/* The line "anthropic-beta: ..." with those names of a client's header that change neither the
 * price nor what the gateway checks; in the arena. NULL: none is left. value NULL: no header came.
 */
const char *messages_beta_header(struct arena *arena, const char *value);

/* Turns the neutral names of fields in an error into those of this language. */
void messages_explain(struct err *err, const struct neutral_request *request);

#endif
