/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "net/transfer.h"
#include "peer.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { FAR_MS = 30 * 1000, SOON_MS = 200 };

/* What the callbacks have seen, and when they want to stop. */
struct seen {
    struct buf body;
    int heads;
    int status;
    int retry_after_s;
    char content_type[128];
    size_t longest;
    int ticks;
    int watched;
    bool stop_at_head;
    bool stop_at_data;
    int stop_at_tick;
    bool stop_when_watched;
};

static int on_head(const struct transfer_head *head, void *arg)
{
    struct seen *s = arg;

    s->heads++;
    s->status = head->status;
    s->retry_after_s = head->retry_after_s;
    snprintf(s->content_type, sizeof s->content_type, "%s", head->content_type);
    return s->stop_at_head;
}

static int on_data(const char *data, size_t len, void *arg)
{
    struct seen *s = arg;

    assert_int_equal(s->heads, 1);
    s->longest = len > s->longest ? len : s->longest;
    buf_append(&s->body, data, len);
    return s->stop_at_data;
}

static int on_tick(bool watched, void *arg)
{
    struct seen *s = arg;

    s->ticks++;
    s->watched += watched;
    return (watched && s->stop_when_watched) ||
           (s->stop_at_tick > 0 && s->ticks >= s->stop_at_tick);
}

static const struct transfer_callbacks callbacks = {
    .head = on_head, .data = on_data, .tick = on_tick};

struct call {
    struct peer peer;
    struct transfer_request request;
    struct transfer_result result;
    struct seen seen;
    char url[128];
};

static struct transfer *transfer;
static const char *const headers[] = {"Content-Type: application/json", "X-Test: yes"};

static void prepare(struct call *c)
{
    peer_start(&c->peer);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d/v1/x", c->peer.port);
    buf_init(&c->seen.body, 256 * 1024 * 1024);
    c->request = (struct transfer_request){
        .url = c->url,
        .headers = headers,
        .header_count = ARRAY_LEN(headers),
        .body = span_of("{\"a\":1}"),
        .connect_timeout_ms = FAR_MS,
        .first_byte_timeout_ms = FAR_MS,
        .idle_timeout_ms = FAR_MS,
        .deadline_ms = 0,
        .tick_ms = 1000,
        .watch_fd = -1,
    };
}

static void again(struct call *c)
{
    buf_clear(&c->seen.body);
    c->seen.heads = 0;
    transfer_run(&c->result, transfer, &c->request, &callbacks, &c->seen);
}

static void finish(struct call *c)
{
    buf_fini(&c->seen.body);
    peer_stop(&c->peer);
}

#define HEAD  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define WHOLE HEAD "Content-Length: 5\r\n\r\nhello"

static void test_whole(void **state)
{
    (void)state;
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, WHOLE, 0}}}};

    prepare(&c);
    again(&c);
    assert_int_equal(c.result.end, TRANSFER_DONE);
    assert_int_equal(c.result.head.status, 200);
    assert_true(c.result.first_byte_ms >= 0);
    assert_int_equal(c.seen.heads, 1);
    assert_string_equal(c.seen.content_type, "application/json");
    assert_string_equal(c.seen.body.data, "hello");
    assert_int_equal(strncmp(c.peer.request, "POST /v1/x HTTP/1.1\r\n", 21), 0);
    assert_non_null(strstr(c.peer.request, "\r\nX-Test: yes\r\n"));
    assert_non_null(strstr(c.peer.request, "\r\nContent-Length: 7\r\n"));
    assert_null(strstr(c.peer.request, "Expect"));
    assert_non_null(strstr(c.peer.request, "\r\n\r\n{\"a\":1}"));
    finish(&c);
}

