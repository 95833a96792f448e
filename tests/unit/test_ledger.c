/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* After each test the ledger is in order and nothing is held. */
static int teardown(void **state)
{
    (void)state;
    moneyfix_verify(&fix);
    assert_string_equal(moneyfix_ask(&fix, "SELECT SUM(held_usd) FROM account"), "0.000000000");
    arena_reset(fix.arena);
    return 0;
}

static int authorize(struct ledger_hold *hold, const struct ledger_want *want)
{
    return ledger_authorize(hold, &fix.store, fix.arena, want, &fix.err);
}

static int settle(struct ledger_charge *charge, const char *id, const struct ledger_usage *usage)
{
    struct ledger_outcome how = moneyfix_ok();
    return ledger_settle(charge, &fix.store, fix.arena, id, usage, &how, &fix.err);
}

static int release(const char *id)
{
    struct ledger_outcome how = moneyfix_ok();
    how.status = "upstream_error";
    how.http_status = 502;
    how.first_byte_ms = -1;
    return ledger_release(&fix.store, fix.arena, id, &how, &fix.err);
}

static void test_hold_and_settle(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_usage usage = {.input = 200, .cached = 100, .output = 50, .reasoning = 20};
    struct ledger_hold hold;
    struct ledger_charge charge;

    assert_int_equal(authorize(&hold, &want), 0);
    assert_string_equal(hold.request_id, id);
    assert_int_equal(hold.key_id, 1);
    assert_int_equal(hold.account_id, 1);
    assert_int_equal(hold.output_limit, 100);
    assert_string_equal(hold.hold_usd, "0.0042");
    /* Once more with the same id: the same hold. */
    assert_int_equal(authorize(&hold, &want), 0);
    assert_string_equal(hold.hold_usd, "0.0042");
    assert_string_equal(moneyfix_ask(&fix, "SELECT held_usd FROM account WHERE id = 1"),
                        "0.004200000");

    /* (200 x 1 + 100 x 0.1 + 50 x 10) / 1e6 x 1.4 */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(settle(&charge, id, &usage), 0);
        assert_string_equal(charge.charge_usd, "0.000994");
        assert_string_equal(charge.balance_usd, "9.999006");
    }
}

static void test_default_output_limit(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_hold hold;

    want.output_limit = 0;
    assert_int_equal(authorize(&hold, &want), 0);
    assert_int_equal(hold.output_limit, 4096);
    assert_int_equal(release(id), 0);

    want = moneyfix_want(id, MONEY_ALICE);
    want.output_limit = INT64_MAX;
    assert_int_equal(authorize(&hold, &want), 0);
    assert_int_equal(hold.output_limit, 4096);
    assert_int_equal(release(id), 0);

    want = moneyfix_want(id, MONEY_ALICE);
    want.model_id = want.price_model_id = MODEL_EMBED;
    want.output_limit = want.output_max = 0;
    assert_int_equal(authorize(&hold, &want), 0);
    assert_int_equal(hold.output_limit, 0);
    assert_string_equal(hold.hold_usd, "0.0007");
    assert_int_equal(release(id), 0);
}

static void test_refused_keys(void **state)
{
    static const struct {
        enum money_key key;
        enum err_code code;
        const char *code_text;
    } CASES[] = {
        {99, ERR_AUTH_INVALID, "invalid_api_key"},
        {MONEY_DISABLED, ERR_AUTH_DISABLED, "key_disabled"},
        {MONEY_EXPIRED, ERR_AUTH_EXPIRED, "key_expired"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char id[IDENT_REQUEST_SIZE];
        struct ledger_want want = moneyfix_want(id, CASES[i].key);
        struct ledger_hold hold;
        assert_int_equal(authorize(&hold, &want), -1);
        assert_int_equal(fix.err.code, CASES[i].code);
        assert_int_equal(fix.err.status, 401);
        assert_string_equal(fix.err.code_text, CASES[i].code_text);
        assert_string_equal(fix.err.param, "");
    }
}

static void test_disabled_account(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_BOB);
    struct ledger_hold hold;

    dbserver_sql(&fix.server, "CALL disable_account('bob@example.org')");
    assert_int_equal(authorize(&hold, &want), -1);
    dbserver_sql(&fix.server, "CALL enable_account('bob@example.org')");
    assert_int_equal(fix.err.code, ERR_ACCOUNT_DISABLED);
}

