/* SPDX-License-Identifier: Apache-2.0 */
/* Requests in Anthropic's language taken apart: seen through what is then sent to providers that
 * speak chat completions. */
#include "base/base.h"

#include "unit.h"
#include "wire/format.h"
#include "wire/messages_carry.h"
#include "wire/messages_client.h"
#include "wire/messages_content.h"

#include <stdio.h>
#include <string.h>

enum { OUT_MAX = 1 << 20 };

/* What becomes of it at a provider; -1 and err for a refusal. */
static int send(struct buf *out, const char *provider, const char *text, struct err *err)
{
    struct neutral_target target = {
        .upstream_model = "up", .dialect = "openrouter", .output_limit = 9, .model = "m"};
    struct arena *arena = arena_new();
    struct neutral_request r;

    if (strcmp(provider, "google") == 0)
        target.dialect = "gemini-3";
    if (strcmp(provider, "openai") == 0)
        target.dialect = "openai-reasoning";
    if (messages_read_request(&r, text, strlen(text), err) != 0)
        fail_msg("%s: %s", text, err->message);
    buf_clear(out);
    int rc = messages_read_content(&r, arena, err);
    if (rc == 0)
        rc = format_find(provider)->write_request(out, &r, &target, err);
    neutral_request_fini(&r);
    arena_free(arena);
    return rc;
}

#define ASK(messages, more) "{\"model\":\"m\",\"messages\":[" messages "]" more "}"
#define USER(content)       "{\"role\":\"user\",\"content\":" content "}"
#define BOT(content)        "{\"role\":\"assistant\",\"content\":" content "}"
#define TEXT(text)          "{\"type\":\"text\",\"text\":\"" text "\"}"
#define CACHE               ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"
#define SENT(messages, more)                                                                       \
    "{\"model\":\"up\",\"messages\":[" messages "],\"max_tokens\":9" more "}"
#define HI      USER("\"hi\"")
#define USE(id) "{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"f\",\"input\":{\"a\":1}}"
#define CALL(id)                                                                                   \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{"      \
    "\\\"a\\\":1}\"}}"
#define RESULT(id, more) "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"" more "}"
#define TOOL(id, text)   "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
#define CLOSED                                                                                     \
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"],"      \
    "\"additionalProperties\":false}"
#define FN "{\"name\":\"f\",\"input_schema\":{\"type\":\"object\"}}"
#define SENT_FN                                                                                    \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":"     \
    "\"object\"}}}]"