static void test_connection_is_kept(void **state)
{
    (void)state;
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0},
                                       {PEER_SEND, WHOLE, 0},
                                       {PEER_REQUEST, NULL, 0},
                                       {PEER_SEND, WHOLE, 0},
                                       {PEER_WAIT, NULL, 0}}}};

    prepare(&c);
    again(&c);
    again(&c);
    assert_int_equal(c.result.end, TRANSFER_DONE);
    assert_string_equal(c.seen.body.data, "hello");
    assert_int_equal(atomic_load(&c.peer.connections), 1);
    transfer_free(transfer);
    transfer = transfer_new();
    finish(&c);
}

/* A kept connection that the peer has closed meanwhile is replaced without a word. */
static void test_stale_connection(void **state)
{
    (void)state;
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, WHOLE, 0}}}};

    prepare(&c);
    for (int i = 0; i < 5; i++) {
        again(&c);
        assert_int_equal(c.result.end, TRANSFER_DONE);
        assert_string_equal(c.seen.body.data, "hello");
    }
    assert_int_equal(atomic_load(&c.peer.connections), 5);
    finish(&c);
}

struct end_case {
    struct peer_step steps[PEER_STEPS_MAX];
    enum transfer_end end;
    int status;
    int heads;
    const char *body;
};

static const struct end_case ends[] = {
    {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, HEAD "Connection: close\r\n\r\nhello", 0}},
     TRANSFER_DONE,
     200,
     1,
     "hello"},
    {{{PEER_REQUEST, NULL, 0},
      {PEER_SEND, HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 0}},
     TRANSFER_DONE,
     200,
     1,
     "hello"},
    {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, "HTTP/1.1 204 No\r\n\r\n", 0}},
     TRANSFER_DONE,
     204,
     1,
     ""},
    {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", 0}},
     TRANSFER_DONE,
     500,
     1,
     "no"},
    /* Not followed. */
    {{{PEER_REQUEST, NULL, 0},
      {PEER_SEND, "HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
       0}},
     TRANSFER_DONE,
     302,
     1,
     ""},
    {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, "HTTP/1.1 100 Continue\r\n\r\n" WHOLE, 0}},
     TRANSFER_DONE,
     200,
     1,
     "hello"},
    {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, HEAD "Content-Length: 9\r\n\r\nhello", 0}},
     TRANSFER_CUT,
     200,
     1,
     "hello"},
    {{{PEER_REQUEST, NULL, 0},
      {PEER_SEND, HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0}},
     TRANSFER_CUT,
     200,
     1,
     "hello"},
    {{{PEER_REQUEST, NULL, 0},
      {PEER_SEND, HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", 0}},
     TRANSFER_CUT,
     200,
     1,
     "hello"},
    {{{PEER_REQUEST, NULL, 0}}, TRANSFER_CUT, 0, 0, ""},
    {{{PEER_REQUEST, NULL, 0}, {PEER_RESET, NULL, 0}}, TRANSFER_CUT, 0, 0, ""},
    {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, "this is no HTTP\r\n\r\n", 0}}, TRANSFER_CUT, 0, 0, ""},
    {{{PEER_REQUEST, NULL, 0},
      {PEER_SEND, "HTTP/1.1 200 OK\r\n", 0},
      {PEER_REPEAT, "X: y\r\n", 300}},
     TRANSFER_TOO_LARGE,
     0,
     0,
     ""},
};

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct call c;
        memset(&c, 0, sizeof c);
        memcpy(c.peer.scripts[0], ends[i].steps, sizeof ends[i].steps);
        prepare(&c);
        again(&c);
        if (c.result.end != ends[i].end)
            print_message("case %zu: %d (%s)\n", i, c.result.end, c.result.detail);
        assert_int_equal(c.result.end, ends[i].end);
        assert_int_equal(c.seen.heads, ends[i].heads);
        if (ends[i].heads > 0)
            assert_int_equal(c.result.head.status, ends[i].status);
        assert_string_equal(c.seen.body.data, ends[i].body);
        assert_true(c.result.end == TRANSFER_DONE || c.result.detail[0] != '\0');
        finish(&c);
    }
}

