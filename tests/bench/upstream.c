/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upstream that costs little: one thread on libevent. Speaks every provider's format, by the
 * path. Every answer is the same; a stream has as many content events as "[events N" in the
 * request's text says, "interval_ms M]" apart, the first one at once, and the content of each is
 * the CLOCK_MONOTONIC time in ns at which it was sent. A path that begins with /fail is answered
 * with 500. For measurements only; tests use tests/upstream.
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
    "data: {" STREAM_ID "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"";
static const char content_event_end[] = "\"},"
                                        "\"logprobs\":null,\"finish_reason\":null}]}\n\n";
static const char last_events[] =
    "data: {" STREAM_ID "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,"
    "\"finish_reason\":\"stop\"}]}\n\n"
    "data: {" STREAM_ID "\"choices\":[]," USAGE "}\n\n"
    "data: [DONE]\n\n";

#define RESPONSE(status)                                                                           \
    "\"response\":{\"id\":\"resp_68f1a3\",\"object\":\"response\",\"created_at\":1761830400,"      \
    "\"status\":\"" status "\",\"model\":\"gpt-5.4\",\"output\":[],\"error\":null"

static const char responses_head[] =
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0," RESPONSE(
        "in_progress") "}}\n\n"
                       "event: response.output_item.added\ndata: "
                       "{\"type\":\"response.output_item.added\","
                       "\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_68f1a3\","
                       "\"type\":"
                       "\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":["
                       "]}}\n\n"
                       "event: response.content_part.added\ndata: "
                       "{\"type\":\"response.content_part.added\","
                       "\"sequence_number\":2,\"item_id\":\"msg_68f1a3\",\"output_index\":0,"
                       "\"content_index\":0,"
                       "\"part\":{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],"
                       "\"text\":\"\"}}\n\n";
static const char responses_event[] =
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
    "\"sequence_number\":3,\"item_id\":\"msg_68f1a3\",\"output_index\":0,\"content_index\":0,"
    "\"delta\":\"";
static const char responses_event_end[] = "\",\"logprobs\":[],\"obfuscation\":\"Xy2\"}\n\n";
static const char responses_tail[] =
    "event: response.completed\ndata: "
    "{\"type\":\"response.completed\",\"sequence_number\":9," RESPONSE(
        "completed") ",\"usage\":{\"input_tokens\":42,\"input_tokens_details\":{"
                     "\"cached_tokens\":0},\"output_tokens\":64,\"output_tokens_details\":{"
                     "\"reasoning_tokens\":0},\"total_tokens\":106}}}\n\n";

static const char messages_head[] =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":"
    "\"claude-sonnet-4-6\",\"id\":\"msg_01HqL1\",\"type\":\"message\",\"role\":\"assistant\","
    "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":42,"
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
static const char messages_event[] =
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
    "\"delta\":{\"type\":\"text_delta\",\"text\":\"";
static const char messages_event_end[] = "\"}}\n\n";
static const char messages_tail[] =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
    "\"end_turn\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":42,\"output_tokens\":64}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

static const char gemini_event[] =
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"";
static const char gemini_event_end[] =
    "\"}],\"role\": "
    "\"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 42,\"totalTokenCount\": "
    "42},\"modelVersion\": \"gemini-3.5-flash\",\"responseId\": \"x8b1\"}\r\n\r\n";
static const char gemini_tail[] =
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": "
    "\"model\"},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": "
    "{\"promptTokenCount\": 42,\"candidatesTokenCount\": 64,\"totalTokenCount\": "
    "106},\"modelVersion\": \"gemini-3.5-flash\",\"responseId\": \"x8b1\"}\r\n\r\n";

/* How a provider streams; found by a piece of its path, the last one fits all. */
static const struct shape {
    const char *path;
    const char *head;
    const char *event; /* before its content, and after it */
    const char *event_end;
    const char *tail;
} shapes[] = {
    {"/v1/responses", responses_head, responses_event, responses_event_end, responses_tail},
    {"/v1/messages", messages_head, messages_event, messages_event_end, messages_tail},
    {":streamGenerateContent", "", gemini_event, gemini_event_end, gemini_tail},
    {"", role_event, content_event, content_event_end, last_events},
};

/* One stream under way. */
struct stream {
    struct evhttp_request *request;
    const struct shape *shape;
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
        int n = snprintf(text, sizeof text, "%s%lld%s", s->shape->event,
                         (long long)timing_mono_ns(), s->shape->event_end);
        send_text(s, text, (size_t)n);
        event_add(s->timer, &s->interval);
        return;
    }
    send_text(s, s->shape->tail, strlen(s->shape->tail));
    evhttp_connection_set_closecb(evhttp_request_get_connection(s->request), NULL, NULL);
    evhttp_send_reply_end(s->request);
    stream_free(s);
}

static const struct shape *shape_of(const char *uri)
{
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(shapes) && strstr(uri, shapes[i].path) == NULL)
        i++;
    return &shapes[i];
}

static void stream_start(struct evhttp_request *request, long events, long interval_ms)
{
    struct stream *s = mem_zalloc(sizeof *s);

    s->shape = shape_of(evhttp_request_get_uri(request));
    s->request = request;
    s->left = events;
    s->interval.tv_sec = interval_ms / 1000;
    s->interval.tv_usec = interval_ms % 1000 * 1000;
    s->timer = evtimer_new(base, on_tick, s);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, s);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                      "text/event-stream; charset=utf-8");
    evhttp_send_reply_start(request, HTTP_OK, "OK");
    send_text(s, s->shape->head, strlen(s->shape->head));
    on_tick(-1, EV_TIMEOUT, s);
}

/* The number that follows `name` in the text. */
static long number_after(const char *json, const char *name, long otherwise)
{
    const char *at = strstr(json, name);

    if (at == NULL)
        return otherwise;
    at += strlen(name);
    long v = strtol(at, NULL, 10);
    return v >= 0 ? v : otherwise;
}

static bool wants_stream(const char *uri, const char *json)
{
    const char *at = strstr(json, "\"stream\"");

    if (strstr(uri, ":streamGenerateContent") != NULL)
        return true;
    if (at == NULL)
        return false;
    at += strlen("\"stream\"");
    at += strspn(at, ": ");
    return strncmp(at, "true", 4) == 0;
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(request);
    const char *uri = evhttp_request_get_uri(request);

    (void)arg;
    if (strncmp(uri, "/fail", strlen("/fail")) == 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    evbuffer_add(in, "", 1);
    const char *json = (const char *)evbuffer_pullup(in, -1);
    if (wants_stream(uri, json)) {
        stream_start(request, number_after(json, "[events ", EVENTS_DEFAULT),
                     number_after(json, "interval_ms ", INTERVAL_MS_DEFAULT));
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
