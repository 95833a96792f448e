/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load on a server that speaks one of the client surfaces, plain or streamed, over kept connections
 * in a closed loop (the next request of a connection follows its answer). Prints one JSON object
 * with the counts and the times in microseconds. A stream is complete when its end and the expected
 * number of content events came; the events of tests/bench/upstream carry the time at which they
 * were sent, and what has passed since is their latency.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/sse.h"
#include "base/timing.h"
#include "client.h"
#include "samples.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum {
    KEYS_MAX = 1000,
    CONNECTIONS_MAX = 20000,
    REQUEST_MAX = 4096,
    KEY_LINE_MAX = 256,
    READY_MAX = 256,
    ERROR_SHOWN_MAX = 600,
    DRAIN_S = 20, /* answers that are not whole by then are lost */
};

#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

/* How each surface asks and answers. */
static const struct surface {
    const char *name;
    const char
        *before; /* of the request's members, after the model: what stands before the question */
    const char *after;
    const char *stream;  /* added for a stream */
    const char *content; /* stands before an event's content */
    const char *end;     /* is in the last event */
} surfaces[] = {
    {"chat",
     "\"messages\":[{\"role\":\"system\",\"content\":\"You answer in two sentences.\"},"
     "{\"role\":\"user\",\"content\":",
     "}],\"max_tokens\":400", ",\"stream\":true,\"stream_options\":{\"include_usage\":true}",
     "\"content\":", "[DONE]"},
    {"responses", "\"instructions\":\"You answer in two sentences.\",\"input\":",
     ",\"max_output_tokens\":400", ",\"stream\":true", "\"delta\":", "\"response.completed\""},
    {"messages",
     "\"system\":\"You answer in two sentences.\",\"messages\":[{\"role\":\"user\",\"content\":",
     "}],\"max_tokens\":400", ",\"stream\":true", "\"text\":", "\"message_stop\""},
};

struct options {
    const char *surface;
    const struct surface *shape; /* of that name */
    long port;
    const char *path;
    const char *keys;
    const char *model;
    long connections;
    long ms;        /* how long requests begin, after the warm-up */
    long warmup_ms; /* times of this part do not count */
    long stream;
    long events;
    long interval_ms;
    long once; /* one request a connection instead */
    long ramp_ms;
};

struct load;

struct connection {
    struct client client;
    struct load *load;
    struct sse_reader sse;
    int64_t sent_ns;
    int64_t read_ns;
    long events;
    bool done;
    bool waiting; /* a request is under way */
};

struct load {
    struct options options;
    struct sockaddr_in to;
    char *requests[KEYS_MAX];
    size_t request_count;
    size_t next_request;
    struct connection *connections;
    long started;
    long waiting;
    int epoll;
    int64_t start_ns;
    int64_t measure_ns; /* from here on times count */
    int64_t end_ns;     /* no request begins after it */
    long ok;            /* whole answers with status 200 */
    long failed;        /* other statuses */
    long wrong;         /* streams without [DONE] or with events missing */
    long lost;          /* connections that broke, answers that never came */
    long measured;      /* ok ones between measure_ns and end_ns */
    struct samples whole;
    struct samples first;
    struct samples event;
    size_t error_shown;
};

/* Requests, one prepared for each key. */

static void add_request(struct load *load, const char *key)
{
    const struct options *o = &load->options;
    struct buf body;
    struct buf request;

    buf_init(&body, REQUEST_MAX);
    buf_init(&request, REQUEST_MAX);
    buf_printf(&body,
               "{\"model\":\"%s\",%s\"What is a prepaid ledger, and why does it need a database? "
               "[events %ld interval_ms %ld]\"%s%s",
               o->model, o->shape->before, o->events, o->interval_ms, o->shape->after,
               o->stream != 0 ? o->shape->stream : "");
    buf_append_char(&body, '}');
    buf_printf(&request,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nContent-Type: application/json\r\n"
               "Accept: %s\r\nUser-Agent: bench\r\n",
               o->path, o->port, o->stream ? "text/event-stream" : "application/json");
    if (key != NULL)
        buf_printf(&request, "Authorization: Bearer %s\r\n", key);
    buf_printf(&request, "Content-Length: %zu\r\n\r\n%s", body.len, body.data);
    if (buf_failed(&body) || buf_failed(&request) || load->request_count == KEYS_MAX)
        abort();
    load->requests[load->request_count++] = mem_strdup(request.data);
    buf_fini(&body);
    buf_fini(&request);
}

static int prepare_requests(struct load *load)
{
    char line[KEY_LINE_MAX];

    if (load->options.keys == NULL) {
        add_request(load, NULL);
        return 0;
    }
    FILE *f = fopen(load->options.keys, "r");
    if (f == NULL) {
        perror(load->options.keys);
        return -1;
    }
    while (load->request_count < KEYS_MAX && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] != '\0')
            add_request(load, line);
    }
    fclose(f);
    if (load->request_count == 0)
        fprintf(stderr, "load: no key in %s\n", load->options.keys);
    return load->request_count > 0 ? 0 : -1;
}