/* libcurl takes the beginning of a head for a head: it has no body, and that is what counts. */
static void test_cut_within_head(void **state)
{
    (void)state;
    static const char *const heads[] = {"H", "HTTP/1.1 200 OK\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Le"};

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, heads[i], 0}}}};
        prepare(&c);
        again(&c);
        assert_int_equal(c.seen.body.len, 0);
        assert_true(c.result.end == TRANSFER_CUT || c.result.end == TRANSFER_DONE);
        finish(&c);
    }
}

static void test_unreachable(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://127.0.0.1:1/x", "http://nobody.invalid/x"};
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}}}};

    prepare(&c);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        c.request.url = urls[i];
        again(&c);
        assert_int_equal(c.result.end, TRANSFER_UNREACHABLE);
        assert_int_equal(c.result.head.status, 0);
        assert_int_equal(c.result.first_byte_ms, -1);
    }
    finish(&c);
}

/* Other schemes are not spoken, whatever libcurl can do. */
static void test_schemes(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://127.0.0.1/x",
                                       "gopher://127.0.0.1/x", "nonsense", ""};
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}}}};

    prepare(&c);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        c.request.url = urls[i];
        again(&c);
        assert_int_not_equal(c.result.end, TRANSFER_DONE);
        assert_int_equal(c.seen.body.len, 0);
    }
    finish(&c);
}

/* The read buffer has its 4 KiB after calls that failed before they had a connection too. */
static void test_read_buffer(void **state)
{
    (void)state;
    enum { BODY = 60000 };
    static char text[BODY + 200];
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, text, 0}}}};

    int head = snprintf(text, sizeof text, HEAD "Content-Length: %d\r\n\r\n", BODY);
    memset(text + head, 'x', BODY);
    prepare(&c);
    for (int i = 0; i < 3; i++) {
        c.request.url = "file:///etc/passwd";
        again(&c);
        assert_int_not_equal(c.result.end, TRANSFER_DONE);
    }
    c.request.url = c.url;
    again(&c);
    assert_int_equal(c.result.end, TRANSFER_DONE);
    assert_int_equal(c.seen.body.len, BODY);
    assert_in_range(c.seen.longest, 1, 4096);
    finish(&c);
}

static void test_silence(void **state)
{
    (void)state;
    static const struct peer_step silent[][PEER_STEPS_MAX] = {
        {{PEER_REQUEST, NULL, 0}, {PEER_WAIT, NULL, 0}},
        {{PEER_REQUEST, NULL, 0}, {PEER_SEND, HEAD, 0}, {PEER_WAIT, NULL, 0}},
        {{PEER_REQUEST, NULL, 0},
         {PEER_SEND, HEAD "Content-Length: 9\r\n\r\nhello", 0},
         {PEER_WAIT, NULL, 0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        struct call c;
        memset(&c, 0, sizeof c);
        memcpy(c.peer.scripts[0], silent[i], sizeof silent[i]);
        prepare(&c);
        if (i < 2)
            c.request.first_byte_timeout_ms = SOON_MS;
        else
            c.request.idle_timeout_ms = SOON_MS;
        again(&c);
        assert_int_equal(c.result.end, TRANSFER_TIMEOUT);
        finish(&c);
        assert_true(atomic_load(&c.peer.closed_by_client));
    }
}

/* Bytes keep coming, but the call as a whole may not last longer. */
static void test_deadline(void **state)
{
    (void)state;
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0},
                                       {PEER_SEND, HEAD "Content-Length: 999999999\r\n\r\n", 0},
                                       {PEER_REPEAT, "x", 1000000},
                                       {PEER_WAIT, NULL, 0}}}};

    prepare(&c);
    c.request.deadline_ms = timing_mono_ms() + SOON_MS;
    again(&c);
    assert_int_equal(c.result.end, TRANSFER_TIMEOUT);
    finish(&c);
}