static void test_no_price(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_hold hold;

    want.model_id = want.price_model_id = MODEL_FREE;
    assert_int_equal(authorize(&hold, &want), -1);
    assert_int_equal(fix.err.code, ERR_MODEL_NOT_FOUND);
    assert_string_equal(fix.err.param, "model");
}

static void test_no_credit(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_BOB);
    struct ledger_hold hold;

    assert_int_equal(authorize(&hold, &want), -1);
    assert_int_equal(fix.err.code, ERR_NO_CREDIT);
    assert_int_equal(fix.err.status, 402);
    assert_string_equal(fix.err.param, "balance");
    /* (300 x 1 + 100 x 10) / 1e6 x 1.4 */
    assert_string_equal(
        fix.err.message,
        "This call may need $0.00182, but the credit left is $0, of which $0 is held by running "
        "calls. Nothing of this prompt's length fits. Add credit to the account to continue.");
}

static void test_key_cap(void **state)
{
    (void)state;
    char first[IDENT_REQUEST_SIZE];
    char id[IDENT_REQUEST_SIZE];
    char expected[400];
    struct ledger_want want = moneyfix_want(first, MONEY_CAPPED);
    struct ledger_hold hold;

    assert_int_equal(authorize(&hold, &want), 0);
    want = moneyfix_want(id, MONEY_CAPPED);
    want.output_limit = 1000;
    assert_int_equal(authorize(&hold, &want), -1);
    assert_int_equal(fix.err.code, ERR_KEY_CAP);
    assert_string_equal(fix.err.code_text, "key_cap_exceeded");
    assert_string_equal(fix.err.param, "key");
    const char *day = moneyfix_ask(&fix, "SELECT UTC_DATE() + INTERVAL 1 DAY");
    snprintf(expected, sizeof(expected),
             "This call may need $0.01442, but this key's cap of $0.01 does not leave that: $0 is "
             "spent and $0.0042 is held by running calls. A max_tokens of at most 384 would fit. "
             "The window resets at %sT00:00:00Z.",
             day);
    assert_string_equal(fix.err.message, expected);

    /* What the message says is true: 384 fits and takes all that is left, 385 does not. */
    want.output_limit = 385;
    assert_int_equal(authorize(&hold, &want), -1);
    want.output_limit = 384;
    assert_int_equal(authorize(&hold, &want), 0);
    assert_string_equal(hold.hold_usd, "0.0058");
    assert_int_equal(release(id), 0);
    assert_int_equal(release(first), 0);
}

