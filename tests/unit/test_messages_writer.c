/* SPDX-License-Identifier: Apache-2.0 */
/* Answers in Anthropic's language: from neutral events, and recorded streams of every provider. */
#include "base/base.h"

#include "google_recording.h"
#include "messages_session.h"
#include "wire/messages_carry.h"

#include <stdio.h>
#include <string.h>

#define ASK(more)                                                                                  \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]" more \
    "}"
#define STREAM   ",\"stream\":true"
#define THINKING ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}"

/* Neutral events. */

#define TEXT(kind_, text_)                                                                         \
    {                                                                                              \
        .kind = kind_, .text = { text_, sizeof text_ - 1 }                                         \
    }
#define CALL(index_, id_, name_)                                                                   \
    {                                                                                              \
        .kind = EVENT_CALL_BEGIN, .index = index_, .id = id_, .name = name_                        \
    }
#define ARGUMENTS(index_, text_)                                                                   \
    {                                                                                              \
        .kind = EVENT_CALL_ARGUMENTS, .index = index_, .text = { text_, sizeof text_ - 1 }         \
    }
#define FINISH(reason)                                                                             \
    {                                                                                              \
        .kind = EVENT_FINISH, .finish = reason                                                     \
    }

enum { EVENTS_MAX = 10 };

struct write_case {
    const char *request;
    struct event events[EVENTS_MAX];
    size_t count;
    const char *want; /* blocks, then the stop reason */
};

static const struct write_case writes[] = {
    {ASK(""),
     {TEXT(EVENT_TEXT, "a"), TEXT(EVENT_TEXT, "b\n"), FINISH(FINISH_STOP)},
     3,
     "text ab\n|end_turn"},
    {ASK(""), {FINISH(FINISH_LENGTH)}, 1, "max_tokens"},
    {ASK(""), {TEXT(EVENT_REFUSAL, "no"), FINISH(FINISH_STOP)}, 2, "text no|refusal"},
    {ASK(""), {FINISH(FINISH_CONTENT_FILTER)}, 1, "refusal"},
    /* Thoughts only where they are asked for. */
    {ASK(""),
     {TEXT(EVENT_REASONING, "hm"), TEXT(EVENT_TEXT, "a"), FINISH(FINISH_STOP)},
     3,
     "text a|end_turn"},
    {ASK(THINKING),
     {TEXT(EVENT_REASONING, "h"), TEXT(EVENT_REASONING, "m"), TEXT(EVENT_TEXT, "a"),
      TEXT(EVENT_REASONING, "x"), FINISH(FINISH_STOP)},
     5,
     "thinking hm aig1.|text a|thinking x aig1.|end_turn"},
    {ASK(",\"thinking\":{\"type\":\"adaptive\",\"display\":\"omitted\"}"),
     {TEXT(EVENT_REASONING, "hm"), TEXT(EVENT_TEXT, "a"), FINISH(FINISH_STOP)},
     3,
     "text a|end_turn"},
    /* Calls: one after the other, in turns, without arguments, and with what is no object. */
    {ASK(""),
     {TEXT(EVENT_TEXT, "a"), CALL(0, "c0", "f"), ARGUMENTS(0, "{\"x\""), ARGUMENTS(0, ":1}"),
      CALL(1, "c1", "g"), ARGUMENTS(1, "{}"), FINISH(FINISH_TOOL_CALLS)},
     7,
     "text a|c0 f {\"x\":1}|c1 g {}|tool_use"},
    {ASK(""),
     {CALL(0, "c0", "f"), CALL(1, "c1", "g"), ARGUMENTS(0, "{\"x\":"), ARGUMENTS(1, "{\"y\":"),
      TEXT(EVENT_TEXT, "b"), ARGUMENTS(1, "2}"), ARGUMENTS(0, "1}"), FINISH(FINISH_TOOL_CALLS)},
     8,
     "c0 f {\"x\":1}|c1 g {\"y\":2}|text b|tool_use"},
    {ASK(""), {CALL(0, "c0", "f"), FINISH(FINISH_TOOL_CALLS)}, 2, "c0 f {}|tool_use"},
    {ASK(""),
     {CALL(0, "c0", "f"), ARGUMENTS(0, "[1]"), FINISH(FINISH_TOOL_CALLS)},
     3,
     "c0 f {\"arguments\":\"[1]\"}|tool_use"},
};

