/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anthropic's Messages for clients of the same language: body, answer and events pass through with
 * every field, also unknown ones, but for the names of the models and the output limit. Source:
 * Anthropic API reference, "Create a Message", "Streaming Messages". Pure.
 */
#ifndef AIG_MESSAGES_PASS_H
#define AIG_MESSAGES_PASS_H

#include "base/base.h"
#include "wire/format.h"
#include "wire/messages_usage.h"

/* The client's body with the upstream's model and limit, and without what wire/messages_carry has
 * put into earlier answers. */
void messages_pass_request(struct buf *out, const struct neutral_request *request,
                           const struct neutral_target *target);

/* The same for counting: nothing but the upstream's model is put into it. */
void messages_pass_count(struct buf *out, const struct neutral_request *request,
                         const char *upstream_model);
/* What the provider has counted. -1: the answer does not say. */
int messages_pass_count_answer(int64_t *tokens, struct span answer) AIG_MUST_USE;

/* A whole answer, or one event of a stream, parsed: EVENT_USAGE, then EVENT_ANSWER or EVENT_CHUNK;
 * EVENT_DONE at the end, for which there is no chunk. `counts` belongs to the answer. */
int messages_pass_answer(struct format_reader *reader, struct messages_counts *counts,
                         struct json_object *answer, event_fn *fn, void *arg, struct err *err);
int messages_pass_event(struct format_reader *reader, struct messages_counts *counts,
                        struct json_object *json, event_fn *fn, void *arg, struct err *err);

#endif
