/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "net/deliver.h"
#include "net/transfer.h"
#include "peer.h"

enum { PATIENCE_MS = 60 * 1000 };

static const char *const headers[] = {"webhook-id: whd_1", "Content-Type: application/json"};

static struct deliver_result post(struct deliver *d, const char *url, int64_t timeout_ms)
{
    struct deliver_result result;
    int tag;
    const struct deliver_request request = {
        .url = url,
        .headers = headers,
        .header_count = ARRAY_LEN(headers),
        .body = span_of("{\"a\":1}"),
        .timeout_ms = timeout_ms,
        .tag = &tag,
    };
    memset(&result, 0x5a, sizeof result);
    deliver_start(d, &request);
    assert_int_equal(deliver_active(d), 1);
    while (!deliver_take(&result, d))
        deliver_run(d, 1000);
    assert_ptr_equal(result.tag, &tag);
    assert_int_equal(deliver_active(d), 0);
    return result;
}

/* One POST to a peer with this script; the peer's last request in `request` (may be NULL). */
static struct deliver_result post_to(struct peer *p, int64_t timeout_ms, char *request, size_t size)
{
    struct deliver *d = deliver_new(true);
    char url[64];

    peer_start(p);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/hook?x=1", p->port);
    struct deliver_result result = post(d, url, timeout_ms);
    deliver_free(d);
    if (request != NULL)
        snprintf(request, size, "%s", p->request);
    peer_stop(p);
    return result;
}

#define ANSWER(text)                                                                               \
    {                                                                                              \
        .scripts = { {{PEER_REQUEST, NULL, 0}, {PEER_SEND, text, 0}} }                             \
    }

static void test_delivered(void **state)
{
    struct peer p = ANSWER("HTTP/1.1 204 No Content\r\n\r\n");
    char request[1024];

    (void)state;
    struct deliver_result r = post_to(&p, PATIENCE_MS, request, sizeof request);
    assert_int_equal(r.status, 204);
    assert_null(r.failure);
    assert_int_equal(r.excerpt_len, 0);
    assert_int_equal(r.retry_after_s, 0);
    assert_non_null(strstr(request, "POST /hook?x=1 HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "\r\nwebhook-id: whd_1\r\n"));
    assert_non_null(strstr(request, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(request, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(request, "Expect:"));
    assert_null(strstr(request, "Authorization"));
}

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        int status;
        int retry_after_s;
        const char *excerpt;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, 0, "ok"},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, 0, "until the end"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 201, 0,
         ""},
        {"HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone", 410, 0, "gone"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 302, 0,
         ""},
        {"HTTP/1.1 429 X\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n", 429, 120, ""},
        {"HTTP/1.1 503 X\r\nRetry-After: 999999999\r\nContent-Length: 0\r\n\r\n", 503, 86400, ""},
        {"HTTP/1.1 503 X\r\nRetry-After: Mon, 01 Jan 2001 00:00:00 GMT\r\nContent-Length: "
         "0\r\n\r\n",
         503, 0, ""},
        /* A whole head is an answer, whatever becomes of the body. */
        {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut off", 200, 0, "cut off"},
        {"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", 500, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p = {.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, cases[i].text, 0}}}};
        struct deliver_result r = post_to(&p, PATIENCE_MS, NULL, 0);
        if (r.status != cases[i].status || r.retry_after_s != cases[i].retry_after_s)
            fail_msg("%s: %d, %d s (%s)", cases[i].text, r.status, r.retry_after_s, r.detail);
        assert_int_equal(r.excerpt_len, strlen(cases[i].excerpt));
        assert_memory_equal(r.excerpt, cases[i].excerpt, r.excerpt_len);
    }
}

static void test_no_answers(void **state)
{
    static const struct {
        const char *text;
        const char *failure;
    } cases[] = {
        {"", "broke off"},
        {"HTTP/1.1 200 OK\r\nContent-Le", "broke off"},
        {"SSH-2.0-OpenSSH\r\n", "no HTTP"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer p = {.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, cases[i].text, 0}}}};
        struct deliver_result r = post_to(&p, PATIENCE_MS, NULL, 0);
        assert_int_equal(r.status, 0);
        if (r.failure == NULL || strstr(r.failure, cases[i].failure) == NULL)
            fail_msg("%s: %s (%s)", cases[i].text, r.failure, r.detail);
    }
    struct peer reset = {.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_RESET, NULL, 0}}}};
    struct deliver_result r = post_to(&reset, PATIENCE_MS, NULL, 0);
    assert_non_null(strstr(r.failure, "broke off"));
}

