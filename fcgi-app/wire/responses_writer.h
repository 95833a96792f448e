/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of POST /v1/responses for a client, plain or streamed: passed through from OpenAI's
 * Responses, or written from neutral events. Source: OpenAI API reference, "The response object",
 * "Streaming events". Pure.
 *
 * Reasoning state of other providers comes as a reasoning item with encrypted_content
 * (wire/responses_carry), the last of the output.
 */
#ifndef AIG_RESPONSES_WRITER_H
#define AIG_RESPONSES_WRITER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/ident.h"
#include "wire/neutral.h"

struct responses_item;

struct responses_writer {
    bool stream;
    bool began;
    char id[IDENT_REQUEST_SIZE + 1]; /* "resp_" and the request's ULID */
    int64_t created_s;
    int64_t sequence; /* number of the next event */
    const char *model;
    struct json_object *echo; /* what the response repeats of the request */

    /* Written here. */
    struct responses_item *items;
    size_t item_count;
    struct json_object *details;     /* reasoning state of the message */
    struct json_object *call_states; /* and of its calls, by their ids */
    enum finish_reason finish;

    /* Passed through. */
    struct json_object *frame; /* the response of the first event */
    struct json_object *last;  /* the event that ends the stream, or the plain answer */
    struct json_object *usage; /* the provider's */

    struct json_object *response; /* the whole response, at the end */
};

/* `writer` of these functions is a struct responses_writer: they are a client surface. */

/* The response's id is made from request_id. */
void responses_writer_init(void *writer, const struct neutral_request *request,
                           const char *request_id, int64_t created_s);
void responses_writer_fini(void *writer);

/* Takes one event. Streamed: appends what the client sees of it. Plain: keeps it for the end. */
void responses_write_event(struct buf *out, void *writer, const struct event *event);

/* The end: whole items, then the response. cost_usd NULL: not known yet. Returns the response,
 * which may be changed (it is the writer's) before responses_write_response appends it as the last
 * event or as the answer. */
struct json_object *responses_write_items(struct buf *out, void *writer, const struct usage *usage,
                                          const char *cost_usd);
void responses_write_response(struct buf *out, void *writer);

/* A stream that fails: an `error` event, on which the SDKs raise, and response.failed. */
void responses_write_failure(struct buf *out, void *writer, const struct err *err);

#endif
