/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 of the database under running calls: whatever was under way, each finished call is
 * charged once and nothing stays held.
 */
#include "base/base.h"

#include "base/log.h"
#include "base/timing.h"
#include "moneyfix.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 4, KILLS = 5, CALLS_BETWEEN = 40, LIMIT_MS = 60 * 1000 };

static struct moneyfix fix;
static atomic_bool stop;
static atomic_int charged;
static atomic_int errors_seen;

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

/* What a caller does with the answer: again with the same id while the database is away. */
static bool again(int rc, const struct err *err, int *failed)
{
    if (rc == 0)
        return false;
    atomic_fetch_add(&errors_seen, 1);
    if (err->code != ERR_DATABASE) {
        fprintf(stderr, "%s (%s)\n", err->message, err->detail);
        (*failed)++;
        return false;
    }
    usleep(5000);
    return true;
}

static void *run_calls(void *arg)
{
    struct arena *arena = arena_new();
    int *failed = arg;

    for (int i = 0; !atomic_load(&stop) && *failed == 0; i++) {
        char id[IDENT_REQUEST_SIZE];
        struct ledger_want want = moneyfix_want(id, i % 2 ? MONEY_ALICE : MONEY_TEAM);
        struct ledger_usage usage = {.input = 1};
        struct ledger_outcome how = moneyfix_ok();
        struct ledger_hold hold;
        struct ledger_charge charge;
        struct err err;
        while (again(ledger_authorize(&hold, &fix.store, arena, &want, &err), &err, failed))
            ;
        if (i % 5 == 4) {
            while (again(ledger_release(&fix.store, arena, id, &how, &err), &err, failed))
                ;
        } else {
            while (again(ledger_settle(&charge, &fix.store, arena, id, &usage, &how, &err), &err,
                         failed))
                ;
            atomic_fetch_add(&charged, 1);
        }
        arena_reset(arena);
    }
    arena_free(arena);
    return NULL;
}

static void wait_for_calls(int count)
{
    int64_t deadline_ms = timing_mono_ms() + LIMIT_MS;
    int target = atomic_load(&charged) + count;

    while (atomic_load(&charged) < target && !timing_passed(deadline_ms))
        usleep(1000);
    assert_true(atomic_load(&charged) >= target);
}

static void test_killed_database(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int failed[THREADS] = {0};

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_calls, &failed[i]), 0);
    for (int i = 0; i < KILLS; i++) {
        wait_for_calls(CALLS_BETWEEN);
        dbserver_kill(&fix.server);
        dbserver_again(&fix.server);
    }
    wait_for_calls(CALLS_BETWEEN);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
    assert_true(atomic_load(&errors_seen) > 0);
    const char *rows = moneyfix_ask(&fix, "SELECT COUNT(*) FROM ledger WHERE kind = 'charge'");
    assert_int_equal(strtol(rows, NULL, 10), atomic_load(&charged));
    assert_string_equal(moneyfix_ask(&fix, "SELECT SUM(held_usd) FROM account"), "0.000000000");
    moneyfix_verify(&fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_database),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
