/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a client's request to POST /v1/responses, and as a stream of OpenAI's that passes
 * through to the client. What is taken is measured, taken apart and written for every provider as
 * JSON within the limit; what is written for the client are whole events, numbered from 0.
 */
#include "base/base.h"

#include "base/sse.h"
#include "fuzz.h"
#include "wire/format.h"
#include "wire/responses_client.h"
#include "wire/responses_items.h"
#include "wire/responses_writer.h"

#include <string.h>

enum { OUT_MAX = 256 * 1024 * 1024 };

static const struct {
    const char *format;
    const char *dialect;
} providers[] = {
    {"openai-responses", "openai-responses"},
    {"openai", "openai-chat"},
    {"anthropic", "claude-4.6"},
    {"google", "gemini-3"},
    {"openrouter", "openrouter"},
};

static void write_for(const struct neutral_request *request, size_t provider)
{
    const struct format *format = format_find(providers[provider].format);
    struct neutral_target target = {.upstream_model = "u",
                                    .dialect = providers[provider].dialect,
                                    .model = "m",
                                    .output_limit = 2000};
    struct json_object *written = NULL;
    struct buf out;
    struct err err;

    err_clear(&err);
    buf_init(&out, OUT_MAX);
    if (format->write_request(&out, request, &target, &err) == 0) {
        FUZZ_REQUIRE(jsonx_parse(&written, out.data, out.len, &err) == 0);
        FUZZ_REQUIRE(json_object_is_type(written, json_type_object));
        FUZZ_REQUIRE(provider > 0 || (jsonx_i64(written, "max_output_tokens", 0) == 2000 &&
                                      !jsonx_bool(written, "store", true)));
        FUZZ_REQUIRE(request->hosted.kinds == 0 ||
                     (provider == 0 &&
                      jsonx_i64(written, "max_tool_calls", 0) == request->hosted.max_calls));
        json_object_put(written);
    } else {
        FUZZ_REQUIRE(err.status >= 400 && err.message[0] != '\0');
    }
    buf_fini(&out);
}

static void check_writer(const struct neutral_request *request)
{
    struct responses_writer w;
    struct usage usage = {.known = true, .prompt = 3, .completion = 1};
    struct event text = {.kind = EVENT_TEXT, .text = span_of("x")};
    struct json_object *answer = NULL;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    responses_writer_init(&w, request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1);
    responses_write_event(&out, &w, &text);
    FUZZ_REQUIRE(responses_write_items(&out, &w, &usage, "0.5") != NULL);
    responses_write_response(&out, &w);
    if (!request->stream) {
        FUZZ_REQUIRE(jsonx_parse(&answer, out.data, out.len, &err) == 0);
        json_object_put(answer);
    }
    responses_writer_fini(&w);
    buf_fini(&out);
}

static void check_request(const char *text, size_t size)
{
    struct neutral_request request;
    struct err err;

    err_clear(&err);
    if (responses_read_request(&request, text, size, &err) != 0) {
        FUZZ_REQUIRE(err.status == 400 && err.message[0] != '\0');
        return;
    }
    FUZZ_REQUIRE(request.size.text_bytes >= 0 && request.size.messages > 0);
    FUZZ_REQUIRE(request.hosted.kinds == 0 ||
                 (request.hosted.max_calls > 0 && request.hosted.max_calls <= 128));
    FUZZ_REQUIRE(strlen(request.hosted.priced) < NEUTRAL_PRICED_SIZE - 1);
    struct arena *arena = arena_new();
    check_writer(&request);
    write_for(&request, 0);
    int rc = responses_read_content(&request, arena, &err);
    FUZZ_REQUIRE(rc != 0 || request.hosted.kinds == 0);
    if (rc == 0)
        for (size_t i = 1; i < ARRAY_LEN(providers); i++)
            write_for(&request, i);
    else
        FUZZ_REQUIRE(err.status == 400 && err.param[0] != '\0');
    responses_set_input(&request, responses_input_items(&request));
    arena_free(arena);
    neutral_request_fini(&request);
}

/* A stream that passes through. */

struct session {
    struct arena *arena;
    struct neutral_request request;
    struct format_reader reader;
    struct responses_writer writer;
    struct usage usage;
    struct buf out;
    struct err err;
    bool done;
    int rc;
};

static int on_event(const struct event *event, void *arg)
{
    struct session *s = arg;

    FUZZ_REQUIRE(!s->done && event->output_bytes >= 0);
    s->done = event->kind == EVENT_DONE;
    if (event->kind == EVENT_USAGE) {
        const struct usage_tools *t = &event->usage->tools;
        s->usage = *event->usage;
        /* One container is opened in any case. */
        FUZZ_REQUIRE(t->containers >= 1 && t->web_searches >= 0 && t->file_searches >= 0 &&
                     t->preview_searches == 0);
        FUZZ_REQUIRE(t->containers - 1 + t->web_searches + t->file_searches <= 3);
    }
    responses_write_event(&s->out, &s->writer, event);
    return 0;
}

static int on_sse(const struct sse_event *event, void *arg)
{
    struct session *s = arg;
    const struct format *format = format_find("openai-responses");

    s->rc = format->read_event(&s->reader, event->data, on_event, s, &s->err);
    return s->rc;
}

static int count_event(const struct sse_event *event, void *arg)
{
    struct json_object *json = NULL;
    struct err err;

    (void)arg;
    FUZZ_REQUIRE(jsonx_parse(&json, event->data.ptr, event->data.len, &err) == 0);
    json_object_put(json);
    return 0;
}

static void check_out(const struct buf *out)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, out->data, out->len, count_event, NULL);
    FUZZ_REQUIRE(rc == 0 || rc == SSE_TOO_LONG);
    FUZZ_REQUIRE(rc != 0 || !sse_reader_partial(&sse));
    sse_reader_fini(&sse);
}

static void check_stream(const char *text, size_t size)
{
    static const char request[] =
        "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"max_tool_calls\":3,\"tools\":[{"
        "\"type\":\"mcp\","
        "\"authorization\":\"s\"},{\"type\":\"web_search\"},{\"type\":\"file_search\"},{\"type\":"
        "\"code_interpreter\",\"container\":{\"type\":\"auto\"}}]}";
    struct session s = {.arena = arena_new()};
    struct sse_reader sse;

    err_clear(&s.err);
    FUZZ_REQUIRE(responses_read_request(&s.request, request, sizeof request - 1, &s.err) == 0);
    s.reader = (struct format_reader){.request = &s.request, .arena = s.arena};
    s.reader.state = arena_zalloc(s.arena, format_find("openai-responses")->state_size);
    responses_writer_init(&s.writer, &s.request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1);
    buf_init(&s.out, OUT_MAX);
    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, size, on_sse, &s);
    FUZZ_REQUIRE(rc == s.rc || rc == SSE_TOO_LONG);
    if (s.done) {
        FUZZ_REQUIRE(responses_write_items(&s.out, &s.writer, &s.usage, NULL) != NULL);
        responses_write_response(&s.out, &s.writer);
    } else {
        err_set(&s.err, ERR_UPSTREAM, NULL, "It broke off.");
        responses_write_failure(&s.out, &s.writer, &s.err);
    }
    check_out(&s.out);
    sse_reader_fini(&sse);
    responses_writer_fini(&s.writer);
    neutral_request_fini(&s.request);
    buf_fini(&s.out);
    arena_free(s.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_request((const char *)data, size);
    check_stream((const char *)data, size);
    return 0;
}
