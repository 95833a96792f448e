/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/jsontext.h"
#include "base/mem.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

static int check(const char *text, size_t len)
{
    struct jsontext_fault fault = {NULL, 0};
    /* A copy of the exact size: a sanitizer sees a read behind the end. */
    char *copy = mem_alloc(len);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    int rc = jsontext_check(&fault, copy, len);
    assert_true((rc == 0) == (fault.what == NULL));
    assert_true(fault.at <= len);
    mem_free(copy);
    return rc;
}

static void accepts_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1",
        "\"\"",
        "null",
        "true",
        "false",
        " \t\r\n{ } \n",
        "[1,2 , 3]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":[{}]}}",
        "[[],[[]],{}]",
        "[0.5,-0.0,1e5,1E+5,1e-05,12.34e56,0e1,1E400]",
        "[9223372036854775807,-9223372036854775808,18446744073709551615]",
        "[100000000000000000000.0,1e100]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\\u0000\"",
        "\"\\ud83d\"", /* a lone surrogate is odd, but JSON */
        "\"\x7F\"",
        "\"\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF\"",
        "\"\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\"",
        "{\"\":\"\"}",
        "{\"\\u0001\":1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(check(good[i], strlen(good[i])), 0);
    }
}

static const char *const no_json[] = {
    "",
    " ",
    "{",
    "[",
    "}",
    "]",
    "{]",
    "[}",
    "[1",
    "[1,",
    "[1,]",
    "[,]",
    "[,1]",
    "[1 2]",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\":1",
    "{\"a\":1]",
    "{\"a\" 1}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,,\"b\":2}",
    "['a']",
    "[\"a]",
    "\"a",
    "\"",
    "'a'",
    "nul",
    "nulll",
    "True",
    "TRUE",
    "NaN",
    "[NaN]",
    "Infinity",
    "-Infinity",
    "nan",
    "undefined",
    "[tru]",
    "truefalse",
    "01",
    "-01",
    "00",
    "-",
    "+1",
    ".5",
    "1.",
    "1.e5",
    "1e",
    "1e+",
    "1E-",
    "0x10",
    "1_000",
    "1f",
    "--1",
    "1-1",
    "1.5.5",
    "1e5e5",
    "1 1",
    "{} x",
    "{}{}",
    "[] ,",
    "/**/{}",
    "//\n{}",
    "{}//",
    "#",
    "\xEF\xBB\xBF{}",
    "\v1",
    "\f1",
    "1\v",
    "\xC2\xA0[]",
    "\"\\x\"",
    "\"\\\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\U0041\"",
    "\"\\'\"",
    "\"a\nb\"",
    "\"a\tb\"",
    "\"\x01\"",
    "\"\x1F\"",
    /* integers that do not fit 64 bits */
    "18446744073709551616",
    "-9223372036854775809",
    "[99999999999999999999]",
    "123456789012345678901234567890",
    /* member names with NUL */
    "{\"a\\u0000b\":1}",
    "{\"\\u0000\":1}",
};

static void refuses_what_is_no_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(no_json); i++) {
        assert_int_equal(check(no_json[i], strlen(no_json[i])), -1);
    }
}

static void refuses_bad_utf8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC3",
        "\xC3(",
        "\xE0\x80\x80",
        "\xE0\x9F\xBF",
        "\xE2\x82",
        "\xE2(\xA1",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x80\x80\x80",
        "\xF0\x8F\xBF\xBF",
        "\xF0\x9F\x98",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC3\xA9\xA9",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[32];
        int len = snprintf(text, sizeof(text), "\"%s\"", bad[i]);
        assert_int_equal(check(text, (size_t)len), -1);
        len = snprintf(text, sizeof(text), "{\"%s\":1}", bad[i]);
        assert_int_equal(check(text, (size_t)len), -1);
        /* At the very end of the text. */
        len = snprintf(text, sizeof(text), "\"%s", bad[i]);
        assert_int_equal(check(text, (size_t)len), -1);
    }
}

/* Against a plain reading of the table in RFC 3629, all sequences of up to three bytes and the
 * borders of those of four. */
static void utf8_len_is_right(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            for (unsigned c = 0x7E; c < 0xC2; c++) {
                const char p[3] = {(char)a, (char)b, (char)c};
                size_t expected = 0;
                bool bt = b >= 0x80 && b <= 0xBF;
                bool ct = c >= 0x80 && c <= 0xBF;
                if (a < 0x80) {
                    expected = 1;
                } else if (a >= 0xC2 && a <= 0xDF && bt) {
                    expected = 2;
                } else if (a == 0xE0 && b >= 0xA0 && bt && ct) {
                    expected = 3;
                } else if (a == 0xED && b <= 0x9F && bt && ct) {
                    expected = 3;
                } else if (a > 0xE0 && a <= 0xEF && a != 0xED && bt && ct) {
                    expected = 3;
                }
                assert_int_equal(jsontext_utf8_len(p, 3), expected);
                assert_int_equal(jsontext_utf8_len(p, 2), expected == 3 ? 0 : expected);
                assert_int_equal(jsontext_utf8_len(p, 1), expected == 1 ? 1 : 0);
            }
        }
    }
    for (unsigned a = 0xF0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            const char p[4] = {(char)a, (char)b, (char)0x80, (char)0xBF};
            bool good = (a == 0xF0 && b >= 0x90 && b <= 0xBF) ||
                        (a >= 0xF1 && a <= 0xF3 && b >= 0x80 && b <= 0xBF) ||
                        (a == 0xF4 && b >= 0x80 && b <= 0x8F);
            assert_int_equal(jsontext_utf8_len(p, 4), good ? 4 : 0);
            assert_int_equal(jsontext_utf8_len(p, 3), 0);
        }
    }
}

