/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's request to POST /v1/responses. Source: OpenAI API reference, "Create a model
 * response". Pure.
 *
 * What could make the call dearer than its hold is refused here, whatever provider serves: a dearer
 * service_tier, background, stored conversations, prompt templates, tools that OpenAI runs itself
 * but for those of wire/responses_tools.
 */
#ifndef AIG_RESPONSES_CLIENT_H
#define AIG_RESPONSES_CLIENT_H

#include "base/base.h"
#include "base/err.h"
#include "wire/neutral.h"

enum { RESPONSES_OUTPUT_LIMIT_MAX = 100 * 1000 * 1000, RESPONSES_ID_MAX = 64 };

/* Reads a client's request. What is used here is checked; all other fields pass through untouched.
 * On success the caller owns *out (neutral_request_fini); on failure nothing. */
int responses_read_request(struct neutral_request *out, const char *text, size_t len,
                           struct err *err) AIG_MUST_USE;

/* The same body with `items` (an array, taken over) as its input: measures the prompt anew. */
void responses_set_input(struct neutral_request *request, struct json_object *items);

/* The request's input as an array of items, which the caller owns: a text becomes the user's
 * message. Empty where there is none. */
struct json_object *responses_input_items(const struct neutral_request *request);

/* "resp_..." of the request that this one goes on from, or NULL. */
const char *responses_previous_id(const struct neutral_request *request);
/* The client asked in so many words that the response is kept. */
bool responses_wants_store(const struct neutral_request *request);

#endif
