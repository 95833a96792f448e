/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads at once on a few keys and accounts, so that their steps share transactions: caps
 * hold, every outcome is the step's own, nothing is charged twice, even if the database is killed.
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
#include <string.h>
#include <unistd.h>

enum { THREADS = 32, CALLS = 12, CAP_ROUNDS = 6, SPECIAL_ROUNDS = 6, KILLS = 2 };
enum { CALLS_BETWEEN = 60, LIMIT_MS = 30 * 1000, SPOOL_MAX = 64 };

static struct moneyfix fix;
static pthread_barrier_t together;

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    log_set_level(LOG_LEVEL_ERROR);
    return pthread_barrier_init(&together, NULL, THREADS);
}

static int group_stop(void **state)
{
    (void)state;
    pthread_barrier_destroy(&together);
    moneyfix_stop(&fix);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    moneyfix_verify(&fix);
    assert_string_equal(moneyfix_ask(&fix, "SELECT SUM(held_usd) FROM account"), "0.000000000");
    arena_reset(fix.arena);
    return 0;
}

/* What one thread does; nothing is asserted in it. */
struct worker {
    unsigned number;
    uint32_t random;
    pthread_t thread;
    struct arena *arena;
    struct err err;
    int rc;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_hold hold;
    struct ledger_charge charge;
    int wrong;
    int charged;
    size_t spooled;
    char spool[SPOOL_MAX][IDENT_REQUEST_SIZE];
};

static struct worker workers[THREADS];

static void run_all(void *(*run)(void *))
{
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
}

static void workers_init(void)
{
    for (unsigned i = 0; i < THREADS; i++)
        workers[i] =
            (struct worker){.number = i, .random = 2463534242u + i * 7919, .arena = arena_new()};
}

static void workers_fini(void)
{
    for (unsigned i = 0; i < THREADS; i++)
        arena_free(workers[i].arena);
}

static uint32_t random_below(struct worker *w, uint32_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 17;
    w->random ^= w->random << 5;
    return w->random % n;
}

static int authorize(struct worker *w, enum money_key key)
{
    struct ledger_want want = moneyfix_want(w->id, key);
    return ledger_authorize(&w->hold, &fix.store, w->arena, &want, &w->err);
}

static int settle(struct worker *w, int64_t input)
{
    struct ledger_usage usage = {.input = input};
    struct ledger_outcome how = moneyfix_ok();
    return ledger_settle(&w->charge, &fix.store, w->arena, w->id, &usage, &how, &w->err);
}

static int release(struct worker *w)
{
    struct ledger_outcome how = moneyfix_ok();
    how.status = "upstream_error";
    how.http_status = 502;
    return ledger_release(&fix.store, w->arena, w->id, &how, &w->err);
}

static void wrong(struct worker *w, const char *what)
{
    fprintf(stderr, "%s: %s (%s)\n", what, w->err.message, w->err.detail);
    w->wrong++;
}

/* --- Room for a few only ------------------------------------------------------------------------
 */

static void *run_capped(void *arg)
{
    struct worker *w = arg;

    pthread_barrier_wait(&together);
    w->rc = authorize(w, w->number % 4 == 3 ? MONEY_ALICE : MONEY_CAPPED);
    return NULL;
}

static void test_cap(void **state)
{
    (void)state;

    for (int round = 0; round < CAP_ROUNDS; round++) {
        int held = 0;
        workers_init();
        run_all(run_capped);
        moneyfix_verify(&fix);
        for (unsigned i = 0; i < THREADS; i++) {
            struct worker *w = &workers[i];
            if (w->number % 4 == 3) {
                assert_int_equal(w->rc, 0);
                assert_string_equal(w->hold.hold_usd, "0.0042");
            } else if (w->rc != 0) {
                assert_int_equal(w->err.code, ERR_KEY_CAP);
            } else {
                held++;
            }
            if (w->rc == 0)
                assert_int_equal(release(w), 0);
        }
        /* Two whole ones of $0.0042; the $0.0016 left are enough for the likely cost of one more.
         */
        assert_in_range(held, 2, 3);
        workers_fini();
    }
}

