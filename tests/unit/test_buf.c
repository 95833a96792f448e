/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "base/mem.h"
#include "unit.h"

#include <string.h>

static void begins_empty(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
    assert_false(buf_failed(&b));
    assert_int_equal(buf_span(&b).len, 0);
    buf_clear(&b); /* nothing allocated yet */
    buf_consume(&b, 0);
    buf_append(&b, NULL, 0);
    assert_string_equal(b.data, "");
    buf_fini(&b);
    buf_fini(&b); /* twice is harmless */
}

static void appends_and_terminates(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000000);
    for (int i = 0; i < 100000; i++) {
        buf_append_char(&b, (char)('a' + i % 26));
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 100000);
    for (size_t i = 0; i < b.len; i++) {
        assert_int_equal(b.data[i], 'a' + i % 26);
    }
    buf_clear(&b);
    assert_string_equal(b.data, "");
    buf_append_str(&b, "one ");
    buf_append(&b, "two\0three", 9);
    assert_int_equal(b.len, 13);
    assert_memory_equal(b.data, "one two\0three", 14);
    buf_fini(&b);
}

static void maximum_is_exact_and_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    buf_append_str(&b, "12345");
    assert_false(buf_failed(&b));
    buf_append_char(&b, '6');
    assert_true(buf_failed(&b));
    assert_string_equal(b.data, "12345");
    buf_clear(&b);
    assert_false(buf_failed(&b));
    buf_append_str(&b, "123456");
    assert_true(buf_failed(&b));
    buf_append_str(&b, "1"); /* would fit, but the failure sticks */
    assert_string_equal(b.data, "");
    buf_fini(&b);

    buf_init(&b, 0);
    buf_append_str(&b, "");
    assert_false(buf_failed(&b));
    buf_append_str(&b, "x");
    assert_true(buf_failed(&b));
    buf_fini(&b);

    buf_init(&b, SIZE_MAX);
    buf_append_str(&b, "no wrap");
    buf_append(&b, "x", SIZE_MAX - 7);
    assert_true(buf_failed(&b));
    assert_string_equal(b.data, "no wrap");
    buf_fini(&b);
}

static void memory_failure_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    buf_append_str(&b, "kept");
    mem_fail_after(1);
    for (int i = 0; i < 1000; i++) {
        buf_append_char(&b, 'x');
    }
    mem_fail_after(-1);
    assert_true(buf_failed(&b));
    size_t len = b.len;
    assert_memory_equal(b.data, "kept", 4);
    buf_append_char(&b, 'y');
    assert_int_equal(b.len, len);
    buf_fini(&b);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (long n = 1; n < 20; n++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        mem_fail_after(n);
        for (int i = 0; i < 5000; i++) {
            buf_printf(&b, "%d,", i);
        }
        mem_fail_after(-1);
        assert_int_equal(b.data[b.len], '\0');
        if (!buf_failed(&b)) {
            assert_true(n > 5);
            assert_string_equal(b.data + b.len - 10, "4998,4999,");
        }
        buf_fini(&b);
    }
}

static void formats(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    buf_append_str(&b, "n=");
    buf_printf(&b, "%d %s", 42, "text");
    assert_string_equal(b.data, "n=42 text");
    buf_printf(&b, "%s", "");
    assert_string_equal(b.data, "n=42 text");
    buf_printf(&b, "%5000d", 1); /* grows between measuring and printing */
    assert_int_equal(b.len, 9 + 5000);
    assert_int_equal(b.data[b.len - 1], '1');
    buf_printf(&b, "%6000d", 1);
    assert_true(buf_failed(&b));
    assert_int_equal(b.len, 9 + 5000);
    buf_fini(&b);
}

static void consumes_from_the_front(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_append_str(&b, "abcdef");
    buf_consume(&b, 2);
    assert_string_equal(b.data, "cdef");
    buf_consume(&b, 4);
    assert_string_equal(b.data, "");
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void shrink_gives_memory_back(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_append_str(&b, "small");
    buf_shrink(&b, 1000);
    assert_true(b.cap > 0 && b.cap <= 1000);
    assert_string_equal(b.data, "");
    for (int i = 0; i < 10000; i++) {
        buf_append_char(&b, 'x');
    }
    buf_shrink(&b, 1000);
    assert_true(b.cap <= 1000);
    assert_string_equal(b.data, "");
    assert_int_equal(b.max, 1 << 20);
    buf_append_str(&b, "usable");
    assert_string_equal(b.data, "usable");
    buf_fini(&b);
}

static void spans(void **state)
{
    (void)state;
    assert_true(span_equals(span_of("abc"), "abc"));
    assert_false(span_equals(span_of("abc"), "ab"));
    assert_false(span_equals(span_of("ab"), "abc"));
    assert_true(span_equals((struct span){NULL, 0}, ""));
    assert_false(span_equals((struct span){"a\0c", 3}, "a"));
    struct buf b;
    buf_init(&b, 10);
    buf_append_str(&b, "xyz");
    assert_true(span_equals(buf_span(&b), "xyz"));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_empty),
        cmocka_unit_test(appends_and_terminates),
        cmocka_unit_test(maximum_is_exact_and_sticks),
        cmocka_unit_test(memory_failure_sticks),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(formats),
        cmocka_unit_test(consumes_from_the_front),
        cmocka_unit_test(shrink_gives_memory_back),
        cmocka_unit_test(spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
