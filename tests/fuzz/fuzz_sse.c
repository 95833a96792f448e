/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event-stream reader gives the same events however its input is cut, and what the writer
 * writes comes back.
 */
#include "base/base.h"

#include "base/sse.h"
#include "fuzz.h"

#include <string.h>

enum { OUT_MAX = 256 * 1024 * 1024 };

/* Lengths and bytes of an event: no two lists of events look the same. */
static int collect(const struct sse_event *event, void *arg)
{
    struct buf *out = arg;
    FUZZ_REQUIRE(memchr(event->data.ptr, '\r', event->data.len) == NULL);
    FUZZ_REQUIRE(event->name.len == 0 || memchr(event->name.ptr, '\n', event->name.len) == NULL);
    buf_printf(out, "%zu %zu ", event->name.len, event->data.len);
    buf_append(out, event->name.ptr, event->name.len);
    buf_append(out, event->data.ptr, event->data.len);
    return 0;
}

/* Feeds pieces of `step` bytes; true if the last event was not complete. */
static bool read_all(struct buf *out, const char *data, size_t size, size_t step)
{
    struct sse_reader r;
    sse_reader_init(&r);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        FUZZ_REQUIRE(sse_reader_feed(&r, data + at, n, collect, out) == 0);
    }
    bool partial = sse_reader_partial(&r);
    sse_reader_fini(&r);
    return partial;
}

struct round_trip {
    struct buf wire;
    struct buf expected;
};

static int write_again(const struct sse_event *event, void *arg)
{
    struct round_trip *trip = arg;
    char name[64] = "";
    bool named = event->name.len > 0 && event->name.len < sizeof(name) &&
                 event->name.ptr[0] != ' ' &&
                 memchr(event->name.ptr, '\0', event->name.len) == NULL;
    if (named) {
        memcpy(name, event->name.ptr, event->name.len);
        name[event->name.len] = '\0';
    }
    sse_write(&trip->wire, named ? name : NULL, event->data);
    sse_write_comment(&trip->wire, "keep-alive");
    const struct sse_event kept = {span_of(name), event->data};
    return collect(&kept, &trip->expected);
}

static void check_round_trip(const char *data, size_t size)
{
    struct round_trip trip;
    struct sse_reader r;
    struct buf back;
    buf_init(&trip.wire, OUT_MAX);
    buf_init(&trip.expected, OUT_MAX);
    buf_init(&back, OUT_MAX);
    sse_reader_init(&r);
    FUZZ_REQUIRE(sse_reader_feed(&r, data, size, write_again, &trip) == 0);
    FUZZ_REQUIRE(!read_all(&back, trip.wire.data, trip.wire.len, 1024));
    FUZZ_REQUIRE(back.len == trip.expected.len);
    FUZZ_REQUIRE(memcmp(back.data, trip.expected.data, back.len) == 0);
    sse_reader_fini(&r);
    buf_fini(&trip.wire);
    buf_fini(&trip.expected);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const size_t steps[] = {1, 2, 7, size > 0 ? 1 + data[0] : 1};
    struct buf whole;
    buf_init(&whole, OUT_MAX);
    bool partial = read_all(&whole, text, size, size > 0 ? size : 1);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct buf pieces;
        buf_init(&pieces, OUT_MAX);
        FUZZ_REQUIRE(read_all(&pieces, text, size, steps[i]) == partial);
        FUZZ_REQUIRE(pieces.len == whole.len);
        FUZZ_REQUIRE(memcmp(pieces.data, whole.data, whole.len) == 0);
        buf_fini(&pieces);
    }
    buf_fini(&whole);
    check_round_trip(text, size);
    return 0;
}
