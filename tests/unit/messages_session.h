/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of Anthropic's language without a network: a client's request, bytes of any provider's
 * stream through base/sse and that provider's format, and what the client's writer makes of the
 * events. For the tests of wire/messages_pass and wire/messages_writer.
 */
#ifndef AIG_TEST_MESSAGES_SESSION_H
#define AIG_TEST_MESSAGES_SESSION_H

#include "base/base.h"

#include "base/sse.h"
#include "unit.h"
#include "wire/format.h"
#include "wire/messages_client.h"
#include "wire/messages_content.h"
#include "wire/messages_writer.h"

#include <string.h>

enum { SESSION_OUT_MAX = 64 * 1024 * 1024 };

struct messages_session {
    const struct format *format;
    struct arena *arena;
    struct neutral_request request;
    struct format_reader reader;
    struct sse_reader sse;
    struct messages_writer writer;
    struct buf out;
    struct usage usage;
    struct err err;
    bool done;
    bool failed;
};

static inline void session_init(struct messages_session *s, const char *provider,
                                const char *request)
{
    memset(s, 0, sizeof *s);
    s->format = format_find(provider);
    s->arena = arena_new();
    if (messages_read_request(&s->request, request, strlen(request), &s->err) != 0 ||
        (!format_passes(s->format, &s->request) &&
         messages_read_content(&s->request, s->arena, &s->err) != 0))
        fail_msg("%s: %s", request, s->err.message);
    s->reader = (struct format_reader){.request = &s->request, .arena = s->arena};
    s->reader.state = arena_zalloc(s->arena, s->format->state_size);
    sse_reader_init(&s->sse);
    messages_writer_init(&s->writer, &s->request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1700000000);
    buf_init(&s->out, SESSION_OUT_MAX);
}

static inline void session_fini(struct messages_session *s)
{
    messages_writer_fini(&s->writer);
    sse_reader_fini(&s->sse);
    arena_free(s->arena);
    neutral_request_fini(&s->request);
    buf_fini(&s->out);
}

static inline int session_event(const struct event *event, void *arg)
{
    struct messages_session *s = arg;

    if (event->kind == EVENT_USAGE)
        s->usage = *event->usage;
    s->done = s->done || event->kind == EVENT_DONE;
    messages_write_event(&s->out, &s->writer, event);
    return 0;
}

static inline int session_sse(const struct sse_event *event, void *arg)
{
    struct messages_session *s = arg;

    if (s->done || event->data.len == 0)
        return 0;
    s->failed = s->format->read_event(&s->reader, event->data, session_event, s, &s->err) != 0;
    return s->failed ? -1 : 0;
}

/* From memory of the exact size, so that a sanitizer sees a read behind the end. */
static inline void session_feed(struct messages_session *s, const char *data, size_t len)
{
    char *copy = mem_alloc(len);

    if (len > 0)
        memcpy(copy, data, len);
    if (!s->failed && sse_reader_feed(&s->sse, copy, len, session_sse, s) != 0)
        s->failed = true;
    mem_free(copy);
}

static inline void session_close(struct messages_session *s)
{
    if (!s->done && !s->failed && s->format->end_stream != NULL)
        s->failed = s->format->end_stream(&s->reader, session_event, s, &s->err) != 0;
}

static inline void session_end(struct messages_session *s, const char *cost)
{
    messages_write_end(&s->out, &s->writer, &s->usage, cost);
    assert_false(buf_failed(&s->out));
}

/* Events as they come from a provider, one after the other. */
static inline void session_emit(struct messages_session *s, const struct event *events,
                                size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)session_event(&events[i], s);
}

#endif