/* Puts a stream's blocks together as a client does; fails where their order is not Anthropic's. */
struct client {
    struct json_object *blocks;
    struct buf inputs[EVENTS_MAX];
    bool open[EVENTS_MAX];
    bool started;
    bool stopped;
    struct buf last;
    struct json_object *usage;
};

static void on_block_delta(struct client *c, int64_t index, struct json_object *delta)
{
    static const char *const members[] = {"text", "thinking", "signature"};
    struct json_object *block = json_object_array_get_idx(c->blocks, (size_t)index);
    const char *fragment = jsonx_str(delta, "partial_json", NULL);

    assert_true(index >= 0 && index < EVENTS_MAX && c->open[index]);
    if (fragment != NULL)
        buf_append_str(&c->inputs[index], fragment);
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        const char *more = jsonx_str(delta, members[i], NULL);
        if (more == NULL)
            continue;
        char joined[256];
        snprintf(joined, sizeof joined, "%s%s", jsonx_str(block, members[i], ""), more);
        jsonx_set_str(block, members[i], joined);
    }
}

static int on_client_event(const struct sse_event *event, void *arg)
{
    struct client *c = arg;
    struct json_object *json = NULL;
    struct err err;

    assert_int_equal(jsonx_parse(&json, event->data.ptr, event->data.len, &err), 0);
    const char *type = jsonx_str(json, "type", "");
    int64_t index = jsonx_i64(json, "index", -1);
    assert_true(span_equals(event->name, type));
    assert_false(c->stopped);
    if (strcmp(type, "message_start") == 0) {
        assert_false(c->started);
        c->started = true;
    } else if (strcmp(type, "content_block_start") == 0) {
        assert_true(c->started && index == (int64_t)json_object_array_length(c->blocks));
        json_object_array_add(c->blocks, json_object_get(jsonx_get(json, "content_block")));
        c->open[index] = true;
    } else if (strcmp(type, "content_block_delta") == 0) {
        on_block_delta(c, index, jsonx_object(json, "delta"));
    } else if (strcmp(type, "content_block_stop") == 0) {
        assert_true(c->open[index]);
        c->open[index] = false;
    } else if (strcmp(type, "message_delta") == 0) {
        for (size_t i = 0; i < EVENTS_MAX; i++)
            assert_false(c->open[i]);
        buf_append_str(&c->last, jsonx_str(jsonx_object(json, "delta"), "stop_reason", "?"));
        c->usage = json_object_get(jsonx_get(json, "usage"));
    } else if (strcmp(type, "message_stop") == 0) {
        assert_non_null(c->usage);
        c->stopped = true;
    } else {
        assert_string_equal(type, "ping");
    }
    json_object_put(json);
    return 0;
}

static void client_read(struct client *c, const struct buf *out)
{
    struct sse_reader sse;

    memset(c, 0, sizeof *c);
    c->blocks = json_object_new_array();
    buf_init(&c->last, 100);
    for (size_t i = 0; i < EVENTS_MAX; i++)
        buf_init(&c->inputs[i], 1000);
    sse_reader_init(&sse);
    assert_int_equal(sse_reader_feed(&sse, out->data, out->len, on_client_event, c), 0);
    assert_true(c->stopped && !sse_reader_partial(&sse));
    sse_reader_fini(&sse);
}

static void client_fini(struct client *c)
{
    json_object_put(c->blocks);
    json_object_put(c->usage);
    buf_fini(&c->last);
    for (size_t i = 0; i < EVENTS_MAX; i++)
        buf_fini(&c->inputs[i]);
}

