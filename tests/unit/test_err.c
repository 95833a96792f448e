/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static void set_fills_from_the_table(void **state)
{
    (void)state;
    struct err e;
    err_clear(&e);
    assert_int_equal(e.code, ERR_NONE);
    assert_int_equal(err_set(&e, ERR_BAD_REQUEST, "messages[0].role", "bad %s", "role"), -1);
    assert_int_equal(e.code, ERR_BAD_REQUEST);
    assert_int_equal(e.status, 400);
    assert_string_equal(e.type, "invalid_request_error");
    assert_string_equal(e.code_text, "");
    assert_string_equal(e.param, "messages[0].role");
    assert_string_equal(e.message, "bad role");
    assert_string_equal(e.detail, "");
    assert_false(e.retryable);
    assert_int_equal(e.retry_after_s, 0);

    err_set(&e, ERR_NO_WORKER, NULL, "busy");
    assert_int_equal(e.status, 503);
    assert_int_equal(e.retry_after_s, 1);
    assert_true(e.retryable);
    assert_string_equal(e.param, "");
    err_clear(&e);
    assert_int_equal(e.status, 0);
    assert_string_equal(e.message, "");
}

static void statuses_are_those_of_the_header(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        int status;
        const char *code_text;
    } cases[] = {
        {ERR_BAD_REQUEST, 400, ""},
        {ERR_UNSUPPORTED_VALUE, 400, "unsupported_value"},
        {ERR_AUTH_MISSING, 401, "missing_api_key"},
        {ERR_AUTH_INVALID, 401, "invalid_api_key"},
        {ERR_AUTH_DISABLED, 401, "key_disabled"},
        {ERR_AUTH_EXPIRED, 401, "key_expired"},
        {ERR_ACCOUNT_DISABLED, 401, "account_disabled"},
        {ERR_FORBIDDEN, 403, "forbidden"},
        {ERR_KEY_CAP, 402, "key_cap_exceeded"},
        {ERR_ACCOUNT_CAP, 402, "account_cap_exceeded"},
        {ERR_TEAM_CAP, 402, "team_cap_exceeded"},
        {ERR_NO_CREDIT, 402, "insufficient_credits"},
        {ERR_MODEL_NOT_FOUND, 404, "model_not_found"},
        {ERR_NOT_FOUND, 404, "not_found"},
        {ERR_UNSUPPORTED_ENDPOINT, 404, "unsupported_endpoint"},
        {ERR_METHOD, 405, "method_not_allowed"},
        {ERR_IDEMPOTENCY_BUSY, 409, "idempotency_in_flight"},
        {ERR_IDEMPOTENCY_GONE, 410, "idempotency_answer_gone"},
        {ERR_IDEMPOTENCY_REUSED, 422, "idempotency_key_reused"},
        {ERR_LENGTH, 411, "length_required"},
        {ERR_TOO_LARGE, 413, "request_too_large"},
        {ERR_MEDIA_TYPE, 415, "unsupported_media_type"},
        {ERR_HEADERS_TOO_LARGE, 431, "headers_too_large"},
        {ERR_INTERNAL, 500, "server_error"},
        {ERR_NOT_IMPLEMENTED, 501, "not_implemented"},
        {ERR_UPSTREAM, 502, "upstream_error"},
        {ERR_UPSTREAM_AUTH, 502, "upstream_unavailable"},
        {ERR_UPSTREAM_BUSY, 503, "upstream_overloaded"},
        {ERR_DATABASE, 503, "database_unavailable"},
        {ERR_NO_WORKER, 503, "overloaded"},
        {ERR_TIMEOUT, 504, "upstream_timeout"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        err_set(&e, cases[i].code, NULL, "x");
        assert_int_equal(e.status, cases[i].status);
        assert_string_equal(e.code_text, cases[i].code_text);
        assert_true(e.type[0] != '\0');
        /* A 503 tells when to come back, and so does a call that another request makes; the SDKs
         * repeat 5xx and 409 themselves. */
        bool elsewhere = e.code == ERR_IDEMPOTENCY_BUSY;
        assert_int_equal(e.retry_after_s > 0, e.status == 503 || elsewhere);
        /* Never a repeat of what is the caller's to mend. */
        assert_true(!e.retryable || e.status >= 500 || elsewhere);
    }
}

