/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/decimal.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static void normalises(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"0.0", "0"},
        {"0.000", "0"},
        {"-0.000e5", "0"},
        {"0e999999999999999999999", "0"},
        {"1", "1"},
        {"1.0", "1"},
        {"1.40", "1.4"},
        {"-1.40", "-1.4"},
        {"12345", "12345"},
        {"100", "100"},
        {"1e2", "100"},
        {"1E+2", "100"},
        {"1.25e1", "12.5"},
        {"125e-1", "12.5"},
        {"1e-05", "0.00001"},
        {"3.7e-05", "0.000037"},
        {"1e-9", "0.000000001"},
        {"0.000000001", "0.000000001"},
        {"999999999", "999999999"},
        {"999999999.999999999", "999999999.999999999"},
        {"-999999999.999999999", "-999999999.999999999"},
        {"9.99999999e8", "999999999"},
        {"0.00000000000000000000000001e26", "1"},
        {"100000000000000000000e-20", "1"},
        /* half up at the ninth place, by the absolute value */
        {"0.0000000004", "0"},
        {"0.0000000005", "0.000000001"},
        {"-0.0000000005", "-0.000000001"},
        {"-0.0000000004", "0"},
        {"0.00000000049999999999999999", "0"},
        {"1.0000000014", "1.000000001"},
        {"1.0000000015", "1.000000002"},
        {"1.0000000025", "1.000000003"},
        {"0.9999999995", "1"},
        {"9.9999999999", "10"},
        {"5e-10", "0.000000001"},
        {"4.9e-10", "0"},
        {"1e-400", "0"},
        {"1e-99999999999999999999", "0"},
        {"999999998.9999999996", "999999999"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[DECIMAL_SIZE] = "unset";
        assert_int_equal(decimal_normalise(out, cases[i][0]), 0);
        assert_string_equal(out, cases[i][1]);
        /* A second time changes nothing. */
        char again[DECIMAL_SIZE];
        assert_int_equal(decimal_normalise(again, out), 0);
        assert_string_equal(again, out);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "e5",
        "1e",
        "1e+",
        "1e-",
        " 1",
        "1 ",
        "01",
        "-01",
        "00",
        "1,5",
        "0x1",
        "1.2.3",
        "1e5e5",
        "1e1.5",
        "--1",
        "NaN",
        "nan",
        "Infinity",
        "inf",
        "null",
        "1f",
        "1_000",
        "\xD9\xA1",
        /* too large for DECIMAL(18,9) */
        "1000000000",
        "1e9",
        "-1e9",
        "10e8",
        "999999999.9999999995",
        "1E400",
        "123456789012",
        "1e99999999999999999999",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char out[DECIMAL_SIZE] = "unset";
        assert_int_equal(decimal_normalise(out, bad[i]), -1);
    }
}

/* Every amount of n nano-dollars keeps its value, with and without an exponent. */
static void agrees_with_integers(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (int i = 0; i < 20000; i++) {
        n = n * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t nano = n % UINT64_C(1000000000000000000);
        char text[64];
        char scientific[64];
        char whole[64];
        snprintf(text, sizeof(text), "%llu.%09llu", (unsigned long long)(nano / 1000000000),
                 (unsigned long long)(nano % 1000000000));
        snprintf(scientific, sizeof(scientific), "%llue-9", (unsigned long long)nano);
        decimal_trim(whole, text);
        char a[DECIMAL_SIZE];
        char b[DECIMAL_SIZE];
        assert_int_equal(decimal_normalise(a, text), 0);
        assert_int_equal(decimal_normalise(b, scientific), 0);
        assert_string_equal(a, whole);
        assert_string_equal(b, whole);
    }
}

static void long_texts(void **state)
{
    (void)state;
    enum { LEN = 100000 };
    static char text[LEN + 32];
    char out[DECIMAL_SIZE];
    memset(text, '0', LEN);
    text[1] = '.';
    snprintf(text + LEN, 32, "5");
    assert_int_equal(decimal_normalise(out, text), 0);
    assert_string_equal(out, "0");
    snprintf(text + LEN, 32, "7e%d", LEN - 1);
    assert_int_equal(decimal_normalise(out, text), 0);
    assert_string_equal(out, "7");
    memset(text, '9', LEN);
    snprintf(text + LEN, 32, "e-%d", LEN);
    assert_int_equal(decimal_normalise(out, text), 0);
    assert_string_equal(out, "1");
    text[LEN] = '\0';
    assert_int_equal(decimal_normalise(out, text), -1);
}

static void trims(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0.001400000", "0.0014"},
        {"10.000000000", "10"},
        {"10", "10"},
        {"100", "100"},
        {"0.000000000", "0"},
        {"-0.000000000", "0"},
        {"-1.500", "-1.5"},
        {"-100", "-100"},
        {"0.10", "0.1"},
        {"007.50", "007.5"},
        {"", ""},
        {"NULL", "NULL"},
        {"1.", "1."},
        {".50", ".50"},
        {"1e50", "1e50"},
        {"1.2.30", "1.2.30"},
        {"-", "-"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[DECIMAL_SIZE];
        decimal_trim(out, cases[i][0]);
        assert_string_equal(out, cases[i][1]);
    }
    /* Longer than the room: cut, and nothing else is guessed. */
    char out[DECIMAL_SIZE];
    decimal_trim(out, "123456789012345678901234567890.12345678901234567890000");
    assert_int_equal(strlen(out), DECIMAL_SIZE - 1);
}

static void signs_and_zero(void **state)
{
    (void)state;
    static const char *const zero[] = {"0", "-0", "0.0", "0.000000000", "-0.00", "000"};
    for (size_t i = 0; i < ARRAY_LEN(zero); i++) {
        assert_true(decimal_is_zero(zero[i]));
        assert_false(decimal_is_negative(zero[i]));
    }
    static const char *const not_zero[] = {"1", "0.1", "-0.1", "0.000000001", "10", "",
                                           "-", ".",   "NULL", "0e",          "0."};
    for (size_t i = 0; i < ARRAY_LEN(not_zero); i++) {
        assert_false(decimal_is_zero(not_zero[i]));
    }
    assert_true(decimal_is_negative("-1"));
    assert_true(decimal_is_negative("-0.000000001"));
    assert_false(decimal_is_negative("1"));
    assert_false(decimal_is_negative("-"));
    assert_false(decimal_is_negative("-x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises),
        cmocka_unit_test(refuses),
        cmocka_unit_test(agrees_with_integers),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(trims),
        cmocka_unit_test(signs_and_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