static const struct {
    const char *request;
    const char *want;
} cases[] = {
    /* System and messages. */
    {ASK(HI, ",\"system\":\"s\""), SENT("{\"role\":\"system\",\"content\":\"s\"}," HI, "")},
    {ASK(HI, ",\"system\":[" TEXT("a") ",{\"type\":\"text\",\"text\":\"b\"" CACHE "}]"),
     SENT("{\"role\":\"system\",\"content\":[" TEXT("a") ",{\"type\":\"text\",\"text\":\"b\"" CACHE
                                                         "}]}," HI,
          "")},
    {ASK(USER("[" TEXT("a") "]") "," BOT("\"b\"") "," USER("[" TEXT("c") "," TEXT("d") "]"), ""),
     SENT(USER("\"a\"") "," BOT("\"b\"") "," USER("[" TEXT("c") "," TEXT("d") "]"), "")},
    {ASK(HI ",{\"role\":\"system\",\"content\":\"s\"}", ""),
     SENT(HI ",{\"role\":\"system\",\"content\":\"s\"}", "")},
    /* Images and documents. */
    {ASK(USER("[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
              "\"data\":\"AAAA\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":"
              "\"https://x/y\"}},{\"type\":\"document\",\"title\":\"t.pdf\",\"source\":{\"type\":"
              "\"base64\",\"media_type\":\"application/pdf\",\"data\":\"BBBB\"}}]"),
         ""),
     SENT(USER("[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}},{"
               "\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\"}},{\"type\":\"file\","
               "\"file\":{\"filename\":\"t.pdf\",\"file_data\":\"data:application/pdf;base64,"
               "BBBB\"}}]"),
          "")},
    {ASK(USER("[{\"type\":\"document\",\"title\":\"T\",\"context\":\"C\",\"source\":{\"type\":"
              "\"text\",\"data\":\"D\"}},{\"type\":\"document\",\"source\":{\"type\":\"content\","
              "\"content\":[" TEXT("a") "," TEXT("b") "]}},{\"type\":\"search_result\",\"title\":"
                                                      "\"S\",\"source\":\"x\",\"content\":[" TEXT(
                                                          "r") "]}]"),
         ""),
     SENT(USER("[" TEXT("T\\nC\\nD") "," TEXT("a\\nb") "," TEXT("S\\nr") "]"), "")},
    /* Calls and results: these come first, each for itself. */
    {ASK(HI "," BOT("[" TEXT("I look") "," USE("t1") "," USE("t2") "]") "," USER(
             "[" RESULT("t1", ",\"content\":\"x\"") "," RESULT(
                 "t2", ",\"content\":[" TEXT("y") "]") "," TEXT("go") "]"),
         ""),
     SENT(HI ",{\"role\":\"assistant\",\"content\":\"I look\",\"tool_calls\":[" CALL("t1") "," CALL(
              "t2") "]}," TOOL("t1", "x") "," TOOL("t2", "y") "," USER("\"go\""),
          "")},
    {ASK(HI "," BOT("[" USE("t1") "]") "," USER("[" RESULT("t1", "") "]"), ""),
     SENT(HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("t1") "]}," TOOL(
              "t1", ""),
          "")},
    {ASK(HI "," BOT("[" USE("t") "]") "," USER(
             "[" RESULT("t", ",\"is_error\":true,\"content\":\"no\"") "]"),
         ""),
     SENT(HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("t") "]}," TOOL(
              "t", "Error: no"),
          "")},
    {ASK(HI "," BOT("[" USE("t") "]") "," USER(
             "[" RESULT("t", ",\"is_error\":true,\"content\":\"error 5\"") "]"),
         ""),
     SENT(HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("t") "]}," TOOL(
              "t", "error 5"),
          "")},
    {ASK(HI "," BOT("[" USE("t") "]") "," USER("[" RESULT("t", ",\"is_error\":true") "]"), ""),
     SENT(HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("t") "]}," TOOL(
              "t", "Error"),
          "")},
    /* Tools. */
    {ASK(HI, ",\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"strict\":true,\"input_schema\":{"
             "\"type\":\"object\"},\"defer_loading\":true" CACHE "}]"),
     SENT(HI, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":"
              "\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}" CACHE "}]")},
    {ASK(HI, ",\"tools\":[" FN "],\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":"
             "true}"),
     SENT(HI, "," SENT_FN ",\"tool_choice\":\"auto\",\"parallel_tool_calls\":false")},
    {ASK(HI, ",\"tools\":[" FN "],\"tool_choice\":{\"type\":\"any\"}"),
     SENT(HI, "," SENT_FN ",\"tool_choice\":\"required\"")},
    {ASK(HI, ",\"tools\":[" FN "],\"tool_choice\":{\"type\":\"none\"}"),
     SENT(HI, "," SENT_FN ",\"tool_choice\":\"none\"")},
    {ASK(HI, ",\"tools\":[" FN "],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}"),
     SENT(HI,
          "," SENT_FN ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}")},
    /* Sampling, user, form of the answer. */
    {ASK(HI, ",\"temperature\":0.50,\"top_p\":0.9,\"top_k\":3,\"stop_sequences\":[\"x\"],"
             "\"metadata\":{\"user_id\":\"u\"},\"service_tier\":\"auto\""),
     SENT(HI, ",\"temperature\":0.50,\"top_p\":0.9,\"top_k\":3,\"stop\":[\"x\"],\"user\":\"u\"")},
    {ASK(HI, ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
             "\"string\"}}}"),
     SENT(HI, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
              "\"schema\":{\"type\":\"string\"}}}")},
    {ASK(HI, ",\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":" CLOSED "}}"),
     SENT(HI, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
              "\"schema\":" CLOSED ",\"strict\":true}}")},
    {ASK(HI, ",\"output_format\":{\"type\":\"json_schema\",\"schema\":{}}"),
     SENT(HI, ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"answer\","
              "\"schema\":{}}}")},
    /* Thinking. */
    {ASK(HI, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000}"),
     SENT(HI, ",\"reasoning_effort\":\"low\"")},
    {ASK(HI, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":10000}"),
     SENT(HI, ",\"reasoning_effort\":\"medium\"")},
    {ASK(HI, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":30000}"),
     SENT(HI, ",\"reasoning_effort\":\"high\"")},
    {ASK(HI, ",\"thinking\":{\"type\":\"adaptive\"}"),
     SENT(HI, ",\"reasoning_effort\":\"medium\"")},
    {ASK(HI, ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"max\"}"),
     SENT(HI, ",\"reasoning_effort\":\"high\"")},
    {ASK(HI, ",\"thinking\":{\"type\":\"disabled\"},\"output_config\":{\"effort\":\"max\"}"),
     SENT(HI, "")},
    /* Claude's thoughts travel back to where they can be read. */
    {ASK(HI "," BOT("[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":"
                    "\"redacted_thinking\",\"data\":\"d\"}," TEXT("a") "]") "," HI,
         ""),
     SENT(HI ",{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_details\":[{\"type\":"
             "\"reasoning.text\",\"text\":\"hm\",\"signature\":\"s\",\"format\":"
             "\"anthropic-claude-v1\",\"index\":0},{\"type\":\"reasoning.encrypted\",\"data\":"
             "\"d\",\"format\":\"anthropic-claude-v1\",\"index\":1}]}," HI,
          "")},
    {ASK(HI "," BOT("[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"aig1.\"},{"
                    "\"type\":\"redacted_thinking\",\"data\":\"aig1.?\"}," TEXT("a") "]") "," HI,
         ""),
     SENT(HI "," BOT("\"a\"") "," HI, "")},
};

