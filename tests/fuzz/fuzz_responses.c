/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what OpenAI's Responses sends (a plain answer, a stream, a failure) and as a chat
 * request that is written for it. Events come in their order, a stream is read the same in one
 * piece and in two, an error says something, and what is written is JSON within the limit.
 */
#include "base/base.h"

#include "base/sse.h"
#include "fuzz.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/responses.h"

#include <inttypes.h>
#include <string.h>

enum { TRACE_MAX = 256 * 1024 * 1024 };

struct session {
    struct arena *arena;
    struct neutral_request request;
    struct format_reader reader;
    struct buf trace;
    int64_t calls; /* that have begun */
    bool began;
    bool finished;
    bool done;
    struct err err;
    int rc;
};

static void session_init(struct session *s)
{
    memset(s, 0, sizeof *s);
    s->arena = arena_new();
    s->reader.request = &s->request;
    s->reader.arena = s->arena;
    s->reader.state = arena_zalloc(s->arena, responses_format.state_size);
    buf_init(&s->trace, TRACE_MAX);
}

static void session_fini(struct session *s)
{
    FUZZ_REQUIRE(s->rc == 0 || (s->rc == -1 && s->err.code != ERR_NONE && s->err.status >= 400 &&
                                s->err.message[0] != '\0'));
    buf_fini(&s->trace);
    arena_free(s->arena);
}

static void check_usage(const struct usage *u)
{
    FUZZ_REQUIRE(u->cached >= 0 && u->cache_write_5m >= 0 && u->reasoning >= 0);
    FUZZ_REQUIRE(u->prompt >= u->cached + u->cache_write_5m && u->completion >= u->reasoning);
}

static int on_event(const struct event *e, void *arg)
{
    struct session *s = arg;

    FUZZ_REQUIRE(!s->done && e->choice == 0);
    FUZZ_REQUIRE(s->began == (e->kind != EVENT_BEGIN));
    FUZZ_REQUIRE(!s->finished || e->kind == EVENT_DONE);
    s->began = true;
    s->finished = e->kind == EVENT_FINISH || s->finished;
    s->done = e->kind == EVENT_DONE;
    if (e->kind == EVENT_CALL_BEGIN) {
        FUZZ_REQUIRE(e->index == s->calls++);
        FUZZ_REQUIRE(e->id[0] != '\0' && e->name[0] != '\0');
    }
    if (e->kind == EVENT_CALL_ARGUMENTS)
        FUZZ_REQUIRE(e->index >= 0 && e->index < s->calls);
    if (e->kind == EVENT_USAGE)
        check_usage(e->usage);
    buf_printf(&s->trace, "%d %" PRId64 " ", (int)e->kind, e->index);
    buf_append(&s->trace, e->text.len > 0 ? e->text.ptr : "", e->text.len);
    return 0;
}

static void check_plain(const char *text, size_t size)
{
    struct json_object *answer = NULL;
    struct err err;
    struct session s;

    if (jsonx_parse(&answer, text, size, &err) != 0)
        return;
    session_init(&s);
    s.rc = responses_format.read_answer(&s.reader, answer, on_event, &s, &s.err);
    FUZZ_REQUIRE(s.done == (s.rc == 0));
    session_fini(&s);
    json_object_put(answer);
}

static int on_sse(const struct sse_event *event, void *arg)
{
    struct session *s = arg;

    s->rc = responses_format.read_event(&s->reader, event->data, on_event, s, &s->err);
    return s->rc;
}

static void read_stream(struct session *s, const char *text, size_t size, size_t cut)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, cut, on_sse, s);
    if (rc == 0)
        rc = sse_reader_feed(&sse, text + cut, size - cut, on_sse, s);
    FUZZ_REQUIRE(rc == s->rc);
    FUZZ_REQUIRE(!s->done || s->rc == 0);
    sse_reader_fini(&sse);
}

static void check_stream(const char *text, size_t size)
{
    struct session whole;
    struct session cut;

    session_init(&whole);
    session_init(&cut);
    read_stream(&whole, text, size, 0);
    read_stream(&cut, text, size, size / 2);
    FUZZ_REQUIRE(whole.rc == cut.rc && whole.done == cut.done);
    FUZZ_REQUIRE(whole.trace.len == cut.trace.len &&
                 memcmp(whole.trace.data, cut.trace.data, cut.trace.len) == 0);
    session_fini(&whole);
    session_fini(&cut);
}

static void check_failure(const char *text, size_t size)
{
    static const int statuses[] = {400, 401, 403, 404, 429, 500, 503, 200};

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct err err;
        err_clear(&err);
        responses_format.read_failure(&err, statuses[i], 0, (struct span){text, size});
        FUZZ_REQUIRE(err.status >= 400 && err.status < 600 && err.message[0] != '\0');
    }
}

static void write_request(const struct neutral_request *request)
{
    struct neutral_target target = {
        .upstream_model = "u", .dialect = "openai-responses", .model = "m", .output_limit = 16};
    struct json_object *written = NULL;
    struct buf out;
    struct err err;

    err_clear(&err);
    buf_init(&out, TRACE_MAX);
    if (responses_format.write_request(&out, request, &target, &err) == 0) {
        FUZZ_REQUIRE(jsonx_parse(&written, out.data, out.len, &err) == 0);
        FUZZ_REQUIRE(json_object_array_length(jsonx_array(written, "input")) > 0);
        FUZZ_REQUIRE(jsonx_i64(written, "max_output_tokens", 0) == 16);
        FUZZ_REQUIRE(!jsonx_bool(written, "store", true));
        json_object_put(written);
    } else {
        FUZZ_REQUIRE(err.status == 400 && err.param[0] != '\0' && out.len == 0);
    }
    buf_fini(&out);
}

static void check_request(const char *text, size_t size)
{
    struct neutral_request request;
    struct err err;

    if (completions_read_request(&request, text, size, &err) != 0)
        return;
    struct arena *arena = arena_new();
    if (completions_read_content(&request, arena, &err) == 0)
        write_request(&request);
    arena_free(arena);
    neutral_request_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    check_plain(text, size);
    check_stream(text, size);
    check_failure(text, size);
    check_request(text, size);
    return 0;
}
