/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anthropic's Messages. The first byte chooses: 'P' a plain answer, 'S' a stream, 'F' a failure's
 * body, 'R' a chat request, of which the second byte chooses the model's generation. Events keep
 * their order and bounds, a request that is written is what the provider takes.
 */
#include "base/base.h"

#include "base/sse.h"
#include "fuzz.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/messages.h"

#include <string.h>

enum { OUT_MAX = 256 * 1024 * 1024, OUTPUT_LIMIT = 4096 };

struct seen {
    int64_t calls;
    bool finished;
    bool done;
};

static void check_usage(const struct usage *u)
{
    FUZZ_REQUIRE(u->cached >= 0 && u->cache_write_5m >= 0 && u->cache_write_1h >= 0);
    FUZZ_REQUIRE(u->prompt >= u->cached + u->cache_write_5m + u->cache_write_1h);
    FUZZ_REQUIRE(u->reasoning >= 0 && u->completion >= u->reasoning);
}

static int on_event(const struct event *event, void *arg)
{
    struct seen *s = arg;

    FUZZ_REQUIRE(!s->done);
    switch (event->kind) {
    case EVENT_TEXT:
    case EVENT_REFUSAL:
    case EVENT_REASONING:
        FUZZ_REQUIRE(event->content && event->text.len > 0);
        break;
    case EVENT_CALL_BEGIN:
        FUZZ_REQUIRE(event->index == s->calls && event->id != NULL && event->name != NULL);
        s->calls++;
        break;
    case EVENT_CALL_ARGUMENTS:
        FUZZ_REQUIRE(event->index >= 0 && event->index < s->calls && event->text.len > 0);
        break;
    case EVENT_REASONING_STATE:
        FUZZ_REQUIRE(json_object_is_type(event->json, json_type_array));
        break;
    case EVENT_FINISH:
        FUZZ_REQUIRE(!s->finished);
        s->finished = true;
        break;
    case EVENT_USAGE:
        check_usage(event->usage);
        break;
    case EVENT_DONE:
        FUZZ_REQUIRE(s->finished);
        s->done = true;
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

struct reading {
    struct format_reader reader;
    struct seen seen;
    struct err err;
};

static void check_result(const struct reading *r, int rc)
{
    FUZZ_REQUIRE(rc == 0 || rc == -1);
    FUZZ_REQUIRE(rc == 0 || (r->err.status >= 400 && r->err.message[0] != '\0'));
}

static int on_sse(const struct sse_event *event, void *arg)
{
    struct reading *r = arg;
    int rc = messages_format.read_event(&r->reader, event->data, on_event, &r->seen, &r->err);

    check_result(r, rc);
    return rc;
}

static void read_stream(struct reading *r, const char *text, size_t len)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, len, on_sse, r);
    FUZZ_REQUIRE(rc == 0 || rc == -1 || rc == SSE_TOO_LONG);
    sse_reader_fini(&sse);
}

static void read_plain(struct reading *r, const char *text, size_t len)
{
    struct json_object *answer = NULL;
    struct err err;

    if (jsonx_parse(&answer, text, len, &err) != 0)
        return;
    int rc = messages_format.read_answer(&r->reader, answer, on_event, &r->seen, &r->err);
    check_result(r, rc);
    FUZZ_REQUIRE(rc != 0 || r->seen.done);
    json_object_put(answer);
}

static void read_any(char mode, const char *text, size_t len)
{
    struct neutral_content content = {.output = mode == 'j' ? OUTPUT_JSON_OBJECT : OUTPUT_TEXT};
    struct neutral_request request = {.choices = 1, .content = &content};
    struct reading r;

    memset(&r, 0, sizeof r);
    r.reader.arena = arena_new();
    r.reader.request = &request;
    r.reader.state = arena_zalloc(r.reader.arena, messages_format.state_size);
    if (mode == 'P')
        read_plain(&r, text, len);
    else
        read_stream(&r, text, len);
    arena_free(r.reader.arena);
}

static void check_messages(struct json_object *list)
{
    FUZZ_REQUIRE(list != NULL && json_object_array_length(list) > 0);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *m = json_object_array_get_idx(list, i);
        struct json_object *content = jsonx_array(m, "content");
        const char *role = jsonx_str(m, "role", "");
        FUZZ_REQUIRE(strcmp(role, "user") == 0 || (i > 0 && strcmp(role, "assistant") == 0));
        FUZZ_REQUIRE(content != NULL && json_object_array_length(content) > 0);
        for (size_t k = 0; k < json_object_array_length(content); k++)
            FUZZ_REQUIRE(jsonx_str(json_object_array_get_idx(content, k), "type", NULL) != NULL);
    }
}

static void check_request(const struct buf *text)
{
    struct json_object *body = NULL;
    struct err err;

    FUZZ_REQUIRE(!buf_failed(text));
    /* What was nested to the limit is nested deeper now. */
    if (jsonx_parse(&body, text->data, text->len, &err) != 0)
        return;
    FUZZ_REQUIRE(jsonx_i64(body, "max_tokens", -1) == OUTPUT_LIMIT);
    FUZZ_REQUIRE(strcmp(jsonx_str(body, "model", ""), "up") == 0);
    FUZZ_REQUIRE(jsonx_i64(jsonx_object(body, "thinking"), "budget_tokens", 0) < OUTPUT_LIMIT);
    check_messages(jsonx_array(body, "messages"));
    json_object_put(body);
}

static void write_request(unsigned generation, const char *text, size_t len)
{
    static const char *const dialects[] = {"claude-4.5",       "claude-4.6",        "claude-5",
                                           "claude-haiku-5.5", "claude-sonnet-5.5", "claude-5.5"};
    struct neutral_target target = {.upstream_model = "up",
                                    .dialect = dialects[generation % ARRAY_LEN(dialects)],
                                    .output_limit = OUTPUT_LIMIT,
                                    .model = "the-model"};
    struct neutral_request request;
    struct err err;
    struct buf out;

    if (completions_read_request(&request, text, len, &err) != 0)
        return;
    struct arena *arena = arena_new();
    buf_init(&out, OUT_MAX);
    if (completions_read_content(&request, arena, &err) == 0) {
        err_clear(&err);
        int rc = messages_format.write_request(&out, &request, &target, &err);
        FUZZ_REQUIRE(rc == 0 || (rc == -1 && err.status >= 400 && out.len == 0));
        if (rc == 0)
            check_request(&out);
    }
    buf_fini(&out);
    arena_free(arena);
    neutral_request_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct err err;

    if (size < 2)
        return 0;
    switch (text[0]) {
    case 'P':
    case 'S':
    case 'j':
        read_any(text[0], text + 1, size - 1);
        break;
    case 'F':
        err_clear(&err);
        messages_format.read_failure(&err, 400 + data[1], 0, (struct span){text + 2, size - 2});
        FUZZ_REQUIRE(err.status >= 400 && err.message[0] != '\0');
        break;
    case 'R':
        write_request(data[1], text + 2, size - 2);
        break;
    default:
        break;
    }
    return 0;
}
