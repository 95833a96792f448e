/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "store/stored_response.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* Ids in the order of their numbers. */
static const char *id_of(struct moneyfix *f, int n)
{
    return arena_printf(f->arena, "resp_01ARZ3NDEKTSV4RRFFQ69G%04d", n);
}

static void put(struct moneyfix *f, enum money_key key, int n, int previous)
{
    struct stored_new row = {
        .id = id_of(f, n),
        .previous_id = previous > 0 ? id_of(f, previous) : NULL,
        .sealed = {"sea\0led", 7},
        .item_ids = arena_printf(f->arena, "[\"msg_%d\",\"rs_%d\",null,7]", n, n),
    };

    if (stored_response_put(&f->store, f->arena, (int64_t)key, &row, &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
}

static size_t chain(struct stored_row **rows, struct moneyfix *f, enum money_key key, int n,
                    size_t max)
{
    size_t count = 0;

    if (stored_response_chain(rows, &count, &f->store, f->arena, (int64_t)key, id_of(f, n), max,
                              &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    return count;
}

static size_t find(struct moneyfix *f, enum money_key key, const char *ids)
{
    struct stored_row *rows = NULL;
    size_t count = 0;

    if (stored_response_items(&rows, &count, &f->store, f->arena, (int64_t)key, ids, &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    return count;
}

static bool drop(struct moneyfix *f, enum money_key key, int n)
{
    bool deleted = false;

    if (stored_response_delete(&deleted, &f->store, f->arena, (int64_t)key, id_of(f, n), &f->err) !=
        0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    return deleted;
}

static void a_chain_is_read_from_its_end(void **state)
{
    struct moneyfix *f = *state;
    struct stored_row *rows = NULL;

    put(f, MONEY_ALICE, 1, 0);
    put(f, MONEY_ALICE, 2, 1);
    put(f, MONEY_ALICE, 3, 2);
    put(f, MONEY_ALICE, 3, 2); /* the answer to the first one got lost */
    assert_int_equal(chain(&rows, f, MONEY_ALICE, 3, 10), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(rows[i].id, id_of(f, 3 - i));
        assert_int_equal(rows[i].depth, 3 - i);
        assert_int_equal(rows[i].chain_bytes, (3 - i) * 7);
        assert_string_equal(rows[i].sealed, "c2VhAGxlZA==");
    }
    assert_string_equal(rows[0].previous_id, id_of(f, 2));
    assert_null(rows[2].previous_id);
    assert_int_equal(chain(&rows, f, MONEY_ALICE, 3, 2), 2);
    assert_int_equal(chain(&rows, f, MONEY_ALICE, 9, 10), 0);
}

static void items_are_found(void **state)
{
    struct moneyfix *f = *state;

    assert_int_equal(find(f, MONEY_ALICE, "[\"msg_1\",\"rs_1\",\"rs_3\",\"msg_9\",5]"), 2);
    assert_int_equal(find(f, MONEY_ALICE, "[]"), 0);
    assert_int_equal(find(f, MONEY_BOB, "[\"msg_1\"]"), 0);
}

/* Of the same owner and the same payer. */
static void others_see_nothing(void **state)
{
    struct moneyfix *f = *state;
    struct stored_row *rows = NULL;

    assert_int_equal(chain(&rows, f, MONEY_CAPPED, 3, 10), 3); /* alice's other key */
    assert_int_equal(chain(&rows, f, MONEY_BOB, 3, 10), 0);
    assert_int_equal(chain(&rows, f, MONEY_TEAM, 3, 10), 0); /* alice pays, but it is carol's */
    assert_false(drop(f, MONEY_BOB, 3));
    assert_false(drop(f, MONEY_TEAM, 3));
    put(f, MONEY_TEAM, 4, 3); /* cannot go on from what it does not see */
    assert_int_equal(chain(&rows, f, MONEY_TEAM, 4, 10), 1);
    assert_int_equal(rows[0].depth, 1);
    assert_int_equal(chain(&rows, f, MONEY_ALICE, 4, 10), 0);
}

static void what_is_deleted_breaks_a_chain(void **state)
{
    struct moneyfix *f = *state;
    struct stored_row *rows = NULL;

    assert_true(drop(f, MONEY_ALICE, 2));
    assert_false(drop(f, MONEY_ALICE, 2));
    assert_int_equal(chain(&rows, f, MONEY_ALICE, 3, 10), 1);
    assert_string_equal(rows[0].previous_id, id_of(f, 2));
    assert_int_equal(find(f, MONEY_ALICE, "[\"msg_2\"]"), 0);
}

static void an_unknown_key_keeps_nothing(void **state)
{
    struct moneyfix *f = *state;
    struct stored_new row = {.id = id_of(f, 5), .sealed = {"x", 1}, .item_ids = "[]"};

    assert_int_equal(stored_response_put(&f->store, f->arena, 12345, &row, &f->err), -1);
    assert_string_equal(moneyfix_ask(f, "SELECT COUNT(*) FROM stored_response"), "3");
}

static void time_runs_out(void **state)
{
    struct moneyfix *f = *state;
    struct stored_row *rows = NULL;

    (void)moneyfix_ask(f, "UPDATE stored_response SET expires_at = UTC_TIMESTAMP(6)"
                          " WHERE id LIKE '%0003'");
    assert_int_equal(chain(&rows, f, MONEY_ALICE, 3, 10), 0);
    assert_int_equal(find(f, MONEY_ALICE, "[\"msg_3\"]"), 0);
    assert_int_equal(stored_response_purge(&f->store, f->arena, 0, &f->err), 0);
    assert_string_equal(moneyfix_ask(f, "SELECT COUNT(*) FROM stored_response"), "2");
    assert_string_equal(moneyfix_ask(f, "SELECT COUNT(*) FROM stored_item WHERE item_id = 'msg_3'"),
                        "0");
}

/* References to many large responses bring the newest of them only. */
static void items_have_a_bound(void **state)
{
    enum { LARGE = 5 * 1024 * 1024 };
    struct moneyfix *f = *state;
    char *large = mem_zalloc(LARGE);

    for (int n = 10; n < 14; n++) {
        struct stored_new row = {.id = id_of(f, n),
                                 .sealed = {large, LARGE},
                                 .item_ids = arena_printf(f->arena, "[\"msg_%d\"]", n)};
        assert_int_equal(stored_response_put(&f->store, f->arena, MONEY_BOB, &row, &f->err), 0);
    }
    mem_free(large);
    assert_int_equal(find(f, MONEY_BOB, "[\"msg_10\",\"msg_11\",\"msg_12\",\"msg_13\"]"), 3);
    assert_int_equal(find(f, MONEY_BOB, "[\"msg_10\"]"), 1);
}

static int set_up(void **state)
{
    static struct moneyfix fixture;

    moneyfix_start(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    moneyfix_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_read_from_its_end),
        cmocka_unit_test(items_are_found),
        cmocka_unit_test(others_see_nothing),
        cmocka_unit_test(what_is_deleted_breaks_a_chain),
        cmocka_unit_test(an_unknown_key_keeps_nothing),
        cmocka_unit_test(time_runs_out),
        cmocka_unit_test(items_have_a_bound),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
