/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "chat_session.h"
#include "google_recording.h"
#include "unit.h"
#include "wire/completions.h"

#include <stdio.h>
#include <string.h>

#define PLAIN  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define STREAM PLAIN ",\"stream\":true"

/* Upstream's request. */

struct write_case {
    const char *request;
    const char *dialect;
    const char *want; /* members that are changed, as they come out */
    const char *gone; /* a member that must not be there */
};

static const struct write_case writes[] = {
    {PLAIN "}", "openai-chat", "\"model\":\"up\"", "stream_options"},
    {PLAIN "}", "openai-chat", "\"max_completion_tokens\":99", "max_tokens"},
    {PLAIN ",\"max_tokens\":5}", "openai-chat", "\"max_tokens\":99", "max_completion_tokens"},
    {PLAIN ",\"max_tokens\":5}", "openai-reasoning", "\"max_completion_tokens\":99",
     "\"max_tokens\""},
    {PLAIN ",\"max_completion_tokens\":5}", "openai-chat", "\"max_completion_tokens\":99",
     "\"max_tokens\""},
    {PLAIN ",\"max_tokens\":5,\"max_completion_tokens\":6}", "openai-chat",
     "\"max_completion_tokens\":99", "\"max_tokens\""},
    {STREAM "}", "openai-chat", "\"stream_options\":{\"include_usage\":true}", NULL},
    {STREAM ",\"stream_options\":null}", "openai-chat",
     "\"stream_options\":{\"include_usage\":true}", NULL},
    {STREAM ",\"stream_options\":{\"include_usage\":false,\"x\":1}}", "openai-chat",
     "\"stream_options\":{\"include_usage\":true,\"x\":1}", NULL},
    {PLAIN ",\"a\":[1.50,1e5,18446744073709551615,\"\\u0001\\/\",null]}", "openai-chat",
     "\"a\":[1.50,1e5,18446744073709551615,\"\\u0001/\",null]", NULL},
};

static void test_write_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct neutral_target target = {
            .upstream_model = "up", .dialect = writes[i].dialect, .output_limit = 99};
        struct neutral_request r;
        struct buf before;
        struct buf out;
        struct buf after;
        struct err err;
        assert_int_equal(
            completions_read_request(&r, writes[i].request, strlen(writes[i].request), &err), 0);
        buf_init(&before, SESSION_OUT_MAX);
        buf_init(&out, SESSION_OUT_MAX);
        buf_init(&after, SESSION_OUT_MAX);
        jsonx_write(&before, r.body);
        assert_int_equal(completions_format.write_request(&out, &r, &target, &err), 0);
        assert_non_null(strstr(out.data, writes[i].want));
        if (writes[i].gone != NULL)
            assert_null(strstr(out.data, writes[i].gone));
        /* The client's body stays as it was: a hedge is written from it, too. */
        jsonx_write(&after, r.body);
        assert_string_equal(before.data, after.data);
        buf_fini(&before);
        buf_fini(&out);
        buf_fini(&after);
        neutral_request_fini(&r);
    }
}

/* Plain answers. */

static void read_answer(struct chat_session *s, const char *text, int *rc)
{
    struct json_object *answer = NULL;

    assert_int_equal(jsonx_parse(&answer, text, strlen(text), &s->err), 0);
    *rc = completions_format.read_answer(&s->reader, answer, session_event, s, &s->err);
    json_object_put(answer);
}

static void test_answer(void **state)
{
    (void)state;
    struct chat_session s;
    int rc = 0;

    session_init(&s, &completions_format, PLAIN "}");
    read_answer(&s,
                "{\"id\":\"x\",\"odd\":[1.50],\"choices\":[{\"message\":{\"content\":\"hello\","
                "\"refusal\":\"no\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":"
                "\"{}\"}}]}},{\"message\":{\"content\":\"you\"}}],\"usage\":{\"prompt_tokens\":9,"
                "\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":3,"
                "\"cache_write_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":1},"
                "\"more\":5}}",
                &rc);
    assert_int_equal(rc, 0);
    assert_true(s.done && s.usage.known);
    assert_int_equal(s.usage.prompt, 9);
    assert_int_equal(s.usage.cached, 3);
    assert_int_equal(s.usage.cache_write_5m, 2);
    assert_int_equal(s.usage.completion, 4);
    assert_int_equal(s.usage.reasoning, 1);
    assert_string_equal(s.usage.cost_usd, "");
    assert_int_equal(s.output_bytes, 5 + 2 + 1 + 2 + 3);
    session_end(&s, "0.5");
    assert_non_null(strstr(s.out.data, "\"odd\":[1.50]"));
    assert_non_null(strstr(s.out.data, "\"more\":5,\"cost\":0.5"));
    session_fini(&s);
}

