/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of POST /v1/responses without a network: a client's request, bytes of a provider's
 * stream or its plain answer through the provider's format, and what the client's writer makes of
 * the events. For the tests of wire/responses_*.
 */
#ifndef AIG_TEST_SURFACE_SESSION_H
#define AIG_TEST_SURFACE_SESSION_H

#include "base/base.h"

#include "base/sse.h"
#include "unit.h"
#include "wire/format.h"
#include "wire/responses_client.h"
#include "wire/responses_items.h"
#include "wire/responses_writer.h"

#include <string.h>

enum { SURFACE_OUT_MAX = 64 * 1024 * 1024 };

#define SURFACE_REQUEST_ID  "req_01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define SURFACE_RESPONSE_ID "resp_01ARZ3NDEKTSV4RRFFQ69G5FAV"

struct surface_session {
    const struct format *format;
    struct neutral_request request;
    struct format_reader reader;
    struct sse_reader sse;
    struct responses_writer writer;
    struct buf out;
    struct usage usage;
    struct err err;
    int64_t output_bytes;
    bool done;
    bool failed;
};

static inline void surface_init(struct surface_session *s, const struct format *format,
                                const char *request)
{
    memset(s, 0, sizeof *s);
    if (responses_read_request(&s->request, request, strlen(request), &s->err) != 0)
        fail_msg("%s: %s", request, s->err.message);
    s->format = format_for(format, LANGUAGE_RESPONSES);
    s->reader = (struct format_reader){.request = &s->request, .arena = arena_new()};
    s->reader.state = arena_zalloc(s->reader.arena, s->format->state_size);
    if (!format_passes(s->format, &s->request) &&
        responses_read_content(&s->request, s->reader.arena, &s->err) != 0)
        fail_msg("%s: %s", request, s->err.message);
    sse_reader_init(&s->sse);
    responses_writer_init(&s->writer, &s->request, SURFACE_REQUEST_ID, 1700000000);
    buf_init(&s->out, SURFACE_OUT_MAX);
}

static inline void surface_fini(struct surface_session *s)
{
    responses_writer_fini(&s->writer);
    sse_reader_fini(&s->sse);
    arena_free(s->reader.arena);
    neutral_request_fini(&s->request);
    buf_fini(&s->out);
}

static inline int surface_event(const struct event *event, void *arg)
{
    struct surface_session *s = arg;

    if (event->kind == EVENT_USAGE)
        s->usage = *event->usage;
    s->done = s->done || event->kind == EVENT_DONE;
    s->output_bytes += event->output_bytes;
    responses_write_event(&s->out, &s->writer, event);
    return 0;
}

static inline int surface_sse(const struct sse_event *event, void *arg)
{
    struct surface_session *s = arg;

    if (s->done || event->data.len == 0)
        return 0;
    s->failed = s->format->read_event(&s->reader, event->data, surface_event, s, &s->err) != 0;
    return s->failed ? -1 : 0;
}

/* From memory of the exact size, so that a sanitizer sees a read behind the end. */
static inline void surface_feed(struct surface_session *s, const char *data, size_t len)
{
    char *copy = mem_alloc(len);

    if (len > 0)
        memcpy(copy, data, len);
    if (!s->failed && sse_reader_feed(&s->sse, copy, len, surface_sse, s) != 0)
        s->failed = true;
    mem_free(copy);
}

/* The end of the provider's stream and, if it was whole, of the client's. */
static inline void surface_end(struct surface_session *s, const char *cost)
{
    if (!s->failed && !s->done && s->format->end_stream != NULL)
        s->failed = s->format->end_stream(&s->reader, surface_event, s, &s->err) != 0;
    if (s->done && !s->failed) {
        assert_non_null(responses_write_items(&s->out, &s->writer, &s->usage, cost));
        responses_write_response(&s->out, &s->writer);
    }
    assert_false(buf_failed(&s->out));
}

#endif
