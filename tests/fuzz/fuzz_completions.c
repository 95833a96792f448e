/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat completions. The first byte chooses: 'R' a client's request, 'P' a plain answer, 'S' a
 * stream, 'F' a failure's body; its lower case means OpenRouter. What is written is JSON again, a
 * stream gives the same however it is cut, and what a client is told is bounded. All but failures
 * are also had for a client of another language: neutral events keep their order and bounds.
 */
#include "base/base.h"

#include "base/sse.h"
#include "fuzz.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/completions_writer.h"
#include "wire/format.h"

#include <string.h>

enum { OUT_MAX = 512 * 1024 * 1024, OUTPUT_LIMIT = 77 };

static const char chat[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}],\"stream\":true,"
                           "\"stream_options\":{\"include_usage\":true}}";
static const char plain_chat[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}";

/* One answer on its way from a provider to a client. */
struct way {
    const struct format *format;
    struct neutral_request request;
    struct format_reader reader;
    struct completions_writer writer;
    struct buf out;
    struct usage usage;
    struct err err;
    bool done;
};

static void way_init(struct way *w, const struct format *format, const char *request)
{
    memset(w, 0, sizeof *w);
    w->format = format;
    FUZZ_REQUIRE(completions_read_request(&w->request, request, strlen(request), &w->err) == 0);
    w->reader = (struct format_reader){.request = &w->request, .arena = arena_new()};
    w->reader.state = arena_zalloc(w->reader.arena, format->state_size);
    completions_writer_init(&w->writer, &w->request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 0);
    buf_init(&w->out, OUT_MAX);
}

static void way_fini(struct way *w)
{
    completions_writer_fini(&w->writer);
    arena_free(w->reader.arena);
    neutral_request_fini(&w->request);
    buf_fini(&w->out);
}

static int on_event(const struct event *event, void *arg)
{
    struct way *w = arg;

    FUZZ_REQUIRE(!w->done);
    FUZZ_REQUIRE(event->output_bytes >= 0);
    switch (event->kind) {
    case EVENT_USAGE:
        FUZZ_REQUIRE(event->usage != NULL);
        FUZZ_REQUIRE(memchr(event->usage->cost_usd, '\0', sizeof event->usage->cost_usd) != NULL);
        FUZZ_REQUIRE(!decimal_is_negative(event->usage->cost_usd));
        w->usage = *event->usage;
        break;
    case EVENT_DONE:
        w->done = true;
        break;
    case EVENT_CHUNK:
    case EVENT_ANSWER:
        FUZZ_REQUIRE(json_object_is_type(event->json, json_type_object));
        break;
    case EVENT_BEGIN:
    case EVENT_TEXT:
    case EVENT_REFUSAL:
    case EVENT_REASONING:
    case EVENT_CALL_BEGIN:
    case EVENT_CALL_ARGUMENTS:
    case EVENT_CALL_STATE:
    case EVENT_REASONING_STATE:
    case EVENT_FINISH:
        FUZZ_REQUIRE(false);
    }
    completions_write_event(&w->out, &w->writer, event);
    return 0;
}

static void check_error(const struct err *err)
{
    FUZZ_REQUIRE(err->status >= 400 && err->status <= 599);
    FUZZ_REQUIRE(err->message[0] != '\0');
    FUZZ_REQUIRE(memchr(err->message, '\0', sizeof err->message) != NULL);
}

/* Everything that a client gets is whole events of JSON objects. */
static int check_client_event(const struct sse_event *event, void *arg)
{
    struct json_object *chunk = NULL;
    bool *done = arg;
    struct err err;

    FUZZ_REQUIRE(!*done);
    if (span_equals(event->data, "[DONE]")) {
        *done = true;
        return 0;
    }
    FUZZ_REQUIRE(jsonx_parse(&chunk, event->data.ptr, event->data.len, &err) == 0);
    FUZZ_REQUIRE(json_object_is_type(chunk, json_type_object));
    json_object_put(chunk);
    return 0;
}

static void check_client_stream(const struct buf *out)
{
    struct sse_reader sse;
    bool done = false;

    sse_reader_init(&sse);
    FUZZ_REQUIRE(sse_reader_feed(&sse, out->data, out->len, check_client_event, &done) == 0);
    FUZZ_REQUIRE(!sse_reader_partial(&sse));
    sse_reader_fini(&sse);
}

static int on_sse(const struct sse_event *event, void *arg)
{
    struct way *w = arg;

    if (w->done || event->data.len == 0)
        return 0;
    int rc = w->format->read_event(&w->reader, event->data, on_event, w, &w->err);
    FUZZ_REQUIRE(rc == 0 || rc == -1);
    if (rc != 0)
        check_error(&w->err);
    return rc;
}

