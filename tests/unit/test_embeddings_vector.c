/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/embeddings_vector.h"

#include <string.h>

struct vector_case {
    const char *json;
    const char *numbers; /* NULL: it is no vector */
    const char *base64;
};

/* The base64 is Python's: base64.b64encode(struct.pack("<3f", 1, -2.5, 0)). */
static const struct vector_case vector_cases[] = {
    {"[1,-2.5,0]", "[1,-2.5,0]", "\"AACAPwAAIMAAAAAA\""},
    {"\"AACAPwAAIMAAAAAA\"", "[1,-2.5,0]", "\"AACAPwAAIMAAAAAA\""},
    {"[ 0.1 ]", "[ 0.1 ]", "\"zczMPQ==\""},
    {"\"zczMPQ==\"", "[0.100000001]", "\"zczMPQ==\""},
    {"[1e-45,3.4028235e+38]", "[1e-45,3.4028235e+38]", "\"AQAAAP//f38=\""},
    {"\"AQAAAP\\/\\/f38=\"", "[1.40129846e-45,3.40282347e+38]", "\"AQAAAP\\/\\/f38=\""},
    {"[-1.0,2.0,-3.0,0.333333343]", "[-1.0,2.0,-3.0,0.333333343]", "\"AACAvwAAAEAAAEDAq6qqPg==\""},
    {"\"AACAvwAAAEAAAEDAq6qqPg==\"", "[-1,2,-3,0.333333343]", "\"AACAvwAAAEAAAEDAq6qqPg==\""},
    /* No vectors. */
    {"[]", NULL, NULL},
    {"\"\"", NULL, NULL},
    {"[1,\"2\"]", NULL, NULL},
    {"[1,null]", NULL, NULL},
    {"[[1]]", NULL, NULL},
    {"[1e999]", NULL, NULL},
    {"{}", NULL, NULL},
    {"7", NULL, NULL},
    {"null", NULL, NULL},
    {"", NULL, NULL},
    {"\"zczM\"", NULL, NULL},
    {"\"zczMPQ\"", NULL, NULL},
    {"\"zczMPQ=\"", NULL, NULL},
    {"\"zczMPQ===\"", NULL, NULL},
    {"\"zczMPQ======\"", NULL, NULL},
    {"\"zczM=PQ=\"", NULL, NULL},
    {"\"zczM-Q==\"", NULL, NULL},
    {"\"zczM\\u0050Q==\"", NULL, NULL},
    {"\"zczMPQ==\\\\\"", NULL, NULL},
};

static void check(const char *json, const char *expected, bool base64)
{
    struct buf out;

    buf_init(&out, 1 << 20);
    int rc = embeddings_write_vector(&out, span_of(json), base64);
    assert_int_equal(rc, expected != NULL ? 0 : -1);
    if (expected != NULL)
        assert_string_equal(out.data, expected);
    buf_fini(&out);
}

static void vectors_change_their_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vector_cases); i++) {
        const struct vector_case *c = &vector_cases[i];
        check(c->json, c->numbers, false);
        check(c->json, c->base64, true);
    }
}

/* Base64 may hold what JSON's numbers cannot. */
static void infinity_is_refused_as_number(void **state)
{
    (void)state;
    check("\"AACAfw==\"", NULL, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_change_their_form),
        cmocka_unit_test(infinity_is_refused_as_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