static void describe(struct buf *out, struct json_object *block, const struct buf *input)
{
    const char *type = jsonx_str(block, "type", "");

    if (strcmp(type, "text") == 0) {
        buf_printf(out, "text %s|", jsonx_str(block, "text", "?"));
    } else if (strcmp(type, "thinking") == 0) {
        buf_printf(out, "thinking %s %s|", jsonx_str(block, "thinking", "?"),
                   jsonx_str(block, "signature", "?"));
    } else if (strcmp(type, "tool_use") == 0) {
        buf_printf(out, "%s %s ", jsonx_str(block, "id", "?"), jsonx_str(block, "name", "?"));
        if (input != NULL && input->len > 0)
            buf_append(out, input->data, input->len);
        else
            jsonx_write(out, jsonx_get(block, "input"));
        buf_append_char(out, '|');
    } else {
        buf_printf(out, "%s|", type);
    }
}

static void test_plain(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct json_object *answer = NULL;
        struct messages_session s;
        struct buf got;
        buf_init(&got, 1000);
        session_init(&s, "openai", writes[i].request);
        session_emit(&s, writes[i].events, writes[i].count);
        assert_int_equal(s.out.len, 0);
        session_end(&s, "0.5");
        assert_int_equal(jsonx_parse(&answer, s.out.data, s.out.len, &s.err), 0);
        struct json_object *content = jsonx_array(answer, "content");
        for (size_t k = 0; k < json_object_array_length(content); k++)
            describe(&got, json_object_array_get_idx(content, k), NULL);
        buf_append_str(&got, jsonx_str(answer, "stop_reason", "?"));
        assert_string_equal(got.data, writes[i].want);
        assert_string_equal(jsonx_str(answer, "model", ""), "m");
        assert_string_equal(jsonx_str(answer, "id", ""), "msg_req_01ARZ3NDEKTSV4RRFFQ69G5FAV");
        json_object_put(answer);
        buf_fini(&got);
        session_fini(&s);
    }
}

/* The streamed answer says the same; arguments that are no object stay what they are. */
static void test_streamed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct messages_session s;
        struct client c;
        struct buf got;
        char request[1024];
        snprintf(request, sizeof request, "%.*s%s}", (int)strlen(writes[i].request) - 1,
                 writes[i].request, STREAM);
        buf_init(&got, 1000);
        session_init(&s, "openai", request);
        session_emit(&s, writes[i].events, writes[i].count);
        session_end(&s, "0.5");
        client_read(&c, &s.out);
        for (size_t k = 0; k < json_object_array_length(c.blocks); k++)
            describe(&got, json_object_array_get_idx(c.blocks, k), &c.inputs[k]);
        buf_append(&got, c.last.data, c.last.len);
        if (strstr(writes[i].want, "\"arguments\"") == NULL)
            assert_string_equal(got.data, writes[i].want);
        else
            assert_string_equal(got.data, "c0 f [1]|tool_use");
        assert_string_equal(json_object_get_string(jsonx_get(c.usage, "cost")), "0.5");
        client_fini(&c);
        buf_fini(&got);
        session_fini(&s);
    }
}

static void test_usage(void **state)
{
    (void)state;
    const struct usage usage = {.known = true,
                                .prompt = 1000,
                                .cached = 200,
                                .cache_write_5m = 300,
                                .cache_write_1h = 100,
                                .completion = 7,
                                .reasoning = 2};
    struct json_object *answer = NULL;
    struct messages_session s;

    session_init(&s, "openai", ASK(""));
    s.usage = usage;
    session_end(&s, NULL);
    assert_int_equal(jsonx_parse(&answer, s.out.data, s.out.len, &s.err), 0);
    struct buf text;
    buf_init(&text, 1000);
    jsonx_write(&text, jsonx_get(answer, "usage"));
    assert_string_equal(text.data,
                        "{\"input_tokens\":400,\"cache_creation_input_tokens\":400,"
                        "\"cache_read_input_tokens\":200,\"cache_creation\":{"
                        "\"ephemeral_5m_input_tokens\":300,\"ephemeral_1h_input_tokens\":100},"
                        "\"output_tokens\":7,\"output_tokens_details\":{\"thinking_tokens\":2},"
                        "\"service_tier\":\"standard\",\"cost\":null}");
    buf_fini(&text);
    json_object_put(answer);
    session_fini(&s);
}

