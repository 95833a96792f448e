/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/strict_schema.h"

#include <string.h>

#define CLOSED ",\"additionalProperties\":false"
#define A      "\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]"
#define OBJECT "{\"type\":\"object\"," A CLOSED "}"
#define WITH_A(schema)                                                                             \
    "{\"type\":\"object\",\"properties\":{\"a\":" schema "},\"required\":[\"a\"]" CLOSED "}"

static const char *const fitting[] = {
    OBJECT,
    "{\"type\":\"object\"" CLOSED "}",
    WITH_A(OBJECT),
    WITH_A("{\"type\":\"array\",\"items\":" OBJECT ",\"minItems\":1}"),
    WITH_A("{\"anyOf\":[" OBJECT ",{\"type\":\"null\"}]}"),
    WITH_A("{\"enum\":[1,\"x\"],\"description\":\"d\"}"),
    WITH_A("{\"type\":[\"string\",\"null\"],\"pattern\":\"a\"}"),
    "{\"type\":\"object\"," A CLOSED ",\"$defs\":{\"x\":" OBJECT "}}",
    WITH_A("{\"$ref\":\"#/$defs/x\"}"),
};

static const char *const others[] = {
    "5",
    "{}",
    "{\"type\":\"string\"}",
    "{\"type\":\"object\"}",
    "{\"type\":\"object\"," A "}",
    "{\"type\":\"object\"," A ",\"additionalProperties\":true}",
    "{\"type\":\"object\"," A ",\"additionalProperties\":{\"type\":\"string\"}}",
    "{\"type\":\"object\",\"properties\":{\"a\":{}}" CLOSED "}",
    "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\"]" CLOSED "}",
    "{\"type\":\"object\",\"anyOf\":[" OBJECT "]" CLOSED "}",
    WITH_A("{\"type\":\"object\"}"),
    WITH_A("{\"type\":[\"object\",\"null\"]}"),
    WITH_A("{\"properties\":{}}"),
    WITH_A("{\"allOf\":[]}"),
    WITH_A("{\"type\":\"string\",\"format\":\"uri\"}"),
    WITH_A("{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"),
    WITH_A("{\"anyOf\":{}}"),
    WITH_A("true"),
    "{\"type\":\"object\"," A CLOSED ",\"$defs\":{\"x\":{\"type\":\"object\"}}}",
};

static bool fits(const char *text)
{
    struct json_object *schema = NULL;
    struct err err;

    assert_int_equal(jsonx_parse(&schema, text, strlen(text), &err), 0);
    bool answer = strict_schema_fits(schema);
    json_object_put(schema);
    return answer;
}

static void test_fitting(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fitting); i++)
        if (!fits(fitting[i]))
            fail_msg("%s", fitting[i]);
}

static void test_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (fits(others[i]))
            fail_msg("%s", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fitting),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
