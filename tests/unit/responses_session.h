/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads answers and streams with wire/responses and keeps what comes.
 */
#ifndef AIG_TEST_RESPONSES_SESSION_H
#define AIG_TEST_RESPONSES_SESSION_H

#include "base/base.h"

#include "base/sse.h"
#include "unit.h"
#include "wire/responses.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Everything that came, for comparison: the events in `trace`, and the pieces put together. */
struct got {
    struct buf trace;
    struct buf text;
    struct buf reasoning;
    struct buf calls;    /* "index id name\n" for each, then arguments with "index ...\n" */
    struct buf tokens;   /* of the log probabilities */
    struct buf thoughts; /* "index id data\n" for each */
    int finish;          /* -1: none */
    struct usage usage;
    bool began;
    bool done;
};

static inline void got_init(struct got *g)
{
    memset(g, 0, sizeof *g);
    struct buf *const all[] = {&g->trace, &g->text,   &g->reasoning,
                               &g->calls, &g->tokens, &g->thoughts};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_init(all[i], 1 << 24);
    g->finish = -1;
}

static inline void got_fini(struct got *g)
{
    struct buf *const all[] = {&g->trace, &g->text,   &g->reasoning,
                               &g->calls, &g->tokens, &g->thoughts};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_fini(all[i]);
}

static inline void got_text(struct got *g, const struct event *e, const char *kind,
                            struct buf *whole)
{
    assert_true(e->text.len > 0 && e->content && e->choice == 0);
    assert_int_equal(e->output_bytes, e->text.len);
    buf_printf(&g->trace, "%s %" PRId64 " ", kind, e->index);
    buf_append(&g->trace, e->text.ptr, e->text.len);
    buf_append_char(&g->trace, '\n');
    if (whole != NULL)
        buf_append(whole, e->text.ptr, e->text.len);
}

static inline void got_thoughts(struct got *g, struct json_object *details)
{
    assert_true(json_object_array_length(details) > 0);
    for (size_t i = 0; i < json_object_array_length(details); i++) {
        struct json_object *d = json_object_array_get_idx(details, i);
        assert_string_equal(jsonx_str(d, "type", ""), "reasoning.encrypted");
        assert_string_equal(jsonx_str(d, "format", ""), "openai-responses-v1");
        buf_printf(&g->thoughts, "%" PRId64 " %s %s\n", jsonx_i64(d, "index", -1),
                   jsonx_str(d, "id", "-"), jsonx_str(d, "data", ""));
    }
    buf_printf(&g->trace, "thoughts %zu\n", json_object_array_length(details));
}

static inline void got_usage(struct got *g, const struct usage *u)
{
    g->usage = *u;
    buf_printf(&g->trace, "usage %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
               u->known ? "known" : "unknown", u->prompt, u->cached, u->cache_write_5m,
               u->completion, u->reasoning);
}

static inline int on_event(const struct event *e, void *arg)
{
    struct got *g = arg;

    assert_false(g->done);
    assert_true(g->began == (e->kind != EVENT_BEGIN));
    switch (e->kind) {
    case EVENT_BEGIN:
        g->began = true;
        buf_printf(&g->trace, "begin %s\n", e->id != NULL ? e->id : "-");
        break;
    case EVENT_TEXT:
        got_text(g, e, "text", &g->text);
        for (size_t i = 0; e->json != NULL && i < json_object_array_length(e->json); i++)
            buf_append_str(&g->tokens,
                           jsonx_str(json_object_array_get_idx(e->json, i), "token", "?"));
        break;
    case EVENT_REFUSAL:
        got_text(g, e, "refusal", NULL);
        break;
    case EVENT_REASONING:
        got_text(g, e, "reasoning", &g->reasoning);
        break;
    case EVENT_CALL_BEGIN:
        assert_true(e->content && e->id[0] != '\0' && e->name[0] != '\0');
        buf_printf(&g->trace, "call %" PRId64 " %s %s\n", e->index, e->id, e->name);
        buf_printf(&g->calls, "%s%" PRId64 " %s %s ", g->calls.len > 0 ? "\n" : "", e->index, e->id,
                   e->name);
        break;
    case EVENT_CALL_ARGUMENTS:
        got_text(g, e, "arguments", &g->calls);
        break;
    case EVENT_REASONING_STATE:
        got_thoughts(g, e->json);
        break;
    case EVENT_FINISH:
        assert_true(e->content);
        buf_printf(&g->trace, "finish %d\n", (int)e->finish);
        g->finish = (int)e->finish;
        break;
    case EVENT_USAGE:
        got_usage(g, e->usage);
        break;
    case EVENT_DONE:
        g->done = true;
        buf_append_str(&g->trace, "done\n");
        break;
    case EVENT_CALL_STATE:
    case EVENT_CHUNK:
    case EVENT_ANSWER:
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
    s->request.content = &s->content;
    s->reader.request = &s->request;
    s->reader.arena = s->arena;
    s->reader.state = arena_zalloc(s->arena, responses_format.state_size);
    got_init(&s->got);
}

static inline void session_fini(struct session *s)
{
    got_fini(&s->got);
    arena_free(s->arena);
}

static inline void read_plain(struct session *s, struct json_object *answer)
{
    s->rc = responses_format.read_answer(&s->reader, answer, on_event, &s->got, &s->err);
}

static inline int on_sse(const struct sse_event *event, void *arg)
{
    struct session *s = arg;

    /* From memory of the exact size. */
    char *copy = mem_alloc(event->data.len);
    memcpy(copy, event->data.ptr, event->data.len);
    struct span data = {copy, event->data.len};
    s->rc = responses_format.read_event(&s->reader, data, on_event, &s->got, &s->err);
    mem_free(copy);
    return s->rc;
}

/* A stream in two pieces. */
static inline void read_stream(struct session *s, const char *text, size_t len, size_t cut)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, cut, on_sse, s);
    if (rc == 0)
        rc = sse_reader_feed(&sse, text + cut, len - cut, on_sse, s);
    assert_int_equal(rc, s->rc);
    sse_reader_fini(&sse);
}

static inline struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    if (jsonx_parse(&v, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return v;
}

#endif