/* In pieces of `step` bytes; what the client gets. */
static void read_stream(struct buf *out, const struct format *format, const char *text, size_t len,
                        size_t step)
{
    struct sse_reader sse;
    struct way w;
    int rc = 0;

    way_init(&w, format, chat);
    sse_reader_init(&sse);
    for (size_t at = 0; at < len && rc == 0; at += step)
        rc = sse_reader_feed(&sse, text + at, len - at < step ? len - at : step, on_sse, &w);
    FUZZ_REQUIRE(rc == 0 || rc == -1 || rc == SSE_TOO_LONG);
    if (rc == 0 && w.done)
        completions_write_end(&w.out, &w.writer, &w.usage, "0.5");
    FUZZ_REQUIRE(!buf_failed(&w.out));
    check_client_stream(&w.out);
    buf_append(out, w.out.data, w.out.len);
    buf_printf(out, "%d %d %lld", rc, w.done, (long long)w.usage.prompt);
    sse_reader_fini(&sse);
    way_fini(&w);
}

static void check_stream(const struct format *format, const char *text, size_t len)
{
    static const size_t steps[] = {1, 3, 64};
    struct buf whole;
    struct buf pieces;

    buf_init(&whole, OUT_MAX);
    buf_init(&pieces, OUT_MAX);
    read_stream(&whole, format, text, len, len > 0 ? len : 1);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        buf_clear(&pieces);
        read_stream(&pieces, format, text, len, steps[i]);
        FUZZ_REQUIRE(pieces.len == whole.len);
        FUZZ_REQUIRE(memcmp(pieces.data, whole.data, whole.len) == 0);
    }
    buf_fini(&whole);
    buf_fini(&pieces);
}

/* For clients of another language. */

struct neutral_way {
    const struct format *format;
    struct neutral_request request;
    struct format_reader reader;
    struct buf trace; /* what came, for comparison */
    int64_t calls;
    bool finished;
    bool done;
    struct err err;
};

static void neutral_init(struct neutral_way *w, const struct format *format)
{
    memset(w, 0, sizeof *w);
    w->format = format;
    w->request = (struct neutral_request){.language = LANGUAGE_MESSAGES, .choices = 1};
    w->reader = (struct format_reader){.request = &w->request, .arena = arena_new()};
    w->reader.state = arena_zalloc(w->reader.arena, format->state_size);
    buf_init(&w->trace, OUT_MAX);
}

static void neutral_fini(struct neutral_way *w)
{
    arena_free(w->reader.arena);
    buf_fini(&w->trace);
}

static void check_state(struct neutral_way *w, struct json_object *json)
{
    FUZZ_REQUIRE(json_object_is_type(json, json_type_array));
    FUZZ_REQUIRE(json_object_array_length(json) > 0);
    jsonx_write(&w->trace, json);
}

static int on_neutral(const struct event *event, void *arg)
{
    struct neutral_way *w = arg;

    FUZZ_REQUIRE(!w->done && (!w->finished || event->kind == EVENT_DONE));
    FUZZ_REQUIRE(event->output_bytes >= 0 && event->choice == 0);
    buf_printf(&w->trace, "%d %lld ", (int)event->kind, (long long)event->index);
    switch (event->kind) {
    case EVENT_TEXT:
    case EVENT_REFUSAL:
    case EVENT_REASONING:
        FUZZ_REQUIRE(event->content && event->text.len > 0);
        buf_append(&w->trace, event->text.ptr, event->text.len);
        break;
    case EVENT_CALL_BEGIN:
        FUZZ_REQUIRE(event->index == w->calls && event->id[0] != '\0' && event->name[0] != '\0');
        w->calls++;
        break;
    case EVENT_CALL_ARGUMENTS:
        FUZZ_REQUIRE(event->index >= 0 && event->index < w->calls && event->text.len > 0);
        buf_append(&w->trace, event->text.ptr, event->text.len);
        break;
    case EVENT_REASONING_STATE:
        check_state(w, event->json);
        break;
    case EVENT_FINISH:
        w->finished = true;
        break;
    case EVENT_USAGE:
        FUZZ_REQUIRE(event->json == NULL && !decimal_is_negative(event->usage->cost_usd));
        break;
    case EVENT_DONE:
        FUZZ_REQUIRE(w->finished);
        w->done = true;
        break;
    case EVENT_BEGIN:
        break;
    case EVENT_CHUNK:
    case EVENT_ANSWER:
    case EVENT_CALL_STATE:
        FUZZ_REQUIRE(false);
    }
    return 0;
}

static int on_neutral_sse(const struct sse_event *event, void *arg)
{
    struct neutral_way *w = arg;

    if (w->done || event->data.len == 0)
        return 0;
    int rc = w->format->read_event(&w->reader, event->data, on_neutral, w, &w->err);
    FUZZ_REQUIRE(rc == 0 || rc == -1);
    if (rc != 0)
        check_error(&w->err);
    return rc;
}

