/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "net/fetch.h"
#include "net/transfer.h"
#include "unit.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PNG   "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
#define PATH  "messages[0].content[1].image_url.url"
#define BYTES 4096

/* A server in a thread: one connection after the other, the path says what is answered. */
struct server {
    int listener;
    int port;
    int wake[2]; /* closing [1] ends it, and whatever it waits for */
    int served;
    char last[1024]; /* the head of the last request */
    pthread_t thread;
};

static const struct answer {
    const char *path;
    const char *head;
    const char *body;
    size_t body_len;
    size_t fill; /* so many further bytes */
} answers[] = {
#define FILE_AS(path, type, body)                                                                  \
    {                                                                                              \
        path, "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\n\r\n", body, sizeof body - 1, 0        \
    }
    FILE_AS("/png", "image/png", PNG),
    FILE_AS("/parameter", "Image/PNG; charset=binary", PNG),
    FILE_AS("/jpg", "image/jpg", "\xff\xd8\xff\xe0\0\x10JFIF\0\1"),
    FILE_AS("/webp", "image/webp", "RIFF\4\0\0\0WEBPVP8 "),
    FILE_AS("/gif", "image/gif", "GIF89a\1\0\1\0\0\0\0"),
    FILE_AS("/heic", "image/heic",
            "\0\0\0\x18"
            "ftypheic\0\0\0\0"),
    FILE_AS("/heif", "image/heif",
            "\0\0\0\x18"
            "ftypmif1\0\0\0\0"),
    FILE_AS("/pdf", "application/pdf", "%PDF-1.7\n%....\n"),
    FILE_AS("/html", "text/html", "<html></html>..."),
    FILE_AS("/svg", "image/svg+xml", "<svg></svg>....."),
    FILE_AS("/avif", "image/heif",
            "\0\0\0\x18"
            "ftypavif\0\0\0\0"),
    FILE_AS("/liar", "image/png", "<html>not a picture</html>"),
    FILE_AS("/other-type", "image/jpeg", PNG),
    FILE_AS("/short", "image/png", "\x89PNG"),
    FILE_AS("/empty", "image/png", ""),
#undef FILE_AS
    {"/no-type", "HTTP/1.1 200 OK\r\n\r\n", PNG, sizeof PNG - 1, 0},
    {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Type: image/png\r\n\r\n", PNG, sizeof PNG - 1,
     0},
    {"/full", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", PNG, sizeof PNG - 1,
     BYTES - sizeof PNG + 1},
    {"/large", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n", PNG, sizeof PNG - 1,
     BYTES - sizeof PNG + 2},
    {"/announced", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4097\r\n\r\n",
     PNG, sizeof PNG - 1, 0},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\n", PNG,
     sizeof PNG - 1, 0},
    {"/to-png", "HTTP/1.1 302 Found\r\nLocation: /png\r\n\r\n", "ignored", 7, 0},
    {"/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\n\r\n", "", 0, 0},
    {"/to-file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "", 0, 0},
    {"/to-gopher", "HTTP/1.1 302 Found\r\nLocation: gopher://127.0.0.1/\r\n\r\n", "", 0, 0},
    {"/to-user", "HTTP/1.1 302 Found\r\nLocation: http://u:p@127.0.0.1/\r\n\r\n", "", 0, 0},
    {"/garbage", "\1\2\3 this is no HTTP\r\n\r\n", "", 0, 0},
};

/* "/hop3" redirects to "/hop2", ... and "/hop0" to "/png". */
static bool answer_hop(int fd, const char *path)
{
    char text[128];

    if (strncmp(path, "/hop", 4) != 0)
        return false;
    char n = path[4];
    int len = n == '0' ? snprintf(text, sizeof text, "HTTP/1.1 302 Found\r\nLocation: /png\r\n\r\n")
                       : snprintf(text, sizeof text,
                                  "HTTP/1.1 302 Found\r\nLocation: /hop%c\r\n\r\n", n - 1);
    (void)!write(fd, text, (size_t)len);
    return true;
}

/* "/to-host/NAME" redirects to /png of that host. */
static bool answer_to_host(const struct server *s, int fd, const char *path)
{
    char text[256];

    if (strncmp(path, "/to-host/", 9) != 0)
        return false;
    int len =
        snprintf(text, sizeof text, "HTTP/1.1 302 Found\r\nLocation: http://%s:%d/png\r\n\r\n",
                 path + 9, s->port);
    (void)!write(fd, text, (size_t)len);
    return true;
}

