/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/auth.h"
#include "unit.h"

#include <string.h>

#define KEY "sk-aig-0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const right[] = {
    "Bearer " KEY, "bearer " KEY, "BEARER " KEY, "Bearer  " KEY, "Bearer      " KEY,
};

static const char *const missing[] = {NULL, ""};

static const char *const wrong[] = {
    " ",
    "Bearer",
    "Bearer ",
    "Bearer   ",
    KEY,
    "Bearer" KEY,
    "Bearer\t" KEY,
    " Bearer " KEY,
    "Basic " KEY,
    "Bearer " KEY " ",
    "Bearer " KEY "0",
    "Bearer " KEY ", Bearer " KEY,
    "Bearer sk-aig-0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
    "Bearer sk-aig-0123456789abcdef0123456789abcdef0123456789abcde",
    "Bearer sk-aig-0123456789abcdef0123456789abcdef0123456789abcdeg",
    "Bearer sk-proj-0123456789abcdef0123456789abcdef0123456789abcdef",
    "Bearer \xff\xfe",
};

static void test_right(void **state)
{
    (void)state;
    unsigned char want[SECRET_SHA256_SIZE];

    secret_sha256(want, KEY, strlen(KEY));
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        unsigned char got[SECRET_SHA256_SIZE] = {0};
        struct err err;
        assert_int_equal(auth_key_hash(got, right[i], &err), 0);
        assert_memory_equal(got, want, sizeof want);
    }
}

static void check_refused(const char *header, enum err_code code)
{
    unsigned char got[SECRET_SHA256_SIZE];
    struct err err;

    assert_int_equal(auth_key_hash(got, header, &err), -1);
    assert_int_equal(err.code, code);
    assert_int_equal(err.status, 401);
    assert_true(err.message[0] != '\0');
    assert_null(strstr(err.message, "0123456789abcdef"));
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(missing); i++)
        check_refused(missing[i], ERR_AUTH_MISSING);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        check_refused(wrong[i], ERR_AUTH_INVALID);
}

/* A key may come as Anthropic's clients send it. */
static void test_two_headers(void **state)
{
    (void)state;
    static const struct {
        const char *authorization;
        const char *api_key;
        enum err_code code; /* ERR_NONE: accepted */
    } cases[] = {
        {NULL, KEY, ERR_NONE},
        {"", KEY, ERR_NONE},
        {"Bearer " KEY, NULL, ERR_NONE},
        {"Bearer " KEY, "sk-ant-other", ERR_NONE},
        {"Bearer sk-other", KEY, ERR_NONE},
        {"Basic x", KEY, ERR_NONE},
        {NULL, NULL, ERR_AUTH_MISSING},
        {NULL, "", ERR_AUTH_MISSING},
        {NULL, "sk-ant-other", ERR_AUTH_INVALID},
        {NULL, "Bearer " KEY, ERR_AUTH_INVALID},
        {"Bearer sk-other", "sk-ant-other", ERR_AUTH_INVALID},
    };
    unsigned char want[SECRET_SHA256_SIZE];

    secret_sha256(want, KEY, strlen(KEY));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned char got[SECRET_SHA256_SIZE] = {0};
        struct err err;
        int rc = auth_any_key_hash(got, cases[i].authorization, cases[i].api_key, &err);
        assert_int_equal(rc, cases[i].code == ERR_NONE ? 0 : -1);
        if (rc == 0)
            assert_memory_equal(got, want, sizeof want);
        else
            assert_int_equal(err.code, cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_headers),
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