/* One connection. */

static bool measuring(const struct load *load, int64_t now)
{
    return now >= load->measure_ns && now <= load->end_ns;
}

static int watch(struct connection *n)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = n};

    return epoll_ctl(n->load->epoll, EPOLL_CTL_ADD, n->client.fd, &ev);
}

static void lose(struct connection *n)
{
    struct load *load = n->load;

    load->lost += n->waiting;
    load->waiting -= n->waiting;
    n->waiting = false;
    client_close(&n->client);
}

static void ask(struct connection *n)
{
    struct load *load = n->load;

    if (n->client.state == CLIENT_CLOSED &&
        (client_open(&n->client, &load->to) != 0 || watch(n) != 0)) {
        load->lost++;
        return;
    }
    const char *request = load->requests[load->next_request++ % load->request_count];
    n->events = 0;
    n->done = false;
    n->waiting = true;
    load->waiting++;
    sse_reader_reset(&n->sse);
    n->sent_ns = timing_mono_ns();
    if (client_send(&n->client, span_of(request)) != 0)
        lose(n);
}

static int on_event(const struct sse_event *event, void *arg)
{
    struct connection *n = arg;
    struct load *load = n->load;
    const struct surface *s = load->options.shape;

    if (memmem(event->data.ptr, event->data.len, s->end, strlen(s->end)) != NULL) {
        n->done = true;
        return 0;
    }
    const char *at = memmem(event->data.ptr, event->data.len, s->content, strlen(s->content));
    if (at == NULL)
        return 0;
    at += strlen(s->content);
    at += strspn(at, " \"");
    int64_t sent = strtoll(at, NULL, 10);
    if (sent <= 0)
        return 0; /* the empty content of the first chunk */
    if (n->events++ == 0 && (load->options.once || measuring(load, n->read_ns)))
        samples_add(&load->first, n->read_ns - n->sent_ns);
    if (load->options.once || measuring(load, n->read_ns))
        samples_add(&load->event, n->read_ns - sent);
    return 0;
}

static void on_body(const char *data, size_t len, void *arg)
{
    struct connection *n = arg;
    struct load *load = n->load;

    if (n->client.status == 200) {
        if (load->options.stream && sse_reader_feed(&n->sse, data, len, on_event, n) != 0)
            abort();
        return;
    }
    if (load->error_shown < ERROR_SHOWN_MAX) {
        size_t shown =
            len < ERROR_SHOWN_MAX - load->error_shown ? len : ERROR_SHOWN_MAX - load->error_shown;
        fprintf(stderr, "load: status %d: %.*s\n", n->client.status, (int)shown, data);
        load->error_shown += shown;
    }
}

static void finish(struct connection *n)
{
    struct load *load = n->load;
    const struct options *o = &load->options;

    n->waiting = false;
    load->waiting--;
    if (n->client.state == CLIENT_CLOSED)
        client_close(&n->client);
    if (n->client.status != 200) {
        load->failed++;
    } else if (o->stream && (!n->done || n->events != o->events)) {
        load->wrong++;
    } else {
        load->ok++;
        if (o->once || measuring(load, n->read_ns)) {
            load->measured++;
            samples_add(&load->whole, n->read_ns - n->sent_ns);
        }
    }
    if (!o->once && timing_mono_ns() < load->end_ns)
        ask(n);
}

static void on_ready(struct connection *n)
{
    n->read_ns = timing_mono_ns();
    int rc = client_read(&n->client, on_body, n);

    if (rc < 0) {
        bool was_waiting = n->waiting;
        lose(n);
        if (was_waiting && !n->load->options.once && timing_mono_ns() < n->load->end_ns)
            ask(n);
    } else if (rc > 0) {
        finish(n);
    }
}

/* The whole run. */

static void start_due(struct load *load, int64_t now)
{
    const struct options *o = &load->options;

    while (load->started < o->connections &&
           now >= load->start_ns + o->ramp_ms * NS_PER_MS * load->started / o->connections) {
        ask(&load->connections[load->started]);
        load->started++;
    }
}

static void run(struct load *load)
{
    const struct options *o = &load->options;
    struct epoll_event ready[READY_MAX];
    int64_t now = timing_mono_ns();

    load->start_ns = now;
    load->measure_ns = now + o->warmup_ms * NS_PER_MS;
    load->end_ns = load->measure_ns + o->ms * NS_PER_MS;
    int64_t stream_ns = o->stream ? o->events * o->interval_ms * NS_PER_MS : 0;
    int64_t give_up =
        (o->once ? now + o->ramp_ms * NS_PER_MS : load->end_ns) + stream_ns + DRAIN_S * NS_PER_S;
    for (;;) {
        start_due(load, now);
        bool all_started = load->started == o->connections;
        if ((all_started && load->waiting == 0 && (o->once || now >= load->end_ns)) ||
            now >= give_up)
            break;
        int n = epoll_wait(load->epoll, ready, READY_MAX, all_started ? 100 : 1);
        for (int i = 0; i < n; i++)
            on_ready(ready[i].data.ptr);
        now = timing_mono_ns();
    }
    load->lost += load->waiting;
}

