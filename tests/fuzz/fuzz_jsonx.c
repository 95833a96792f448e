/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the checker accepts json-c can build; what is written parses again and is written the same;
 * any bytes become a valid string.
 */
#include "base/base.h"

#include "base/jsonx.h"
#include "fuzz.h"

#include <string.h>

enum { OUT_MAX = 256 * 1024 * 1024 };

static void check_value(struct json_object *v)
{
    struct buf first;
    struct buf second;
    struct json_object *again = NULL;
    struct err err;
    buf_init(&first, OUT_MAX);
    buf_init(&second, OUT_MAX);
    jsonx_write(&first, v);
    FUZZ_REQUIRE(!buf_failed(&first));
    FUZZ_REQUIRE(jsonx_parse(&again, first.data, first.len, &err) == 0);
    jsonx_write(&second, again);
    FUZZ_REQUIRE(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    FUZZ_REQUIRE(json_object_equal(v, again) || strstr(first.data, "E") != NULL ||
                 strstr(first.data, "e") != NULL); /* inf is not equal by text */
    json_object_put(again);
    buf_fini(&first);
    buf_fini(&second);
}

static void check_getters(struct json_object *v)
{
    const char *s = NULL;
    int64_t i = 5;
    struct err err;
    err_clear(&err);
    if (jsonx_want_str(&s, v, "a", "a", &err) != 0 ||
        jsonx_want_i64(&i, v, "b", "b", 1, 10, &err) != 0) {
        FUZZ_REQUIRE(err.code == ERR_BAD_REQUEST && err.message[0] != '\0');
    }
    FUZZ_REQUIRE(i >= 1 && i <= 10);
    (void)jsonx_str(v, "c", NULL);
    (void)jsonx_array(v, "d");
}

static void check_string(const char *text, size_t size)
{
    struct buf out;
    struct json_object *v = NULL;
    struct err err;
    buf_init(&out, OUT_MAX);
    jsonx_write_string(&out, text, size);
    FUZZ_REQUIRE(jsonx_parse(&v, out.data, out.len, &err) == 0);
    FUZZ_REQUIRE(json_object_is_type(v, json_type_string));
    json_object_put(v);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct jsontext_fault fault;
    struct json_object *v = NULL;
    struct err err;
    int checked = jsontext_check(&fault, text, size);
    int rc = jsonx_parse(&v, text, size, &err);
    FUZZ_REQUIRE(rc == checked);
    if (rc == 0) {
        check_value(v);
        check_getters(v);
        json_object_put(v);
    } else {
        FUZZ_REQUIRE(v == NULL && err.status == 400);
    }
    check_string(text, size);
    return 0;
}
