/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/cookie.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define T "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_tokens(void **state)
{
    char one[COOKIE_TOKEN_SIZE];
    char two[COOKIE_TOKEN_SIZE];
    (void)state;

    cookie_new_token(one);
    cookie_new_token(two);
    assert_true(cookie_token_valid(one));
    assert_string_not_equal(one, two);
    assert_true(cookie_token_valid(T));
    assert_false(cookie_token_valid(NULL));
    assert_false(cookie_token_valid(""));
    assert_false(cookie_token_valid(T "0"));
    assert_false(cookie_token_valid(T + 1));
    assert_false(
        cookie_token_valid("0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"));
}

static void test_found(void **state)
{
    static const char *const good[] = {
        "aig_session=" T,
        "aig_session=" T ";",
        "a=b; aig_session=" T,
        "aig_session=" T "; a=b",
        "a=b;aig_session=" T " ;c=d",
        "  aig_session=" T,
        "aig_session2=x; aig_session=" T,
    };
    (void)state;
    struct err err;
    char out[COOKIE_TOKEN_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(cookie_present(good[i]));
        assert_int_equal(cookie_token(out, good[i], &err), 0);
        assert_string_equal(out, T);
    }
}

static void test_not_found(void **state)
{
    static const struct {
        const char *cookies;
        bool present;
    } bad[] = {
        {NULL, false},
        {"", false},
        {";;;", false},
        {"aig_session", false},
        {"xaig_session=" T, false},
        {"AIG_SESSION=" T, false},
        {"a=aig_session=" T, false},
        {"aig_session=", true},
        {"aig_session=" T "0", true},
        {"aig_session=\"" T "\"", true},
        {"aig_session=" T "; aig_session=" T, true},
        {"aig_session=x; aig_session=" T, true},
    };
    (void)state;
    struct err err;
    char out[COOKIE_TOKEN_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(cookie_present(bad[i].cookies), bad[i].present);
        assert_int_equal(cookie_token(out, bad[i].cookies, &err), -1);
        assert_int_equal(err.code, ERR_NOT_SIGNED_IN);
        assert_int_equal(err.status, 401);
    }
}

static void test_csrf(void **state)
{
    struct err err;
    char csrf[COOKIE_CSRF_SIZE];
    (void)state;

    cookie_csrf(csrf, T);
    assert_int_equal(strlen(csrf), 64);
    assert_int_equal(cookie_check_csrf(T, csrf, &err), 0);
    assert_string_not_equal(csrf, T);
    static const char *const bad[] = {NULL, "", "x", T};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(cookie_check_csrf(T, bad[i], &err), -1);
        assert_int_equal(err.code, ERR_CSRF);
        assert_int_equal(err.status, 403);
    }
    csrf[0] = csrf[0] == '0' ? '1' : '0';
    assert_int_equal(cookie_check_csrf(T, csrf, &err), -1);
    cookie_csrf(csrf, "another");
    assert_int_equal(cookie_check_csrf(T, csrf, &err), -1);
}

static void test_set(void **state)
{
    char out[COOKIE_SET_SIZE];
    (void)state;

    cookie_set(out, T, "https://ai.example.org", 60);
    assert_string_equal(out,
                        "aig_session=" T "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
    cookie_set(out, T, NULL, 60);
    assert_non_null(strstr(out, "; Secure"));
    cookie_set(out, T, "http://127.0.0.1:8080", 60);
    assert_null(strstr(out, "Secure"));
    assert_non_null(strstr(out, "; HttpOnly; SameSite=Lax"));
    cookie_set(out, NULL, "https://ai.example.org", 60);
    assert_string_equal(out, "aig_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_found),
        cmocka_unit_test(test_not_found), cmocka_unit_test(test_csrf),
        cmocka_unit_test(test_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