/* Reasoning state of other providers. */

static struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    assert_int_equal(jsonx_parse(&v, text, strlen(text), &err), 0);
    return v;
}

static void test_states(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        bool call;
        const char *want;
    } cases[] = {
        {ASK(""), false, "text a|end_turn"},
        {ASK(THINKING), false, "text a|redacted_thinking|end_turn"},
        {ASK(""), true, "text a|redacted_thinking|c f {}|redacted_thinking|tool_use"},
    };
    struct json_object *details = parsed("[{\"type\":\"reasoning.encrypted\",\"data\":\"d\"}]");
    struct json_object *extra = parsed("{\"google\":{\"thought_signature\":\"s\"}}");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct event call[] = {
            CALL(0, "c", "f"), {.kind = EVENT_CALL_STATE, .json = extra}, ARGUMENTS(0, "{}")};
        const struct event rest[] = {{.kind = EVENT_REASONING_STATE, .json = details},
                                     FINISH(cases[i].call ? FINISH_TOOL_CALLS : FINISH_STOP)};
        const struct event text = TEXT(EVENT_TEXT, "a");
        struct json_object *answer = NULL;
        struct messages_session s;
        struct buf got;
        buf_init(&got, 1000);
        session_init(&s, "google", cases[i].request);
        session_emit(&s, &text, 1);
        if (cases[i].call)
            session_emit(&s, call, ARRAY_LEN(call));
        session_emit(&s, rest, ARRAY_LEN(rest));
        session_end(&s, "1");
        assert_int_equal(jsonx_parse(&answer, s.out.data, s.out.len, &s.err), 0);
        struct json_object *content = jsonx_array(answer, "content");
        for (size_t k = 0; k < json_object_array_length(content); k++)
            describe(&got, json_object_array_get_idx(content, k), NULL);
        buf_append_str(&got, jsonx_str(answer, "stop_reason", "?"));
        assert_string_equal(got.data, cases[i].want);
        json_object_put(answer);
        buf_fini(&got);
        session_fini(&s);
    }
    json_object_put(details);
    json_object_put(extra);
}

static void test_carry(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "", "aig1", "EqoB", "aig1.", "aig1.?", "aig1.e30=", "aig1.eyJzdGF0ZSI6NX0=", "aig1.W10="};
    struct arena *arena = arena_new();
    struct json_object *details = parsed("[{\"data\":\"\\u00e9\"}]");
    struct json_object *back = NULL;
    const char *call = "?";
    struct buf data;

    buf_init(&data, 1000);
    messages_carry_write(&data, NULL, details);
    assert_int_equal(messages_carry_read(&back, &call, arena, buf_span(&data)), 0);
    assert_true(call == NULL && json_object_equal(back, details));
    json_object_put(back);
    json_object_put(details);
    buf_clear(&data);
    details = parsed("{\"google\":{}}");
    messages_carry_write(&data, "c1", details);
    assert_int_equal(messages_carry_read(&back, &call, arena, buf_span(&data)), 0);
    assert_string_equal(call, "c1");
    assert_true(json_object_equal(back, details));
    json_object_put(back);
    json_object_put(details);
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
        assert_int_equal(messages_carry_read(&back, &call, arena, span_of(foreign[i])), -1);
    buf_fini(&data);
    arena_free(arena);
}

