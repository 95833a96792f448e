/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's Responses for a client of the same language: request, answer and events pass through
 * with every field. Source: OpenAI API reference, "Create a model response", "Streaming events".
 * Pure.
 *
 * Never passed: the client's own output limit where the hold has a lower one, and `store`: what is
 * kept is kept here. So the encrypted reasoning is always asked for, without which the next turn
 * could not refer to it. Always passed with tools that OpenAI runs: max_tool_calls.
 */
#ifndef AIG_RESPONSES_PASS_H
#define AIG_RESPONSES_PASS_H

#include "base/base.h"
#include "wire/format.h"
#include "wire/responses_tools.h"

/* Appends the upstream's body. `reasoning`: the model reasons. */
void responses_pass_request(struct buf *out, const struct neutral_request *request,
                            const struct neutral_target *target, bool reasoning);

/* What reading a stream has to remember; zeroed at its beginning. */
struct responses_pass {
    bool began;
    bool done;
    struct responses_tally tally;
};

/* A whole plain answer as EVENT_USAGE, EVENT_ANSWER, EVENT_DONE; answers as in struct format. */
int responses_pass_answer(const struct format_reader *reader, struct json_object *answer,
                          event_fn *fn, void *arg, struct err *err);

/* One event of a stream as EVENT_CHUNK; the last one, with EVENT_USAGE before and EVENT_DONE after
 * it, sets done. With tools that OpenAI runs, EVENT_USAGE also comes before, without token counts,
 * whenever there is more to charge for them. */
int responses_pass_event(struct responses_pass *pass, const struct format_reader *reader,
                         struct json_object *event, event_fn *fn, void *arg, struct err *err);

#endif
