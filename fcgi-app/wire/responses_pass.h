/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's Responses for a client of the same language: request, answer and events pass through
 * with every field. Source: OpenAI API reference, "Create a model response", "Streaming events".
 * Pure.
 *
 * Never passed: the client's own output limit where the hold has a lower one, and `store`: what is
 * kept is kept here. So the encrypted reasoning is always asked for, without which the next turn
 * could not refer to it.
 */
#ifndef AIG_RESPONSES_PASS_H
#define AIG_RESPONSES_PASS_H

#include "base/base.h"
#include "wire/format.h"

/* Appends the upstream's body. `reasoning`: the model reasons. */
void responses_pass_request(struct buf *out, const struct neutral_request *request,
                            const struct neutral_target *target, bool reasoning);

/* A whole plain answer as EVENT_USAGE, EVENT_ANSWER, EVENT_DONE; answers as in struct format. */
int responses_pass_answer(struct json_object *answer, event_fn *fn, void *arg, struct err *err);

/* One event of a stream as EVENT_CHUNK; the last one, with EVENT_USAGE before and EVENT_DONE after
 * it, sets *done. */
int responses_pass_event(bool *done, struct json_object *event, event_fn *fn, void *arg,
                         struct err *err);

#endif
