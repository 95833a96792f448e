/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/mem.h"
#include "base/sse.h"
#include "base/timing.h"
#include "unit.h"

#include <string.h>

/* Writes every event as "name|data;" so that a whole reading is one text to compare. */
static int collect(const struct sse_event *event, void *arg)
{
    struct buf *out = arg;
    buf_append(out, event->name.ptr, event->name.len);
    buf_append_char(out, '|');
    buf_append(out, event->data.ptr, event->data.len);
    buf_append_char(out, ';');
    return 0;
}

/* Feeds text in two pieces, cut at `cut`; each from memory of its exact size. */
static void read_cut(struct buf *out, const char *text, size_t len, size_t cut, bool *partial)
{
    struct sse_reader r;
    sse_reader_init(&r);
    buf_clear(out);
    const size_t from[] = {0, cut};
    const size_t to[] = {cut, len};
    for (size_t i = 0; i < 2; i++) {
        size_t n = to[i] - from[i];
        char *copy = mem_alloc(n);
        if (n > 0) {
            memcpy(copy, text + from[i], n);
        }
        assert_int_equal(sse_reader_feed(&r, copy, n, collect, out), 0);
        mem_free(copy);
    }
    *partial = sse_reader_partial(&r);
    sse_reader_fini(&r);
}

static void read_bytewise(struct buf *out, const char *text, size_t len, bool *partial)
{
    struct sse_reader r;
    sse_reader_init(&r);
    buf_clear(out);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        assert_int_equal(sse_reader_feed(&r, &c, 1, collect, out), 0);
    }
    *partial = sse_reader_partial(&r);
    sse_reader_fini(&r);
}

struct sse_case {
    const char *text;
    const char *events;
    bool partial;
};

static const struct sse_case cases[] = {
    {"", "", false},
    {"\n\n\r\r\n\n", "", false},
    {"data: a\n\n", "|a;", false},
    {"data:a\n\n", "|a;", false},
    {"data:  a \n\n", "| a ;", false},
    {"data: a\r\n\r\n", "|a;", false},
    {"data: a\r\r", "|a;", false},
    {"data: a\r\n\rdata: b\r\rdata: c\n\r\n", "|a;|b;|c;", false},
    {"data: a\ndata: b\n\n", "|a\nb;", false},
    {"data\n\n", "|;", false},
    {"data:\n\n", "|;", false},
    {"data\ndata\n\n", "|\n;", false},
    {"data: a\n\ndata: b\n\n", "|a;|b;", false},
    {"event: x\ndata: a\n\ndata: b\n\n", "x|a;|b;", false},
    {"data: a\nevent: x\n\n", "x|a;", false},
    {"event: x\nevent: y\ndata: a\n\n", "y|a;", false},
    {"event: x\nevent\ndata: a\n\n", "|a;", false},
    {"event: x\n\ndata: a\n\n", "|a;", false}, /* no data: no event, and the name is forgotten */
    {": comment\n\n: another\ndata: a\n: in between\ndata: b\n\n", "|a\nb;", false},
    {":\n\ndata: a\n\n", "|a;", false},
    {"id: 5\nretry: 100\ndata: a\nunknown: z\n\n", "|a;", false},
    {"data : a\n\nDATA: b\n\ndatax: c\n\n", "", false},
    {"\xEF\xBB\xBF"
     "data: a\n\n",
     "|a;", false},
    {"\n\xEF\xBB\xBF"
     "data: a\n\n",
     "", false}, /* a byte order mark only at the very start */
    {"\xEF\xBB\xBF\ndata: a\n\n", "|a;", false},
    {"data: {\"a\":\"b:c\"}\n\n", "|{\"a\":\"b:c\"};", false},
    {"data: a\n\ndata: b", "|a;", true},
    {"data: a\n\ndata: b\n", "|a;", true},
    {"data: a\r", "", true},
    {"data: a\n\nevent: x\n", "|a;", true},
    {"data: a\n\n: keep-alive", "|a;", false},
    {"data: [DONE]\n", "", true},
    {"event: message_start\r\ndata: {\"x\":1}\r\n\r\nevent: ping\r\ndata: {}\r\n\r\n",
     "message_start|{\"x\":1};ping|{};", false},
};

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = strlen(cases[i].text);
        bool partial;
        for (size_t cut = 0; cut <= len; cut++) {
            read_cut(&out, cases[i].text, len, cut, &partial);
            assert_string_equal(out.data, cases[i].events);
            assert_int_equal(partial, cases[i].partial);
        }
        read_bytewise(&out, cases[i].text, len, &partial);
        assert_string_equal(out.data, cases[i].events);
        assert_int_equal(partial, cases[i].partial);
    }
    buf_fini(&out);
}