/* --- One batch, different outcomes --------------------------------------------------------------
 */

enum special { FRESH, UNKNOWN, SETTLED, RELEASED, EXPIRED, SPECIALS };

static enum special special_of(const struct worker *w)
{
    return w->number < SPECIALS ? (enum special)w->number : FRESH;
}

static void prepare_special(struct worker *w)
{
    bool expired;

    assert_int_equal(authorize(w, MONEY_ALICE), 0);
    switch (special_of(w)) {
    case UNKNOWN:
        assert_int_equal(release(w), 0);
        ident_request(w->id);
        break;
    case SETTLED:
        assert_int_equal(settle(w, 777), 0);
        break;
    case RELEASED:
        assert_int_equal(release(w), 0);
        break;
    case EXPIRED:
        moneyfix_ask(&fix, "UPDATE hold SET expires_at = created_at - INTERVAL 1 SECOND "
                           "WHERE state = 'open' ORDER BY created_at DESC LIMIT 1");
        assert_int_equal(ledger_expire(&expired, &fix.store, w->arena, w->id, &w->err), 0);
        assert_true(expired);
        break;
    case FRESH:
    case SPECIALS:
        break;
    }
}

static void *run_settle(void *arg)
{
    struct worker *w = arg;

    pthread_barrier_wait(&together);
    w->rc = settle(w, 100 + w->number);
    return NULL;
}

static void check_special(const struct worker *w)
{
    char expected[DECIMAL_SIZE];
    char text[DECIMAL_SIZE];
    /* $1 a million, markup 0.4: $0.0000014 a token */
    long long nano = 1400LL * (special_of(w) == SETTLED ? 777 : 100 + (int)w->number);

    if (special_of(w) == UNKNOWN) {
        assert_int_equal(w->rc, -1);
        assert_int_equal(w->err.code, ERR_NOT_FOUND);
        return;
    }
    snprintf(text, sizeof(text), "0.%09lld", special_of(w) == RELEASED ? 0 : nano);
    decimal_trim(expected, text);
    assert_int_equal(w->rc, 0);
    assert_string_equal(w->charge.charge_usd, expected);
}

static void test_special_holds(void **state)
{
    (void)state;

    for (int round = 0; round < SPECIAL_ROUNDS; round++) {
        workers_init();
        for (unsigned i = 0; i < THREADS; i++)
            prepare_special(&workers[i]);
        run_all(run_settle);
        for (unsigned i = 0; i < THREADS; i++)
            check_special(&workers[i]);
        moneyfix_verify(&fix);
        workers_fini();
    }
}

/* --- Everything at once -------------------------------------------------------------------------
 */

static bool is_refusal(enum err_code code)
{
    return code == ERR_KEY_CAP || code == ERR_TEAM_CAP || code == ERR_ACCOUNT_CAP;
}

static void *run_storm(void *arg)
{
    static const enum money_key keys[] = {MONEY_ALICE, MONEY_ALICE, MONEY_TEAM, MONEY_TEAM,
                                          MONEY_CAPPED};
    struct worker *w = arg;

    pthread_barrier_wait(&together);
    for (int i = 0; i < CALLS; i++) {
        enum money_key key = keys[random_below(w, ARRAY_LEN(keys))];
        if (authorize(w, key) != 0) {
            if (key == MONEY_ALICE || !is_refusal(w->err.code))
                wrong(w, "authorize");
        } else if (random_below(w, 4) == 0) {
            if (release(w) != 0)
                wrong(w, "release");
        } else {
            int64_t input = random_below(w, 1000);
            if (settle(w, input) != 0)
                wrong(w, "settle");
            if (random_below(w, 4) == 0 && settle(w, input + 1) != 0) /* repeated */
                wrong(w, "settle again");
            w->charged += input > 0;
        }
        arena_reset(w->arena);
    }
    return NULL;
}

