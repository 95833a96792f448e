/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/secret.h"
#include "core/webhook.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define KEY "0123456789abcdef0123456789abcdef"

static void expect_text(const struct buf *b, const char *text)
{
    assert_false(buf_failed(b));
    assert_string_equal(b->data, text);
}

/* The example of the specification's reference libraries. */
static void test_signature_of_the_specification(void **state)
{
    struct buf key;
    struct buf out;

    (void)state;
    buf_init(&key, 100);
    buf_init(&out, 100);
    assert_int_equal(secret_unbase64(&key, span_of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")), 0);
    webhook_append_signature(
        &out, key.data, key.len,
        span_of("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}"));
    expect_text(&out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    buf_fini(&key);
    buf_fini(&out);
}

static void test_delays(void **state)
{
    static const int64_t seconds[] = {5, 60, 300, 1800, 7200, 18000, 36000, 86400};

    (void)state;
    assert_int_equal(WEBHOOK_ATTEMPTS, 1 + ARRAY_LEN(seconds));
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        int64_t failed = (int64_t)i + 1;
        int64_t base = seconds[i] * 1000;
        assert_int_equal(webhook_delay_ms(failed, 0, 0), base);
        int64_t most = webhook_delay_ms(failed, UINT32_MAX, 0);
        assert_true(most > base + base / 6 && most <= base + base / 5);
        /* A server may ask for more, but not for less. */
        assert_int_equal(webhook_delay_ms(failed, 0, 1), base);
        assert_int_equal(webhook_delay_ms(failed, 0, 100000), 100000000);
    }
    assert_int_equal(webhook_delay_ms(WEBHOOK_ATTEMPTS, 0, 0), -1);
    assert_int_equal(webhook_delay_ms(WEBHOOK_ATTEMPTS, 0, 100), -1);
    assert_int_equal(webhook_delay_ms(255, 0, 0), -1);
}

static void check_excerpt(const char *data, size_t len, const char *expected)
{
    struct buf out;

    buf_init(&out, 4096);
    webhook_excerpt(&out, data, len);
    expect_text(&out, expected);
    buf_fini(&out);
}

#define EXCERPT(data, expected) check_excerpt(data, sizeof data - 1, expected)
#define BAD                     "\xef\xbf\xbd"

static void test_excerpt(void **state)
{
    (void)state;
    EXCERPT("", "");
    EXCERPT("{\"ok\": true}\r\n\t", "{\"ok\": true}\r\n\t");
    EXCERPT("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
            "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    EXCERPT("a\xff\xfe z", "a" BAD BAD " z");
    EXCERPT("caf\xe9 z", "caf" BAD " z"); /* Latin-1 */
    EXCERPT("nul\0esc\x1b[31m\x7f", "nul" BAD "esc" BAD "[31m" BAD);
    EXCERPT("\xc0\x80\xed\xa0\x80", BAD BAD BAD BAD BAD); /* overlong, surrogate */
    /* Cut in a character: left out. */
    EXCERPT("x\xc3", "x");
    EXCERPT("x\xe2\x82", "x");
    EXCERPT("x\xf0\x9f\x98", "x");
    EXCERPT("x\x9f\x98", "x" BAD BAD);
}

/* An attempt as it comes from the database, with its account's two secrets, newest first. */
struct loaded {
    struct arena *arena;
    struct webhook_attempt attempt;
    struct webhook_secret newest;
    struct webhook_secret older;
};

static const char *hex_of(struct arena *arena, const struct buf *b)
{
    char *hex = arena_alloc(arena, 2 * b->len + 1);

    secret_hex(hex, b->data, b->len);
    for (char *p = hex; *p != '\0'; p++)
        if (*p >= 'a')
            *p = (char)(*p - 'a' + 'A'); /* as HEX() writes it */
    return hex;
}

static void load(struct loaded *l, const char *body, const char *master, int64_t account_id)
{
    struct conf conf = {.secret_key = master};
    struct buf first;
    struct buf second;
    struct err err;

    buf_init(&first, 100);
    buf_init(&second, 100);
    l->arena = arena_new();
    webhook_secret_make(&l->newest, &first, KEY, 42);
    webhook_secret_make(&l->older, &second, KEY, 42);
    struct hook_job job = {.id = "whd_01K89SU552QUJRSKVK7GKPDVHR",
                           .claim = "0123456789abcdef",
                           .account_id = account_id,
                           .task_id = "task_1",
                           .url = "https://example.com/hook",
                           .step = 2,
                           .body = body};
    job.secrets =
        arena_printf(l->arena, "%s,%s", hex_of(l->arena, &first), hex_of(l->arena, &second));
    webhook_attempt_init(&l->attempt);
    assert_int_equal(webhook_attempt_load(&l->attempt, &job, NULL, l->arena, &conf, &err), 0);
    buf_fini(&first);
    buf_fini(&second);
}

static void unload(struct loaded *l)
{
    webhook_attempt_fini(&l->attempt);
    arena_free(l->arena);
}

static const char *header(const struct webhook_attempt *a, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < WEBHOOK_HEADER_COUNT; i++)
        if (strncmp(a->headers[i], name, len) == 0 && a->headers[i][len] == ':')
            return a->headers[i] + len + 2;
    fail_msg("no header %s", name);
    return NULL;
}

/* What the documentation tells a receiver to compute, from the secret as it was shown. */
static void expected_signature(struct buf *out, const char *shown, const char *content)
{
    struct buf key;

    buf_init(&key, 100);
    assert_int_equal(strncmp(shown, "whsec_", 6), 0);
    assert_int_equal(secret_unbase64(&key, span_of(shown + 6)), 0);
    webhook_append_signature(out, key.data, key.len, span_of(content));
    buf_fini(&key);
}

static void test_headers(void **state)
{
    static const char content[] = "whd_01K89SU552QUJRSKVK7GKPDVHR.1764000000.{\"code\":200}";
    unsigned char mac[SECRET_SHA256_SIZE];
    struct loaded l;
    struct buf expected;

    (void)state;
    load(&l, "{\"code\":200}", KEY, 42);
    assert_int_equal(l.attempt.secret_count, 2);
    assert_string_equal(l.attempt.secrets[0].text, l.newest.text);
    webhook_sign(&l.attempt, 1700000000);
    webhook_sign(&l.attempt, 1764000000); /* a later attempt: another time, the same id */
    assert_string_equal(header(&l.attempt, "webhook-id"), "whd_01K89SU552QUJRSKVK7GKPDVHR");
    assert_string_equal(header(&l.attempt, "webhook-timestamp"), "1764000000");
    assert_string_equal(header(&l.attempt, "X-Webhook-Timestamp"), "1764000000");
    assert_string_equal(header(&l.attempt, "Content-Type"), "application/json");
    assert_true(span_equals(webhook_attempt_body(&l.attempt), "{\"code\":200}"));
    buf_init(&expected, 1000);
    expected_signature(&expected, l.newest.text, content);
    buf_append_char(&expected, ' ');
    expected_signature(&expected, l.older.text, content);
    assert_string_equal(header(&l.attempt, "webhook-signature"), expected.data);
    buf_clear(&expected);
    secret_hmac_sha256(mac, l.newest.text, strlen(l.newest.text), "task_1.1764000000", 17);
    secret_base64(&expected, mac, sizeof mac);
    assert_string_equal(header(&l.attempt, "X-Webhook-Signature"), expected.data);
    buf_fini(&expected);
    unload(&l);
}

/* Opens neither under another key nor for another account, and then nothing is sent. */
static void test_secret_that_does_not_open(void **state)
{
    const char *error = NULL;
    struct loaded l;

    (void)state;
    load(&l, "{}", KEY "x", 42);
    assert_int_equal(l.attempt.secret_count, 0);
    assert_int_equal(webhook_attempt_start(&error, &l.attempt, NULL, 1764000000), -1);
    assert_non_null(strstr(error, "secret"));
    unload(&l);
    load(&l, "{}", KEY, 43);
    assert_int_equal(l.attempt.secret_count, 0);
    unload(&l);
    load(&l, NULL, KEY, 42);
    assert_int_equal(webhook_attempt_start(&error, &l.attempt, NULL, 1764000000), -1);
    assert_non_null(strstr(error, "1 MiB"));
    unload(&l);
}

static void test_secret_text(void **state)
{
    struct webhook_secret secret;
    struct buf sealed;
    char last4[5];

    (void)state;
    buf_init(&sealed, 1000);
    webhook_secret_make(&secret, &sealed, KEY, 1);
    assert_int_equal(strlen(secret.text), WEBHOOK_SECRET_LEN);
    assert_int_equal(strncmp(secret.text, "whsec_", 6), 0);
    assert_int_equal(sealed.len, WEBHOOK_SECRET_BYTES + SECRET_SEAL_OVERHEAD);
    webhook_secret_last4(last4, &secret);
    assert_string_equal(last4, secret.text + WEBHOOK_SECRET_LEN - 4);
    buf_fini(&sealed);
}

static void test_outcomes(void **state)
{
    static const struct {
        int status;
        const char *failure;
        enum hook_outcome outcome;
        const char *written; /* after id and claim */
    } cases[] = {
        {200, NULL, HOOK_DELIVERED, "\"delivered\",200,null,\"body\",0]"},
        {299, NULL, HOOK_DELIVERED, "\"delivered\",299,null,\"body\",0]"},
        {410, NULL, HOOK_DEAD, "\"dead\",410,\"The endpoint is gone (HTTP 410).\",\"body\",0]"},
        {301, NULL, HOOK_RETRY, "\"retry\",301,\"Redirects are not followed (HTTP 301).\","},
        {400, NULL, HOOK_RETRY, "\"retry\",400,\"The answer was HTTP 400.\",\"body\","},
        {503, NULL, HOOK_RETRY, "\"retry\",503,\"The answer was HTTP 503.\",\"body\","},
        {0, "No connection.", HOOK_RETRY, "\"retry\",null,\"No connection.\",null,"},
    };
    static const char row[] = "[[\"whd_01K89SU552QUJRSKVK7GKPDVHR\",\"0123456789abcdef\",";
    struct loaded l;
    struct buf b;

    (void)state;
    load(&l, "{}", KEY, 42);
    buf_init(&b, 10000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct deliver_result answer = {.status = cases[i].status, .failure = cases[i].failure};
        answer.excerpt_len = cases[i].status != 0 ? 4 : 0;
        memcpy(answer.excerpt, "body", 4);
        buf_clear(&b);
        assert_int_equal(webhook_attempt_conclude(&b, &l.attempt, &answer), cases[i].outcome);
        assert_memory_equal(b.data, row, strlen(row));
        if (strncmp(b.data + strlen(row), cases[i].written, strlen(cases[i].written)) != 0)
            fail_msg("%d: %s", cases[i].status, b.data);
    }
    /* The last one. */
    l.attempt.step = WEBHOOK_ATTEMPTS - 1;
    struct deliver_result answer = {.status = 500, .retry_after_s = 60};
    assert_int_equal(webhook_attempt_conclude(&b, &l.attempt, &answer), HOOK_DEAD);
    assert_int_equal(webhook_attempt_fail(&b, &l.attempt, "because"), HOOK_DEAD);
    buf_fini(&b);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_of_the_specification),
        cmocka_unit_test(test_delays),
        cmocka_unit_test(test_excerpt),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_secret_that_does_not_open),
        cmocka_unit_test(test_secret_text),
        cmocka_unit_test(test_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