static void nul_bytes_are_data(void **state)
{
    (void)state;
    struct buf out;
    bool partial;
    buf_init(&out, 100);
    read_cut(&out, "data: a\0b\n\n", 11, 4, &partial);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "|a\0b;", 5);
    buf_fini(&out);
}

static int stop_at_second(const struct sse_event *event, void *arg)
{
    int *count = arg;
    (void)event;
    return ++*count == 2 ? 42 : 0;
}

static void callback_can_stop(void **state)
{
    (void)state;
    struct sse_reader r;
    int count = 0;
    sse_reader_init(&r);
    const char *text = "data: a\n\ndata: b\n\ndata: c\n\n";
    assert_int_equal(sse_reader_feed(&r, text, strlen(text), stop_at_second, &count), 42);
    assert_int_equal(count, 2);
    assert_false(sse_reader_partial(&r));
    sse_reader_fini(&r);
}

static void reset_begins_anew(void **state)
{
    (void)state;
    struct sse_reader r;
    struct buf out;
    buf_init(&out, 1 << 20);
    sse_reader_init(&r);
    assert_int_equal(sse_reader_feed(&r, "event: x\ndata: left over\nda", 27, collect, &out), 0);
    assert_true(sse_reader_partial(&r));
    sse_reader_reset(&r);
    assert_false(sse_reader_partial(&r));
    const char *text = "\xEF\xBB\xBF"
                       "data: a\n\n";
    assert_int_equal(sse_reader_feed(&r, text, strlen(text), collect, &out), 0);
    assert_string_equal(out.data, "|a;");

    /* A CR at the end of one stream must not swallow the LF that begins the next one. */
    assert_int_equal(sse_reader_feed(&r, "data: b\r\r", 9, collect, &out), 0);
    sse_reader_reset(&r);
    assert_int_equal(sse_reader_feed(&r, "\ndata: c\n\n", 10, collect, &out), 0);
    assert_string_equal(out.data, "|a;|b;|c;");

    /* Memory of a large event is given back. */
    char *large = mem_alloc(500000);
    memset(large, 'x', 500000);
    buf_clear(&out);
    assert_int_equal(sse_reader_feed(&r, "data: ", 6, collect, &out), 0);
    assert_int_equal(sse_reader_feed(&r, large, 500000, collect, &out), 0);
    assert_int_equal(sse_reader_feed(&r, "\n\n", 2, collect, &out), 0);
    assert_int_equal(out.len, 500002);
    assert_true(r.data.cap > 400000);
    sse_reader_reset(&r);
    assert_true(r.data.cap <= 64 * 1024 && r.line.cap <= 64 * 1024);
    mem_free(large);
    sse_reader_fini(&r);
    buf_fini(&out);
}

static int count_event(const struct sse_event *event, void *arg)
{
    size_t *len = arg;
    *len = event->data.len;
    return 0;
}

/* Feeds `pieces` times 1 MiB of 'x' with `between` after each. */
static int feed_mib(struct sse_reader *r, int pieces, const char *between, size_t *len)
{
    enum { MIB = 1024 * 1024 };
    char *piece = mem_alloc(MIB);
    memset(piece, 'x', MIB);
    int rc = 0;
    for (int i = 0; i < pieces && rc == 0; i++) {
        rc = sse_reader_feed(r, piece, MIB, count_event, len);
        if (rc == 0) {
            rc = sse_reader_feed(r, between, strlen(between), count_event, len);
        }
    }
    mem_free(piece);
    return rc;
}

static void size_limit(void **state)
{
    (void)state;
    struct sse_reader r;
    size_t len = 0;
    sse_reader_init(&r);
    /* One line just below the limit. */
    assert_int_equal(sse_reader_feed(&r, "data:", 5, count_event, &len), 0);
    assert_int_equal(feed_mib(&r, 15, "", &len), 0);
    assert_int_equal(sse_reader_feed(&r, "\n\n", 2, count_event, &len), 0);
    assert_int_equal(len, 15 * 1024 * 1024);
    sse_reader_reset(&r);
    /* One line that is too long. */
    assert_int_equal(sse_reader_feed(&r, "data:", 5, count_event, &len), 0);
    assert_int_equal(feed_mib(&r, 17, "", &len), SSE_TOO_LONG);
    sse_reader_reset(&r);
    /* Its end comes with the bytes that are too many. */
    char *last = mem_alloc(2 * 1024 * 1024);
    memset(last, 'x', 2 * 1024 * 1024);
    last[2 * 1024 * 1024 - 1] = '\n';
    assert_int_equal(sse_reader_feed(&r, "data:", 5, count_event, &len), 0);
    assert_int_equal(feed_mib(&r, 15, "", &len), 0);
    assert_int_equal(sse_reader_feed(&r, last, 2 * 1024 * 1024, count_event, &len), SSE_TOO_LONG);
    mem_free(last);
    sse_reader_reset(&r);
    /* Many lines that are too long together. */
    assert_int_equal(sse_reader_feed(&r, "data:", 5, count_event, &len), 0);
    assert_int_equal(feed_mib(&r, 17, "\ndata:", &len), SSE_TOO_LONG);
    sse_reader_reset(&r);
    /* Comments do not add up: a stream may be kept alive for ever. */
    assert_int_equal(sse_reader_feed(&r, ":", 1, count_event, &len), 0);
    assert_int_equal(feed_mib(&r, 40, "\n:", &len), 0);
    sse_reader_fini(&r);
}

