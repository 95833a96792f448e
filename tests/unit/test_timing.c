/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void clocks_run(void **state)
{
    (void)state;
    int64_t ns = timing_mono_ns();
    int64_t ms = timing_mono_ms();
    assert_true(timing_mono_ns() >= ns);
    assert_true(ms >= ns / 1000000 && ms - ns / 1000000 < 60000);
    int64_t now = (int64_t)time(NULL);
    assert_true(timing_wall_s() - now < 60 && now - timing_wall_s() < 60);
    assert_true(timing_wall_ms() / 1000 - now < 60);
}

static void wall_can_be_shifted(void **state)
{
    (void)state;
    int64_t before = timing_wall_ms();
    int64_t mono = timing_mono_ms();
    timing_shift_wall_ms(INT64_C(86400) * 1000);
    assert_true(timing_wall_ms() - before >= INT64_C(86400) * 1000);
    assert_true(timing_wall_s() - before / 1000 >= 86400);
    assert_true(timing_mono_ms() - mono < 60000);
    timing_shift_wall_ms(0);
    assert_true(timing_wall_ms() - before < 60000);
}

static void deadlines(void **state)
{
    (void)state;
    assert_int_equal(timing_left_ms(0), -1);
    assert_false(timing_passed(0));
    int64_t now = timing_mono_ms();
    assert_int_equal(timing_left_ms(now - 1), 0);
    assert_int_equal(timing_left_ms(1), 0);
    assert_true(timing_passed(now));
    assert_false(timing_passed(now + 600000));
    int left = timing_left_ms(now + 600000);
    assert_true(left > 500000 && left <= 600000);
    assert_int_equal(timing_left_ms(INT64_MAX), INT_MAX);
}

static void iso_of_known_moments(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {951782399999, "2000-02-28T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {1709251199000, "2024-02-29T23:59:59.000Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {1795428000123, "2026-11-23T10:00:00.123Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[TIMING_ISO_SIZE];
        timing_iso(out, cases[i].ms);
        assert_string_equal(out, cases[i].text);
    }
}

/* Every day of 400 years against libc, in both directions. */
static void days_agree_with_libc(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 146097; day++) {
        time_t t = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        char expected[32];
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
        char out[TIMING_ISO_SIZE];
        timing_iso(out, (int64_t)t * 1000);
        assert_memory_equal(out, expected, 19);

        int64_t back = -1;
        out[10] = ' ';
        out[19] = '\0';
        assert_int_equal(timing_parse_sql(&back, out), 0);
        assert_int_equal(back, t);
    }
}

static void parse_sql_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s;
    } good[] = {
        {"1970-01-01", 0},
        {"1969-12-31 23:59:59", -1},
        {"2026-11-23 10:00:00", 1795428000},
        {"2026-11-23 10:00:00.5", 1795428000},
        {"2026-11-23 10:00:00.999999", 1795428000},
        {"2024-02-29", 1709164800},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t s = 7;
        assert_int_equal(timing_parse_sql(&s, good[i].text), 0);
        assert_int_equal(s, good[i].s);
    }
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11",
        "2026-11-3",
        "2026-13-01",
        "2026-00-10",
        "0000-00-00",
        "2026-02-29",
        "2100-02-29",
        "2026-04-31",
        "2026-11-23T10:00:00",
        "2026-11-23 24:00:00",
        "2026-11-23 10:60:00",
        "2026-11-23 10:00:60",
        "2026-11-23 10:00:00.",
        "2026-11-23 10:00:00.1234567",
        "2026-11-23 10:00:00 ",
        "2026-11-23 ",
        "2026-11-23 10:00",
        "x2026-11-23",
        "-026-11-23",
        "NULL",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t s = 7;
        assert_int_equal(timing_parse_sql(&s, bad[i]), -1);
        assert_int_equal(s, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(wall_can_be_shifted),
        cmocka_unit_test(deadlines),
        cmocka_unit_test(iso_of_known_moments),
        cmocka_unit_test(days_agree_with_libc),
        cmocka_unit_test(parse_sql_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