/* A server that says nothing, one that stalls in its head, one that stalls in its body. */
static void test_time(void **state)
{
    static const char *const begins[] = {"", "HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
        struct peer p = {
            .scripts = {
                {{PEER_REQUEST, NULL, 0}, {PEER_SEND, begins[i], 0}, {PEER_WAIT, NULL, 0}}}};
        struct deliver_result r = post_to(&p, 300, NULL, 0);
        assert_true(r.elapsed_ms > 0);
        assert_int_equal(r.status, i == 2 ? 200 : 0);
        if (i < 2)
            assert_non_null(strstr(r.failure, "in time"));
        assert_true(atomic_load(&p.closed_by_client));
    }
}

/* An endless body is read to the limit and cut off; so are endless headers. */
static void test_too_much(void **state)
{
    struct peer body = {
        .scripts = {{{PEER_REQUEST, NULL, 0},
                     {PEER_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", 0},
                     {PEER_REPEAT, "0123456789abcdef", 10 * 1000 * 1000}}}};
    struct peer head = {
        .scripts = {{{PEER_REQUEST, NULL, 0},
                     {PEER_SEND, "HTTP/1.1 200 OK\r\n", 0},
                     {PEER_REPEAT, "X-Filler: 0123456789abcdef\r\n", 1000 * 1000}}}};

    (void)state;
    struct deliver_result r = post_to(&body, PATIENCE_MS, NULL, 0);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.excerpt_len, DELIVER_EXCERPT_MAX);
    assert_memory_equal(r.excerpt + DELIVER_EXCERPT_MAX - 16, "0123456789abcdef", 16);
    r = post_to(&head, PATIENCE_MS, NULL, 0);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.failure, "too many headers"));
}

static void test_guard_and_urls(void **state)
{
    static const struct {
        const char *before; /* the port */
        const char *after;
        const char *failure;
    } cases[] = {
        {"http://127.0.0.1:", "/", "not public"},
        {"http://localhost:", "/", "not public"},
        {"http://[::1]:", "/", "not public"},
        {"http://[::ffff:127.0.0.1]:", "/", "not public"},
        {"http://2130706433:", "/", "not public"},
        {"http://0x7f.1:", "/", "not public"},
        {"http://169.254.169.254/latest?", "", "not public"},
        {"ftp://127.0.0.1:", "/", "no valid http"},
        {"file:///etc/passwd?", "", "no valid http"},
        {"http://user:pw@127.0.0.1:", "/", "user name"},
        {"http://no-such-host.invalid:", "/", "resolved"},
        {"non sense:", "", "no valid http"},
    };
    struct peer p = ANSWER("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct deliver *d = deliver_new(false);
    char url[128];

    (void)state;
    peer_start(&p);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(url, sizeof url, "%s%d%s", cases[i].before, p.port, cases[i].after);
        struct deliver_result r = post(d, url, PATIENCE_MS);
        assert_int_equal(r.status, 0);
        if (r.failure == NULL || strstr(r.failure, cases[i].failure) == NULL)
            fail_msg("%s: %s (%s)", url, r.failure, r.detail);
    }
    assert_int_equal(atomic_load(&p.connections), 0);
    deliver_free(d);
    peer_stop(&p);
}

/* Many at once, one of them slow: the others do not wait for it, and a connection is used again. */
static void test_many(void **state)
{
    struct peer slow = {.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_WAIT, NULL, 0}}}};
    struct peer quick = {
        .scripts = {{{PEER_REQUEST, NULL, 0},
                     {PEER_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0},
                     {PEER_REQUEST, NULL, 0},
                     {PEER_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0}}}};
    struct deliver *d = deliver_new(true);
    struct deliver_result result;
    char slow_url[64];
    char quick_url[64];

    (void)state;
    peer_start(&slow);
    peer_start(&quick);
    snprintf(slow_url, sizeof slow_url, "http://127.0.0.1:%d/", slow.port);
    snprintf(quick_url, sizeof quick_url, "http://127.0.0.1:%d/", quick.port);
    struct deliver_request request = {
        .url = slow_url, .body = span_of("{}"), .timeout_ms = PATIENCE_MS, .tag = slow_url};
    deliver_start(d, &request);
    request.url = request.tag = quick_url;
    for (int i = 0; i < 2; i++) {
        deliver_start(d, &request);
        assert_int_equal(deliver_active(d), 2);
        while (!deliver_take(&result, d))
            deliver_run(d, 1000);
        assert_ptr_equal(result.tag, quick_url);
        assert_int_equal(result.status, 200);
    }
    assert_int_equal(atomic_load(&quick.connections), 1);
    deliver_free(d); /* with the slow one on its way */
    peer_stop(&slow);
    peer_stop(&quick);
}

static int start(void **state)
{
    struct err err;

    (void)state;
    return transfer_global_init(&err);
}

static int finish(void **state)
{
    (void)state;
    transfer_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivered),  cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_answers), cmocka_unit_test(test_time),
        cmocka_unit_test(test_too_much),   cmocka_unit_test(test_guard_and_urls),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