static void memory_failure_is_an_end(void **state)
{
    (void)state;
    for (long n = 1; n < 4; n++) {
        struct sse_reader r;
        size_t len = 0;
        sse_reader_init(&r);
        mem_fail_after(n);
        int rc = sse_reader_feed(&r, "data: ", 6, count_event, &len);
        if (rc == 0) {
            rc = feed_mib(&r, 3, "", &len);
        }
        mem_fail_after(-1);
        assert_int_equal(rc, SSE_TOO_LONG);
        sse_reader_fini(&r);
    }
}

/* 4 MiB bytewise, in chunks, and with CR line ends only: a reader that scans anything twice would
 * need minutes. */
static void speed_is_linear(void **state)
{
    (void)state;
    enum { SIZE = 4 * 1024 * 1024 };
    char *text = mem_alloc(SIZE);
    size_t len = 0;
    static const char *const fills[] = {"x", "\r", "data:\r\r", "data: 1\n\n"};
    int64_t start = timing_mono_ms();
    for (size_t f = 0; f < ARRAY_LEN(fills); f++) {
        size_t unit = strlen(fills[f]);
        for (size_t i = 0; i < SIZE; i++) {
            text[i] = fills[f][i % unit];
        }
        struct sse_reader r;
        sse_reader_init(&r);
        for (size_t i = 0; i < SIZE; i++) {
            assert_int_equal(sse_reader_feed(&r, text + i, 1, count_event, &len), 0);
        }
        sse_reader_reset(&r);
        assert_int_equal(sse_reader_feed(&r, text, SIZE, count_event, &len), 0);
        sse_reader_fini(&r);
    }
    mem_free(text);
    assert_true(timing_mono_ms() - start < 60000);
}

static void writes_events(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *data;
        const char *expected;
    } writes[] = {
        {NULL, "x", "data: x\n\n"},
        {NULL, "", "data: \n\n"},
        {"ping", "{}", "event: ping\ndata: {}\n\n"},
        {NULL, "a\nb", "data: a\ndata: b\n\n"},
        {NULL, "a\n", "data: a\ndata: \n\n"},
        {NULL, "a\r\nb\rc", "data: a\ndata: b\ndata: c\n\n"},
        {NULL, "\n", "data: \ndata: \n\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        struct buf b;
        buf_init(&b, 1000);
        sse_write(&b, writes[i].name, span_of(writes[i].data));
        assert_string_equal(b.data, writes[i].expected);
        buf_fini(&b);
    }
    struct buf b;
    buf_init(&b, 1000);
    sse_write(&b, NULL, (struct span){NULL, 0});
    assert_string_equal(b.data, "data: \n\n");
    buf_clear(&b);
    sse_write_comment(&b, "keep-alive");
    sse_write_comment(&b, "two\nlines");
    assert_string_equal(b.data, ": keep-alive\n\n: two\n: lines\n\n");
    buf_fini(&b);
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    struct buf wire;
    struct buf out;
    bool partial;
    buf_init(&wire, 1000);
    buf_init(&out, 1000);
    sse_write(&wire, "x", span_of("first\n\nsecond: line"));
    sse_write_comment(&wire, "keep-alive");
    sse_write(&wire, NULL, span_of(" leading blank"));
    read_cut(&out, wire.data, wire.len, 7, &partial);
    assert_string_equal(out.data, "x|first\n\nsecond: line;| leading blank;");
    assert_false(partial);
    buf_fini(&wire);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(nul_bytes_are_data),
        cmocka_unit_test(callback_can_stop),
        cmocka_unit_test(reset_begins_anew),
        cmocka_unit_test(size_limit),
        cmocka_unit_test(memory_failure_is_an_end),
        cmocka_unit_test(speed_is_linear),
        cmocka_unit_test(writes_events),
        cmocka_unit_test(what_is_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