static void test_cases(void **state)
{
    (void)state;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (send(&out, "openrouter", cases[i].request, &err) != 0)
            fail_msg("%zu: %s", i, err.message);
        assert_string_equal(out.data, cases[i].want);
    }
    buf_fini(&out);
}

static const struct {
    const char *request;
    const char *param;
} refusals[] = {
    {ASK(USER("[{\"type\":\"odd\"}]"), ""), "messages[0].content[0]"},
    {ASK(USER("[" TEXT("a") ",{\"type\":\"text\"}]"), ""), "messages[0].content[1].text"},
    {ASK(USER("[{\"type\":\"image\"}]"), ""), "messages[0].content[0].source.type"},
    {ASK(USER("[{\"type\":\"image\",\"source\":{\"type\":\"base64\"}}]"), ""),
     "messages[0].content[0].source.data"},
    {ASK(USER("[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"ftp://x/y\"}}]"), ""),
     "messages[0].content[0].source.url"},
    {ASK(USER("[{\"type\":\"tool_result\"}]"), ""), "messages[0].content[0].tool_use_id"},
    {ASK(HI "," BOT("[{\"type\":\"tool_use\",\"id\":\"x\"}]"), ""), "messages[1].content[0]"},
    {ASK(HI "," BOT("[{\"type\":\"server_tool_use\"}]"), ""), "messages[1].content[0]"},
    {ASK(HI, ",\"system\":[{\"type\":\"odd\"}]"), "system.content[0]"},
    {ASK(HI, ",\"tools\":[{\"type\":\"bash_20250124\",\"name\":\"bash\"}]"), "tools[0]"},
    {ASK(HI, ",\"tools\":[{\"input_schema\":{}}]"), "tools[0]"},
    {ASK(HI, ",\"tool_choice\":\"auto\""), "tool_choice"},
    {ASK(HI, ",\"tool_choice\":{\"type\":\"odd\"}"), "tool_choice.type"},
    {ASK(HI, ",\"tool_choice\":{\"type\":\"tool\"}"), "tool_choice.name"},
    {ASK(HI, ",\"thinking\":5"), "thinking"},
    {ASK(HI, ",\"output_config\":{\"effort\":5}"), "output_config.effort"},
    {ASK(HI, ",\"output_config\":{\"format\":{\"type\":\"odd\"}}"), "output_config.format"},
    {ASK(HI, ",\"stop_sequences\":\"x\""), "stop_sequences"},
    {ASK(HI, ",\"stop_sequences\":[5]"), "stop_sequences"},
    {ASK(HI, ",\"temperature\":\"1\""), "temperature"},
    {ASK(HI, ",\"metadata\":{\"user_id\":5}"), "metadata.user_id"},
};

static void test_refusals(void **state)
{
    (void)state;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (send(&out, "openrouter", refusals[i].request, &err) == 0)
            fail_msg("%zu: %s", i, out.data);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, refusals[i].param);
    }
    buf_fini(&out);
}

