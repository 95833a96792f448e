/* SPDX-License-Identifier: Apache-2.0 */
/* Clients' requests in Anthropic's language: what is read, measured and refused. */
#include "base/base.h"

#include "unit.h"
#include "wire/messages_client.h"
#include "wire/messages_content.h"
#include "wire/messages_failure.h"

#include <stdio.h>
#include <string.h>

#define HI          "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define ASK(more)   "{\"model\":\"m\"," HI more "}"
#define SAY(blocks) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[" blocks "]}]}"

static int read(struct neutral_request *r, const char *text, struct err *err)
{
    return messages_read_request(r, text, strlen(text), err);
}

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool stream;
        int64_t limit;
    } cases[] = {
        {ASK(""), false, 0},
        {ASK(",\"max_tokens\":77,\"stream\":true"), true, 77},
        {ASK(",\"max_tokens\":null,\"stream\":null"), false, 0},
        {ASK(",\"service_tier\":\"auto\",\"speed\":\"standard\",\"container\":null,"
             "\"mcp_servers\":[],\"odd\":1"),
         false, 0},
        {ASK(",\"context_management\":{\"edits\":[{\"type\":\"clear_tool_uses_20250919\"}]}"),
         false, 0},
        {ASK(",\"tools\":[{\"name\":\"f\"},{\"type\":\"custom\",\"name\":\"g\"},{\"type\":"
             "\"bash_20250124\",\"name\":\"bash\"}]"),
         false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct neutral_request r;
        struct err err;
        if (read(&r, cases[i].text, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_int_equal(r.language, LANGUAGE_MESSAGES);
        assert_string_equal(r.model, "m");
        assert_int_equal(r.stream, cases[i].stream);
        assert_int_equal(r.output_limit, cases[i].limit);
        assert_true(r.choices == 1 && r.limit_is_ceiling);
        neutral_request_fini(&r);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *param;
    } cases[] = {
        {"5", ""},
        {"{}", "model"},
        {"{\"model\":\"\"}", "model"},
        {"{\"model\":\"m\"}", "messages"},
        {"{\"model\":\"m\",\"messages\":[]}", "messages"},
        {"{\"model\":\"m\",\"messages\":[5]}", "messages[0]"},
        {"{\"model\":\"m\",\"messages\":[{\"content\":\"a\"}]}", "messages[0].role"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}",
         "messages[0].role"},
        {"{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}", "messages[0].content"},
        {SAY("5"), "messages[0].content"},
        {SAY("{\"type\":5}"), "messages[0].content"},
        {SAY("{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}"), "messages"},
        {SAY("{\"type\":\"container_upload\",\"file_id\":\"f\"}"), "messages"},
        {ASK(",\"system\":5"), "system"},
        {ASK(",\"max_tokens\":0"), "max_tokens"},
        {ASK(",\"max_tokens\":\"9\""), "max_tokens"},
        {ASK(",\"stream\":1"), "stream"},
        {ASK(",\"service_tier\":\"priority\""), "service_tier"},
        {ASK(",\"speed\":\"fast\""), "speed"},
        {ASK(",\"inference_geo\":\"us\""), "inference_geo"},
        {ASK(",\"thread\":{\"type\":\"create\"}"), "thread"},
        {ASK(",\"billing_policy\":{\"bill_to\":\"user_profile\"}"), "billing_policy"},
        {ASK(",\"fallbacks\":[{\"model\":\"x\"}]"), "fallbacks"},
        {ASK(",\"mcp_servers\":[{}]"), "mcp_servers"},
        {ASK(",\"container\":\"c\""), "container"},
        {ASK(",\"context_management\":{\"edits\":[{\"type\":\"compact_20260112\"}]}"),
         "context_management"},
        {ASK(",\"tools\":5"), "tools"},
        {ASK(",\"tools\":[5]"), "tools[0]"},
        {ASK(",\"tools\":[{\"name\":\"f\"},{\"type\":\"web_search_20250305\"}]"), "tools[1].type"},
        {ASK(",\"tools\":[{\"type\":5}]"), "tools[0].type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct neutral_request r;
        struct err err;
        if (read(&r, cases[i].text, &err) == 0)
            fail_msg("read: %s", cases[i].text);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, cases[i].param);
    }
}

/* A payload is no text only where the provider takes it for one. */
static void test_size(void **state)
{
    (void)state;
#define X200                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxxxx"                                                                                   \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"
#define BASE64 "{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"" X200 "\"}"
    static const struct {
        const char *text;
        int64_t messages;
        int64_t tools;
        int64_t images;
        int64_t files;
        bool counted; /* the two hundred bytes */
    } cases[] = {
        {ASK(",\"system\":\"" X200 "\""), 2, 0, 0, 0, true},
        {ASK(",\"tools\":[{\"name\":\"" X200 "\"}]"), 1, 1, 0, 0, true},
        {ASK(",\"metadata\":{\"user_id\":\"" X200 "\"}"), 1, 0, 0, 0, false},
        {ASK(",\"odd\":\"" X200 "\""), 1, 0, 0, 0, true},
        {SAY("{\"type\":\"text\",\"text\":\"" X200 "\"}"), 1, 0, 0, 0, true},
        {SAY("{\"type\":\"image\",\"source\":" BASE64 "}"), 1, 0, 1, 0, false},
        {SAY("{\"type\":\"image\",\"source\":{\"type\":\"odd\",\"x\":\"" X200 "\"}}"), 1, 0, 1, 0,
         true},
        {SAY("{\"type\":\"document\",\"source\":" BASE64 "}"), 1, 0, 0, 1, false},
        {SAY("{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"" X200 "\"}}"), 1, 0,
         0, 0, true},
        {SAY("{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":"
             "\"image\",\"source\":" BASE64 "}]}}"),
         1, 0, 1, 0, false},
        {SAY("{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"image\","
             "\"source\":" BASE64 "}]}"),
         1, 0, 1, 0, false},
        {SAY("{\"type\":\"tool_use\",\"input\":{\"type\":\"image\",\"source\":" BASE64 "}}"), 1, 0,
         0, 0, true},
        {SAY("{\"type\":\"odd\",\"source\":" BASE64 "}"), 1, 0, 0, 0, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct neutral_request r;
        struct err err;
        assert_int_equal(read(&r, cases[i].text, &err), 0);
        assert_int_equal(r.size.messages, cases[i].messages);
        assert_int_equal(r.size.tools, cases[i].tools);
        assert_int_equal(r.size.images, cases[i].images);
        assert_int_equal(r.size.files, cases[i].files);
        if ((r.size.text_bytes >= 200) != cases[i].counted)
            fail_msg("%zu: %lld", i, (long long)r.size.text_bytes);
        neutral_request_fini(&r);
    }
    /* Tools of Anthropic's own come with a description of its. */
    struct neutral_request r;
    struct err err;
    assert_int_equal(read(&r, ASK(",\"tools\":[{\"type\":\"bash_20250124\"}]"), &err), 0);
    assert_true(r.size.text_bytes > 2000);
    neutral_request_fini(&r);
}

static void test_betas(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *line;
    } cases[] = {
        {NULL, NULL},
        {"", NULL},
        {" , ,", NULL},
        {"context-1m-2025-08-07", NULL},
        {"interleaved-thinking", NULL},
        {"interleaved-thinking-2025-05-1x", NULL},
        {"x-interleaved-thinking-2025-05-14", NULL},
        {"interleaved-thinking-2025-05-14\r\nx: y", NULL},
        {"interleaved-thinking-2025-05-14", "anthropic-beta: interleaved-thinking-2025-05-14"},
        {"a, effort-2025-11-24 ,fast-mode-2026-02-01,pdfs-2024-09-25",
         "anthropic-beta: effort-2025-11-24,pdfs-2024-09-25"},
    };
    struct arena *arena = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *line = messages_beta_header(arena, cases[i].given);
        if (cases[i].line == NULL)
            assert_null(line);
        else
            assert_string_equal(line, cases[i].line);
    }
    arena_free(arena);
}