static void print_times(const char *name, struct samples *s)
{
    samples_sort(s);
    printf(", \"%s\": {\"count\": %zu, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
           "\"max_us\": %.1f}",
           name, s->count, samples_us_at(s, 500), samples_us_at(s, 900), samples_us_at(s, 990),
           samples_us_at(s, 1000));
}

static void print_result(struct load *load)
{
    printf("{\"ok\": %ld, \"failed\": %ld, \"wrong\": %ld, \"lost\": %ld, \"measured\": %ld, "
           "\"per_second\": %.1f",
           load->ok, load->failed, load->wrong, load->lost, load->measured,
           load->options.once ? 0.0 : (double)load->measured * 1000.0 / (double)load->options.ms);
    print_times("whole", &load->whole);
    if (load->options.stream) {
        print_times("first", &load->first);
        print_times("event", &load->event);
    }
    printf("}\n");
}

static void usage(void)
{
    fputs(
        "load --port=N [--surface=chat|responses|messages] [--path=/v1/chat/completions] "
        "[--keys=FILE] [--model=NAME]\n"
        "     [--connections=N] [--ms=N] [--warmup-ms=N]\n"
        "     [--stream=1 [--events=N] [--interval-ms=N]] [--once=1 [--ramp-ms=N]]\n"
        "\n"
        "--keys: one API key a line, used in turn. --once: one request a connection, begun within\n"
        "--ramp-ms, instead of the closed loop of --ms after --warmup-ms.\n",
        stderr);
}

struct option_at {
    const char *name;
    size_t offset;
};

static const struct option_at numbers[] = {
    {"port", offsetof(struct options, port)},
    {"connections", offsetof(struct options, connections)},
    {"ms", offsetof(struct options, ms)},
    {"warmup-ms", offsetof(struct options, warmup_ms)},
    {"stream", offsetof(struct options, stream)},
    {"events", offsetof(struct options, events)},
    {"interval-ms", offsetof(struct options, interval_ms)},
    {"once", offsetof(struct options, once)},
    {"ramp-ms", offsetof(struct options, ramp_ms)},
};

static const struct option_at texts[] = {
    {"surface", offsetof(struct options, surface)},
    {"path", offsetof(struct options, path)},
    {"keys", offsetof(struct options, keys)},
    {"model", offsetof(struct options, model)},
};

static bool is_option(const char *arg, const char *name)
{
    size_t len = strlen(name);

    return strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, name, len) == 0 && arg[2 + len] == '=';
}

static bool parse_option(struct options *o, const char *arg)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (is_option(arg, texts[i].name)) {
            *(const char **)((char *)o + texts[i].offset) = strchr(arg, '=') + 1;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (is_option(arg, numbers[i].name)) {
            char *end = NULL;
            long v = strtol(strchr(arg, '=') + 1, &end, 10);
            *(long *)((char *)o + numbers[i].offset) = v;
            return *end == '\0' && v >= 0;
        }
    }
    return false;
}

static int parse_options(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!parse_option(o, argv[i]))
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(surfaces); i++)
        if (strcmp(surfaces[i].name, o->surface) == 0)
            o->shape = &surfaces[i];
    bool right = o->shape != NULL && o->port > 0 && o->port < 65536 && o->connections > 0 &&
                 o->connections <= CONNECTIONS_MAX && o->ms > 0 && o->events > 0;
    return right ? 0 : -1;
}

static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void close_all(struct load *load)
{
    for (long i = 0; i < load->options.connections; i++) {
        client_close(&load->connections[i].client);
        sse_reader_fini(&load->connections[i].sse);
    }
    for (size_t i = 0; i < load->request_count; i++)
        mem_free(load->requests[i]);
    samples_fini(&load->whole);
    samples_fini(&load->first);
    samples_fini(&load->event);
    mem_free(load->connections);
}

int main(int argc, char **argv)
{
    static struct load load = {
        .options = {.surface = "chat",
                    .path = "/v1/chat/completions",
                    .model = "gpt-4o-mini",
                    .connections = 1,
                    .ms = 3000,
                    .events = 16,
                    .interval_ms = 20},
    };

    if (parse_options(&load.options, argc, argv) != 0) {
        usage();
        return 2;
    }
    raise_file_limit();
    load.to = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)load.options.port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0 || prepare_requests(&load) != 0)
        return EXIT_FAILURE;
    load.connections = mem_zalloc(sizeof *load.connections * (size_t)load.options.connections);
    for (long i = 0; i < load.options.connections; i++) {
        load.connections[i].load = &load;
        load.connections[i].client.fd = -1;
        load.connections[i].client.state = CLIENT_CLOSED;
        sse_reader_init(&load.connections[i].sse);
    }
    run(&load);
    print_result(&load);
    close_all(&load);
    return EXIT_SUCCESS;
}