static void test_team_caps(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_TEAM);
    struct ledger_hold hold;

    /* Alice pays for carol. */
    assert_int_equal(authorize(&hold, &want), 0);
    assert_int_equal(hold.key_id, 6);
    assert_int_equal(hold.account_id, 1);
    assert_int_equal(release(id), 0);

    want = moneyfix_want(id, MONEY_TEAM);
    want.model_id = want.price_model_id = MODEL_DEAR;
    want.output_limit = 1000;
    assert_int_equal(authorize(&hold, &want), -1);
    assert_int_equal(fix.err.code, ERR_ACCOUNT_CAP);
    assert_string_equal(fix.err.param, "member");
    assert_non_null(strstr(fix.err.message, "your cap as a member of the team of $1 does"));

    dbserver_sql(&fix.server, "CALL set_cap('team', 1, 0.5, 'none')");
    assert_int_equal(authorize(&hold, &want), -1);
    dbserver_sql(&fix.server, "CALL set_cap('team', 1, 2, 'weekly')");
    assert_int_equal(fix.err.code, ERR_TEAM_CAP);
    assert_string_equal(fix.err.param, "team");
    assert_non_null(strstr(fix.err.message, "the team's cap of $0.5 does not leave that"));
    assert_non_null(strstr(fix.err.message, "This cap does not reset by itself."));

    dbserver_sql(&fix.server, "CALL set_cap('account', 1, 0.25, 'monthly')");
    assert_int_equal(authorize(&hold, &want), -1);
    dbserver_sql(&fix.server, "CALL set_cap('account', 1, NULL, 'none')");
    assert_int_equal(fix.err.code, ERR_ACCOUNT_CAP);
    assert_string_equal(fix.err.param, "account");
    assert_non_null(strstr(fix.err.message, "the account's cap of $0.25 does not"));
    assert_non_null(strstr(fix.err.message, "-01T00:00:00Z."));
}

