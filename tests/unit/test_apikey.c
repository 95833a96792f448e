/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "store/apikey.h"
#include "unit.h"

#include <stdio.h>
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

static int find(struct apikey_principal *out, enum money_key key)
{
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want = moneyfix_want(id, key);

    return apikey_find(out, &fix.store, fix.arena, want.key_hash, &fix.err);
}

static void me(struct apikey_me *out, enum money_key key)
{
    if (apikey_me(out, &fix.store, fix.arena, key, &fix.err) != 0)
        fail_msg("%s (%s)", fix.err.message, fix.err.detail);
}

static void test_find(void **state)
{
    (void)state;
    struct apikey_principal p;

    assert_int_equal(find(&p, MONEY_ALICE), 0);
    assert_int_equal(p.key_id, 1);
    assert_int_equal(p.account_id, 1);
    assert_string_equal(p.markup, "0.4");
    /* Without credit or over its cap a key is still known. */
    assert_int_equal(find(&p, MONEY_BOB), 0);
    assert_int_equal(p.account_id, 2);
    assert_int_equal(find(&p, MONEY_TEAM), 0);
    assert_int_equal(p.key_id, 6);
    assert_int_equal(p.account_id, 1);

    dbserver_sql(&fix.server, "CALL set_markup('alice@example.org', 0.125)");
    assert_int_equal(find(&p, MONEY_TEAM), 0);
    dbserver_sql(&fix.server, "CALL set_markup('alice@example.org', NULL)");
    assert_string_equal(p.markup, "0.125");
}

static void test_refusals(void **state)
{
    (void)state;
    struct apikey_principal p;

    assert_int_equal(find(&p, 99), -1);
    assert_int_equal(fix.err.code, ERR_AUTH_INVALID);
    assert_int_equal(find(&p, MONEY_DISABLED), -1);
    assert_int_equal(fix.err.code, ERR_AUTH_DISABLED);
    assert_int_equal(find(&p, MONEY_EXPIRED), -1);
    assert_int_equal(fix.err.code, ERR_AUTH_EXPIRED);
    dbserver_sql(&fix.server, "CALL disable_account('alice@example.org')");
    assert_int_equal(find(&p, MONEY_ALICE), -1);
    assert_int_equal(fix.err.code, ERR_ACCOUNT_DISABLED);
    assert_int_equal(find(&p, MONEY_TEAM), -1);
    assert_int_equal(fix.err.code, ERR_ACCOUNT_DISABLED);
    dbserver_sql(&fix.server, "CALL enable_account('alice@example.org')");
    dbserver_sql(&fix.server, "UPDATE team_member SET enabled = 0 WHERE account_id = 3");
    assert_int_equal(find(&p, MONEY_TEAM), -1);
    assert_int_equal(fix.err.code, ERR_AUTH_DISABLED);
    dbserver_sql(&fix.server, "UPDATE team_member SET enabled = 1");
}

static void test_me(void **state)
{
    (void)state;
    struct apikey_me m;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 1000};
    struct ledger_outcome how = moneyfix_ok();
    struct ledger_charge charge;

    me(&m, MONEY_ALICE);
    assert_int_equal(m.key_id, 1);
    assert_int_equal(m.account_id, 1);
    assert_string_equal(m.key_name, "key 1");
    assert_string_equal(m.key_prefix, "sk-aig-1111");
    assert_string_equal(m.key_last4, "last");
    assert_null(m.key_expires_at);
    assert_string_equal(m.tier, "Starter");
    assert_string_equal(m.markup, "0.4");
    assert_string_equal(m.next_tier, "Growth");
    assert_string_equal(m.next_tier_usd, "50");
    assert_string_equal(m.next_tier_missing_usd, "50");
    assert_string_equal(m.spend_30d_usd, "0");
    assert_string_equal(m.balance_usd, "10");
    assert_string_equal(m.held_usd, "0");
    assert_string_equal(m.available_usd, "10");
    assert_null(m.key.cap_usd);
    assert_string_equal(m.key.period, "none");
    assert_string_equal(m.key.spent_usd, "0");
    assert_null(m.key.resets_at);
    assert_int_equal(m.team_id, 0);
    assert_null(m.team_name);

    moneyfix_hold(&fix, id);
    me(&m, MONEY_ALICE);
    assert_string_equal(m.held_usd, "0.0042");
    assert_string_equal(m.available_usd, "9.9958");
    assert_string_equal(m.key.held_usd, "0.0042");
    assert_int_equal(ledger_settle(&charge, &fix.store, fix.arena, id, &usage, &how, &fix.err), 0);
    me(&m, MONEY_ALICE);
    assert_string_equal(m.spend_30d_usd, "0.0014");
    assert_string_equal(m.next_tier_missing_usd, "49.9986");
    assert_string_equal(m.balance_usd, "9.9986");
    assert_string_equal(m.key.spent_usd, "0.0014");
    assert_string_equal(m.account.spent_usd, "0.0014");

    /* 30 days ago, to the hour. */
    dbserver_sql(&fix.server, "UPDATE spend_hourly SET hour = hour - INTERVAL 30 DAY");
    me(&m, MONEY_ALICE);
    assert_string_equal(m.spend_30d_usd, "0");
    dbserver_sql(&fix.server, "UPDATE spend_hourly SET hour = hour + INTERVAL 1 HOUR");
    me(&m, MONEY_ALICE);
    assert_string_equal(m.spend_30d_usd, "0.0014");
}

