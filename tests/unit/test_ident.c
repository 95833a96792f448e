/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/ident.h"
#include "base/timing.h"
#include "unit.h"

#include <string.h>

static void request_ids_are_valid_and_differ(void **state)
{
    (void)state;
    char last[IDENT_REQUEST_SIZE] = "";
    for (int i = 0; i < 1000; i++) {
        char id[IDENT_REQUEST_SIZE];
        memset(id, 'x', sizeof(id));
        ident_request(id);
        assert_int_equal(strlen(id), IDENT_REQUEST_LEN);
        assert_true(ident_request_valid(id));
        assert_string_not_equal(id, last);
        memcpy(last, id, sizeof(id));
    }
}

/* The first ten characters are the time: 1469918176385 ms is 01ARYZ6S41 (the ULID specification).
 */
static void request_ids_carry_the_time(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    bool seen = false;
    for (int i = 0; i < 50 && !seen; i++) {
        int64_t before = timing_wall_ms();
        timing_shift_wall_ms(INT64_C(1469918176385) - before);
        ident_request(id);
        timing_shift_wall_ms(0);
        seen = memcmp(id, "req_01ARYZ6S41", 14) == 0; /* not if a millisecond passed between */
    }
    assert_true(seen);
}

static void request_ids_sort_by_time(void **state)
{
    (void)state;
    char early[IDENT_REQUEST_SIZE];
    char late[IDENT_REQUEST_SIZE];
    for (int i = 1; i < 40; i++) {
        ident_request(early);
        timing_shift_wall_ms(INT64_C(1) << i);
        ident_request(late);
        timing_shift_wall_ms(0);
        assert_true(strcmp(early, late) < 0 || i < 8); /* short shifts race with the clock */
    }
}

static void random_part_uses_all_characters(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    bool seen[16][32] = {{false}};
    for (int i = 0; i < 3000; i++) {
        char id[IDENT_REQUEST_SIZE];
        ident_request(id);
        for (size_t j = 0; j < 16; j++) {
            const char *at = strchr(alphabet, id[14 + j]);
            assert_non_null(at);
            seen[j][at - alphabet] = true;
        }
    }
    for (size_t j = 0; j < 16; j++) {
        for (size_t k = 0; k < 32; k++) {
            assert_true(seen[j][k]);
        }
    }
}

static void request_id_forms(void **state)
{
    (void)state;
    assert_true(ident_request_valid("req_01ARYZ6S41TSV4RRFFQ69G5FAV"));
    assert_true(ident_request_valid("req_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
    static const char *const bad[] = {
        "",
        "req_",
        "req_8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "req_01ARYZ6S41TSV4RRFFQ69G5FA",
        "req_01ARYZ6S41TSV4RRFFQ69G5FAVX",
        "req_01ARYZ6S41TSV4RRFFQ69G5FAI",
        "req_01aryz6s41tsv4rrffq69g5fav",
        "REQ_01ARYZ6S41TSV4RRFFQ69G5FAV",
        "req-01ARYZ6S41TSV4RRFFQ69G5FAV",
        "01ARYZ6S41TSV4RRFFQ69G5FAV",
        "req_01ARYZ6S41TSV4RRFFQ69G5F'V",
        "req_01ARYZ6S41TSV4RRFFQ69G5FA\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(ident_request_valid(bad[i]));
    }
}

static void keys(void **state)
{
    (void)state;
    char a[IDENT_KEY_SIZE];
    char b[IDENT_KEY_SIZE];
    ident_key(a);
    ident_key(b);
    assert_int_equal(strlen(a), IDENT_KEY_LEN);
    assert_true(ident_key_valid(a));
    assert_memory_equal(a, "sk-aig-", 7);
    assert_string_not_equal(a, b);

    assert_true(ident_key_valid("sk-aig-0123456789abcdef0123456789abcdef0123456789abcdef"));
    static const char *const bad[] = {
        "",
        "sk-aig-",
        "sk-aig-0123456789abcdef0123456789abcdef0123456789abcde",
        "sk-aig-0123456789abcdef0123456789abcdef0123456789abcdef0",
        "sk-aig-0123456789ABCDEF0123456789abcdef0123456789abcdef",
        "sk-aig-0123456789abcdeg0123456789abcdef0123456789abcdef",
        "sk-abc-0123456789abcdef0123456789abcdef0123456789abcdef",
        " sk-aig-0123456789abcdef0123456789abcdef0123456789abcde",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(ident_key_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_ids_are_valid_and_differ),
        cmocka_unit_test(request_ids_carry_the_time),
        cmocka_unit_test(request_ids_sort_by_time),
        cmocka_unit_test(random_part_uses_all_characters),
        cmocka_unit_test(request_id_forms),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
