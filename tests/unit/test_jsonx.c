/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/jsonx.h"
#include "base/mem.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* Parses a text that must be valid. */
static struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;
    assert_int_equal(jsonx_parse(&v, text, strlen(text), &err), 0);
    return v;
}

static void assert_written(struct json_object *v, const char *expected)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    jsonx_write(&b, v);
    assert_false(buf_failed(&b));
    assert_string_equal(b.data, expected);
    buf_fini(&b);
}

static void assert_same(const char *text)
{
    struct json_object *v = parsed(text);
    assert_written(v, text);
    json_object_put(v);
}

static void assert_becomes(const char *text, const char *expected)
{
    struct json_object *v = parsed(text);
    assert_written(v, expected);
    json_object_put(v);
}

/* What is passed on does not change. */
static void values_keep_their_text(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "\"\"",
        "\"x\"",
        "1e-05",
        "1.0",
        "-0.0",
        "1E400",
        "-1e400",
        "0.10",
        "1.5E+3",
        "3.141592653589793238462643",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "123456789012345678901234567890.0",
        "[1e-05,1.0,-0.0,1E400]",
        "{\"z\":1,\"a\":2,\"m\":{\"k\":[]}}", /* order stays */
        "\"a/b\"",
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"",
        "\"\\u0000\"",
        "\"a\\u0000b\"",
        "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"",
        "\"\x7F\"",
        "\"\xE2\x80\xA8\"",
        "[null,[null,{\"a\":null}]]",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_same(texts[i]);
    }
    assert_becomes("\"\\u00e9\\ud83d\\ude00\\/\\u0041\"", "\"\xC3\xA9\xF0\x9F\x98\x80/A\"");
    assert_becomes("\"\\ud83d\"", "\"\xEF\xBF\xBD\"");
    assert_becomes("\"\\ude00x\\ud83d\\u0041\"", "\"\xEF\xBF\xBDx\xEF\xBF\xBD"
                                                 "A\"");
    assert_becomes(" { \"a\" : [ 1 , 2 ] } ", "{\"a\":[1,2]}");
    assert_becomes("-0", "0");
    assert_becomes("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
}

static void parse_needs_no_nul(void **state)
{
    (void)state;
    static const char *const texts[] = {"1", "12", "null", "true", "1.5", "\"a\"", "{}", "[1]"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len = strlen(texts[i]);
        char *copy = mem_alloc(len);
        memcpy(copy, texts[i], len);
        struct json_object *v = NULL;
        struct err err;
        assert_int_equal(jsonx_parse(&v, copy, len, &err), 0);
        mem_free(copy);
        assert_written(v, texts[i]);
        json_object_put(v);
    }
}

static void parse_fails_clearly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *message;
    } cases[] = {
        {"", 0, "byte 1"},
        {"{\"a\":1,}", 8, "at byte 8"},
        {"{}x", 3, "more text after the JSON value at byte 3"},
        {"{}\0", 3, "byte 3"},
        {"[NaN]", 5, "byte 2"},
        {"\"\xFF\"", 3, "invalid UTF-8 at byte 2"},
        {"18446744073709551616", 20, "does not fit 64 bits"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_object *v = (void *)"unset";
        struct err err;
        assert_int_equal(jsonx_parse(&v, cases[i].text, cases[i].len, &err), -1);
        assert_null(v);
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        assert_int_equal(err.status, 400);
        assert_non_null(strstr(err.message, cases[i].message));
    }
    struct json_object *v;
    struct err err;
    assert_int_equal(jsonx_parse(&v, "1", (size_t)INT32_MAX + 1, &err), -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
}

static void depth_limit(void **state)
{
    (void)state;
    static const int depths[] = {1, 31, 32, 33, 100, 101, 10000};
    static char text[20001];
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        size_t n = (size_t)depths[i];
        memset(text, '[', n);
        text[n] = '7';
        memset(text + n + 1, ']', n);
        struct json_object *v = NULL;
        struct err err;
        int rc = jsonx_parse(&v, text, 2 * n + 1, &err);
        assert_int_equal(rc, n <= JSONX_DEPTH_MAX ? 0 : -1);
        if (rc != 0) {
            assert_non_null(strstr(err.message, "deep"));
            assert_non_null(strstr(err.message, "100"));
        }
        json_object_put(v);
    }
}

static void get_and_has(void **state)
{
    (void)state;
    struct json_object *v = parsed("{\"a\":1,\"n\":null,\"o\":{},\"l\":[],\"\":5}");
    assert_non_null(jsonx_get(v, "a"));
    assert_null(jsonx_get(v, "n"));
    assert_null(jsonx_get(v, "x"));
    assert_non_null(jsonx_get(v, ""));
    assert_true(jsonx_has(v, "a"));
    assert_true(jsonx_has(v, "n"));
    assert_false(jsonx_has(v, "x"));
    assert_null(jsonx_get(NULL, "a"));
    assert_false(jsonx_has(NULL, "a"));
    assert_null(jsonx_get(jsonx_get(v, "l"), "a"));
    assert_false(jsonx_has(jsonx_get(v, "a"), "a"));
    json_object_put(v);
}

