/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/secret.h"
#include "unit.h"

#include <pthread.h>
#include <string.h>

enum { HEX_SIZE = 2 * SECRET_SHA256_SIZE + 1 };

static void sha256_vectors(void **state)
{
    (void)state;
    unsigned char digest[SECRET_SHA256_SIZE];
    char hex[HEX_SIZE];
    secret_sha256(digest, "", 0);
    secret_hex(hex, digest, sizeof(digest));
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    secret_sha256(digest, "abc", 3);
    secret_hex(hex, digest, sizeof(digest));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* RFC 4231 */
static void hmac_vectors(void **state)
{
    (void)state;
    unsigned char digest[SECRET_SHA256_SIZE];
    char hex[HEX_SIZE];
    secret_hmac_sha256(digest, "Jefe", 4, "what do ya want for nothing?", 28);
    secret_hex(hex, digest, sizeof(digest));
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    unsigned char key[131];
    memset(key, 0xAA, sizeof(key));
    const char *data = "Test Using Larger Than Block-Size Key - Hash Key First";
    secret_hmac_sha256(digest, key, sizeof(key), data, strlen(data));
    secret_hex(hex, digest, sizeof(digest));
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* Empty key and text: b613679a... (known from many implementations) */
    secret_hmac_sha256(digest, NULL, 0, "", 0);
    secret_hex(hex, digest, sizeof(digest));
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void random_differs(void **state)
{
    (void)state;
    unsigned char a[32] = {0};
    unsigned char b[32] = {0};
    secret_random(a, sizeof(a));
    secret_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    unsigned char guarded[3] = {1, 1, 1};
    secret_random(guarded + 1, 0);
    assert_int_equal(guarded[1], 1);
}

static void equal_compares(void **state)
{
    (void)state;
    assert_true(secret_equal("abc", "abc", 3));
    assert_false(secret_equal("abc", "abd", 3));
    assert_false(secret_equal("abc", "xbc", 3));
    assert_true(secret_equal("abc", "xyz", 0));
    assert_false(secret_equal("a\0b", "a\0c", 3));
}

static void hex_is_lower_case(void **state)
{
    (void)state;
    char out[9] = "xxxxxxxx";
    secret_hex(out, "\x00\x0F\xA0\xFF", 4);
    assert_string_equal(out, "000fa0ff");
    secret_hex(out, "", 0);
    assert_string_equal(out, "");
}

/* RFC 4648, section 10 */
static void base64_vectors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b;
        buf_init(&b, 100);
        secret_base64(&b, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(b.data, cases[i][1]);
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 100);
    secret_base64(&b, "\xFB\xFF\xFE\x00", 4);
    assert_string_equal(b.data, "+//+AA==");
    buf_fini(&b);
    buf_init(&b, 7);
    secret_base64(&b, "foobar", 6);
    assert_true(buf_failed(&b));
    buf_fini(&b);
}

static void base64_is_read_strictly(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9vYmFy", "foobar"}, {"+//+", "\xFB\xFF\xFE"},
    };
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "Zg==Zg==", "=g==", "====", " Zg==", "Zm9\n", "-__-"};
    struct buf b;

    buf_init(&b, 100);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        buf_clear(&b);
        assert_int_equal(secret_unbase64(&b, span_of(good[i][0])), 0);
        assert_int_equal(b.len, strlen(good[i][1]));
        assert_true(span_equals(buf_span(&b), good[i][1]));
    }
    buf_clear(&b);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(secret_unbase64(&b, span_of(bad[i])), -1);
    assert_int_equal(b.len, 0);
    assert_int_equal(secret_unbase64_lines(&b, "Zm9v\nYmFy\nZg=="), 0);
    assert_true(span_equals(buf_span(&b), "foobarf"));
    assert_int_equal(secret_unbase64_lines(&b, ""), 0);
    assert_int_equal(secret_unbase64_lines(&b, "Zm9v\nYmFy?"), -1);
    assert_int_equal(secret_unbase64_lines(&b, "Zm9v\nYm"), -1);
    assert_int_equal(b.len, 7);
    buf_fini(&b);
}