static void test_callbacks_stop(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0},
                                           {PEER_SEND, HEAD "Content-Length: 9\r\n\r\nhello", 0},
                                           {PEER_WAIT, NULL, 0}}}};
        prepare(&c);
        c.seen.stop_at_head = i == 0;
        c.seen.stop_at_data = i == 1;
        c.seen.stop_at_tick = i == 2 ? 3 : 0;
        c.request.tick_ms = 10;
        again(&c);
        assert_int_equal(c.result.end, TRANSFER_STOPPED);
        finish(&c);
        assert_true(atomic_load(&c.peer.closed_by_client));
    }
}

/* The descriptor of the client: readable means a look at once, long before the next tick. */
static void test_watch(void **state)
{
    (void)state;
    struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_WAIT, NULL, 0}}}};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    prepare(&c);
    c.request.watch_fd = pair[0];
    c.request.tick_ms = FAR_MS;
    c.seen.stop_when_watched = true;
    close(pair[1]);
    again(&c);
    assert_int_equal(c.result.end, TRANSFER_STOPPED);
    assert_int_equal(c.seen.watched, 1);
    close(pair[0]);
    finish(&c);
}

/* Seen once and not heeded: it does not spin on a descriptor that stays readable. */
static void test_watch_does_not_spin(void **state)
{
    (void)state;
    struct call c = {
        .peer.scripts = {
            {{PEER_REQUEST, NULL, 0}, {PEER_PAUSE, NULL, SOON_MS}, {PEER_SEND, WHOLE, 0}}}};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    prepare(&c);
    c.request.watch_fd = pair[0];
    c.request.tick_ms = FAR_MS;
    close(pair[1]);
    again(&c);
    assert_int_equal(c.result.end, TRANSFER_DONE);
    assert_int_equal(c.seen.watched, 1);
    assert_true(c.seen.ticks <= 2);
    close(pair[0]);
    finish(&c);
}

static void test_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int want;
    } cases[] = {{"", 0},
                 {"Retry-After: 7\r\n", 7},
                 {"retry-after: 0\r\n", 0},
                 {"Retry-After: 99999999\r\n", 3600},
                 {"Retry-After: soon\r\n", 0},
                 {"Retry-After: -5\r\n", 0},
                 {"Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char answer[256];
        struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, answer, 0}}}};
        snprintf(answer, sizeof answer, "HTTP/1.1 429 No\r\n%sContent-Length: 0\r\n\r\n",
                 cases[i].text);
        prepare(&c);
        again(&c);
        assert_int_equal(c.result.end, TRANSFER_DONE);
        assert_int_equal(c.seen.retry_after_s, cases[i].want);
        finish(&c);
    }
}

static void test_content_types(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Content-Type: text/event-stream\r\n", "text/event-stream"},
        {"content-type:text/event-stream; charset=utf-8\r\n", "text/event-stream; charset=utf-8"},
        {"CONTENT-TYPE:   a/b  \r\n", "a/b"},
        {"Content-Type:\r\n", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char answer[256];
        struct call c = {.peer.scripts = {{{PEER_REQUEST, NULL, 0}, {PEER_SEND, answer, 0}}}};
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n%sContent-Length: 0\r\n\r\n",
                 cases[i][0]);
        prepare(&c);
        again(&c);
        assert_string_equal(c.seen.content_type, cases[i][1]);
        finish(&c);
    }
}

static int group_start(void **state)
{
    struct err err;

    (void)state;
    if (transfer_global_init(&err) != 0)
        return -1;
    transfer = transfer_new();
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    transfer_free(transfer);
    transfer_free(NULL);
    transfer_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_connection_is_kept),
        cmocka_unit_test(test_stale_connection),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_cut_within_head),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_schemes),
        cmocka_unit_test(test_read_buffer),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_callbacks_stop),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_does_not_spin),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_content_types),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