static void check_neutral_stream(const struct format *format, const char *text, size_t len)
{
    static const size_t steps[] = {SIZE_MAX, 1, 7};
    struct neutral_way ways[ARRAY_LEN(steps)];

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct sse_reader sse;
        size_t step = steps[i] < len ? steps[i] : len + 1;
        int rc = 0;
        neutral_init(&ways[i], format);
        sse_reader_init(&sse);
        for (size_t at = 0; at < len && rc == 0; at += step)
            rc = sse_reader_feed(&sse, text + at, len - at < step ? len - at : step, on_neutral_sse,
                                 &ways[i]);
        FUZZ_REQUIRE(rc == 0 || rc == -1 || rc == SSE_TOO_LONG);
        sse_reader_fini(&sse);
        FUZZ_REQUIRE(ways[i].trace.len == ways[0].trace.len);
        FUZZ_REQUIRE(memcmp(ways[i].trace.data, ways[0].trace.data, ways[0].trace.len) == 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        neutral_fini(&ways[i]);
}

static void check_neutral_plain(const struct format *format, const char *text, size_t len)
{
    struct json_object *answer = NULL;
    struct neutral_way w;
    struct err err;

    if (jsonx_parse(&answer, text, len, &err) != 0)
        return;
    neutral_init(&w, format);
    int rc = format->read_answer(&w.reader, answer, on_neutral, &w, &w.err);
    FUZZ_REQUIRE((rc == 0 && w.done) || rc == -1);
    if (rc != 0)
        check_error(&w.err);
    json_object_put(answer);
    neutral_fini(&w);
}

static void check_plain(const struct format *format, const char *text, size_t len)
{
    struct json_object *answer = NULL;
    struct json_object *back = NULL;
    struct err err;
    struct way w;

    if (jsonx_parse(&answer, text, len, &err) != 0)
        return;
    way_init(&w, format, plain_chat);
    int rc = format->read_answer(&w.reader, answer, on_event, &w, &w.err);
    FUZZ_REQUIRE(rc == 0 || rc == -1);
    if (rc == 0) {
        FUZZ_REQUIRE(w.done);
        completions_write_end(&w.out, &w.writer, &w.usage, NULL);
        FUZZ_REQUIRE(jsonx_parse(&back, w.out.data, w.out.len, &err) == 0);
        FUZZ_REQUIRE(jsonx_object(back, "usage") != NULL);
    } else {
        check_error(&w.err);
    }
    json_object_put(answer);
    json_object_put(back);
    way_fini(&w);
}

/* What is sent to a provider is the request with our limit. */
static void check_written(const struct format *format, const struct neutral_request *r)
{
    struct neutral_target target = {.upstream_model = "v/up",
                                    .dialect = "openai-chat",
                                    .output_limit = OUTPUT_LIMIT,
                                    .model = "m"};
    struct json_object *back = NULL;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    if (format->write_request(&out, r, &target, &err) != 0) {
        check_error(&err);
        buf_fini(&out);
        return;
    }
    FUZZ_REQUIRE(!buf_failed(&out));
    /* What was nested to the limit is nested deeper now. */
    if (jsonx_parse(&back, out.data, out.len, &err) != 0) {
        FUZZ_REQUIRE(r->content != NULL);
        buf_fini(&out);
        return;
    }
    FUZZ_REQUIRE(strcmp(jsonx_str(back, "model", ""), "v/up") == 0);
    int64_t old_limit = jsonx_i64(back, "max_tokens", -1);
    int64_t new_limit = jsonx_i64(back, "max_completion_tokens", -1);
    FUZZ_REQUIRE((old_limit == OUTPUT_LIMIT) != (new_limit == OUTPUT_LIMIT));
    FUZZ_REQUIRE(old_limit == -1 || new_limit == -1);
    json_object_put(back);
    buf_fini(&out);
}

static void check_request(const struct format *format, const char *text, size_t len)
{
    struct neutral_request r;
    struct err err;

    if (completions_read_request(&r, text, len, &err) != 0) {
        check_error(&err);
        FUZZ_REQUIRE(err.status == 400);
        return;
    }
    FUZZ_REQUIRE(r.model[0] != '\0' && r.choices >= 1 && r.output_limit >= 0);
    FUZZ_REQUIRE(r.size.messages >= 1 && r.size.text_bytes >= 0 && r.size.media_bytes >= 0);
    check_written(format, &r);
    struct arena *arena = arena_new();
    if (completions_read_content(&r, arena, &err) == 0) {
        r.language = LANGUAGE_MESSAGES;
        check_written(format, &r);
    } else {
        check_error(&err);
    }
    arena_free(arena);
    neutral_request_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    struct err err;

    if (size == 0)
        return 0;
    bool router = data[0] >= 'a';
    const struct format *format = format_find(router ? "openrouter" : "openai");
    switch (data[0] & 0xdf) {
    case 'R':
        check_request(format, text, size - 1);
        break;
    case 'P':
        check_plain(format, text, size - 1);
        check_neutral_plain(format, text, size - 1);
        break;
    case 'S':
        check_stream(format, text, size - 1);
        check_neutral_stream(format, text, size - 1);
        break;
    case 'F':
        format->read_failure(&err, 400, 0, (struct span){text, size - 1});
        check_error(&err);
        break;
    default:
        break;
    }
    return 0;
}
