/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/batch.h"
#include "peer.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

static const char *const headers[] = {"Authorization: Bearer k", "Content-Type: application/json"};

static int group_start(void **state)
{
    struct err err;

    (void)state;
    return transfer_global_init(&err);
}

static int group_stop(void **state)
{
    (void)state;
    transfer_global_fini();
    return 0;
}

static const struct batch_limits limits = {
    .at_once = 4, .connect_timeout_ms = 20000, .timeout_ms = 60000, .body_max = 1000};

/* One call at a peer that does this after the request; the result is the caller's. */
static struct batch_result call(const struct peer_step *answer, const char *body,
                                const struct batch_limits *l, char *seen, size_t seen_size)
{
    struct peer peer = {.script_count = 1};
    struct batch_result result;
    char url[64];

    peer.scripts[0][0] = (struct peer_step){.kind = PEER_REQUEST};
    peer.scripts[0][1] = *answer;
    peer_start(&peer);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x?y=z", peer.port);
    const struct batch_request request = {
        .url = url,
        .headers = headers,
        .header_count = 2,
        .body = {.ptr = body, .len = body != NULL ? strlen(body) : 0},
    };
    batch_run(&result, &request, 1, l);
    if (seen != NULL)
        snprintf(seen, seen_size, "%s", peer.request);
    peer_stop(&peer);
    return result;
}

static void test_get_and_post(void **state)
{
    (void)state;
    char seen[2000];
    struct batch_result r =
        call(&(struct peer_step){PEER_SEND, OK, 0}, NULL, &limits, seen, sizeof seen);

    assert_int_equal(r.end, TRANSFER_DONE);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.data, "ok");
    assert_memory_equal(seen, "GET /x?y=z HTTP/1.1\r\n", 21);
    assert_non_null(strstr(seen, "\r\nAuthorization: Bearer k\r\n"));
    batch_free(&r, 1);
    r = call(&(struct peer_step){PEER_SEND, OK, 0}, "{}", &limits, seen, sizeof seen);
    assert_int_equal(r.end, TRANSFER_DONE);
    assert_memory_equal(seen, "POST /x?y=z HTTP/1.1\r\n", 22);
    assert_non_null(strstr(seen, "\r\n\r\n{}"));
    batch_free(&r, 1);
}

static void test_ends(void **state)
{
    (void)state;
    struct batch_limits small = limits;
    struct batch_result r;

    small.body_max = 1;
    r = call(&(struct peer_step){PEER_SEND, OK, 0}, NULL, &small, NULL, 0);
    assert_int_equal(r.end, TRANSFER_TOO_LARGE);
    batch_free(&r, 1);
    r = call(&(struct peer_step){PEER_RESET, NULL, 0}, "{}", &limits, NULL, 0);
    assert_int_equal(r.end, TRANSFER_CUT);
    assert_true(r.detail[0] != '\0');
    batch_free(&r, 1);
    r = call(&(struct peer_step){PEER_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 0},
             NULL, &limits, NULL, 0);
    assert_int_equal(r.end, TRANSFER_CUT);
    batch_free(&r, 1);
    small = limits;
    small.timeout_ms = 100;
    r = call(&(struct peer_step){PEER_WAIT, NULL, 0}, "{}", &small, NULL, 0);
    assert_int_equal(r.end, TRANSFER_TIMEOUT);
    batch_free(&r, 1);
}

static void test_no_redirects(void **state)
{
    (void)state;
    static const char moved[] = "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n"
                                "Content-Length: 0\r\nConnection: close\r\n\r\n";
    struct batch_result r = call(&(struct peer_step){PEER_SEND, moved, 0}, NULL, &limits, NULL, 0);

    assert_int_equal(r.end, TRANSFER_DONE);
    assert_int_equal(r.status, 302);
    batch_free(&r, 1);
}

/* Many, some of which fail: each result is its own request's. */
static void test_several(void **state)
{
    (void)state;
    struct batch_request requests[20];
    struct batch_result results[20];
    struct peer peer = {.script_count = 1};
    char url[64];

    peer.scripts[0][0] = (struct peer_step){.kind = PEER_REQUEST};
    peer.scripts[0][1] = (struct peer_step){PEER_SEND, OK, 0};
    peer_start(&peer);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer.port);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        requests[i] = (struct batch_request){.url = i % 5 == 4   ? "http://127.0.0.1:1/"
                                                    : i % 5 == 3 ? "gopher://127.0.0.1/"
                                                                 : url};
    batch_run(results, requests, ARRAY_LEN(requests), &limits);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        assert_int_equal(results[i].end == TRANSFER_DONE, i % 5 < 3);
        if (i % 5 == 4)
            assert_int_equal(results[i].end, TRANSFER_UNREACHABLE);
    }
    assert_int_equal(atomic_load(&peer.requests), 12);
    batch_free(results, ARRAY_LEN(results));
    peer_stop(&peer);
    batch_run(results, requests, 0, &limits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_and_post),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_no_redirects),
        cmocka_unit_test(test_several),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