static void test_storm(void **state)
{
    (void)state;
    char expected[16];
    long charged =
        strtol(moneyfix_ask(&fix, "SELECT COUNT(*) FROM usage_log WHERE charge_usd > 0"), NULL, 10);

    workers_init();
    run_all(run_storm);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        charged += workers[i].charged;
    }
    workers_fini();
    snprintf(expected, sizeof(expected), "%ld", charged);
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM ledger WHERE kind = 'charge'"),
                        expected);
    /* Holds of one transaction have one time. */
    const char *shared = moneyfix_ask(
        &fix,
        "SELECT COUNT(*) FROM (SELECT 1 FROM hold GROUP BY created_at HAVING COUNT(*) > 1) s");
    assert_true(strtol(shared, NULL, 10) > 0);
}

/* --- kill -9 ------------------------------------------------------------------------------------
 */

static atomic_bool stop;
static atomic_int finished;

/* A call that is charged $0.0000014. What cannot be settled is kept for later, as in the spool. */
static void *run_killed(void *arg)
{
    struct worker *w = arg;

    while (!atomic_load(&stop) && w->spooled < SPOOL_MAX && w->wrong == 0) {
        struct ledger_want want =
            moneyfix_want(w->id, w->number % 2 == 0 ? MONEY_ALICE : MONEY_TEAM);
        while (ledger_authorize(&w->hold, &fix.store, w->arena, &want, &w->err) != 0) {
            if (w->err.code != ERR_DATABASE) {
                wrong(w, "authorize");
                return NULL;
            }
            usleep(5000);
        }
        w->charged++;
        atomic_fetch_add(&finished, 1);
        if (settle(w, 1) != 0) {
            if (w->err.code != ERR_DATABASE)
                wrong(w, "settle");
            memcpy(w->spool[w->spooled++], w->id, sizeof(w->id));
        }
        arena_reset(w->arena);
    }
    return NULL;
}

/* Twice, as if the first replay's answer had been lost. */
static void *run_replay(void *arg)
{
    struct worker *w = arg;

    pthread_barrier_wait(&together);
    for (size_t i = 0; i < 2 * w->spooled; i++) {
        memcpy(w->id, w->spool[i / 2], sizeof(w->id));
        if (settle(w, 1) != 0 || strcmp(w->charge.charge_usd, "0.0000014") != 0)
            wrong(w, "replay");
    }
    return NULL;
}

static void wait_for_calls(int count)
{
    int64_t deadline_ms = timing_mono_ms() + LIMIT_MS;
    int target = atomic_load(&finished) + count;

    while (atomic_load(&finished) < target && !timing_passed(deadline_ms))
        usleep(1000);
}

static void test_killed_database(void **state)
{
    (void)state;
    long charged =
        strtol(moneyfix_ask(&fix, "SELECT COUNT(*) FROM ledger WHERE kind = 'charge'"), NULL, 10);
    char expected[16];
    size_t spooled = 0;

    workers_init();
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_killed, &workers[i]), 0);
    for (int i = 0; i < KILLS; i++) {
        wait_for_calls(CALLS_BETWEEN);
        dbserver_kill(&fix.server);
        dbserver_again(&fix.server);
    }
    wait_for_calls(CALLS_BETWEEN);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    run_all(run_replay);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].wrong, 0);
        charged += workers[i].charged;
        spooled += workers[i].spooled;
    }
    workers_fini();
    assert_true(spooled > 0);
    snprintf(expected, sizeof(expected), "%ld", charged);
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM ledger WHERE kind = 'charge'"),
                        expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_cap, teardown),
        cmocka_unit_test_teardown(test_special_holds, teardown),
        cmocka_unit_test_teardown(test_storm, teardown),
        cmocka_unit_test_teardown(test_killed_database, teardown),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