static void test_me_caps(void **state)
{
    (void)state;
    struct apikey_me m;
    char text[64];

    me(&m, MONEY_CAPPED);
    assert_string_equal(m.key.cap_usd, "0.01");
    assert_string_equal(m.key.period, "daily");
    snprintf(text, sizeof(text), "%sT00:00:00Z",
             moneyfix_ask(&fix, "SELECT UTC_DATE() + INTERVAL 1 DAY"));
    assert_string_equal(m.key.resets_at, text);

    /* What was spent in an earlier window counts no more. */
    dbserver_sql(&fix.server, "UPDATE api_key SET spent_usd = 0.009, window_end = UTC_DATE() + "
                              "INTERVAL 1 DAY WHERE id = 3");
    me(&m, MONEY_CAPPED);
    assert_string_equal(m.key.spent_usd, "0.009");
    dbserver_sql(&fix.server, "UPDATE api_key SET window_end = UTC_DATE() WHERE id = 3");
    me(&m, MONEY_CAPPED);
    assert_string_equal(m.key.spent_usd, "0");

    me(&m, MONEY_TEAM);
    assert_int_equal(m.account_id, 1);
    assert_string_equal(m.key_expires_at, "2098-01-02T03:04:05Z");
    assert_int_equal(m.team_id, 1);
    assert_string_equal(m.team_name, "unit team");
    assert_string_equal(m.team.cap_usd, "2");
    assert_string_equal(m.team.period, "weekly");
    assert_string_equal(m.member.cap_usd, "1");
    assert_string_equal(m.member.period, "monthly");
    assert_non_null(strstr(m.member.resets_at, "-01T00:00:00Z"));
    /* A Monday within seven days. */
    char sql[128];
    snprintf(sql, sizeof(sql),
             "SELECT WEEKDAY('%.10s') = 0 AND DATEDIFF('%.10s', UTC_DATE()) BETWEEN 1 AND 7",
             m.team.resets_at, m.team.resets_at);
    assert_string_equal(moneyfix_ask(&fix, sql), "1");
}

static void test_me_top_tier(void **state)
{
    (void)state;
    struct apikey_me m;

    dbserver_sql(&fix.server, "CALL set_tier('alice@example.org', 'Strategic')");
    me(&m, MONEY_ALICE);
    dbserver_sql(&fix.server, "CALL set_tier('alice@example.org', 'Starter')");
    assert_string_equal(m.tier, "Strategic");
    assert_string_equal(m.markup, "0.1");
    assert_null(m.next_tier);
    assert_null(m.next_tier_usd);
    assert_null(m.next_tier_missing_usd);
    assert_int_equal(apikey_me(&m, &fix.store, fix.arena, 12345, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_AUTH_INVALID);
}

static void test_prices(void **state)
{
    (void)state;
    struct apikey_price *prices = NULL;
    size_t count = 0;

    assert_int_equal(
        apikey_prices(&prices, &count, &fix.store, fix.arena, "0.4", MODEL_CHAT, &fix.err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(prices[0].model_id, MODEL_CHAT);
    assert_string_equal(prices[0].input, "1.4");
    assert_string_equal(prices[0].cached_input, "0.14");
    assert_string_equal(prices[0].cache_write_5m, "1.75");
    assert_string_equal(prices[0].cache_write_1h, "2.8");
    assert_string_equal(prices[0].output, "14");
    assert_null(prices[0].reasoning);
    assert_null(prices[0].above_tokens);

    assert_int_equal(
        apikey_prices(&prices, &count, &fix.store, fix.arena, "0.1", MODEL_STEPS, &fix.err), 0);
    assert_string_equal(prices[0].reasoning, "22");
    assert_string_equal(prices[0].above_tokens, "1000");
    assert_string_equal(prices[0].above_input, "2.2");
    assert_string_equal(prices[0].above_output, "16.5");

    assert_int_equal(
        apikey_prices(&prices, &count, &fix.store, fix.arena, "0.4", MODEL_FREE, &fix.err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(apikey_prices(&prices, &count, &fix.store, fix.arena, "0.4", 0, &fix.err), 0);
    assert_true(count > 4);
    for (size_t i = 1; i < count; i++)
        assert_true(prices[i - 1].model_id < prices[i].model_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_me),          cmocka_unit_test(test_me_caps),
        cmocka_unit_test(test_me_top_tier), cmocka_unit_test(test_prices),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
