/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client surface: one of the wire languages in which a client can make a model call. All of them
 * go through surface_serve, the one admission: authorize, relay, settle, headers. A surface says
 * only how its language is read and written.
 */
#ifndef AIG_SURFACE_H
#define AIG_SURFACE_H

#include "base/base.h"

#include "api/endpoint.h"
#include "wire/neutral.h"

struct surface {
    size_t writer_size; /* of the writer's state, which surface_serve zeroes and owns */

    /* On success the caller owns *out (neutral_request_fini). */
    int (*read_request)(struct neutral_request *out, const char *text, size_t len, struct err *err);
    /* Takes the request apart, for a provider of another language: sets request->content. */
    int (*read_content)(struct neutral_request *request, struct arena *arena, struct err *err);

    void (*writer_init)(void *writer, const struct neutral_request *request, const char *request_id,
                        int64_t created_s);
    /* Streamed: appends what the client sees of the event. Plain: keeps it for the end. */
    void (*write_event)(struct buf *out, void *writer, const struct event *event);
    /* Streamed: the last events. Plain: the whole answer. cost_usd NULL: not known yet. */
    void (*write_end)(struct buf *out, void *writer, const struct usage *usage,
                      const char *cost_usd);
    /* Appends the event that ends a stream which fails. */
    void (*write_failure)(struct buf *out, void *writer, const struct err *err);
    void (*writer_fini)(void *writer);
};

/* One model call from the request's body to the last byte of the answer; -1 with err when nothing
 * was sent yet. */
int surface_serve(struct endpoint *ep, struct exchange *x, const struct surface *surface,
                  struct err *err) AIG_MUST_USE;

#endif