static const char *const no_answers[] = {
    "[]",
    "null",
    "5",
    "{}",
    "{\"choices\":null}",
    "{\"choices\":{}}",
    "{\"choices\":\"x\"}",
    "{\"choices\":[],\"error\":{\"message\":\"m\"}}",
    "{\"error\":\"text\"}",
    "{\"error\":{}}",
};

static void test_no_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(no_answers); i++) {
        struct chat_session s;
        int rc = 0;
        session_init(&s, &completions_format, PLAIN "}");
        read_answer(&s, no_answers[i], &rc);
        assert_int_equal(rc, -1);
        assert_int_equal(s.err.status, 502);
        assert_true(s.err.retryable);
        assert_false(s.done);
        session_fini(&s);
    }
}

/* Absent and zero differ; what is no count is none. */
static void test_usage_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool known;
        int64_t prompt;
        int64_t completion;
    } cases[] = {
        {"{}", false, 0, 0},
        {"{\"total_tokens\":5}", false, 0, 0},
        {"{\"prompt_tokens\":0,\"completion_tokens\":0}", true, 0, 0},
        {"{\"prompt_tokens\":7}", true, 7, 0},
        {"{\"completion_tokens\":7}", true, 0, 7},
        {"{\"prompt_tokens\":null,\"completion_tokens\":null}", false, 0, 0},
        {"{\"prompt_tokens\":\"7\",\"completion_tokens\":1.5}", true, 0, 0},
        {"{\"prompt_tokens\":7,\"prompt_tokens_details\":null,\"completion_tokens_details\":[]}",
         true, 7, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_object *v = NULL;
        struct usage usage;
        struct err err;
        assert_int_equal(jsonx_parse(&v, cases[i].text, strlen(cases[i].text), &err), 0);
        completions_read_usage(&usage, v);
        assert_int_equal(usage.known, cases[i].known);
        assert_int_equal(usage.prompt, cases[i].prompt);
        assert_int_equal(usage.completion, cases[i].completion);
        json_object_put(v);
    }
    struct usage none;
    completions_read_usage(&none, NULL);
    assert_false(none.known);
}

/* Streams. */

#define CHUNK(delta) "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":" delta "}]}\n\n"

struct chunk_case {
    const char *stream;
    bool content;
    int64_t output_bytes;
};

static const struct chunk_case chunks[] = {
    {CHUNK("{\"role\":\"assistant\",\"content\":\"\"}"), false, 0},
    {CHUNK("{\"role\":\"assistant\",\"content\":null}"), false, 0},
    {CHUNK("{}"), false, 0},
    {CHUNK("null"), false, 0},
    {CHUNK("5"), false, 0},
    {CHUNK("{\"content\":\"abc\"}"), true, 3},
    {CHUNK("{\"refusal\":\"abcd\"}"), true, 4},
    {CHUNK("{\"reasoning\":\"ab\"}"), true, 2},
    {CHUNK("{\"reasoning_content\":\"ab\"}"), true, 2},
    {CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}"),
     true, 1},
    {CHUNK("{\"tool_calls\":[]}"), false, 0},
    {CHUNK("{\"tool_calls\":[null,5]}"), true, 0},
    {CHUNK("{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}}"), true, 3},
    {CHUNK("{\"audio\":{\"transcript\":\"abc\",\"data\":\"AAAA\"}}"), true, 3},
    {CHUNK("{}}],\"x\":[{\"finish_reason\":\"stop\""), false, 0},
    {"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", true, 0},
    {"data: {\"choices\":[]}\n\n", false, 0},
    {"data: {}\n\n", false, 0},
    {"data: {\"choices\":[null,7]}\n\n", false, 0},
};