static void names_are_unique(void **state)
{
    (void)state;
    for (int a = 0; a < ERR__COUNT; a++) {
        assert_true(err_name((enum err_code)a)[0] != '\0');
        for (int b = 0; b < a; b++) {
            assert_string_not_equal(err_name((enum err_code)a), err_name((enum err_code)b));
        }
    }
    assert_string_equal(err_name(ERR_BAD_REQUEST), "bad_request");
    assert_string_equal(err_name(ERR_DATABASE), "database_unavailable");
    assert_string_equal(err_name(ERR__COUNT), "unknown");
}

static void upstream_keeps_its_words(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set_upstream(&e, 429, "tokens", "rate_limit_exceeded", NULL, "slow down"),
                     -1);
    assert_int_equal(e.code, ERR_UPSTREAM_STATUS);
    assert_int_equal(e.status, 429);
    assert_string_equal(e.type, "tokens");
    assert_string_equal(e.code_text, "rate_limit_exceeded");
    assert_string_equal(e.message, "slow down");
    assert_true(e.retryable);

    err_set_upstream(&e, 400, NULL, NULL, "max_tokens", NULL);
    assert_string_equal(e.type, "invalid_request_error");
    assert_string_equal(e.code_text, "");
    assert_string_equal(e.param, "max_tokens");
    assert_string_equal(e.message, "");
    assert_false(e.retryable);
}

/* A message of "x" times n and a character of 2 to 4 bytes is cut before it, never inside it. */
static void long_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"e", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < ARRAY_LEN(characters); c++) {
        size_t size = strlen(characters[c]);
        for (size_t n = ERR_MESSAGE_MAX - 8; n < ERR_MESSAGE_MAX + 2; n++) {
            char text[ERR_MESSAGE_MAX + 64];
            memset(text, 'x', n);
            memcpy(text + n, characters[c], size + 1);
            struct err e;
            err_set(&e, ERR_BAD_REQUEST, NULL, "%s", text);
            size_t expected = n + size < ERR_MESSAGE_MAX ? n + size
                              : n < ERR_MESSAGE_MAX      ? n
                                                         : ERR_MESSAGE_MAX - 1;
            assert_int_equal(strlen(e.message), expected);
            assert_memory_equal(e.message, text, expected);
            err_set_upstream(&e, 400, NULL, NULL, NULL, text);
            assert_int_equal(strlen(e.message), expected);
        }
    }
    char param[300];
    memset(param, 'p', sizeof(param) - 1);
    param[sizeof(param) - 1] = '\0';
    struct err e;
    err_set(&e, ERR_BAD_REQUEST, param, "x");
    assert_int_equal(strlen(e.param), sizeof(e.param) - 1);
}

static void arguments_may_be_of_the_same_error(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_BAD_REQUEST, "n", "inner");
    err_set(&e, ERR_INTERNAL, e.param, "outer: %s", e.message);
    assert_string_equal(e.message, "outer: inner");
    assert_string_equal(e.param, "n");
}

static void details_add_up(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_UPSTREAM, NULL, "bad gateway");
    assert_int_equal(err_detail(&e, "curl %d", 28), -1);
    assert_string_equal(e.detail, "curl 28");
    err_detail(&e, "after %d ms", 100);
    assert_string_equal(e.detail, "curl 28; after 100 ms");
    assert_string_equal(e.message, "bad gateway");
    for (int i = 0; i < 100; i++) {
        err_detail(&e, "more and more \xE2\x82\xAC");
    }
    size_t len = strlen(e.detail);
    assert_true(len < ERR_DETAIL_MAX && len > ERR_DETAIL_MAX - 24);
    err_set(&e, ERR_UPSTREAM, NULL, "another");
    assert_string_equal(e.detail, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_from_the_table),
        cmocka_unit_test(statuses_are_those_of_the_header),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(upstream_keeps_its_words),
        cmocka_unit_test(long_texts_are_cut_at_a_character),
        cmocka_unit_test(arguments_may_be_of_the_same_error),
        cmocka_unit_test(details_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
