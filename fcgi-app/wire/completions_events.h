/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers and streams of chat completions as neutral events, for clients of another language.
 * Source: OpenAI API reference, "The chat completion object", "The chat completion chunk object";
 * OpenRouter API reference, "Streaming", "Reasoning tokens", "Errors". Pure.
 *
 * Only the first choice is read. Fragments of a call's arguments come as they are, whatever their
 * order; a call without any gets "{}". Pieces of reasoning_details are put together and come as one
 * EVENT_REASONING_STATE before the finish, which comes at the end of the answer.
 */
#ifndef AIG_COMPLETIONS_EVENTS_H
#define AIG_COMPLETIONS_EVENTS_H

#include "base/base.h"
#include "wire/format.h"

/* What reading an answer has to remember; format_reader.state. */
struct completions_events {
    struct completions_events_call *calls; /* the latest first */
    int64_t call_count;
    struct completions_events_detail *details; /* in the order of their beginnings */
    struct completions_events_detail **details_end;
    size_t details_bytes;
    const char *id;
    bool began;
    bool finished;
    enum finish_reason finish;
    bool done;
};

/* Takes out of a usage object what only one provider has in it; NULL: nothing. */
typedef void completions_cost_fn(struct usage *usage, struct json_object *usage_json);

/* As in struct format. */
int completions_events_answer(struct format_reader *reader, struct json_object *answer,
                              completions_cost_fn *cost, event_fn *fn, void *arg, struct err *err);
int completions_events_chunk(struct format_reader *reader, struct span data,
                             completions_cost_fn *cost, event_fn *fn, void *arg, struct err *err);

#endif
