/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/format.h"

#include <stdio.h>
#include <string.h>

static void test_find(void **state)
{
    (void)state;
    static const char *const names[] = {"openai", "openrouter"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_string_equal(format_find(names[i])->name, names[i]);
    assert_null(format_find("nobody"));
    assert_null(format_find(""));
    assert_null(format_find("OpenAI"));
}

struct failure_case {
    int status;
    int ours;
    enum err_code code;
    bool retryable;
};

static const struct failure_case failures[] = {
    {400, 400, ERR_UPSTREAM_STATUS, false}, {403, 403, ERR_UPSTREAM_STATUS, false},
    {404, 404, ERR_UPSTREAM_STATUS, false}, {408, 408, ERR_UPSTREAM_STATUS, true},
    {409, 409, ERR_UPSTREAM_STATUS, true},  {413, 413, ERR_UPSTREAM_STATUS, false},
    {422, 422, ERR_UPSTREAM_STATUS, false}, {429, 429, ERR_UPSTREAM_STATUS, true},
    {401, 502, ERR_UPSTREAM_AUTH, false},   {402, 502, ERR_UPSTREAM_AUTH, false},
    {500, 502, ERR_UPSTREAM, true},         {502, 502, ERR_UPSTREAM, true},
    {503, 503, ERR_UPSTREAM_BUSY, true},    {529, 503, ERR_UPSTREAM_BUSY, true},
    {504, 504, ERR_TIMEOUT, true},          {524, 504, ERR_TIMEOUT, true},
    {599, 502, ERR_UPSTREAM, true},         {300, 502, ERR_UPSTREAM, true},
    {200, 502, ERR_UPSTREAM, true},         {0, 502, ERR_UPSTREAM, true},
    {999, 502, ERR_UPSTREAM, true},         {-1, 502, ERR_UPSTREAM, true},
};

/* A provider's 4xx keeps its words, anything else has ours: the client did not cause it. */
static void test_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        const struct failure_case *c = &failures[i];
        struct err err;
        format_failure(&err, c->status, 7, "their words", "their_type", "their_code",
                       "their.param");
        assert_int_equal(err.status, c->ours);
        assert_int_equal(err.code, c->code);
        assert_int_equal(err.retryable, c->retryable);
        assert_int_equal(err.retry_after_s, 7);
        assert_non_null(strstr(err.detail, "their words"));
        bool passed_on = c->code == ERR_UPSTREAM_STATUS;
        assert_int_equal(strcmp(err.message, "their words") == 0, passed_on);
        assert_int_equal(strcmp(err.type, "their_type") == 0, passed_on);
        assert_int_equal(strcmp(err.code_text, "their_code") == 0, passed_on);
        assert_int_equal(strcmp(err.param, "their.param") == 0, passed_on);
        if (!passed_on)
            assert_null(strstr(err.message, "their"));
    }
}

static void test_nothing_said(void **state)
{
    (void)state;
    struct err err;

    format_failure(&err, 400, 0, NULL, NULL, NULL, NULL);
    assert_true(err.message[0] != '\0' && err.type[0] != '\0');
    assert_string_equal(err.code_text, "");
    assert_string_equal(err.param, "");
    format_failure(&err, 400, 0, "", NULL, NULL, NULL);
    assert_true(err.message[0] != '\0');
}

/* Keys and account ids in a provider's words. */
static void test_masking(void **state)
{
    (void)state;
    static const char *const secrets[] = {
        "sk-proj-abcdefghijklmnop0123456789", "sk-ant-api03-abcdefghijkl0123456789",
        "org-AbCdEfGh0123456789ABCDEF",       "proj_AbCdEfGh0123456789ABCDEF",
        "user-AbCdEfGh0123456789ABCDEF",
    };
    char text[256];

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        struct err err;
        snprintf(text, sizeof text, "Incorrect key %s given, see the docs.", secrets[i]);
        format_failure(&err, 400, 0, text, NULL, NULL, NULL);
        assert_null(strstr(err.message, secrets[i] + 8));
        assert_null(strstr(err.detail, secrets[i] + 8));
        assert_non_null(strstr(err.message, "given, see the docs."));
    }
}

/* A key of any form, wherever the provider has put it. */
static void test_conceal(void **state)
{
    (void)state;
    struct err err;

    format_failure(&err, 400, 0, "KEY-9 and KEY-9KEY-9", "KEY-9", "a KEY-9", "KEY-9 b");
    format_conceal(&err, "KEY-9");
    assert_null(strstr(err.message, "KEY-9"));
    assert_null(strstr(err.detail, "KEY-9"));
    assert_null(strstr(err.type, "KEY-9"));
    assert_null(strstr(err.code_text, "KEY-9"));
    assert_null(strstr(err.param, "KEY-9"));
    assert_non_null(strstr(err.message, " and "));
    format_failure(&err, 400, 0, "nothing secret", NULL, NULL, NULL);
    format_conceal(&err, "");
    assert_string_equal(err.message, "nothing secret");
}

static void test_long_message(void **state)
{
    (void)state;
    char text[4 * ERR_MESSAGE_MAX];
    struct err err;

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    format_failure(&err, 400, 0, text, text, text, text);
    assert_true(strlen(err.message) < sizeof err.message && strlen(err.detail) < sizeof err.detail);
    assert_true(strlen(err.type) < sizeof err.type && strlen(err.param) < sizeof err.param);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct err err;

    err_clear(&err);
    assert_int_equal(format_nonsense(&err, "no JSON"), -1);
    assert_int_equal(err.status, 502);
    assert_true(err.retryable);
    assert_non_null(strstr(err.detail, "no JSON"));
    assert_null(strstr(err.message, "no JSON"));
}

/* OpenAI's own models are spoken to in the client's language; everybody else has one language. */
static void test_siblings(void **state)
{
    static const char *const names[] = {"openai-responses", "anthropic", "google", "openrouter"};
    const struct format *chat = format_find("openai");

    (void)state;
    assert_ptr_equal(format_for(chat, LANGUAGE_RESPONSES), format_find("openai-responses"));
    assert_ptr_equal(format_for(chat, LANGUAGE_COMPLETIONS), chat);
    assert_ptr_equal(format_for(chat, LANGUAGE_MESSAGES), chat);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (enum language l = LANGUAGE_COMPLETIONS; l <= LANGUAGE_GEMINI; l++)
            assert_ptr_equal(format_for(format_find(names[i]), l), format_find(names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),         cmocka_unit_test(test_failures),
        cmocka_unit_test(test_nothing_said), cmocka_unit_test(test_masking),
        cmocka_unit_test(test_conceal),      cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_nonsense),     cmocka_unit_test(test_siblings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
