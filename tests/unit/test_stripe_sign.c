/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/stripe_sign.h"

#include "base/secret.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static const char secret[] = "whsec_test_secret";
static const char body[] = "{\"id\":\"evt_1\"}";
enum { NOW = 1700000000 };

/* HMAC-SHA256 of "<time>.<text>" in hex. */
static void sign(char out[65], const char *time, const char *text, const char *key)
{
    unsigned char mac[SECRET_SHA256_SIZE];
    char payload[512];

    int len = snprintf(payload, sizeof payload, "%s.%s", time, text);
    secret_hmac_sha256(mac, key, strlen(key), payload, (size_t)len);
    secret_hex(out, mac, sizeof mac);
}

static int check(const char *header, const char *text, int64_t now)
{
    struct err err;

    err_clear(&err);
    int rc = stripe_sign_check(header, span_of(text), secret, now, &err);
    assert_true(rc == 0 || (rc == -1 && err.status == 400));
    assert_null(strstr(err.message, secret));
    return rc;
}

/* The form with the signature in place of its $. */
static void fill(char *out, size_t size, const char *form, const char *mac)
{
    size_t before = strcspn(form, "$");

    snprintf(out, size, "%.*s%s%s", (int)before, form, form[before] == '$' ? mac : "",
             form[before] == '$' ? form + before + 1 : "");
}

static void test_a_known_signature(void **state)
{
    (void)state;
    /* echo -n '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_secret */
    assert_int_equal(check("t=1700000000,v1="
                           "248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a",
                           body, NOW),
                     0);
}

static void test_orders_and_neighbours(void **state)
{
    static const char *const forms[] = {
        "t=1700000000,v1=$",
        "v1=$,t=1700000000",
        "t=1700000000,v1=$,v0=0123",
        "t=1700000000,v0=1,v1=0123,v1=$",
        "t=1700000000,v1=$,",
        ",t=1700000000,,v1=$",
        "t=1700000000,v2=x=y,unknown,v1=$",
    };
    char mac[65];
    char header[512];

    (void)state;
    sign(mac, "1700000000", body, secret);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        fill(header, sizeof header, forms[i], mac);
        assert_int_equal(check(header, body, NOW), 0);
    }
}

static void test_what_is_none(void **state)
{
    static const char *const forms[] = {
        "",
        ",",
        "t=1700000000",
        "v1=$",
        "t=,v1=$",
        "t=now,v1=$",
        "t=1700000000x,v1=$",
        "t=-1700000000,v1=$",
        "t= 1700000000,v1=$",
        "t=1700000000,t=1700000000,v1=$",
        "t=1700000000;v1=$",
        "t=1700000000,v0=$",
        "t=1700000000,v1= $",
        "t=1700000000,v1=$0",
        "t=1700000000, v1=$",
        "T=1700000000,V1=$",
        "t=1700000001,v1=$",
        "t=17000000000000000000000000,v1=$",
        "t=01700000000,v1=$",
    };
    char mac[65];
    char header[512];

    (void)state;
    sign(mac, "1700000000", body, secret);
    assert_int_equal(check(NULL, body, NOW), -1);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        fill(header, sizeof header, forms[i], mac);
        assert_int_equal(check(header, body, NOW), -1);
    }
}

static void test_each_character_counts(void **state)
{
    char mac[65];
    char header[512];

    (void)state;
    sign(mac, "1700000000", body, secret);
    for (size_t i = 0; i < 64; i++) {
        char changed[65];
        memcpy(changed, mac, sizeof changed);
        changed[i] = changed[i] == '0' ? '1' : '0';
        snprintf(header, sizeof header, "t=1700000000,v1=%s", changed);
        assert_int_equal(check(header, body, NOW), -1);
    }
    snprintf(header, sizeof header, "t=1700000000,v1=%.63s", mac);
    assert_int_equal(check(header, body, NOW), -1);
    snprintf(header, sizeof header, "t=1700000000,v1=%s", mac);
    assert_int_equal(check(header, "{\"id\":\"evt_2\"}", NOW), -1);
    sign(mac, "1700000000", body, "whsec_other");
    snprintf(header, sizeof header, "t=1700000000,v1=%s", mac);
    assert_int_equal(check(header, body, NOW), -1);
}

static void test_tolerance(void **state)
{
    char mac[65];
    char header[512];

    (void)state;
    sign(mac, "1700000000", body, secret);
    snprintf(header, sizeof header, "t=1700000000,v1=%s", mac);
    assert_int_equal(check(header, body, NOW + STRIPE_TOLERANCE_S), 0);
    assert_int_equal(check(header, body, NOW + STRIPE_TOLERANCE_S + 1), -1);
    assert_int_equal(check(header, body, NOW - STRIPE_TOLERANCE_S), 0);
    assert_int_equal(check(header, body, NOW - STRIPE_TOLERANCE_S - 1), -1);
}

static void test_bytes_and_bounds(void **state)
{
    static const char binary[] = "a\0b\xff\n";
    unsigned char mac[SECRET_SHA256_SIZE];
    char payload[64] = "1700000000.";
    char hex[65];
    char header[STRIPE_HEADER_MAX + 200];
    struct err err;

    (void)state;
    /* A body is bytes, a NUL among them. */
    memcpy(payload + 11, binary, sizeof binary - 1);
    secret_hmac_sha256(mac, secret, strlen(secret), payload, 11 + sizeof binary - 1);
    secret_hex(hex, mac, sizeof mac);
    snprintf(header, sizeof header, "t=1700000000,v1=%s", hex);
    err_clear(&err);
    struct span bytes = {binary, sizeof binary - 1};
    assert_int_equal(stripe_sign_check(header, bytes, secret, NOW, &err), 0);
    bytes.len--;
    assert_int_equal(stripe_sign_check(header, bytes, secret, NOW, &err), -1);
    /* An empty body has a signature, too. */
    sign(hex, "1700000000", "", secret);
    snprintf(header, sizeof header, "t=1700000000,v1=%s", hex);
    assert_int_equal(check(header, "", NOW), 0);
    /* Longer than any real header. */
    int len = snprintf(header, sizeof header, "t=1700000000,v1=%s,v0=", hex);
    memset(header + len, 'x', sizeof header - (size_t)len - 1);
    header[sizeof header - 1] = '\0';
    assert_int_equal(check(header, "", NOW), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_signature), cmocka_unit_test(test_orders_and_neighbours),
        cmocka_unit_test(test_what_is_none),      cmocka_unit_test(test_each_character_counts),
        cmocka_unit_test(test_tolerance),         cmocka_unit_test(test_bytes_and_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