static void answer_one(struct server *s, int fd)
{
    char path[64] = "";

    if (sscanf(s->last, "GET %63s ", path) != 1 || answer_hop(fd, path) ||
        answer_to_host(s, fd, path))
        return;
    if (strcmp(path, "/silent") == 0) {
        struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = s->wake[0], .events = POLLIN}};
        poll(wait, 2, -1); /* until the client leaves */
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        const struct answer *a = &answers[i];
        if (strcmp(a->path, path) != 0)
            continue;
        (void)!send(fd, a->head, strlen(a->head), MSG_NOSIGNAL);
        (void)!send(fd, a->body, a->body_len, MSG_NOSIGNAL);
        for (size_t n = 0; n < a->fill; n++)
            (void)!send(fd, "x", 1, MSG_NOSIGNAL);
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;

    for (;;) {
        struct pollfd wait[] = {{.fd = s->listener, .events = POLLIN},
                                {.fd = s->wake[0], .events = POLLIN}};
        poll(wait, 2, -1);
        if (wait[1].revents != 0)
            return NULL;
        int fd = accept(s->listener, NULL, NULL);
        size_t len = 0;
        while (len < sizeof s->last - 1) {
            ssize_t n = read(fd, s->last + len, sizeof s->last - 1 - len);
            if (n <= 0)
                break;
            len += (size_t)n;
            s->last[len] = '\0';
            if (strstr(s->last, "\r\n\r\n") != NULL)
                break;
        }
        s->last[len] = '\0';
        s->served++;
        answer_one(s, fd);
        close(fd);
    }
}

static struct server server;

/* A public address that leads to this very machine, within a network namespace of our own. */
#define PUBLIC "93.184.215.14"
static bool have_public;

static bool set_address(int fd, const char *interface, const char *address)
{
    struct ifreq request = {0};
    struct sockaddr_in at = {.sin_family = AF_INET};

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    if (address != NULL) {
        if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
            return false;
        memcpy(&request.ifr_addr, &at, sizeof at);
        return ioctl(fd, SIOCSIFADDR, &request) == 0;
    }
    request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK;
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* Before any thread is started. Where the system does not allow it, the test that needs it is
 * skipped. */
static void make_public(void)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (!set_address(fd, "lo", NULL)) {
        fprintf(stderr, "the network namespace has no loopback interface\n");
        exit(1);
    }
    have_public = set_address(fd, "lo:1", PUBLIC);
    close(fd);
}

static int start(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t len = sizeof at;
    struct err err;

    (void)state;
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (transfer_global_init(&err) != 0 || pipe(server.wake) != 0 ||
        bind(server.listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(server.listener, 16) != 0 ||
        getsockname(server.listener, (struct sockaddr *)&at, &len) != 0)
        return -1;
    server.port = ntohs(at.sin_port);
    return pthread_create(&server.thread, NULL, serve, &server);
}

static int finish(void **state)
{
    (void)state;
    close(server.wake[1]);
    pthread_join(server.thread, NULL);
    close(server.wake[0]);
    close(server.listener);
    transfer_global_fini();
    return 0;
}

static bool is_gone(void *arg)
{
    (void)arg;
    return true;
}

struct result {
    int rc;
    size_t len;
    const char *media_type;
    struct err err;
};

static struct result fetch(const struct fetch_request *wanted)
{
    struct fetch_request request = *wanted;
    struct result r = {0};
    struct buf out;

    request.path = PATH;
    if (request.bytes_max == 0)
        request.bytes_max = BYTES;
    request.connect_timeout_ms = 5000;
    request.deadline_ms += timing_mono_ms() + (request.deadline_ms == 0 ? 30000 : 0);
    buf_init(&out, BYTES);
    r.rc = fetch_media(&out, &r.media_type, &request, &r.err);
    r.len = out.len;
    buf_fini(&out);
    if (r.rc != 0 && r.err.code == ERR_BAD_REQUEST) {
        assert_int_equal(r.err.status, 400);
        assert_string_equal(r.err.param, PATH);
        assert_non_null(strstr(r.err.message, "'" PATH "': "));
    }
    return r;
}

/* From our server, with private addresses allowed. */
static struct result fetch_path(const char *path)
{
    char url[128];

    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", server.port, path);
    return fetch(&(struct fetch_request){.url = url, .allow_private = true});
}

static void expect(const char *what, const struct result *r, const char *words)
{
    if (r->rc == 0 || strstr(r->err.message, words) == NULL)
        fail_msg("%s: %s", what, r->rc == 0 ? "was fetched" : r->err.message);
}

static void test_types(void **state)
{
    static const char *const good[][2] = {
        {"/png", "image/png"},   {"/parameter", "image/png"}, {"/jpg", "image/jpeg"},
        {"/webp", "image/webp"}, {"/gif", "image/gif"},       {"/heic", "image/heic"},
        {"/heif", "image/heif"}, {"/pdf", "application/pdf"}, {"/to-png", "image/png"},
        {"/hop4", "image/png"},  {"/full", "image/png"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct result r = fetch_path(good[i][0]);
        if (r.rc != 0)
            fail_msg("%s: %s (%s)", good[i][0], r.err.message, r.err.detail);
        assert_string_equal(r.media_type, good[i][1]);
        assert_true(r.len >= 12);
    }
    assert_int_equal(fetch_path("/png").len, sizeof PNG - 1);
    assert_int_equal(fetch_path("/full").len, BYTES);
}

static void test_refused_answers(void **state)
{
    static const char *const bad[][2] = {
        {"/html", "Content-Type"},
        {"/svg", "Content-Type"},
        {"/no-type", "Content-Type"},
        {"/liar", "not what its Content-Type says"},
        {"/avif", "not what its Content-Type says"},
        {"/other-type", "not what its Content-Type says"},
        {"/short", "not what its Content-Type says"},
        {"/empty", "not what its Content-Type says"},
        {"/missing", "HTTP 404"},
        {"/large", "larger than 4096 bytes"},
        {"/announced", "larger than 4096 bytes"},
        {"/cut", "broke off"},
        {"/garbage", "broke off"},
        {"/loop", "redirects too often"},
        {"/hop5", "redirects too often"},
        {"/to-file", "only http and https"},
        {"/to-gopher", "only http and https"},
        {"/to-user", "user name"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct result r = fetch_path(bad[i][0]);
        expect(bad[i][0], &r, bad[i][1]);
    }
}

static void test_refused_urls(void **state)
{
    static const char *const bad[][2] = {
        {"file:///etc/passwd", "only http and https"},
        {"ftp://127.0.0.1/", "only http and https"},
        {"http://u:p@127.0.0.1/", "user name"},
        {"http://u@127.0.0.1/", "user name"},
        {"http://", "no valid URL"},
        {"http://127.0.0.1:99999/", "no valid URL"},
        {"http://a b/", "no valid URL"},
        {"http://127.0.0.1/\r\nHost: x", "no valid URL"},
        {"http://nothing.invalid/", "cannot be resolved"},
    };
    static char long_url[FETCH_URL_MAX + 2] = "http://127.0.0.1/";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct result r = fetch(&(struct fetch_request){.url = bad[i][0], .allow_private = true});
        expect(bad[i][0], &r, bad[i][1]);
    }
    memset(long_url + 17, 'a', sizeof long_url - 18);
    struct result r = fetch(&(struct fetch_request){.url = long_url, .allow_private = true});
    expect("a long URL", &r, "too long");
}

/* However it is written: nothing reaches our server on the loopback interface. */
static void test_guard(void **state)
{
    static const char *const hosts[] = {
        "127.0.0.1", "localhost", "2130706433",         "0x7f.1",        "127.1",
        "0.0.0.0",   "[::1]",     "[::ffff:127.0.0.1]", "[::127.0.0.1]", "0177.0.0.1",
    };
    char url[128];
    int before = server.served;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        snprintf(url, sizeof url, "http://%s:%d/png", hosts[i], server.port);
        struct result r = fetch(&(struct fetch_request){.url = url});
        expect(url, &r, "not public");
    }
    assert_int_equal(server.served, before);
}

static void test_redirects_under_guard(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "0.0.0.0",
                                        "[::ffff:127.0.0.1]"};
    char url[128];

    (void)state;
    if (!have_public)
        skip();
    snprintf(url, sizeof url, "http://" PUBLIC ":%d/to-host/" PUBLIC, server.port);
    struct result r = fetch(&(struct fetch_request){.url = url});
    if (r.rc != 0)
        fail_msg("a public address: %s (%s)", r.err.message, r.err.detail);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        int before = server.served;
        snprintf(url, sizeof url, "http://" PUBLIC ":%d/to-host/%s", server.port, hosts[i]);
        r = fetch(&(struct fetch_request){.url = url});
        expect(url, &r, "not public");
        assert_int_equal(server.served, before + 1);
    }
}

