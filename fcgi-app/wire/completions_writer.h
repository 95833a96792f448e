/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat completions answer for a client, plain or streamed, from neutral events. Source: OpenAI
 * API reference, "The chat completion object", "The chat completion chunk object"; extension
 * fields: reasoning_content (shown thoughts), reasoning_details and a call's extra_content
 * (reasoning state for the next turn). Pure.
 */
#ifndef AIG_COMPLETIONS_WRITER_H
#define AIG_COMPLETIONS_WRITER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/ident.h"
#include "wire/neutral.h"

enum { COMPLETIONS_WRITER_CHOICES = 8, COMPLETIONS_WRITER_TEXT_MAX = 64 * 1024 * 1024 };

/* What has come for one choice of an answer that is not passed through. */
struct completions_choice {
    bool began;
    bool has_text;   /* content is not null, though it may be empty */
    struct buf text; /* plain answers only, as are the following */
    struct buf refusal;
    struct buf reasoning;
    struct json_object
        *calls; /* array of tool calls; arguments are in call_arguments until the end */
    struct buf *call_arguments;
    size_t call_count;
    struct json_object *reasoning_details;
    struct json_object *logprobs; /* of all tokens of the text, or NULL */
    const char *finish;
};

struct completions_writer {
    bool stream;
    bool include_usage;
    char id[IDENT_REQUEST_SIZE + 9];
    int64_t created_s;
    const char *model;
    struct json_object *answer; /* passed through, plain: the whole answer */
    struct json_object
        *frame; /* passed through, streamed: id, created, model, ... for the usage chunk */
    struct json_object *usage; /* the provider's usage object, where it has this format */
    struct completions_choice choices[COMPLETIONS_WRITER_CHOICES];
};

/* `writer` of these functions is a struct completions_writer: they are a client surface. */

/* The answer's id is made from request_id; the request must outlive the writer. */
void completions_writer_init(void *writer, const struct neutral_request *request,
                             const char *request_id, int64_t created_s);
void completions_writer_fini(void *writer);

/* Takes one event. Streamed: appends what the client sees of it. Plain: keeps it for the end. */
void completions_write_event(struct buf *out, void *writer, const struct event *event);

/* The end. Streamed: the usage chunk with the cost in US dollars if the client asked for it, then
 * [DONE]. Plain: the whole answer. cost_usd NULL: not known yet. */
void completions_write_end(struct buf *out, void *writer, const struct usage *usage,
                           const char *cost_usd);

#endif
