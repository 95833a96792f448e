/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/messages_schema.h"

#include <string.h>

/* ' stands for " here. */
static struct json_object *json(const char *text)
{
    struct json_object *v = NULL;
    struct err err;
    struct buf b;

    buf_init(&b, 65536);
    for (; *text != '\0'; text++)
        buf_append_char(&b, *text == '\'' ? '"' : *text);
    assert_int_equal(jsonx_parse(&v, b.data, b.len, &err), 0);
    buf_fini(&b);
    return v;
}

static const struct {
    const char *schema;
    const char *closed; /* NULL: cannot be expressed */
} cases[] = {
    {"{'type':'object','properties':{'a':{'type':'string'}},'required':['a']}",
     "{'type':'object','properties':{'a':{'type':'string'}},'required':['a'],"
     "'additionalProperties':false}"},
    {"{'type':'object','properties':{},'additionalProperties':false}",
     "{'type':'object','properties':{},'additionalProperties':false}"},
    {"{'type':'object','properties':{'a':true},'additionalProperties':true}",
     "{'type':'object','properties':{'a':true},'additionalProperties':false}"},
    /* At any depth. */
    {"{'type':'array','items':{'type':['object','null'],'properties':{'b':{'anyOf':["
     "{'type':'object','properties':{'c':{'type':'null'}}},{'type':'integer'}]}}}}",
     "{'type':'array','items':{'type':['object','null'],'properties':{'b':{'anyOf':["
     "{'type':'object','properties':{'c':{'type':'null'}},'additionalProperties':false},"
     "{'type':'integer'}]}},'additionalProperties':false}}"},
    {"{'$defs':{'x':{'properties':{'y':{'$ref':'#/$defs/x','description':'beside'}}}},"
     "'$ref':'#/$defs/x'}",
     "{'$defs':{'x':{'properties':{'y':{'$ref':'#/$defs/x'}},'additionalProperties':false}},"
     "'$ref':'#/$defs/x'}"},
    {"{'properties':{'p':{'allOf':[{'$ref':'#/$defs/q'}],'default':1}}}",
     "{'properties':{'p':{'$ref':'#/$defs/q'}},'additionalProperties':false}"},
    {"{'oneOf':[{'type':'string'},{'const':5}]}", "{'anyOf':[{'type':'string'},{'const':5}]}"},
    /* A property may have the name of a keyword. */
    {"{'type':'object','properties':{'properties':{'type':'string'},'minimum':{'type':'integer'},"
     "'items':{'enum':[{'additionalProperties':true}]}}}",
     "{'type':'object','properties':{'properties':{'type':'string'},'minimum':{'type':'integer'},"
     "'items':{'enum':[{'additionalProperties':true}]}},'additionalProperties':false}"},
    /* What cannot be held to is told. */
    {"{'type':'integer','minimum':0,'maximum':9,'description':'A digit.'}",
     "{'type':'integer','description':'A digit. (minimum: 0, maximum: 9)'}"},
    {"{'type':'string','maxLength':5,'$comment':'x'}",
     "{'type':'string','description':'(maxLength: 5)'}"},
    {"{'type':'string','format':'uuid'}", "{'type':'string','format':'uuid'}"},
    {"{'type':'string','format':'phone'}",
     "{'type':'string','description':'(format: \\'phone\\')'}"},
    {"{'type':'string','pattern':'^[a-z]{2}\\\\d+$'}",
     "{'type':'string','pattern':'^[a-z]{2}\\\\d+$'}"},
    {"{'type':'string','pattern':'(?=a)'}",
     "{'type':'string','description':'(pattern: \\'(?=a)\\')'}"},
    {"{'type':'string','pattern':'\\\\bx'}",
     "{'type':'string','description':'(pattern: \\'\\\\\\\\bx\\')'}"},
    {"{'type':'array','minItems':1,'items':{}}", "{'type':'array','minItems':1,'items':{}}"},
    {"{'type':'array','minItems':2}", "{'type':'array','description':'(minItems: 2)'}"},
    {"{'type':'array','minItems':'x'}", "{'type':'array','description':'(minItems: \\'x\\')'}"},
    /* Free keys. */
    {"{'type':'object'}", NULL},
    {"{'type':'object','additionalProperties':{'type':'string'}}", NULL},
    {"{'type':'object','properties':{},'additionalProperties':true}", NULL},
    {"{'type':'object','properties':{},'additionalProperties':{}}", NULL},
    {"{'type':'object','properties':{'a':{}},'patternProperties':{'x':{}}}", NULL},
    {"{'type':'array','items':{'type':'object'}}", NULL},
    {"{'properties':{'a':{'anyOf':[{'type':'string'},{'type':'object'}]}}}", NULL},
    {"{'$defs':{'m':{'type':'object'}},'type':'string'}", NULL},
    /* Nonsense is left to the provider. */
    {"{'type':5,'properties':7,'items':[1,null],'anyOf':'x','required':null}",
     "{'type':5,'properties':7,'items':[1,null],'anyOf':'x','required':null}"},
};

static void test_close(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_object *schema = json(cases[i].schema);
        struct json_object *before = json(cases[i].schema);
        struct json_object *closed = messages_schema_close(schema);
        if (cases[i].closed == NULL) {
            assert_null(closed);
        } else {
            struct json_object *expected = json(cases[i].closed);
            if (!json_object_equal(closed, expected))
                fail_msg("case %zu: %s", i, json_object_to_json_string(closed));
            json_object_put(expected);
        }
        assert_true(json_object_equal(schema, before)); /* the client's is not touched */
        json_object_put(closed);
        json_object_put(before);
        json_object_put(schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
