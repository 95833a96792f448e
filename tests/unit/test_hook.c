/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "store/hook.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { ALICE = 1, BOB = 2 };

static struct moneyfix fix;

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    dbserver_sql(&fix.server, "DELETE FROM webhook_delivery");
    dbserver_sql(&fix.server, "DELETE FROM webhook_secret");
    return 0;
}

#define OK(call)                                                                                   \
    do {                                                                                           \
        err_clear(&fix.err);                                                                       \
        if ((call) != 0)                                                                           \
            fail_msg("%s (%s)", fix.err.message, fix.err.detail);                                  \
    } while (0)

static const char *enqueue(int64_t account, const char *task, const char *url)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "CALL webhook_enqueue_inner(%lld, 'job', '%s', '%s', '{\"n\":1}', @id)",
             (long long)account, task, url);
    dbserver_sql(&fix.server, sql);
    /* Statements are known by their address. */
    return moneyfix_ask(
        &fix,
        arena_printf(fix.arena, "SELECT id FROM webhook_delivery WHERE task_id = '%s'", task));
}

static const char *state_of(const char *id)
{
    return moneyfix_ask(&fix, arena_printf(fix.arena,
                                           "SELECT CONCAT(state, ' ', step, ' ', attempts, ' ', "
                                           "COALESCE(last_status, '-'), ' ', COALESCE(last_error, "
                                           "'-')) FROM webhook_delivery WHERE id = '%s'",
                                           id));
}

static struct hook_job *claim_one(const char *id)
{
    struct hook_job *job = NULL;

    OK(hook_claim_one(&job, &fix.store, fix.arena, id, &fix.err));
    return job;
}