static void test_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        struct chat_session s;
        session_init(&s, &completions_format, STREAM "}");
        session_feed(&s, chunks[i].stream, strlen(chunks[i].stream));
        assert_false(s.failed);
        assert_int_equal(s.content, chunks[i].content);
        assert_int_equal(s.output_bytes, chunks[i].output_bytes);
        assert_string_equal(s.out.data, chunks[i].stream);
        session_fini(&s);
    }
}

static const char *const broken[] = {
    "data: {\"choices\":[\n\n",
    "data: x\n\n",
    "data: 5\n\n",
    "data: null\n\n",
    "data: []\n\n",
    "data: {\"error\":{\"message\":\"gone\"}}\n\n",
    "data: {\"choices\":[],\"error\":{\"code\":502,\"message\":\"gone\"}}\n\n",
    "data: [DONE] \n\n",
    "data: {\"choices\":[]}{}\n\n",
};

static void test_broken_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct chat_session s;
        session_init(&s, &completions_format, STREAM "}");
        session_feed(&s, broken[i], strlen(broken[i]));
        assert_true(s.failed && !s.done);
        assert_int_equal(s.err.status, 502);
        assert_int_equal(s.out.len, 0);
        session_fini(&s);
    }
}

/* An HTTP status in the error of a 2xx is what it would be before the head; our account's troubles
 * stay ours, in words and in figures. */
