/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's chat completions as an upstream's format. Source: OpenAI API reference, "Chat" (request,
 * chat completion object, chunk object, errors). wire/completions_request and
 * wire/completions_writer are the client's side of the same format; for clients of another language
 * wire/completions_upstream writes the request and wire/completions_events reads the answer. Pure.
 */
#ifndef AIG_COMPLETIONS_H
#define AIG_COMPLETIONS_H

#include "base/base.h"
#include "base/err.h"
#include "wire/format.h"
#include "wire/neutral.h"

extern const struct format completions_format;

/* For dialects of this format (wire/openrouter). */

/* The client's body as a new object (members are shared) with model and stream_options set. The
 * caller sets the output limit and owns the object. */
struct json_object *completions_upstream_body(const struct neutral_request *request,
                                              const struct neutral_target *target);
/* Reads a usage object; absent members are 0. */
void completions_read_usage(struct usage *out, struct json_object *usage);

/* OpenRouter's way to fail after the head has gone out, with an HTTP status as code; OpenAI
 * documents it for streams. What would be a 4xx before the head is one here, too. -1: err is set.
 */
int completions_hidden_failure(struct err *err, struct json_object *answer);

/* As in struct format, for a client of the same language. */
int completions_read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                            void *arg, struct err *err);
int completions_read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                           struct err *err);
void completions_read_failure(struct err *err, int status, int retry_after_s, struct span body);

#endif
