/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of Anthropic's language that pass through. */
#include "base/base.h"

#include "messages_session.h"
#include "wire/messages_pass.h"

#include <string.h>

#define ASK(more)                                                                                  \
    "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}" more
#define SENT(more)                                                                                 \
    "{\"model\":\"up\",\"max_tokens\":77,\"messages\":[{\"role\":\"user\",\"content\":"            \
    "\"hi\"}" more

static const struct {
    const char *request;
    const char *want;
} writes[] = {
    {ASK("],\"odd\":[1.50,null]}"), SENT("],\"odd\":[1.50,null]}")},
    {ASK("],\"stream\":true,\"top_k\":5}"), SENT("],\"stream\":true,\"top_k\":5}")},
    {ASK(",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
         "\"signature\":\"s\"},{\"type\":\"odd\"}]}]}"),
     SENT(",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
          "\"signature\":\"s\"},{\"type\":\"odd\"}]}]}")},
    /* What the gateway has put in for other providers stays here. */
    {ASK(",{\"role\":\"assistant\",\"x\":1,\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\","
         "\"signature\":\"aig1.\"},{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
         "\"redacted_thinking\",\"data\":\"aig1.AAAA\"}]}]}"),
     SENT(",{\"role\":\"assistant\",\"x\":1,\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}")},
    {ASK(",{\"role\":\"assistant\",\"content\":[{\"type\":\"redacted_thinking\",\"data\":"
         "\"aig1.AAAA\"}]},{\"role\":\"user\",\"content\":\"b\"}]}"),
     SENT(",{\"role\":\"user\",\"content\":\"b\"}]}")},
};

static void test_requests(void **state)
{
    (void)state;
    const struct neutral_target target = {
        .upstream_model = "up", .dialect = "claude-5", .output_limit = 77, .model = "m"};
    struct buf out;
    struct err err;

    buf_init(&out, SESSION_OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct neutral_request r;
        assert_int_equal(
            messages_read_request(&r, writes[i].request, strlen(writes[i].request), &err), 0);
        buf_clear(&out);
        assert_int_equal(format_find("anthropic")->write_request(&out, &r, &target, &err), 0);
        assert_string_equal(out.data, writes[i].want);
        /* Counting takes no limit of ours. */
        buf_clear(&out);
        messages_pass_count(&out, &r, "up");
        assert_non_null(strstr(out.data, "\"model\":\"up\",\"max_tokens\":9,"));
        neutral_request_fini(&r);
    }
    buf_fini(&out);
}

static void test_counted(void **state)
{
    (void)state;
    static const char *const none[] = {"", "{}", "[]", "{\"input_tokens\":-1}",
                                       "{\"input_tokens\":\"5\"}"};
    int64_t tokens = 0;

    assert_int_equal(messages_pass_count_answer(&tokens, span_of("{\"input_tokens\":5}")), 0);
    assert_int_equal(tokens, 5);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(messages_pass_count_answer(&tokens, span_of(none[i])), -1);
}

static void test_answer(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"i\",\"model\":\"up\",\"odd\":1.50,\"content\":[{\"type\":\"text\",\"text\":"
        "\"abc\"},{\"type\":\"odd\"}],\"stop_reason\":\"odd\",\"usage\":{\"input_tokens\":3,"
        "\"cache_read_input_tokens\":2,\"output_tokens\":4,\"odd\":{}}}";
    struct json_object *answer = NULL;
    struct messages_session s;

    session_init(&s, "anthropic", ASK("]}"));
    assert_int_equal(jsonx_parse(&answer, text, strlen(text), &s.err), 0);
    assert_int_equal(s.format->read_answer(&s.reader, answer, session_event, &s, &s.err), 0);
    assert_true(s.done && s.usage.known);
    assert_int_equal(s.usage.prompt, 5);
    session_end(&s, "0.5");
    assert_string_equal(s.out.data,
                        "{\"id\":\"i\",\"model\":\"m\",\"odd\":1.50,\"content\":[{\"type\":"
                        "\"text\",\"text\":\"abc\"},{\"type\":\"odd\"}],\"stop_reason\":\"odd\","
                        "\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":2,"
                        "\"output_tokens\":4,\"odd\":{},\"cost\":0.5}}\n");
    json_object_put(answer);
    session_fini(&s);
}

#define EVENT(type, more) "event: " type "\ndata: {\"type\":\"" type "\"" more "}\n\n"

static void test_stream(void **state)
{
    (void)state;
    static const char stream[] = EVENT("message_start", ",\"message\":{\"model\":\"up\",\"x\":1}")
        EVENT("ping", "") EVENT("odd", ",\"n\":[1.50]")
            EVENT("message_delta", ",\"delta\":{\"stop_reason\":null}")
                EVENT("message_delta",
                      ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}")
                    EVENT("message_stop", "");
    static const char want[] = EVENT("message_start", ",\"message\":{\"model\":\"m\",\"x\":1}")
        EVENT("ping", "") EVENT("odd", ",\"n\":[1.50]")
            EVENT("message_delta", ",\"delta\":{\"stop_reason\":null}")
                EVENT("message_delta",
                      ",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4,"
                      "\"cost\":0.5}") EVENT("message_stop", "");
    struct messages_session s;

    session_init(&s, "anthropic", ASK("],\"stream\":true}"));
    session_feed(&s, stream, strlen(stream));
    assert_true(s.done && !s.failed);
    session_end(&s, "0.5");
    assert_string_equal(s.out.data, want);
    session_fini(&s);
}

struct content_case {
    const char *event;
    bool content;
    int64_t bytes;
};

static int on_chunk(const struct event *event, void *arg)
{
    struct event *last = arg;

    *last = *event;
    return 0;
}

/* The first content ends the time in which another provider could take over. */
static void test_content(void **state)
{
    (void)state;
    static const struct content_case cases[] = {
        {"{\"type\":\"message_start\",\"message\":{}}", false, 0},
        {"{\"type\":\"ping\"}", false, 0},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
         false, 0},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"ab\"}}",
         true, 2},
        {"{\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":"
         "\"abc\",\"input\":{}}}",
         true, 3},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"\"}}",
         false, 0},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":"
         "\"abcd\"}}",
         true, 4},
        {"{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\","
         "\"partial_json\":\"\"}}",
         true, 0},
        {"{\"type\":\"message_delta\",\"delta\":{}}", true, 0},
        {"{\"type\":\"odd\"}", true, 0},
        {"{}", true, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct messages_session s;
        struct event last = {0};
        session_init(&s, "anthropic", ASK("],\"stream\":true}"));
        assert_int_equal(
            s.format->read_event(&s.reader, span_of(cases[i].event), on_chunk, &last, &s.err), 0);
        assert_int_equal(last.kind, EVENT_CHUNK);
        assert_int_equal(last.content, cases[i].content);
        assert_int_equal(last.output_bytes, cases[i].bytes);
        session_fini(&s);
    }
}

static void test_broken(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        int status;
    } cases[] = {
        {"data: x\n\n", 502},
        {"data: []\n\n", 502},
        {EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}"), 503},
        {EVENT("error", ",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}"), 502},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct messages_session s;
        session_init(&s, "anthropic", ASK("],\"stream\":true}"));
        session_feed(&s, cases[i].stream, strlen(cases[i].stream));
        assert_true(s.failed && !s.done && s.out.len == 0);
        assert_int_equal(s.err.status, cases[i].status);
        session_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests), cmocka_unit_test(test_counted),
        cmocka_unit_test(test_answer),   cmocka_unit_test(test_stream),
        cmocka_unit_test(test_content),  cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