static void test_keepalive(void **state)
{
    (void)state;
    const struct event text = TEXT(EVENT_TEXT, "a");
    struct messages_session s;

    session_init(&s, "openai", ASK(STREAM));
    messages_write_keepalive(&s.out, &s.writer);
    assert_string_equal(s.out.data, ": keep-alive\n\n");
    session_emit(&s, &text, 1);
    buf_clear(&s.out);
    messages_write_keepalive(&s.out, &s.writer);
    assert_string_equal(s.out.data, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    session_fini(&s);
}

/* Recorded streams, cut everywhere. */

struct recorded {
    const char *provider;
    const char *directory;
    const char *name;
};

static const struct recorded recordings[] = {
    {"anthropic", "anthropic", "anthropic.anthropic-code-execution-tool-stream.0"},
    {"anthropic", "anthropic", "anthropic.anthropic-model-thinking-part-stream.0"},
    {"anthropic", "anthropic", "anthropic.anthropic-text-editor-code-execution-tool-stream.0"},
    {"anthropic", "anthropic", "anthropic.request-stream-fallback-for-high-max-tokens.0"},
    {"anthropic", "anthropic", "tool-search.anthropic-native-tool-search-streaming.0"},
    {"anthropic", "anthropic", "tool-search.anthropic-native-tool-search-streaming.1"},
    {"openai", "openai", "openai.run-stream-sync-streams-real-model.0"},
    {"openai", "openai", "openai.run-stream-sync-streams-real-model.1"},
    {"openai", "openai", "prefect.multiple-agents.2"},
    {"openai-responses", "openai", "openai-responses.openai-responses-stream.0"},
    {"openai-responses", "openai", "openai-responses.openai-responses-streaming-usage.0"},
    {"google", "google", "google.google-model-iter-stream.0"},
    {"google", "google", "google.google-model-thinking-part-iter.0"},
    {"google", "google", "structured-output.native-output-with-function-tools-stream.0"},
    {"openrouter", "openrouter", "openrouter.openrouter-stream-with-reasoning.0"},
    {"openrouter", "openrouter", "openrouter.openrouter-streaming-reasoning.0"},
};

static void run_cut(struct buf *out, const struct recorded *r, const char *data, size_t len,
                    size_t cut)
{
    struct messages_session s;

    session_init(&s, r->provider, ASK(STREAM THINKING));
    session_feed(&s, data, cut);
    session_feed(&s, data + cut, len - cut);
    session_close(&s);
    if (s.done && !s.failed)
        session_end(&s, "0.125");
    buf_clear(out);
    buf_append(out, s.out.data, s.out.len);
    buf_printf(out, "%d %d %lld %lld", s.done, s.failed, (long long)s.usage.prompt,
               (long long)s.usage.completion);
    session_fini(&s);
}

static size_t event_end(const char *data, size_t len, size_t at)
{
    while (at + 1 < len && !(data[at] == '\n' && (data[at + 1] == '\n' || data[at + 1] == '\r')))
        at++;
    return at + 2 <= len ? at + 2 : len;
}

/* Between two events the reader of the bytes has nothing in hand, so it is enough to cut each event
 * within itself and the one after it, and the whole stream at some places. */
static void cut_everywhere(const struct recorded *r, const char *data, size_t len)
{
    struct buf whole;
    struct buf pieces;

    buf_init(&whole, SESSION_OUT_MAX);
    buf_init(&pieces, SESSION_OUT_MAX);
    for (size_t at = 0; at < len;) {
        size_t end = event_end(data, len, at);
        size_t window = event_end(data, len, end < len ? end : len) - at;
        run_cut(&whole, r, data + at, window, 0);
        for (size_t cut = 1; cut <= end - at; cut++) {
            run_cut(&pieces, r, data + at, window, cut);
            assert_string_equal(pieces.data, whole.data);
        }
        at = end;
    }
    run_cut(&whole, r, data, len, 0);
    for (size_t cut = 1; cut < len; cut += 1 + len / 100) {
        run_cut(&pieces, r, data, len, cut);
        assert_string_equal(pieces.data, whole.data);
    }
    buf_fini(&whole);
    buf_fini(&pieces);
}

static void test_recordings_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct messages_session s;
        struct buf data;
        recording_read(&data, recordings[i].directory, recordings[i].name, "response.sse");
        session_init(&s, recordings[i].provider, ASK(STREAM THINKING));
        session_feed(&s, data.data, data.len);
        session_close(&s);
        if (!s.done || s.failed || !s.usage.known)
            fail_msg("%s: %s", recordings[i].name, s.err.message);
        session_end(&s, "0.125");
        assert_non_null(strstr(s.out.data, "\"cost\":0.125"));
        session_fini(&s);
        cut_everywhere(&recordings[i], data.data, data.len);
        buf_fini(&data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_carry),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_recordings_cut_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