static void finish(const struct hook_result *r)
{
    struct buf b;

    buf_init(&b, 10000);
    hook_result_add(&b, r);
    OK(hook_finish(&b, &fix.store, fix.arena, &fix.err));
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void test_ids(void **state)
{
    (void)state;
    const char *id = enqueue(ALICE, "t", "https://example.com/a");
    assert_true(hook_id_valid(id));
    assert_false(hook_id_valid("whd_"));
    assert_false(hook_id_valid("whd_01K89SU552QUJRSKVK7GKPDVH"));
    assert_false(hook_id_valid("whd_01K89SU552QUJRSKVK7GKPDVHRA"));
    assert_false(hook_id_valid("whd_01K89SU552QUJRSKVK7GKPDVH'"));
    assert_false(hook_id_valid("req_01K89SU552QUJRSKVK7GKPDVHR"));
}

static void test_claim(void **state)
{
    struct hook_job *jobs = NULL;
    size_t count = 0;
    char host[32];

    (void)state;
    const char *first = enqueue(ALICE, "t1", "https://one.example/a");
    enqueue(ALICE, "t2", "https://one.example:8443/b");
    enqueue(BOB, "t3", "https://two.example/c");
    OK(hook_claim(&jobs, &count, &fix.store, fix.arena, 1, "", "", &fix.err));
    assert_int_equal(count, 1);
    assert_string_equal(jobs[0].id, first);
    assert_int_equal(strlen(jobs[0].claim), HOOK_CLAIM_LEN);
    assert_int_equal(jobs[0].account_id, ALICE);
    assert_string_equal(jobs[0].task_id, "t1");
    assert_string_equal(jobs[0].url, "https://one.example/a");
    assert_string_equal(jobs[0].body, "{\"n\":1}");
    assert_int_equal(jobs[0].step, 0);
    assert_null(jobs[0].secrets);
    assert_null(claim_one(first)); /* has an owner */
    snprintf(host, sizeof host, "5,%lld", (long long)jobs[0].host_key);
    OK(hook_claim(&jobs, &count, &fix.store, fix.arena, 10, "5", "2,77", &fix.err));
    assert_int_equal(count, 1);
    assert_string_equal(jobs[0].task_id, "t2");
    dbserver_sql(&fix.server, "UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6)");
    OK(hook_claim(&jobs, &count, &fix.store, fix.arena, 10, host, "", &fix.err));
    assert_int_equal(count, 1);
    assert_string_equal(jobs[0].task_id, "t3");
    OK(hook_claim(&jobs, &count, &fix.store, fix.arena, HOOK_CLAIM_MAX, "", "", &fix.err));
    assert_int_equal(count, 2);
    OK(hook_claim(&jobs, &count, &fix.store, fix.arena, HOOK_CLAIM_MAX, "", "", &fix.err));
    assert_int_equal(count, 0);
}

static void test_outcomes(void **state)
{
    (void)state;
    const char *id = enqueue(ALICE, "t", "https://example.com/a");
    struct hook_job *job = claim_one(id);
    struct hook_result r = {.id = id, .claim = job->claim, .outcome = HOOK_BACK};
    finish(&r);
    assert_string_equal(state_of(id), "pending 0 0 - -");
    job = claim_one(id);
    r = (struct hook_result){.id = id,
                             .claim = job->claim,
                             .outcome = HOOK_RETRY,
                             .status = 500,
                             .error = "quote \" backslash \\ caf\xc3\xa9",
                             .excerpt = "line\nend",
                             .delay_ms = 3600 * 1000};
    finish(&r);
    assert_string_equal(state_of(id), "pending 1 1 500 quote \" backslash \\ caf\xc3\xa9");
    assert_null(claim_one(id)); /* not due */
    finish(&r);                 /* once more: no second effect */
    assert_string_equal(state_of(id), "pending 1 1 500 quote \" backslash \\ caf\xc3\xa9");
    struct hook_entry e;
    OK(hook_find(&e, &fix.store, fix.arena, ALICE, id, &fix.err));
    assert_string_equal(e.response_excerpt, "line\nend");
    assert_non_null(e.next_attempt_at);
    assert_int_equal(strlen(e.next_attempt_at), strlen("2026-11-23T10:00:00.123Z"));
    OK(hook_redeliver(&fix.store, fix.arena, ALICE, id, &fix.err));
    assert_string_equal(state_of(id), "pending 0 1 500 quote \" backslash \\ caf\xc3\xa9");
    job = claim_one(id);
    r = (struct hook_result){.id = id, .claim = job->claim, .outcome = HOOK_DEAD, .status = 410};
    finish(&r);
    assert_string_equal(state_of(id), "dead 1 2 410 -");
    OK(hook_redeliver(&fix.store, fix.arena, ALICE, id, &fix.err));
    r = (struct hook_result){.id = id, .claim = claim_one(id)->claim, .status = 204};
    finish(&r);
    assert_string_equal(state_of(id), "delivered 0 3 204 -");
    OK(hook_find(&e, &fix.store, fix.arena, ALICE, id, &fix.err));
    assert_null(e.next_attempt_at);
    assert_non_null(e.delivered_at);
}

/* Who lost its claim to another can only say that it has delivered. */
static void test_lost_claim(void **state)
{
    (void)state;
    const char *id = enqueue(ALICE, "t", "https://example.com/a");
    struct hook_job *slow = claim_one(id);
    dbserver_sql(&fix.server, "UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6)");
    struct hook_job *next = claim_one(id);
    assert_string_not_equal(slow->claim, next->claim);
    struct hook_result r = {.id = id, .claim = slow->claim, .outcome = HOOK_DEAD, .status = 500};
    finish(&r);
    assert_string_equal(state_of(id), "pending 0 0 - -");
    r.outcome = HOOK_DELIVERED;
    r.status = 200;
    finish(&r);
    assert_string_equal(state_of(id), "delivered 0 1 200 -");
    r = (struct hook_result){.id = id, .claim = next->claim, .outcome = HOOK_RETRY, .status = 500};
    finish(&r);
    assert_string_equal(state_of(id), "delivered 0 1 200 -");
}

/* Redelivery leaves an attempt alone that is being made. */
static void test_redeliver_under_way(void **state)
{
    (void)state;
    const char *id = enqueue(ALICE, "t", "https://example.com/a");
    struct hook_job *job = claim_one(id);
    OK(hook_redeliver(&fix.store, fix.arena, ALICE, id, &fix.err));
    assert_null(claim_one(id));
    struct hook_result r = {.id = id, .claim = job->claim, .status = 200};
    finish(&r);
    assert_string_equal(state_of(id), "delivered 0 1 200 -");
}

static void test_own_rows_only(void **state)
{
    struct hook_entry *list = NULL;
    struct hook_entry e;
    size_t count = 0;
    bool more = false;

    (void)state;
    const char *id = enqueue(ALICE, "t", "https://example.com/a");
    assert_int_equal(hook_find(&e, &fix.store, fix.arena, BOB, id, &fix.err), -1);
    assert_int_equal(fix.err.status, 404);
    assert_int_equal(hook_redeliver(&fix.store, fix.arena, BOB, id, &fix.err), -1);
    assert_int_equal(fix.err.status, 404);
    assert_int_equal(hook_find(&e, &fix.store, fix.arena, ALICE, "x' OR 1=1", &fix.err), -1);
    assert_int_equal(fix.err.status, 404);
    OK(hook_list(&list, &count, &more, &fix.store, fix.arena, BOB, NULL, NULL, 10, &fix.err));
    assert_int_equal(count, 0);
}

static void test_list(void **state)
{
    const char *ids[5];
    char task[8];
    struct hook_entry *list = NULL;
    size_t count = 0;
    bool more = false;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        snprintf(task, sizeof task, "t%zu", i);
        ids[i] = enqueue(ALICE, task, "https://example.com/a");
        dbserver_sql(&fix.server, "DO SLEEP(0.002)"); /* ids sort by milliseconds */
    }
    enqueue(BOB, "other", "https://example.com/a");
    OK(hook_list(&list, &count, &more, &fix.store, fix.arena, ALICE, NULL, NULL, 2, &fix.err));
    assert_int_equal(count, 2);
    assert_true(more);
    assert_string_equal(list[0].id, ids[4]);
    assert_string_equal(list[1].id, ids[3]);
    OK(hook_list(&list, &count, &more, &fix.store, fix.arena, ALICE, NULL, ids[3], 3, &fix.err));
    assert_int_equal(count, 3);
    assert_false(more);
    assert_string_equal(list[2].id, ids[0]);
    struct hook_result r = {.id = ids[2], .claim = claim_one(ids[2])->claim, .status = 200};
    finish(&r);
    OK(hook_list(&list, &count, &more, &fix.store, fix.arena, ALICE, "delivered", NULL, 10,
                 &fix.err));
    assert_int_equal(count, 1);
    assert_string_equal(list[0].id, ids[2]);
    assert_string_equal(list[0].state, "delivered");
    OK(hook_list(&list, &count, &more, &fix.store, fix.arena, ALICE, "pending", ids[3], 10,
                 &fix.err));
    assert_int_equal(count, 2);
    assert_string_equal(list[0].id, ids[1]);
}