static void nul_bytes_are_no_ends(void **state)
{
    (void)state;
    assert_int_equal(check("{}\0", 3), -1);
    assert_int_equal(check("{}\0{}", 5), -1);
    assert_int_equal(check("\0", 1), -1);
    assert_int_equal(check("[1\0]", 4), -1);
    assert_int_equal(check("\"a\0b\"", 5), -1);
    assert_int_equal(check("\"\\\0\"", 4), -1);
    assert_int_equal(check("1\0", 2), -1);
}

static void depth_is_exact(void **state)
{
    (void)state;
    enum { DEEP = 10000 };
    static char text[6 * DEEP + 16];
    static const struct {
        const char *open;
        const char *inner;
        const char *close;
    } forms[] = {{"[", "", "]"}, {"[", "1", "]"}, {"{\"a\":", "1", "}"}, {"{\"a\":", "{}", "}"}};
    static const int depths[] = {99, 100, 101, DEEP};
    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        for (size_t d = 0; d < ARRAY_LEN(depths); d++) {
            int levels = depths[d];
            size_t len = 0;
            for (int i = 0; i < levels; i++) {
                len += (size_t)snprintf(text + len, 8, "%s", forms[f].open);
            }
            len += (size_t)snprintf(text + len, 8, "%s", forms[f].inner);
            for (int i = 0; i < levels; i++) {
                len += (size_t)snprintf(text + len, 8, "%s", forms[f].close);
            }
            int nesting = levels + (forms[f].inner[0] == '{' ? 1 : 0);
            assert_int_equal(check(text, len), nesting <= JSONTEXT_DEPTH_MAX ? 0 : -1);
        }
    }
    memset(text, '[', DEEP); /* never closed */
    assert_int_equal(check(text, DEEP), -1);
}

/* "[unit,unit,...]" with so many units must be good or refused. */
static void check_many(const char *unit, size_t count, bool good)
{
    size_t unit_len = strlen(unit);
    size_t len = 0;
    char *text = mem_alloc((unit_len + 1) * count + 2);
    text[len++] = '[';
    for (size_t i = 0; i < count; i++) {
        memcpy(text + len, unit, unit_len);
        len += unit_len;
        text[len++] = ',';
    }
    text[len - 1] = ']';
    struct jsontext_fault fault;
    int rc = jsontext_check(&fault, text, len);
    assert_int_equal(rc, good ? 0 : -1);
    if (!good) {
        assert_non_null(strstr(fault.what, "too many"));
    }
    mem_free(text);
}

static void values_are_limited(void **state)
{
    (void)state;
    /* The array around them counts, too. */
    check_many("1", JSONTEXT_VALUES_MAX - 1, true);
    check_many("1", JSONTEXT_VALUES_MAX, false);
    check_many("{}", JSONTEXT_CONTAINERS_MAX - 1, true);
    check_many("{}", JSONTEXT_CONTAINERS_MAX, false);
    check_many("[[]]", JSONTEXT_CONTAINERS_MAX / 2, false);
    check_many("{\"a\":1,\"b\":2}", JSONTEXT_CONTAINERS_MAX - 1, true);
}

static void faults_say_where(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
        const char *what;
    } cases[] = {
        {"{\"a\":1,}", 7, "member name"}, {"[1 2]", 3, "','"},
        {"{} x", 3, "more text"},         {"[1,2", 4, "end of the text"},
        {"\"\xFF\"", 1, "UTF-8"},         {"[99999999999999999999]", 1, "64 bits"},
        {"[\"\\x\"]", 2, "escape"},       {"[nope]", 1, "word"},
        {"", 0, "end of the text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct jsontext_fault fault;
        assert_int_equal(jsontext_check(&fault, cases[i].text, strlen(cases[i].text)), -1);
        assert_int_equal(fault.at, cases[i].at);
        assert_non_null(strstr(fault.what, cases[i].what));
    }
}

/* Any cut of a valid text is invalid (its value ends at its last byte). */
static void every_cut_is_refused(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1.5e3,\"x\\u00e9\xE2\x82\xAC\",null,true,{\"b\":-2}],\"c\":false}";
    size_t len = strlen(text);
    assert_int_equal(check(text, len), 0);
    for (size_t n = 0; n < len; n++) {
        assert_int_equal(check(text, n), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_json),          cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(refuses_bad_utf8),      cmocka_unit_test(utf8_len_is_right),
        cmocka_unit_test(nul_bytes_are_no_ends), cmocka_unit_test(depth_is_exact),
        cmocka_unit_test(values_are_limited),    cmocka_unit_test(faults_say_where),
        cmocka_unit_test(every_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
