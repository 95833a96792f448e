/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast a provider's stream is translated: a recorded stream is read again and again by the
 * provider's format and written as chat completions, without any network. Prints one JSON object
 * for each PROVIDER=FILE.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/sse.h"
#include "base/timing.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/completions_writer.h"
#include "wire/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MAX = 16 * 1024 * 1024,
    PIECE = 16 * 1024, /* as libcurl hands it on */
    MEASURE_MS = 1500,
};

static const char request_text[] =
    "{\"model\":\"bench\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
    "\"messages\":[{\"role\":\"user\",\"content\":\"bench\"}]}";

struct translation {
    const struct format *format;
    struct format_reader reader;
    struct completions_writer writer;
    struct buf out;
    struct err err;
    long events;
};

static int on_event(const struct event *event, void *arg)
{
    struct translation *t = arg;

    t->events += event->content;
    completions_write_event(&t->out, &t->writer, event);
    return 0;
}

static int on_sse(const struct sse_event *event, void *arg)
{
    struct translation *t = arg;

    return event->data.len == 0
               ? 0
               : t->format->read_event(&t->reader, event->data, on_event, t, &t->err);
}

/* The whole stream once; -1 when it cannot be read. */
static int translate(struct translation *t, struct neutral_request *request, struct span stream,
                     struct sse_reader *sse)
{
    struct arena *arena = arena_new();
    int rc = 0;

    t->reader = (struct format_reader){
        .request = request, .arena = arena, .state = arena_zalloc(arena, t->format->state_size)};
    completions_writer_init(&t->writer, request, "req_bench", 0);
    sse_reader_reset(sse);
    buf_clear(&t->out);
    for (size_t at = 0; at < stream.len && rc == 0; at += PIECE)
        rc = sse_reader_feed(sse, stream.ptr + at,
                             stream.len - at < PIECE ? stream.len - at : PIECE, on_sse, t);
    completions_writer_fini(&t->writer);
    arena_free(arena);
    return rc;
}

static int measure(const char *provider, struct span stream)
{
    struct translation t = {.format = format_find(provider)};
    struct neutral_request request;
    struct sse_reader sse;
    long rounds = 0;

    if (t.format == NULL ||
        completions_read_request(&request, request_text, strlen(request_text), &t.err) != 0)
        return -1;
    buf_init(&t.out, SIZE_MAX / 2);
    sse_reader_init(&sse);
    int rc = translate(&t, &request, stream, &sse); /* warm */
    t.events = 0;
    int64_t start_ns = timing_mono_ns();
    int64_t end_ns = start_ns + MEASURE_MS * 1000000LL;
    while (rc == 0 && timing_mono_ns() < end_ns) {
        rc = translate(&t, &request, stream, &sse);
        rounds++;
    }
    int64_t ns = timing_mono_ns() - start_ns;
    if (rc == 0)
        printf("{\"provider\": \"%s\", \"bytes\": %zu, \"events\": %ld, \"mb_per_s\": %.1f, "
               "\"us_per_event\": %.2f}\n",
               provider, stream.len, t.events / rounds,
               (double)stream.len * (double)rounds * 1e3 / (double)ns,
               (double)ns / 1e3 / (double)t.events);
    sse_reader_fini(&sse);
    buf_fini(&t.out);
    neutral_request_fini(&request);
    return rc;
}

static int measure_file(char *arg)
{
    char *path = strchr(arg, '=');
    char *text = mem_alloc(FILE_MAX);
    FILE *f = path != NULL ? fopen(path + 1, "rb") : NULL;
    int rc = -1;

    if (f != NULL) {
        *path = '\0';
        size_t len = fread(text, 1, FILE_MAX, f);
        fclose(f);
        rc = measure(arg, (struct span){text, len});
    }
    if (rc != 0)
        fprintf(stderr, "translate: %s cannot be read\n", arg);
    mem_free(text);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: translate PROVIDER=FILE...\n", stderr);
        return 2;
    }
    for (int i = 1; i < argc; i++)
        if (measure_file(argv[i]) != 0)
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
