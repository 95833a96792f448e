/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads answers and streams with wire/gemini and keeps what comes.
 */
#ifndef AIG_TEST_GEMINI_SESSION_H
#define AIG_TEST_GEMINI_SESSION_H

#include "base/base.h"

#include "base/sse.h"
#include "unit.h"
#include "wire/gemini.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Everything that came, for comparison: the events in `trace`, and the pieces put together. */
struct got {
    struct buf trace;
    struct buf text;
    struct buf reasoning;
    struct buf calls; /* "index name arguments id signature-length\n" for each */
    struct buf id;
    char call[256];
    size_t signature_len;
    int finish; /* -1: none */
    struct usage usage;
    int64_t output_bytes;
    bool began;
    bool done;
};

static inline void got_init(struct got *g)
{
    memset(g, 0, sizeof *g);
    struct buf *const all[] = {&g->trace, &g->text, &g->reasoning, &g->calls, &g->id};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init(all[i], 1 << 24);
    g->finish = -1;
}

static inline void got_fini(struct got *g)
{
    struct buf *const all[] = {&g->trace, &g->text, &g->reasoning, &g->calls, &g->id};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_fini(all[i]);
}

static inline void trace_usage(struct got *g, const struct usage *u)
{
    buf_printf(&g->trace, "usage %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
               u->known ? "known" : "unknown", u->prompt, u->cached, u->completion, u->reasoning);
    g->usage = *u;
}

static inline void trace_text(struct got *g, const struct event *e, const char *kind)
{
    assert_true(e->text.len > 0 && e->content);
    buf_printf(&g->trace, "%s %" PRId64 " %.*s\n", kind, e->choice, (int)e->text.len, e->text.ptr);
}

static inline void on_call(struct got *g, const struct event *e)
{
    if (e->kind == EVENT_CALL_BEGIN) {
        assert_true(e->content && e->id[0] != '\0' && e->name[0] != '\0');
        snprintf(g->call, sizeof g->call, "%" PRId64 " %s", e->index, e->name);
        g->signature_len = 0;
        buf_printf(&g->trace, "call %" PRId64 " %s %s\n", e->choice, g->call, e->id);
        buf_clear(&g->id);
        buf_append_str(&g->id, e->id);
    } else if (e->kind == EVENT_CALL_STATE) {
        struct json_object *google = jsonx_object(e->json, "google");
        g->signature_len = strlen(jsonx_str(google, "thought_signature", ""));
        assert_int_equal(json_object_object_length(e->json), 1);
        buf_printf(&g->trace, "state %" PRId64 " %zu\n", e->index, g->signature_len);
    } else {
        trace_text(g, e, "arguments");
        buf_printf(&g->calls, "%s %.*s %s %zu\n", g->call, (int)e->text.len, e->text.ptr,
                   g->id.data, g->signature_len);
    }
}

static inline int on_event(const struct event *e, void *arg)
{
    struct got *g = arg;

    assert_false(g->done);
    assert_true(g->began == (e->kind != EVENT_BEGIN));
    g->output_bytes += e->output_bytes;
    switch (e->kind) {
    case EVENT_BEGIN:
        g->began = true;
        buf_printf(&g->trace, "begin %s\n", e->id != NULL ? e->id : "-");
        break;
    case EVENT_TEXT:
        trace_text(g, e, "text");
        buf_append(&g->text, e->text.ptr, e->text.len);
        break;
    case EVENT_REASONING:
        trace_text(g, e, "reasoning");
        buf_append(&g->reasoning, e->text.ptr, e->text.len);
        break;
    case EVENT_CALL_BEGIN:
    case EVENT_CALL_ARGUMENTS:
    case EVENT_CALL_STATE:
        on_call(g, e);
        break;
    case EVENT_FINISH:
        assert_true(e->content);
        buf_printf(&g->trace, "finish %" PRId64 " %d\n", e->choice, (int)e->finish);
        g->finish = (int)e->finish;
        break;
    case EVENT_USAGE:
        trace_usage(g, e->usage);
        break;
    case EVENT_DONE:
        g->done = true;
        buf_append_str(&g->trace, "done\n");
        break;
    case EVENT_CHUNK:
    case EVENT_ANSWER:
    case EVENT_REFUSAL:
    case EVENT_REASONING_STATE:
        fail_msg("event %d", (int)e->kind);
    }
    return 0;
}

/* One reading of an answer. */
struct session {
    struct arena *arena;
    struct neutral_content content;
    struct neutral_request request;
    struct format_reader reader;
    struct got got;
    struct err err;
    int rc;
};

static inline void session_init(struct session *s)
{
    memset(s, 0, sizeof *s);
    s->arena = arena_new();
    s->content.parallel_tool_calls = -1;
    s->content.message_count = 3;
    s->request.content = &s->content;
    s->reader.request = &s->request;
    s->reader.arena = s->arena;
    s->reader.state = arena_zalloc(s->arena, gemini_format.state_size);
    got_init(&s->got);
}

static inline void session_fini(struct session *s)
{
    got_fini(&s->got);
    arena_free(s->arena);
}

static inline void read_plain(struct session *s, struct json_object *answer)
{
    s->rc = gemini_format.read_answer(&s->reader, answer, on_event, &s->got, &s->err);
}

static inline int on_sse(const struct sse_event *event, void *arg)
{
    struct session *s = arg;

    /* From memory of the exact size. */
    char *copy = mem_alloc(event->data.len);
    memcpy(copy, event->data.ptr, event->data.len);
    struct span data = {copy, event->data.len};
    s->rc = gemini_format.read_event(&s->reader, data, on_event, &s->got, &s->err);
    mem_free(copy);
    return s->rc;
}

/* A stream in two pieces, then its orderly end. */
static inline void read_stream(struct session *s, const char *text, size_t len, size_t cut)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, cut, on_sse, s);
    if (rc == 0)
        rc = sse_reader_feed(&sse, text + cut, len - cut, on_sse, s);
    if (rc == 0)
        s->rc = gemini_format.end_stream(&s->reader, on_event, &s->got, &s->err);
    sse_reader_fini(&sse);
}

#endif