static void test_bounds(void **state)
{
    char url[128];

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/png", server.port);
    struct fetch_request request = {.url = url, .allow_private = true, .bytes_max = 15};
    struct result r = fetch(&request);
    expect("15 bytes", &r, "larger than 15 bytes");
    request.too_large = "all of it is too much.";
    r = fetch(&request);
    expect("its own words", &r, "all of it is too much.");
    request = (struct fetch_request){.url = url, .allow_private = true, .deadline_ms = -1};
    r = fetch(&request);
    expect("a deadline that has passed", &r, "took too long");
}

static void test_slow_server(void **state)
{
    char url[128];

    (void)state;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/silent", server.port);
    struct fetch_request request = {.url = url, .allow_private = true, .deadline_ms = 200};
    int64_t begin = timing_mono_ms();
    struct result r = fetch(&request);
    expect("a silent server", &r, "took too long");
    assert_true(timing_mono_ms() - begin >= 200);
    request = (struct fetch_request){.url = url, .allow_private = true, .gone = is_gone};
    r = fetch(&request);
    assert_int_equal(r.rc, -1);
    assert_int_equal(r.err.code, ERR_CLIENT_GONE);
}

/* Nothing of the environment goes in: no proxy, no credentials; and nothing of the sort goes out.
 */
static void test_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    struct result r = fetch_path("/png");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    assert_int_equal(r.rc, 0);
    assert_non_null(strstr(server.last, "GET /png HTTP/1.1\r\n"));
    assert_non_null(strstr(server.last, "Accept: image/png,"));
    assert_null(strstr(server.last, "Authorization"));
    assert_null(strstr(server.last, "Cookie"));
    assert_null(strstr(server.last, "Accept-Encoding"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_refused_answers),
        cmocka_unit_test(test_refused_urls),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_redirects_under_guard),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_slow_server),
        cmocka_unit_test(test_environment),
    };
    make_public();
    return cmocka_run_group_tests(tests, start, finish);
}