static void sealed_texts_open_in_their_place_only(void **state)
{
    (void)state;
    static const char master[] = "0123456789abcdef0123456789abcdef";
    struct buf sealed;
    struct buf plain;

    buf_init(&sealed, 1000);
    buf_init(&plain, 1000);
    secret_seal(&sealed, master, "carry", span_of("row 1"), span_of("thoughts"));
    assert_int_equal(sealed.len, strlen("thoughts") + SECRET_SEAL_OVERHEAD);
    assert_int_equal(secret_open(&plain, master, "carry", span_of("row 1"), buf_span(&sealed)), 0);
    assert_true(span_equals(buf_span(&plain), "thoughts"));
    buf_clear(&plain);
    assert_int_equal(secret_open(&plain, master, "other", span_of("row 1"), buf_span(&sealed)), -1);
    assert_int_equal(secret_open(&plain, master, "carry", span_of("row 2"), buf_span(&sealed)), -1);
    assert_int_equal(
        secret_open(&plain, "another key", "carry", span_of("row 1"), buf_span(&sealed)), -1);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        assert_int_equal(secret_open(&plain, master, "carry", span_of("row 1"), buf_span(&sealed)),
                         -1);
        sealed.data[i] ^= 1;
    }
    for (size_t len = 0; len < sealed.len; len++)
        assert_int_equal(
            secret_open(&plain, master, "carry", span_of("row 1"), (struct span){sealed.data, len}),
            -1);
    assert_int_equal(plain.len, 0);
    /* An empty text is one, too; the same text never looks the same twice. */
    struct buf again;
    buf_init(&again, 1000);
    secret_seal(&again, master, "carry", span_of("row 1"), span_of("thoughts"));
    assert_memory_not_equal(again.data, sealed.data, sealed.len);
    buf_clear(&again);
    secret_seal(&again, master, "carry", span_of(""), span_of(""));
    assert_int_equal(secret_open(&plain, master, "carry", span_of(""), buf_span(&again)), 0);
    assert_int_equal(plain.len, 0);
    buf_fini(&again);
    buf_fini(&plain);
    buf_fini(&sealed);
}

static void check_scrypt(const char *password, const char *salt, unsigned log2_n, unsigned r,
                         unsigned p, const char *want)
{
    const struct secret_scrypt_cost cost = {.log2_n = log2_n, .r = r, .p = p};
    unsigned char key[64];
    char hex[2 * sizeof key + 1];

    assert_int_equal(
        secret_scrypt(key, sizeof key, span_of(password), span_of(salt), &cost, 64 * 1024 * 1024),
        0);
    secret_hex(hex, key, sizeof key);
    assert_string_equal(hex, want);
}

/* RFC 7914, section 12; its last vector needs 1 GiB. */
static void scrypt_vectors(void **state)
{
    (void)state;
    check_scrypt("", "", 4, 1, 1,
                 "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                 "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    check_scrypt("password", "NaCl", 10, 8, 16,
                 "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                 "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    check_scrypt("pleaseletmein", "SodiumChloride", 14, 8, 1,
                 "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                 "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

static void scrypt_is_bounded(void **state)
{
    (void)state;
    static const struct secret_scrypt_cost bad[] = {
        {.log2_n = 0, .r = 8, .p = 1},
        {.log2_n = 31, .r = 8, .p = 1},
        {.log2_n = 14, .r = 0, .p = 1},
        {.log2_n = 14, .r = 8, .p = 0},
        {.log2_n = 20, .r = 8, .p = 1}, /* 1 GiB */
        {.log2_n = 4, .r = 1u << 20, .p = 1u << 20},
    };
    unsigned char key[32];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(
            secret_scrypt(key, sizeof key, span_of("x"), span_of("y"), &bad[i], 64 * 1024 * 1024),
            -1);
}

static void *hash_often(void *arg)
{
    unsigned char first[SECRET_SHA256_SIZE];
    unsigned char again[SECRET_SHA256_SIZE];
    secret_sha256(first, "thread", 6);
    bool *same = arg;
    *same = true;
    for (int i = 0; i < 2000; i++) {
        secret_sha256(again, "thread", 6);
        *same = *same && secret_equal(first, again, sizeof(first));
        secret_hmac_sha256(again, first, sizeof(first), "x", 1);
        secret_random(again, sizeof(again));
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool same[4];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hash_often, &same[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(same[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(random_differs),
        cmocka_unit_test(equal_compares),
        cmocka_unit_test(hex_is_lower_case),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(base64_is_read_strictly),
        cmocka_unit_test(sealed_texts_open_in_their_place_only),
        cmocka_unit_test(scrypt_vectors),
        cmocka_unit_test(scrypt_is_bounded),
        cmocka_unit_test(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