static void test_extend(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_usage usage = {.input = 1000, .output = 100};
    struct ledger_hold hold;
    struct ledger_charge charge;

    assert_int_equal(authorize(&hold, &want), 0);
    want.price_model_id = MODEL_DEAR;
    want.output_max = 50;
    assert_int_equal(ledger_extend(&hold, &fix.store, fix.arena, &want, &fix.err), 0);
    /* (1000 x 100 + 50 x 1000) / 1e6 x 1.4 */
    assert_string_equal(hold.hold_usd, "0.21");
    assert_int_equal(hold.output_limit, 50);

    /* Too dear: the old hold stays as it is. */
    want.prompt_bound = want.prompt_likely = 1000000;
    assert_int_equal(ledger_extend(&hold, &fix.store, fix.arena, &want, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_NO_CREDIT);
    assert_string_equal(hold.hold_usd, "0.21");

    want.price_model_id = MODEL_FREE;
    assert_int_equal(ledger_extend(&hold, &fix.store, fix.arena, &want, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_MODEL_NOT_FOUND);

    /* Charged at the other model's price, at most the hold. */
    assert_int_equal(settle(&charge, id, &usage), 0);
    assert_string_equal(charge.charge_usd, "0.21");
    assert_int_equal(ledger_extend(&hold, &fix.store, fix.arena, &want, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_INTERNAL);
    ident_request(hold.request_id);
    assert_int_equal(ledger_extend(&hold, &fix.store, fix.arena, &want, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
}

static void test_upstream_cost(void **state)
{
    static const struct {
        const char *cost;
        const char *charge;
    } CASES[] = {
        {"0.001", "0.0014"},  {"1e-3", "0.0014"},    {"0", "0"},         {"0.0000000004", "0"},
        {"", "0.00168"},      {"-0.001", "0.00168"}, {"NaN", "0.00168"}, {"12345678901", "0.00168"},
        {"999999", "0.0042"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char id[IDENT_REQUEST_SIZE];
        struct ledger_usage usage = {.input = 200, .output = 100};
        struct ledger_charge charge;
        moneyfix_hold(&fix, id);
        snprintf(usage.upstream_cost_usd, sizeof(usage.upstream_cost_usd), "%s", CASES[i].cost);
        assert_int_equal(settle(&charge, id, &usage), 0);
        assert_string_equal(charge.charge_usd, CASES[i].charge);
    }
}

/* A provider's nonsense is charged within the hold, never refused by the database. */
static void test_wild_figures(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {
        .input = INT64_MAX, .cached = -5, .output = 100, .reasoning = INT64_MAX, .estimated = true};
    struct ledger_outcome how = moneyfix_ok();
    struct ledger_charge charge;

    how.status = "client_gone";
    how.provider = NULL;
    how.upstream_model = "mod\xc3\xa8le-with-a-name-that-is-longer-than-any-provider-would-ever-"
                         "give-it-and-therefore-longer-than-the-column-of-the-usage-log-is-long";
    how.http_status = 0;
    how.first_byte_ms = INT64_MAX;
    how.duration_ms = -1;
    moneyfix_hold(&fix, id);
    assert_int_equal(ledger_settle(&charge, &fix.store, fix.arena, id, &usage, &how, &fix.err), 0);
    assert_string_equal(charge.charge_usd, "0.0042");

    usage = (struct ledger_usage){.input = -1, .output = -1};
    moneyfix_hold(&fix, id);
    assert_int_equal(settle(&charge, id, &usage), 0);
    assert_string_equal(charge.charge_usd, "0");
}

static void test_release(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 10};
    struct ledger_charge charge;

    moneyfix_hold(&fix, id);
    assert_int_equal(release(id), 0);
    assert_int_equal(release(id), 0);
    /* Nothing is charged afterwards. */
    assert_int_equal(settle(&charge, id, &usage), 0);
    assert_string_equal(charge.charge_usd, "0");

    moneyfix_hold(&fix, id);
    assert_int_equal(settle(&charge, id, &usage), 0);
    assert_int_equal(release(id), -1);
    assert_int_equal(fix.err.code, ERR_INTERNAL);

    ident_request(id);
    assert_int_equal(release(id), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
    assert_int_equal(settle(&charge, id, &usage), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
}

static void test_expiry(void **state)
{
    (void)state;
    char live[IDENT_REQUEST_SIZE];
    char dead[IDENT_REQUEST_SIZE];
    const char **ids = NULL;
    size_t count = 0;
    bool expired = true;
    struct ledger_usage usage = {.input = 200};
    struct ledger_charge charge;

    moneyfix_hold(&fix, live);
    moneyfix_hold(&fix, dead);
    assert_int_equal(ledger_list_expired(&ids, &count, &fix.store, fix.arena, 10, &fix.err), 0);
    assert_int_equal(count, 0);
    dbserver_sql(&fix.server, "UPDATE hold SET expires_at = expires_at - INTERVAL 1 HOUR");
    assert_int_equal(ledger_renew(&fix.store, fix.arena, live, &fix.err), 0);
    assert_int_equal(ledger_list_expired(&ids, &count, &fix.store, fix.arena, 10, &fix.err), 0);
    assert_int_equal(count, 1);
    assert_string_equal(ids[0], dead);

    assert_int_equal(ledger_expire(&expired, &fix.store, fix.arena, live, &fix.err), 0);
    assert_false(expired);
    assert_int_equal(ledger_expire(&expired, &fix.store, fix.arena, dead, &fix.err), 0);
    assert_true(expired);
    assert_int_equal(ledger_expire(&expired, &fix.store, fix.arena, dead, &fix.err), 0);
    assert_false(expired);
    assert_int_equal(ledger_renew(&fix.store, fix.arena, dead, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_INTERNAL);

    /* The call had finished after all. */
    assert_int_equal(settle(&charge, dead, &usage), 0);
    assert_string_equal(charge.charge_usd, "0.00028");
    assert_int_equal(settle(&charge, live, &usage), 0);
    ident_request(dead);
    assert_int_equal(ledger_renew(&fix.store, fix.arena, dead, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
}

static void test_list_is_bounded(void **state)
{
    (void)state;
    char id[5][IDENT_REQUEST_SIZE];
    const char **ids = NULL;
    size_t count = 0;

    for (size_t i = 0; i < 5; i++)
        moneyfix_hold(&fix, id[i]);
    dbserver_sql(&fix.server, "UPDATE hold SET expires_at = '2021-01-01' WHERE state = 'open'");
    assert_int_equal(ledger_list_expired(&ids, &count, &fix.store, fix.arena, 3, &fix.err), 0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(release(id[i]), 0);
}

static void test_housekeep(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];

    moneyfix_hold(&fix, id);
    assert_int_equal(release(id), 0);
    dbserver_sql(&fix.server, "UPDATE hold SET expires_at = '2021-01-01', resolved_at = "
                              "'2021-01-01' WHERE state = 'released' ORDER BY id DESC LIMIT 1");
    int64_t before = strtoll(moneyfix_ask(&fix, "SELECT COUNT(*) FROM hold"), NULL, 10);
    assert_int_equal(ledger_housekeep(&fix.store, fix.arena, 30, &fix.err), 0);
    int64_t after = strtoll(moneyfix_ask(&fix, "SELECT COUNT(*) FROM hold"), NULL, 10);
    assert_int_equal(after, before - 1);
    assert_int_equal(ledger_housekeep(&fix.store, fix.arena, 1, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_INTERNAL);
}

static void test_verify(void **state)
{
    (void)state;
    struct ledger_breach *breaches = NULL;
    size_t count = 0;

    dbserver_sql(&fix.server, "UPDATE account SET balance_usd = balance_usd + 1 WHERE id = 1");
    assert_int_equal(ledger_verify(&breaches, &count, &fix.store, fix.arena, 1, &fix.err), 0);
    dbserver_sql(&fix.server, "UPDATE account SET balance_usd = balance_usd - 1 WHERE id = 1");
    assert_int_equal(count, 1);
    assert_string_equal(breaches[0].rule, "balance");
    assert_string_equal(breaches[0].subject, "account 1");
    assert_non_null(strstr(breaches[0].detail, "expected $9."));
    assert_non_null(strstr(breaches[0].detail, "found $10."));
}

/* --- Together -----------------------------------------------------------------------------------
 */

enum { THREADS = 6, ROUNDS = 30 };

static void *hold_and_settle(void *arg)
{
    struct moneyfix own = {.store = fix.store, .arena = arena_new()};
    int *failed = arg;

    for (int i = 0; i < ROUNDS; i++) {
        char id[IDENT_REQUEST_SIZE];
        struct ledger_want want = moneyfix_want(id, i % 2 ? MONEY_ALICE : MONEY_TEAM);
        struct ledger_usage usage = {.input = 10, .output = 1};
        struct ledger_outcome how = moneyfix_ok();
        struct ledger_hold hold;
        struct ledger_charge charge;
        if (ledger_authorize(&hold, &own.store, own.arena, &want, &own.err) != 0 ||
            (i % 3 == 0 ? ledger_release(&own.store, own.arena, id, &how, &own.err)
                        : ledger_settle(&charge, &own.store, own.arena, id, &usage, &how,
                                        &own.err)) != 0) {
            fprintf(stderr, "%s (%s)\n", own.err.message, own.err.detail);
            (*failed)++;
        }
        arena_reset(own.arena);
    }
    arena_free(own.arena);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int failed[THREADS] = {0};

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_settle, &failed[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(failed[i], 0);
    }
}

/* The server dies between the steps of a call. */
static void test_server_dies(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 200};
    struct ledger_charge charge;

    moneyfix_hold(&fix, id);
    dbserver_kill(&fix.server);
    assert_int_equal(settle(&charge, id, &usage), -1);
    assert_int_equal(fix.err.code, ERR_DATABASE);
    dbserver_again(&fix.server);
    assert_int_equal(settle(&charge, id, &usage), 0);
    assert_string_equal(charge.charge_usd, "0.00028");
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_hold_and_settle), TEST(test_default_output_limit),
        TEST(test_refused_keys),    TEST(test_disabled_account),
        TEST(test_no_price),        TEST(test_no_credit),
        TEST(test_key_cap),         TEST(test_team_caps),
        TEST(test_extend),          TEST(test_upstream_cost),
        TEST(test_wild_figures),    TEST(test_release),
        TEST(test_expiry),          TEST(test_list_is_bounded),
        TEST(test_housekeep),       TEST(test_verify),
        TEST(test_threads),         TEST(test_server_dies),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
