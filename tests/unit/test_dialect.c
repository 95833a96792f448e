/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/jsonx.h"
#include "unit.h"
#include "wire/dialect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void test_find(void **state)
{
    /* The catalog's names, and those of generations that it may name. */
    static const char *const names[] = {"claude-4.5",       "claude-4.6",        "claude-5",
                                        "claude-haiku-5.5", "claude-sonnet-5.5", "claude-5.5",
                                        "gemini-2.5",       "gemini-3",          "openai-chat",
                                        "openai-reasoning", "openai-responses",  "openrouter"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct dialect *d = dialect_find(names[i]);
        assert_non_null(d);
        assert_string_equal(d->name, names[i]);
        assert_in_range(d->temperature_max, 1, 2);
        assert_true(d->choices_max >= 1);
        assert_true(d->efforts != 0);
    }
    assert_null(dialect_find("embedding"));
    assert_null(dialect_find(""));
    assert_null(dialect_find("claude"));
}

static void test_claude_generations(void **state)
{
    static const struct {
        const char *name;
        bool temperature;
        enum dialect_thinking thinking;
        bool thinks_by_default;
        const char *thinking_off;
        bool can_be_off;
        bool xhigh;
        enum dialect_forcing forcing;
        bool prefill;
    } rows[] = {
        {"claude-4.5", true, THINKING_BUDGET, false, NULL, true, true, FORCING_UNLESS_THINKING,
         true},
        {"claude-4.6", true, THINKING_ADAPTIVE, false, NULL, true, false, FORCING_UNLESS_THINKING,
         false},
        {"claude-5", false, THINKING_ADAPTIVE, true, "disabled", true, true,
         FORCING_UNLESS_THINKING, false},
        {"claude-haiku-5.5", false, THINKING_ADAPTIVE, true, "disabled", true, true, FORCING_ALWAYS,
         false},
        {"claude-sonnet-5.5", false, THINKING_ADAPTIVE, true, "between_tools", true, true,
         FORCING_NEVER, false},
        {"claude-5.5", false, THINKING_ADAPTIVE, true, NULL, false, true, FORCING_NEVER, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct dialect *d = dialect_find(rows[i].name);
        assert_int_equal(d->temperature, rows[i].temperature);
        assert_int_equal(d->top_p, rows[i].temperature);
        assert_int_equal(d->top_k, rows[i].temperature);
        assert_int_equal(d->thinking, rows[i].thinking);
        assert_int_equal(d->thinks_by_default, rows[i].thinks_by_default);
        assert_true((d->thinking_off == NULL) == (rows[i].thinking_off == NULL));
        if (d->thinking_off != NULL)
            assert_string_equal(d->thinking_off, rows[i].thinking_off);
        assert_int_equal((d->efforts & EFFORT_BIT(EFFORT_NONE)) != 0, rows[i].can_be_off);
        assert_int_equal((d->efforts & EFFORT_BIT(EFFORT_XHIGH)) != 0, rows[i].xhigh);
        assert_int_equal(d->forcing, rows[i].forcing);
        assert_int_equal(d->prefill, rows[i].prefill);
        assert_int_equal(d->temperature_max, 1);
        assert_int_equal(d->choices_max, 1);
        assert_true(d->json_schema);
        assert_false(d->logprobs || d->logit_bias || d->penalties || d->seed);
    }
}

static void test_effort_parse(void **state)
{
    static const char *const names[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
    enum dialect_effort effort = EFFORT_MAX;
    struct err err;

    (void)state;
    assert_int_equal(dialect_effort_parse(&effort, NULL, &err), 0);
    assert_int_equal(effort, EFFORT_UNSET);
    assert_string_equal(dialect_effort_name(effort), "");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(dialect_effort_parse(&effort, names[i], &err), 0);
        assert_int_equal(effort, EFFORT_NONE + (int)i);
        assert_string_equal(dialect_effort_name(effort), names[i]);
    }
    static const char *const bad[] = {"", "None", "highest", " high"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(dialect_effort_parse(&effort, bad[i], &err), -1);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, "reasoning_effort");
    }
}

