/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenAI-like upstream that costs little: one thread on libevent. Every answer is the same; a
 * stream has as many content events as `metadata.events` of the request says,
 * `metadata.interval_ms` apart, the first one at once, and the content of each is the
 * CLOCK_MONOTONIC time in ns at which it was sent. For measurements only; tests use tests/upstream.
 *
 * Listens on 127.0.0.1, prints "port N" and runs until it is killed or its parent ends.
 */
#include "base/base.h"

#include "base/mem.h"
#include "base/timing.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    EVENTS_DEFAULT = 16,
    INTERVAL_MS_DEFAULT = 20,
    BODY_MAX = 1024 * 1024,
    CHUNK_MAX = 512,
};

#define STREAM_ID                                                                                  \
    "\"id\":\"chatcmpl-CRzX1oKpVqNf0vQJ7t2bWm5yEdGhA\",\"object\":\"chat.completion.chunk\","      \
    "\"created\":1761830400,\"model\":\"gpt-4o-mini-2024-07-18\","                                 \
    "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\","
#define USAGE                                                                                      \
    "\"usage\":{\"prompt_tokens\":42,\"completion_tokens\":64,\"total_tokens\":106,"               \
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"                          \
    "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0,"                    \
    "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}"

static const char answer[] =
    "{\"id\":\"chatcmpl-CRzX1oKpVqNf0vQJ7t2bWm5yEdGhA\",\"object\":\"chat.completion\","
    "\"created\":1761830400,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,"
    "\"message\":{\"role\":\"assistant\",\"content\":\"A prepaid ledger sets money aside before a "
    "call is made and charges only what the call has cost once it is over. Whatever was set aside "
    "and not used is free again at once. Because both steps are transactions of a database, "
    "neither a crash nor a second process can spend the same money twice.\",\"refusal\":null,"
    "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}]," USAGE
    ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_560af6e559\"}";

static const char role_event[] =
    "data: {" STREAM_ID "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
    "\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char content_event[] =
    "data: {" STREAM_ID "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%lld\"},"
    "\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char last_events[] =
    "data: {" STREAM_ID "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}]}\n\n"
    "data: {" STREAM_ID "\"choices\":[]," USAGE "}\n\n"
    "data: [DONE]\n\n";

/* One stream under way. */
struct stream {
    struct evhttp_request *request;
    struct event *timer;
    struct timeval interval;
    long left;
};

static struct event_base *base;

static void stream_free(struct stream *s)
{
    event_free(s->timer);
    mem_free(s);
}

/* The client left; libevent frees the request. */
static void on_closed(struct evhttp_connection *connection, void *arg)
{
    struct stream *s = arg;

    (void)connection;
    s->request = NULL;
    stream_free(s);
}

static void send_text(struct stream *s, const char *text, size_t len)
{
    struct evbuffer *out = evbuffer_new();

    evbuffer_add(out, text, len);
    evhttp_send_reply_chunk(s->request, out);
    evbuffer_free(out);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;
    char text[CHUNK_MAX];

    (void)fd;
    (void)what;
    if (s->left-- > 0) {
        int n = snprintf(text, sizeof text, content_event, (long long)timing_mono_ns());
        send_text(s, text, (size_t)n);
        event_add(s->timer, &s->interval);
        return;
    }
    send_text(s, last_events, strlen(last_events));
    evhttp_connection_set_closecb(evhttp_request_get_connection(s->request), NULL, NULL);
    evhttp_send_reply_end(s->request);
    stream_free(s);
}

static void stream_start(struct evhttp_request *request, long events, long interval_ms)
{
    struct stream *s = mem_zalloc(sizeof *s);

    s->request = request;
    s->left = events;
    s->interval.tv_sec = interval_ms / 1000;
    s->interval.tv_usec = interval_ms % 1000 * 1000;
    s->timer = evtimer_new(base, on_tick, s);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, s);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "text/event-stream; charset=utf-8");
    evhttp_send_reply_start(request, HTTP_OK, "OK");
    send_text(s, role_event, strlen(role_event));
    on_tick(-1, EV_TIMEOUT, s);
}

/* The number that follows `name` in the JSON text, quoted or not. */
static long number_after(const char *json, const char *name, long otherwise)
{
    const char *at = strstr(json, name);

    if (at == NULL)
        return otherwise;
    at += strlen(name);
    at += strspn(at, "\": ");
    long v = strtol(at, NULL, 10);
    return v >= 0 ? v : otherwise;
}

static bool wants_stream(const char *json)
{
    const char *at = strstr(json, "\"stream\"");

    if (at == NULL)
        return false;
    at += strlen("\"stream\"");
    at += strspn(at, ": ");
    return strncmp(at, "true", 4) == 0;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request);

    (void)arg;
    evbuffer_add(in, "", 1);
    const char *json = (const char *)evbuffer_pullup(in, -1);
    if (wants_stream(json)) {
        stream_start(request, number_after(json, "\"events\"", EVENTS_DEFAULT),
                     number_after(json, "\"interval_ms\"", INTERVAL_MS_DEFAULT));
        return;
    }
    struct evbuffer *out = evbuffer_new();
    evbuffer_add_reference(out, answer, strlen(answer), NULL, NULL);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "application/json");
    evhttp_send_reply(request, HTTP_OK, "OK", out);
    evbuffer_free(out);
}

/* 127.0.0.1, any free port; connections inherit TCP_NODELAY on Linux. */
static int listen_here(unsigned *port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        return -1;
    *port = ntohs(addr.sin_port);
    return fd;
}

int main(void)
{
    struct rlimit files;
    unsigned port = 0;

    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    int fd = listen_here(&port);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    base = event_base_new_with_config(config);
    event_config_free(config);
    struct evhttp *http = base != NULL ? evhttp_new(base) : NULL;
    if (fd < 0 || http == NULL || evhttp_accept_socket(http, fd) != 0) {
        perror("upstream");
        return EXIT_FAILURE;
    }
    evhttp_set_max_body_size(http, BODY_MAX);
    evhttp_set_gencb(http, on_request, NULL);
    printf("port %u\n", port);
    fflush(stdout);
    event_base_dispatch(base);
    return EXIT_SUCCESS;
}
