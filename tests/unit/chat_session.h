/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chat completions call without a network: a client's request, bytes of a provider's stream
 * through base/sse and the provider's format, and what the client's writer makes of the events. For
 * the tests of wire/completions and wire/openrouter.
 */
#ifndef AIG_TEST_CHAT_SESSION_H
#define AIG_TEST_CHAT_SESSION_H

#include "base/base.h"

#include "base/sse.h"
#include "unit.h"
#include "wire/completions_request.h"
#include "wire/completions_writer.h"
#include "wire/format.h"

#include <string.h>

enum { SESSION_OUT_MAX = 64 * 1024 * 1024 };

struct chat_session {
    const struct format *format;
    struct neutral_request request;
    struct format_reader reader;
    struct sse_reader sse;
    struct completions_writer writer;
    struct buf out;
    struct usage usage;
    struct err err;
    int64_t output_bytes;
    bool content;
    bool done;
    bool failed;
};

static inline void session_init(struct chat_session *s, const struct format *format,
                                const char *request)
{
    memset(s, 0, sizeof *s);
    s->format = format;
    assert_int_equal(completions_read_request(&s->request, request, strlen(request), &s->err), 0);
    s->reader = (struct format_reader){.request = &s->request, .arena = arena_new()};
    s->reader.state = arena_zalloc(s->reader.arena, format->state_size);
    sse_reader_init(&s->sse);
    completions_writer_init(&s->writer, &s->request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1700000000);
    buf_init(&s->out, SESSION_OUT_MAX);
}

static inline void session_fini(struct chat_session *s)
{
    completions_writer_fini(&s->writer);
    sse_reader_fini(&s->sse);
    arena_free(s->reader.arena);
    neutral_request_fini(&s->request);
    buf_fini(&s->out);
}

static inline int session_event(const struct event *event, void *arg)
{
    struct chat_session *s = arg;

    if (event->kind == EVENT_USAGE)
        s->usage = *event->usage;
    s->done = s->done || event->kind == EVENT_DONE;
    s->content = s->content || event->content;
    s->output_bytes += event->output_bytes;
    completions_write_event(&s->out, &s->writer, event);
    return 0;
}

static inline int session_sse(const struct sse_event *event, void *arg)
{
    struct chat_session *s = arg;

    if (s->done || event->data.len == 0)
        return 0;
    s->failed = s->format->read_event(&s->reader, event->data, session_event, s, &s->err) != 0;
    return s->failed ? -1 : 0;
}

/* From memory of the exact size, so that a sanitizer sees a read behind the end. */
static inline void session_feed(struct chat_session *s, const char *data, size_t len)
{
    char *copy = mem_alloc(len);

    if (len > 0)
        memcpy(copy, data, len);
    if (!s->failed && sse_reader_feed(&s->sse, copy, len, session_sse, s) != 0)
        s->failed = true;
    mem_free(copy);
}

static inline void session_end(struct chat_session *s, const char *cost)
{
    completions_write_end(&s->out, &s->writer, &s->usage, cost);
    assert_false(buf_failed(&s->out));
}

#endif