static void test_secrets(void **state)
{
    struct hook_secret *list = NULL;
    const char *sealed = NULL;
    size_t count = 0;

    (void)state;
    OK(hook_secret_list(&list, &count, &fix.store, fix.arena, ALICE, &fix.err));
    assert_int_equal(count, 0);
    OK(hook_secret_first(&sealed, &fix.store, fix.arena, ALICE, span_of("one"), "1111", &fix.err));
    assert_string_equal(sealed, "6F6E65");
    /* Somebody else was quicker: that one counts. */
    OK(hook_secret_first(&sealed, &fix.store, fix.arena, ALICE, span_of("two"), "2222", &fix.err));
    assert_string_equal(sealed, "6F6E65");
    for (int i = 0; i < 2; i++) { /* a repetition changes nothing */
        OK(hook_secret_rotate(&list, &count, &fix.store, fix.arena, ALICE, span_of("three"), "3333",
                              24, &fix.err));
        assert_int_equal(count, 2);
        assert_string_equal(list[0].last4, "3333");
        assert_null(list[0].expires_at);
        assert_string_equal(list[1].last4, "1111");
        assert_non_null(list[1].expires_at);
    }
    const char *id = enqueue(ALICE, "t", "https://example.com/a");
    assert_string_equal(claim_one(id)->secrets, "7468726565,6F6E65");
    OK(hook_secret_rotate(&list, &count, &fix.store, fix.arena, ALICE, span_of("four"), "4444", 24,
                          &fix.err));
    assert_int_equal(count, 2);
    assert_string_equal(list[1].last4, "3333");
    OK(hook_secret_rotate(&list, &count, &fix.store, fix.arena, ALICE, span_of("five"), "5555", 0,
                          &fix.err));
    assert_int_equal(count, 1);
    OK(hook_secret_list(&list, &count, &fix.store, fix.arena, ALICE, &fix.err));
    assert_int_equal(count, 1);
    assert_null(list[0].sealed_hex);
    OK(hook_secret_list(&list, &count, &fix.store, fix.arena, BOB, &fix.err));
    assert_int_equal(count, 0);
}

static void test_housekeep(void **state)
{
    (void)state;
    const char *old = enqueue(ALICE, "old", "https://example.com/a");
    const char *dead = enqueue(ALICE, "dead", "https://example.com/a");
    const char *waits = enqueue(ALICE, "waits", "https://example.com/a");
    struct hook_result r = {.id = old, .claim = claim_one(old)->claim, .status = 200};
    finish(&r);
    r = (struct hook_result){.id = dead, .claim = claim_one(dead)->claim, .outcome = HOOK_DEAD};
    finish(&r);
    dbserver_sql(&fix.server, "UPDATE webhook_delivery SET due = due - INTERVAL 31 DAY");
    OK(hook_housekeep(&fix.store, fix.arena, 30, 90, &fix.err));
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM webhook_delivery"), "2");
    assert_string_equal(state_of(dead), "dead 1 1 - -");
    assert_string_equal(state_of(waits), "pending 0 0 - -");
    assert_int_equal(hook_housekeep(&fix.store, fix.arena, 1, 90, &fix.err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_ids, clear),
        cmocka_unit_test_setup(test_claim, clear),
        cmocka_unit_test_setup(test_outcomes, clear),
        cmocka_unit_test_setup(test_lost_claim, clear),
        cmocka_unit_test_setup(test_redeliver_under_way, clear),
        cmocka_unit_test_setup(test_own_rows_only, clear),
        cmocka_unit_test_setup(test_list, clear),
        cmocka_unit_test_setup(test_secrets, clear),
        cmocka_unit_test_setup(test_housekeep, clear),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
