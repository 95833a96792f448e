/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "chat_session.h"
#include "unit.h"
#include "wire/openrouter.h"

#include <stdio.h>
#include <string.h>

#define PLAIN  "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define STREAM PLAIN ",\"stream\":true"

static int write_request(struct buf *out, const char *text, bool hedge, struct err *err)
{
    struct neutral_target target = {
        .upstream_model = "vendor/up", .dialect = "openrouter", .output_limit = 99, .hedge = hedge};
    struct neutral_request r;

    assert_int_equal(completions_read_request(&r, text, strlen(text), err), 0);
    buf_clear(out);
    int rc = openrouter_format.write_request(out, &r, &target, err);
    neutral_request_fini(&r);
    return rc;
}

static void test_write_request(void **state)
{
    (void)state;
    struct buf out;
    struct err err;

    buf_init(&out, SESSION_OUT_MAX);
    assert_int_equal(
        write_request(&out, PLAIN ",\"max_completion_tokens\":5,\"seed\":1}", false, &err), 0);
    assert_non_null(strstr(out.data, "\"model\":\"vendor/up\""));
    assert_non_null(strstr(out.data, "\"max_tokens\":99"));
    assert_non_null(strstr(out.data, "\"seed\":1"));
    assert_null(strstr(out.data, "max_completion_tokens"));
    assert_null(strstr(out.data, "stream_options"));
    assert_int_equal(write_request(&out, STREAM "}", false, &err), 0);
    assert_non_null(strstr(out.data, "\"include_usage\":true"));
    buf_fini(&out);
}

/* What would have another model or a paid service serve. */
static void test_refused_fields(void **state)
{
    (void)state;
    static const char *const fields[] = {"models", "route", "plugins", "preset",
                                         "web_search_options"};
    struct buf out;

    buf_init(&out, SESSION_OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        char text[256];
        struct err err;
        snprintf(text, sizeof text, PLAIN ",\"%s\":[]}", fields[i]);
        assert_int_equal(write_request(&out, text, false, &err), -1);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, fields[i]);
        snprintf(text, sizeof text, PLAIN ",\"%s\":null}", fields[i]);
        assert_int_equal(write_request(&out, text, false, &err), 0);
    }
    buf_fini(&out);
}

/* Another maker's model stands in for OpenAI's. */
static void test_hedge(void **state)
{
    (void)state;
    struct buf out;
    struct err err;

    buf_init(&out, SESSION_OUT_MAX);
    assert_int_equal(write_request(&out,
                                   PLAIN
                                   ",\"seed\":1,\"logprobs\":true,\"reasoning_effort\":\"low\","
                                   "\"temperature\":0.5}",
                                   true, &err),
                     0);
    assert_null(strstr(out.data, "seed"));
    assert_null(strstr(out.data, "logprobs"));
    assert_null(strstr(out.data, "reasoning_effort"));
    assert_non_null(strstr(out.data, "\"reasoning\":{\"effort\":\"low\"}"));
    assert_non_null(strstr(out.data, "\"temperature\":0.5"));
    assert_non_null(strstr(out.data, "\"require_parameters\":true"));
    /* Only what says more than the default needs an endpoint that takes it. */
    assert_int_equal(write_request(&out,
                                   PLAIN ",\"parallel_tool_calls\":true,\"modalities\":[\"text\"]}",
                                   true, &err),
                     0);
    assert_null(strstr(out.data, "parallel_tool_calls"));
    assert_null(strstr(out.data, "modalities"));
    assert_int_equal(write_request(&out, PLAIN ",\"parallel_tool_calls\":false}", true, &err), 0);
    assert_non_null(strstr(out.data, "\"parallel_tool_calls\":false"));
    buf_fini(&out);
}

struct cost_case {
    const char *cost; /* as it stands in the JSON; NULL: no member */
    const char *want;
};

static const struct cost_case costs[] = {
    {"0.0012", "0.0012"},
    {"0", "0"},
    {"0.0", "0"},
    {"1.5e-05", "0.000015"},
    {"1E-3", "0.001"},
    {"0.0000000005", "0.000000001"},
    {"0.00000000049", "0"},
    {"12", "12"},
    {"-1", ""},
    {"-0.5", ""},
    {"1e300", ""},
    {"10000000000", ""},
    {"\"0.5\"", ""},
    {"null", ""},
    {"true", ""},
    {"{}", ""},
    {NULL, ""},
};

static void test_cost(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(costs); i++) {
        struct chat_session s;
        char text[512];
        snprintf(
            text, sizeof text,
            "data: {\"id\":\"c\",\"model\":\"vendor/up\",\"choices\":[{\"delta\":{\"content\":"
            "\"a\"}}],\"usage\":{\"prompt_tokens\":1,\"is_byok\":false,\"cost_details\":{}%s%s}}"
            "\n\ndata: [DONE]\n\n",
            costs[i].cost != NULL ? ",\"cost\":" : "", costs[i].cost != NULL ? costs[i].cost : "");
        session_init(&s, &openrouter_format,
                     STREAM ",\"stream_options\":{\"include_usage\":true}}");
        session_feed(&s, text, strlen(text));
        assert_true(s.done && !s.failed && s.usage.known);
        assert_string_equal(s.usage.cost_usd, costs[i].want);
        session_end(&s, "0.75");
        assert_non_null(strstr(s.out.data, "\"usage\":{\"prompt_tokens\":1,\"cost\":0.75}"));
        assert_null(strstr(s.out.data, "vendor/up"));
        assert_non_null(strstr(s.out.data, "\"model\":\"m\""));
        session_fini(&s);
    }
}

static void test_answer(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":\"c\",\"model\":\"vendor/up\",\"provider\":\"P\",\"choices\":[{\"message\":{"
        "\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":1,\"cost\":0.002,\"is_byok\":true,"
        "\"cost_details\":{\"upstream_inference_cost\":null}}}";
    struct json_object *answer = NULL;
    struct chat_session s;

    session_init(&s, &openrouter_format, PLAIN "}");
    assert_int_equal(jsonx_parse(&answer, text, strlen(text), &s.err), 0);
    assert_int_equal(openrouter_format.read_answer(&s.reader, answer, session_event, &s, &s.err),
                     0);
    json_object_put(answer);
    assert_string_equal(s.usage.cost_usd, "0.002");
    session_end(&s, "0.0028");
    assert_non_null(strstr(s.out.data, "\"model\":\"m\""));
    assert_non_null(strstr(s.out.data, "\"provider\":\"P\""));
    assert_non_null(strstr(s.out.data, "\"usage\":{\"prompt_tokens\":1,\"cost\":0.0028}"));
    session_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_request), cmocka_unit_test(test_refused_fields),
        cmocka_unit_test(test_hedge),         cmocka_unit_test(test_cost),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