static void test_effort_nearest(void **state)
{
    static const struct {
        const char *dialect;
        enum dialect_effort asked;
        enum dialect_effort given;
    } rows[] = {
        {"claude-4.6", EFFORT_UNSET, EFFORT_UNSET},
        {"claude-4.6", EFFORT_NONE, EFFORT_NONE},
        {"claude-4.6", EFFORT_MINIMAL, EFFORT_LOW},
        {"claude-4.6", EFFORT_LOW, EFFORT_LOW},
        {"claude-4.6", EFFORT_XHIGH, EFFORT_HIGH},
        {"claude-4.6", EFFORT_MAX, EFFORT_MAX},
        {"claude-5.5", EFFORT_NONE, EFFORT_LOW}, /* it cannot be off */
        {"claude-5.5", EFFORT_XHIGH, EFFORT_XHIGH},
        {"claude-sonnet-5.5", EFFORT_NONE, EFFORT_NONE},
        {"gemini-3", EFFORT_NONE, EFFORT_LOW},
        {"gemini-3", EFFORT_MINIMAL, EFFORT_LOW},
        {"gemini-3", EFFORT_MAX, EFFORT_HIGH},
        {"gemini-2.5", EFFORT_NONE, EFFORT_NONE},
        {"openai-responses", EFFORT_MAX, EFFORT_MAX},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(dialect_effort_nearest(dialect_find(rows[i].dialect), rows[i].asked),
                         rows[i].given);
}

static void test_number(void **state)
{
    struct json_object *v = json_object_new_int(2);

    (void)state;
    assert_true(isnan(dialect_number(NULL)));
    assert_true(dialect_number(v) > 1.5 && dialect_number(v) < 2.5);
    json_object_put(v);
}

/* What `text` (an object with members of neutral_content) gives for a dialect: "" or the field. */
static const char *check(const char *dialect, int64_t choices, const char *text, struct err *err)
{
    static char param[sizeof err->param];
    struct json_object *v = NULL;
    const char *stop[6] = {"a", "b", "c", "d", "e", "f"};

    assert_int_equal(jsonx_parse(&v, text, strlen(text), err), 0);
    struct neutral_content c = {
        .temperature = jsonx_get(v, "temperature"),
        .top_p = jsonx_get(v, "top_p"),
        .top_k = jsonx_get(v, "top_k"),
        .frequency_penalty = jsonx_get(v, "frequency_penalty"),
        .presence_penalty = jsonx_get(v, "presence_penalty"),
        .logit_bias = jsonx_get(v, "logit_bias"),
        .seed = jsonx_get(v, "seed"),
        .verbosity = jsonx_str(v, "verbosity", NULL),
        .logprobs = jsonx_bool(v, "logprobs", false),
        .stop = stop,
        .stop_count = (size_t)jsonx_i64(v, "stop", 0),
    };
    struct neutral_request r = {.choices = choices, .content = &c};
    err_clear(err);
    int rc = dialect_check(dialect_find(dialect), &r, "name", err);
    assert_true((rc == 0) == (err->status == 0));
    snprintf(param, sizeof param, "%s", err->param);
    json_object_put(v);
    return param;
}

static void test_check(void **state)
{
    static const struct {
        const char *dialect;
        int64_t choices;
        const char *content;
        const char *field;
    } rows[] = {
        {"claude-4.5", 1, "{}", ""},
        {"claude-4.5", 2, "{}", "n"},
        {"gemini-3", 8, "{}", ""},
        {"gemini-3", 9, "{}", "n"},
        {"openai-responses", 2, "{}", "n"},
        {"claude-4.5", 1, "{\"temperature\":0.3,\"top_p\":0.5,\"top_k\":3}", ""},
        {"claude-5", 1, "{\"temperature\":0.3}", "temperature"},
        {"claude-5", 1, "{\"temperature\":0}", "temperature"},
        {"claude-5", 1, "{\"temperature\":1,\"top_p\":1.0}", ""}, /* what it does anyway */
        {"claude-5.5", 1, "{\"top_p\":0.9}", "top_p"},
        {"claude-sonnet-5.5", 1, "{\"top_k\":1}", "top_k"},
        {"openai-chat", 1, "{\"top_k\":1}", "top_k"},
        {"claude-4.6", 1, "{\"frequency_penalty\":0,\"presence_penalty\":0.0}", ""},
        {"claude-4.6", 1, "{\"frequency_penalty\":0.1}", "frequency_penalty"},
        {"claude-4.6", 1, "{\"presence_penalty\":-1}", "presence_penalty"},
        {"gemini-3", 1, "{\"presence_penalty\":1}", ""},
        {"claude-4.6", 1, "{\"logit_bias\":{}}", ""},
        {"claude-4.6", 1, "{\"logit_bias\":{\"5\":1}}", "logit_bias"},
        {"openai-chat", 1, "{\"logit_bias\":{\"5\":1}}", ""},
        {"claude-4.6", 1, "{\"logprobs\":true}", "logprobs"},
        {"claude-4.6", 1, "{\"seed\":5}", ""}, /* best effort anywhere: nothing is lost */
        {"claude-4.6", 1, "{\"verbosity\":\"medium\"}", ""},
        {"claude-4.6", 1, "{\"verbosity\":\"low\"}", "verbosity"},
        {"openai-responses", 1, "{\"verbosity\":\"low\"}", ""},
        {"claude-4.6", 1, "{\"stop\":6}", ""},
        {"gemini-3", 1, "{\"stop\":5}", ""},
        {"gemini-3", 1, "{\"stop\":6}", "stop"},
        {"openai-responses", 1, "{\"stop\":1}", "stop"},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_string_equal(check(rows[i].dialect, rows[i].choices, rows[i].content, &err),
                            rows[i].field);
        if (rows[i].field[0] == '\0')
            continue;
        assert_int_equal(err.status, 400);
        assert_string_equal(err.code_text, "unsupported_value");
        assert_non_null(strstr(err.message, "name"));
        assert_non_null(strstr(err.message, rows[i].field));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),         cmocka_unit_test(test_claude_generations),
        cmocka_unit_test(test_effort_parse), cmocka_unit_test(test_effort_nearest),
        cmocka_unit_test(test_number),       cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