/* State of another provider, as the writer has sent it out. */
static void carried(char *out, size_t size, const char *call, const char *state)
{
    struct json_object *v = NULL;
    struct buf data;
    struct err err;

    buf_init(&data, 4096);
    assert_int_equal(jsonx_parse(&v, state, strlen(state), &err), 0);
    messages_carry_write(&data, call, v);
    snprintf(out, size, "{\"type\":\"redacted_thinking\",\"data\":\"%s\"}", data.data);
    json_object_put(v);
    buf_fini(&data);
}

static void test_carried_state(void **state)
{
    (void)state;
    char block[1024];
    char request[4096];
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    carried(block, sizeof block, NULL, "[{\"type\":\"x\",\"data\":\"y\"}]");
    snprintf(request, sizeof request, ASK(HI "," BOT("[" TEXT("a") ",%s]") "," HI, ""), block);
    assert_int_equal(send(&out, "openrouter", request, &err), 0);
    assert_non_null(strstr(out.data, "\"reasoning_details\":[{\"type\":\"x\",\"data\":\"y\"}]"));
    carried(block, sizeof block, "t2", "{\"google\":{\"thought_signature\":\"sig\"}}");
    snprintf(request, sizeof request,
             ASK(HI "," BOT("[" USE("t1") ",%s," USE("t2") "]") "," USER(
                     "[" RESULT("t1", "") "," RESULT("t2", "") "]"),
                 ""),
             block);
    assert_int_equal(send(&out, "google", request, &err), 0);
    assert_non_null(strstr(out.data, "\"id\":\"t2\",\"name\":\"f\",\"args\":{\"a\":1}},"
                                     "\"thoughtSignature\":\"sig\""));
    /* A call that is not there, and somebody else's data. */
    carried(block, sizeof block, "t9", "{\"google\":{\"thought_signature\":\"sig\"}}");
    snprintf(request, sizeof request, ASK(HI "," BOT("[" TEXT("a") ",%s]") "," HI, ""), block);
    assert_int_equal(send(&out, "google", request, &err), 0);
    assert_null(strstr(out.data, "sig"));
    buf_fini(&out);
}

static void test_long_users(void **state)
{
    (void)state;
    char request[1024];
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    snprintf(request, sizeof request, ASK(HI, ",\"metadata\":{\"user_id\":\"%0100d\"}"), 0);
    assert_int_equal(send(&out, "openai", request, &err), 0);
    assert_non_null(strstr(out.data, "\"user\":\"134e6543ddc35b40abb4f2f8aaaa2d05"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_carried_state),
        cmocka_unit_test(test_long_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