static void lenient_getters(void **state)
{
    (void)state;
    struct json_object *v = parsed("{\"s\":\"x\",\"i\":5,\"d\":5.0,\"b\":true,\"n\":null,"
                                   "\"big\":18446744073709551615,\"a\":[1],\"o\":{\"k\":1}}");
    assert_string_equal(jsonx_str(v, "s", "d"), "x");
    assert_string_equal(jsonx_str(v, "i", "d"), "d");
    assert_string_equal(jsonx_str(v, "n", "d"), "d");
    assert_null(jsonx_str(v, "x", NULL));
    assert_null(jsonx_str(NULL, "x", NULL));
    assert_int_equal(jsonx_i64(v, "i", 7), 5);
    assert_int_equal(jsonx_i64(v, "d", 7), 7);
    assert_int_equal(jsonx_i64(v, "s", 7), 7);
    assert_int_equal(jsonx_i64(v, "n", 7), 7);
    assert_true(jsonx_i64(v, "big", 7) == INT64_MAX);
    assert_true(jsonx_bool(v, "b", false));
    assert_true(jsonx_bool(v, "x", true));
    assert_false(jsonx_bool(v, "i", false));
    assert_non_null(jsonx_array(v, "a"));
    assert_null(jsonx_array(v, "o"));
    assert_null(jsonx_array(v, "x"));
    assert_non_null(jsonx_object(v, "o"));
    assert_null(jsonx_object(v, "a"));
    assert_null(jsonx_object(v, "n"));
    json_object_put(v);
}

static void strict_getters_take_what_is_right(void **state)
{
    (void)state;
    struct json_object *v =
        parsed("{\"s\":\"x\",\"i\":5,\"b\":true,\"n\":null,\"a\":[1],\"o\":{}}");
    struct err err;
    const char *s = "unset";
    bool b = false;
    int64_t i = -1;
    struct json_object *o = NULL;
    assert_int_equal(jsonx_want_str(&s, v, "s", "s", &err), 0);
    assert_string_equal(s, "x");
    assert_int_equal(jsonx_want_bool(&b, v, "b", "b", &err), 0);
    assert_true(b);
    assert_int_equal(jsonx_want_i64(&i, v, "i", "i", 5, 5, &err), 0);
    assert_int_equal(i, 5);
    assert_int_equal(jsonx_want_array(&o, v, "a", "a", &err), 0);
    assert_int_equal(json_object_array_length(o), 1);
    assert_int_equal(jsonx_want_object(&o, v, "o", "o", &err), 0);
    assert_true(json_object_is_type(o, json_type_object));

    /* Absent and null change nothing. */
    static const char *const none[] = {"n", "x"};
    for (size_t k = 0; k < ARRAY_LEN(none); k++) {
        s = "unset";
        o = v;
        i = -1;
        b = true;
        assert_int_equal(jsonx_want_str(&s, v, none[k], "p", &err), 0);
        assert_string_equal(s, "unset");
        assert_int_equal(jsonx_want_i64(&i, v, none[k], "p", 5, 6, &err), 0);
        assert_int_equal(i, -1);
        assert_int_equal(jsonx_want_bool(&b, v, none[k], "p", &err), 0);
        assert_true(b);
        assert_int_equal(jsonx_want_array(&o, v, none[k], "p", &err), 0);
        assert_int_equal(jsonx_want_object(&o, v, none[k], "p", &err), 0);
        assert_ptr_equal(o, v);
    }
    json_object_put(v);
}

static void strict_getters_refuse(void **state)
{
    (void)state;
    struct json_object *v = parsed("{\"s\":\"x\",\"i\":5,\"d\":5.0,\"b\":true,\"a\":[],\"o\":{},"
                                   "\"z\":\"a\\u0000b\",\"big\":18446744073709551615}");
    struct err err;
    const char *s = "unset";
    bool b = false;
    int64_t i = -1;
    struct json_object *o = NULL;

    assert_int_equal(jsonx_want_bool(&b, v, "s", "stream", &err), -1);
    assert_string_equal(err.message, "'stream' must be a boolean, but it is a string.");
    assert_string_equal(err.param, "stream");
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    assert_int_equal(jsonx_want_str(&s, v, "o", "messages[0].role", &err), -1);
    assert_string_equal(err.message, "'messages[0].role' must be a string, but it is an object.");
    assert_int_equal(jsonx_want_str(&s, v, "z", "z", &err), -1);
    assert_string_equal(err.message, "'z' must not contain \\u0000.");
    assert_int_equal(jsonx_want_i64(&i, v, "d", "n", 0, 10, &err), -1);
    assert_string_equal(err.message, "'n' must be an integer, but it is a number.");
    assert_int_equal(jsonx_want_i64(&i, v, "i", "n", 6, 10, &err), -1);
    assert_string_equal(err.message, "'n' must be between 6 and 10.");
    assert_int_equal(jsonx_want_i64(&i, v, "i", "n", 0, 4, &err), -1);
    assert_int_equal(jsonx_want_i64(&i, v, "i", "n", 6, INT64_MAX, &err), -1);
    assert_string_equal(err.message, "'n' must be at least 6.");
    assert_int_equal(jsonx_want_i64(&i, v, "i", "n", INT64_MIN, 4, &err), -1);
    assert_string_equal(err.message, "'n' must be at most 4.");
    assert_int_equal(jsonx_want_i64(&i, v, "big", "n", 0, INT64_MAX, &err), -1);
    assert_string_equal(err.message, "'n' is too large.");
    assert_int_equal(jsonx_want_array(&o, v, "b", "stop", &err), -1);
    assert_string_equal(err.message, "'stop' must be an array, but it is a boolean.");
    assert_int_equal(jsonx_want_object(&o, v, "a", "x", &err), -1);
    assert_string_equal(err.message, "'x' must be an object, but it is an array.");
    assert_string_equal(s, "unset");
    assert_int_equal(i, -1);
    assert_null(o);
    json_object_put(v);
}