static void test_hidden_failures(void **state)
{
    (void)state;
    static const struct {
        const char *error;
        int status;
        bool retryable;
        const char *leak; /* must not be told */
    } rows[] = {
        {"{\"code\":400,\"message\":\"too long\"}", 400, false, "402"},
        {"{\"code\":403,\"message\":\"flagged\"}", 403, false, "402"},
        {"{\"code\":402,\"message\":\"Insufficient credits\"}", 502, false, "credits"},
        {"{\"code\":401,\"message\":\"User not found\"}", 502, false, "User"},
        {"{\"code\":502,\"message\":\"gone\"}", 502, true, "402"},
        {"{\"code\":\"server_error\",\"message\":\"gone\"}", 502, true, "402"},
        {"{\"code\":\"insufficient_quota\",\"message\":\"your plan\"}", 502, false, "plan"},
        {"{\"code\":\"invalid_prompt\",\"message\":\"no\"}", 400, false, "402"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chat_session s;
        char text[256];
        snprintf(text, sizeof text, "data: {\"error\":%s}\n\n", rows[i].error);
        session_init(&s, format_find("openrouter"), STREAM "}");
        session_feed(&s, text, strlen(text));
        assert_true(s.failed && !s.done);
        assert_int_equal(s.err.status, rows[i].status);
        assert_int_equal(s.err.retryable, rows[i].retryable);
        assert_null(strstr(s.err.message, rows[i].leak));
        session_fini(&s);
    }
}

/* Usage in any chunk is read; the client has it once, at the end, if it asked. */
static void test_usage_in_chunks(void **state)
{
    (void)state;
    static const char *const streams[] = {
        "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{"
        "\"prompt_tokens\":7,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n"
        "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,"
        "\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
        "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
        "data: {\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(streams); i++) {
        bool asked = i % 2 == 1;
        struct chat_session s;
        session_init(&s, &completions_format,
                     asked ? STREAM ",\"stream_options\":{\"include_usage\":true}}" : STREAM "}");
        session_feed(&s, streams[i / 2], strlen(streams[i / 2]));
        assert_true(s.done && !s.failed && s.usage.known);
        assert_int_equal(s.usage.prompt, 7);
        session_end(&s, "0.25");
        const char *chunk = "data: {\"id\":\"c\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]";
        assert_int_equal(strncmp(s.out.data, chunk, strlen(chunk)), 0);
        assert_int_equal(strstr(s.out.data, "\"cost\":0.25") != NULL, asked);
        assert_int_equal(strstr(s.out.data, "usage") != NULL, asked);
        assert_string_equal(s.out.data + s.out.len - 14, "data: [DONE]\n\n");
        session_fini(&s);
    }
}

/* Recorded streams, cut everywhere. */

static const char *const recordings[][2] = {
    {"openai", "openai.run-stream-sync-streams-real-model.0"},
    {"openai", "openai.run-stream-sync-streams-real-model.1"},
    {"openai", "prefect.multiple-agents.1"},
    {"openai", "prefect.multiple-agents.2"},
    {"openai", "prefect.multiple-agents.3"},
    {"openai", "temporal.multiple-agents.1"},
    {"openrouter", "openrouter.openrouter-advisor-tool-stream.0"},
    {"openrouter", "openrouter.openrouter-stream-error.0"},
    {"openrouter", "openrouter.openrouter-stream-with-reasoning.0"},
    {"openrouter", "openrouter.openrouter-streaming-reasoning.0"},
};

/* What the client gets of a stream that comes in two reads. */
static void run_cut(struct buf *out, const struct format *format, const char *data, size_t len,
                    size_t cut)
{
    struct chat_session s;

    session_init(&s, format, STREAM ",\"stream_options\":{\"include_usage\":true}}");
    session_feed(&s, data, cut);
    session_feed(&s, data + cut, len - cut);
    if (s.done && !s.failed)
        session_end(&s, "0.125");
    buf_clear(out);
    buf_append(out, s.out.data, s.out.len);
    buf_printf(out, "%d %d %lld %lld %lld %s", s.done, s.failed, (long long)s.usage.prompt,
               (long long)s.usage.completion, (long long)s.output_bytes, s.usage.cost_usd);
    session_fini(&s);
}

static size_t event_end(const char *data, size_t len, size_t at)
{
    while (at + 1 < len && !(data[at] == '\n' && data[at + 1] == '\n'))
        at++;
    return at + 2 <= len ? at + 2 : len;
}

/* Between two events the reader has nothing in hand, so it is enough to cut each event within
 * itself and the one after it. */
static void cut_everywhere(const struct format *format, const char *data, size_t len)
{
    struct buf whole;
    struct buf pieces;

    buf_init(&whole, SESSION_OUT_MAX);
    buf_init(&pieces, SESSION_OUT_MAX);
    for (size_t at = 0; at < len;) {
        size_t end = event_end(data, len, at);
        size_t window = event_end(data, len, end < len ? end : len) - at;
        run_cut(&whole, format, data + at, window, 0);
        for (size_t cut = 1; cut <= end - at; cut++) {
            run_cut(&pieces, format, data + at, window, cut);
            assert_string_equal(pieces.data, whole.data);
        }
        at = end;
    }
    /* And the whole stream at some hundred places. */
    run_cut(&whole, format, data, len, 0);
    for (size_t cut = 1; cut < len; cut += 1 + len / 300) {
        run_cut(&pieces, format, data, len, cut);
        assert_string_equal(pieces.data, whole.data);
    }
    buf_fini(&whole);
    buf_fini(&pieces);
}

static void test_recordings_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct buf data;
        recording_read(&data, recordings[i][0], recordings[i][1], "response.sse");
        cut_everywhere(format_find(recordings[i][0]), data.data, data.len);
        buf_fini(&data);
    }
}

/* Failures. */

static void test_failure_bodies(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "<html>",
        "[]",
        "null",
        "{}",
        "{\"error\":5}",
        "{\"error\":{}}",
        "{\"error\":{\"message\":5,\"code\":{}}}",
        "\xff",
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        completions_format.read_failure(&err, 400, 0, span_of(bodies[i]));
        assert_int_equal(err.status, 400);
        assert_true(err.message[0] != '\0');
    }
    completions_format.read_failure(
        &err, 429, 5,
        span_of(
            "{\"error\":{\"message\":\"slow\",\"type\":\"t\",\"code\":\"c\",\"param\":\"p\"}}"));
    assert_int_equal(err.status, 429);
    assert_int_equal(err.retry_after_s, 5);
    assert_string_equal(err.message, "slow");
    assert_string_equal(err.type, "t");
    assert_string_equal(err.code_text, "c");
    assert_string_equal(err.param, "p");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_request),
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_hidden_failures),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_usage_forms),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_broken_chunks),
        cmocka_unit_test(test_usage_in_chunks),
        cmocka_unit_test(test_recordings_cut_everywhere),
        cmocka_unit_test(test_failure_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
