/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/embeddings_scan.h"

#include <string.h>

static struct span document(const char *text)
{
    return scan_document(text, strlen(text));
}

struct member_case {
    const char *object;
    const char *value; /* of "a"; NULL: there is none */
};

static const struct member_case member_cases[] = {
    {"{\"a\":1}", "1"},
    {" { \"a\" : 1 , \"b\":2 } ", "1"},
    {"{\"b\":{\"a\":2},\"a\":[1, {\"a\":3}] }", "[1, {\"a\":3}]"},
    {"{\"b\":\"\\\"}a\\\\\",\"a\":\"\\\\\"}", "\"\\\\\""},
    {"{\"b\":[\"]\",{\"c\":\"}\"}],\"a\":-1.5e3\n}", "-1.5e3"},
    {"{\"a\":1,\"a\":2}", "2"},
    {"{\"a\":1,\"a\":null}", NULL},
    {"{\"a\":null}", NULL},
    {"{\"a\":{}}", "{}"},
    {"{\"a\":\"null\"}", "\"null\""},
    {"{\"aa\":1,\"\":2}", NULL},
    {"{\"\\u0061\":1}", NULL},
    {"{}", NULL},
    {"[{\"a\":1}]", NULL},
    {"\"a\"", NULL},
    {"7", NULL},
};

static void members_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(member_cases); i++) {
        struct span value = {NULL, 0};
        bool found = scan_member(&value, document(member_cases[i].object), "a");
        assert_true(found == (member_cases[i].value != NULL));
        if (found)
            assert_true(span_equals(value, member_cases[i].value));
    }
}

static void elements_are_walked(void **state)
{
    (void)state;
    static const char *const expected[] = {"1",           "\"a,]\"", "[2, [3]]",
                                           "{\"b\":[4]}", "null",    "-0.5"};
    struct span rest;
    struct span element;
    size_t n = 0;

    assert_true(scan_array(&rest, document(" [ 1,\"a,]\" , [2, [3]],\n{\"b\":[4]},null, -0.5 ] ")));
    for (; scan_element(&element, &rest); n++) {
        assert_true(n < ARRAY_LEN(expected));
        assert_true(span_equals(element, expected[n]));
    }
    assert_int_equal(n, ARRAY_LEN(expected));
    assert_true(scan_array(&rest, document("[ ]")));
    assert_false(scan_element(&element, &rest));
    assert_false(scan_array(&rest, document("{}")));
    assert_false(scan_array(&rest, (struct span){"", 0}));
}

static void indexes_are_whole_numbers(void **state)
{
    (void)state;
    assert_int_equal(scan_index(span_of("0"), 5, 9), 0);
    assert_int_equal(scan_index(span_of("5"), 5, 9), 5);
    assert_int_equal(scan_index(span_of("6"), 5, 9), 9);
    assert_int_equal(scan_index(span_of("-1"), 5, 9), 9);
    assert_int_equal(scan_index(span_of("1.0"), 5, 9), 9);
    assert_int_equal(scan_index(span_of("99999999999999999999999999"), 5, 9), 9);
    assert_int_equal(scan_index(span_of("\"1\""), 5, 9), 9);
    assert_int_equal(scan_index(span_of(""), 5, 9), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found),
        cmocka_unit_test(elements_are_walked),
        cmocka_unit_test(indexes_are_whole_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