static void builders(void **state)
{
    (void)state;
    struct json_object *v = json_object_new_object();
    struct json_object *shared = parsed("[1]");
    jsonx_set_str(v, "s", "x\"y");
    jsonx_set_str(v, "none", NULL);
    jsonx_set_strn(v, "n", "abcdef", 3);
    jsonx_set_strn(v, "e", NULL, 0);
    jsonx_set_i64(v, "min", INT64_MIN);
    jsonx_set_i64(v, "max", INT64_MAX);
    jsonx_set_bool(v, "t", true);
    jsonx_set_bool(v, "f", false);
    jsonx_set_null(v, "null");
    jsonx_set_decimal(v, "cost", "0.000000001");
    jsonx_set_decimal(v, "ten", "10");
    jsonx_set_decimal(v, "unknown", NULL);
    jsonx_set(v, "o", json_object_new_object());
    jsonx_set_ref(v, "r1", shared);
    jsonx_set_ref(v, "r2", shared);
    jsonx_set_ref(v, "rn", NULL);
    json_object_put(shared);
    assert_written(
        v, "{\"s\":\"x\\\"y\",\"none\":null,\"n\":\"abc\",\"e\":\"\","
           "\"min\":-9223372036854775808,\"max\":9223372036854775807,\"t\":true,"
           "\"f\":false,\"null\":null,\"cost\":0.000000001,\"ten\":10,\"unknown\":null,\"o\":{},"
           "\"r1\":[1],\"r2\":[1],\"rn\":null}");
    jsonx_set_str(v, "s", "replaced");
    assert_string_equal(jsonx_str(v, "s", ""), "replaced");
    json_object_put(v);
}

static void strings_are_always_valid(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    jsonx_write_string(&b, "a\xFF\xC3\xA9\xE2\x82z\xF0", 8);
    assert_string_equal(b.data, "\"a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD\"");
    buf_clear(&b);
    jsonx_write_string(&b, NULL, 0);
    assert_string_equal(b.data, "\"\"");
    buf_clear(&b);
    jsonx_write_string(&b, "a\0b</script>", 12);
    assert_string_equal(b.data, "\"a\\u0000b</script>\"");
    buf_fini(&b);

    /* Each byte alone: what is written parses again. */
    for (int c = 0; c < 256; c++) {
        const char one[1] = {(char)c};
        struct json_object *v = NULL;
        struct err err;
        buf_init(&b, 100);
        jsonx_write_string(&b, one, 1);
        assert_int_equal(jsonx_parse(&v, b.data, b.len, &err), 0);
        if (c < 0x80) {
            assert_int_equal(json_object_get_string_len(v), 1);
            assert_int_equal(json_object_get_string(v)[0], c);
        }
        json_object_put(v);
        buf_fini(&b);
    }
}

static void write_obeys_the_maximum(void **state)
{
    (void)state;
    struct json_object *v = parsed("{\"a\":[1,2.5,\"text\",null,true]}");
    const char *full = "{\"a\":[1,2.5,\"text\",null,true]}";
    for (size_t max = 0; max <= strlen(full); max++) {
        struct buf b;
        buf_init(&b, max);
        jsonx_write(&b, v);
        assert_int_equal(buf_failed(&b), max < strlen(full));
        buf_fini(&b);
    }
    json_object_put(v);
}

static void type_names(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"null", "null"},    {"true", "a boolean"}, {"1", "an integer"}, {"1.5", "a number"},
        {"1e2", "a number"}, {"\"x\"", "a string"}, {"[]", "an array"},  {"{}", "an object"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_object *v = parsed(cases[i][0]);
        assert_string_equal(jsonx_type_name(v), cases[i][1]);
        json_object_put(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_keep_their_text),
        cmocka_unit_test(parse_needs_no_nul),
        cmocka_unit_test(parse_fails_clearly),
        cmocka_unit_test(depth_limit),
        cmocka_unit_test(get_and_has),
        cmocka_unit_test(lenient_getters),
        cmocka_unit_test(strict_getters_take_what_is_right),
        cmocka_unit_test(strict_getters_refuse),
        cmocka_unit_test(builders),
        cmocka_unit_test(strings_are_always_valid),
        cmocka_unit_test(write_obeys_the_maximum),
        cmocka_unit_test(type_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
