/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer in Anthropic's language for a client, plain or streamed, from neutral events or from
 * those that pass through. Source: Anthropic API reference, "Create a Message" (answer), "Streaming
 * Messages". Extension: usage.cost. Pure.
 *
 * A block is closed when the next one begins; a call's block only once its arguments are whole, so
 * that fragments of several calls may come in turns. Reasoning state of other providers goes out as
 * wire/messages_carry says: a call's before it, a message's at the end, if there are calls or the
 * client has thinking on.
 */
#ifndef AIG_MESSAGES_WRITER_H
#define AIG_MESSAGES_WRITER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/ident.h"
#include "wire/neutral.h"

enum { MESSAGES_WRITER_TEXT_MAX = 64 * 1024 * 1024 };

struct messages_writer_block;

struct messages_writer {
    bool stream;
    bool thinks; /* the client has thinking on */
    bool shows;  /* and wants to see it */
    bool began;
    bool refused;
    char id[IDENT_REQUEST_SIZE + 4];
    const char *request_id;
    const char *model;
    struct messages_writer_block *blocks;
    size_t block_count;
    int64_t next_index;
    bool called;
    struct json_object *states; /* array of states that go out at the end; NULL: none */
    const char *stop_reason;
    struct usage usage;         /* as told so far */
    struct json_object *answer; /* passed through, plain: the whole answer */
    struct json_object *last;   /* passed through, streamed: the message_delta that waits */
};

/* `writer` of these functions is a struct messages_writer: they are a client surface. */

/* The answer's id is made from request_id; both must outlive the writer. */
void messages_writer_init(void *writer, const struct neutral_request *request,
                          const char *request_id, int64_t created_s);
void messages_writer_fini(void *writer);

/* Takes one event. Streamed: appends what the client sees of it. Plain: keeps it for the end. */
void messages_write_event(struct buf *out, void *writer, const struct event *event);

/* The end. Streamed: message_delta with the usage and the cost in US dollars, then message_stop.
 * Plain: the whole answer. cost_usd NULL: not known yet. */
void messages_write_end(struct buf *out, void *writer, const struct usage *usage,
                        const char *cost_usd);

/* What keeps a silent stream alive. */
void messages_write_keepalive(struct buf *out, void *writer);

#endif