static void test_explain(void **state)
{
    (void)state;
    static const char text[] =
        "{\"model\":\"m\",\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{"
        "\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
        "\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
        "\"t\"},{\"type\":\"text\",\"text\":\"b\"}]}]}";
    static const struct {
        const char *param;
        const char *here;
    } cases[] = {
        {"stop", "stop_sequences"},
        {"reasoning_effort", "output_config.effort"},
        {"max_completion_tokens", "max_tokens"},
        {"response_format", "output_config.format"},
        {"top_k", "top_k"},
        {"messages", "messages"},
        {"messages[0].content[0]", "system"},
        {"messages[1].content[0]", "messages[0]"},
        {"messages[4].content[0]", "messages[2]"},
        {"messages[9].content[0]", "messages[9].content[0]"},
    };
    struct arena *arena = arena_new();
    struct neutral_request r;
    struct err err;

    assert_int_equal(read(&r, text, &err), 0);
    assert_int_equal(messages_read_content(&r, arena, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[256];
        err_set(&err, ERR_UNSUPPORTED_VALUE, cases[i].param, "'%s' is wrong.", cases[i].param);
        messages_explain(&err, &r);
        assert_string_equal(err.param, cases[i].here);
        snprintf(want, sizeof want, "'%s' is wrong.", cases[i].here);
        assert_string_equal(err.message, want);
    }
    neutral_request_fini(&r);
    arena_free(arena);
}

static void test_error_body(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        const char *type;
    } cases[] = {
        {ERR_BAD_REQUEST, "invalid_request_error"},
        {ERR_AUTH_MISSING, "authentication_error"},
        {ERR_NO_CREDIT, "billing_error"},
        {ERR_FORBIDDEN, "permission_error"},
        {ERR_MODEL_NOT_FOUND, "not_found_error"},
        {ERR_METHOD, "invalid_request_error"},
        {ERR_TOO_LARGE, "request_too_large"},
        {ERR_INTERNAL, "api_error"},
        {ERR_UPSTREAM, "api_error"},
        {ERR_NO_WORKER, "overloaded_error"},
        {ERR_TIMEOUT, "timeout_error"},
    };
    struct buf out;
    struct err err;

    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[64];
        err_set(&err, cases[i].code, NULL, "\"quoted\"");
        buf_clear(&out);
        messages_error_body(&out, &err, "req_1");
        snprintf(want, sizeof want, "{\"type\":\"error\",\"error\":{\"type\":\"%s\"",
                 cases[i].type);
        assert_int_equal(strncmp(out.data, want, strlen(want)), 0);
        assert_non_null(strstr(out.data, "\\\"quoted\\\""));
        assert_non_null(strstr(out.data, "\"request_id\":\"req_1\"}"));
    }
    err_set(&err, ERR_NO_CREDIT, NULL, "m");
    buf_clear(&out);
    messages_error_body(&out, &err, "r");
    assert_string_equal(out.data, "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\","
                                  "\"message\":\"m\",\"code\":\"insufficient_credits\"},"
                                  "\"request_id\":\"r\"}");
    err_set(&err, ERR_UNSUPPORTED_VALUE, "thread", "m");
    buf_clear(&out);
    messages_error_body(&out, &err, "r");
    assert_non_null(strstr(out.data, "\"details\":{\"error_code\":\"thread_unsupported_request\","
                                     "\"unsupported\":[\"thread\"]}"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_size),    cmocka_unit_test(test_betas),
        cmocka_unit_test(test_explain), cmocka_unit_test(test_error_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
