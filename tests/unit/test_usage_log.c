/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "store/task.h"
#include "store/usage_log.h"
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

/* A settled call of a model. */
static void run_call(char id[IDENT_REQUEST_SIZE], int64_t model, const struct ledger_usage *usage)
{
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_outcome how = moneyfix_ok();
    struct ledger_hold hold;
    struct ledger_charge charge;

    want.model_id = want.price_model_id = model;
    want.prompt_bound = 5000;
    want.output_limit = 2000;
    assert_int_equal(ledger_authorize(&hold, &fix.store, fix.arena, &want, &fix.err), 0);
    assert_int_equal(ledger_settle(&charge, &fix.store, fix.arena, id, usage, &how, &fix.err), 0);
}

static void find(struct usage_entry *e, const char *id)
{
    if (usage_find(e, &fix.store, fix.arena, 1, MONEY_ALICE, id, &fix.err) != 0)
        fail_msg("%s (%s)", fix.err.message, fix.err.detail);
}

static void check_line(const struct usage_entry *e, size_t i, const char *kind, int64_t tokens,
                       const char *price, const char *subtotal)
{
    assert_true(i < e->line_count);
    assert_string_equal(e->lines[i].kind, kind);
    assert_int_equal(e->lines[i].tokens, tokens);
    assert_string_equal(e->lines[i].usd_per_mtok, price);
    assert_string_equal(e->lines[i].subtotal_usd, subtotal);
}

static void test_every_kind(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 101,
                                 .cached = 203,
                                 .cache_write_5m = 307,
                                 .cache_write_1h = 401,
                                 .output = 503,
                                 .reasoning = 99};
    struct usage_entry e;

    run_call(id, MODEL_CHAT, &usage);
    find(&e, id);
    assert_string_equal(e.request_id, id);
    assert_string_equal(e.model, "unit-chat");
    assert_string_equal(e.provider, "openai");
    assert_string_equal(e.upstream_model, "up-chat");
    assert_null(e.hedged_from);
    assert_string_equal(e.status, "ok");
    assert_int_equal(e.http_status, 200);
    assert_true(e.stream);
    assert_false(e.estimated);
    assert_false(e.above_tier);
    assert_int_equal(e.price_id, 90011);
    assert_null(e.upstream_cost_usd);
    assert_null(e.unit);
    assert_int_equal(e.first_byte_ms, 12);
    assert_int_equal(e.duration_ms, 345);
    assert_int_equal(strlen(e.created_at), 24);
    assert_int_equal(e.created_at[10], 'T');
    assert_int_equal(e.created_at[23], 'Z');

    /* Reasoning has no price of its own here, so it is part of output. */
    assert_int_equal(e.line_count, 5);
    check_line(&e, 0, "input", 101, "1", "0.000101");
    check_line(&e, 1, "cached_input", 203, "0.1", "0.0000203");
    check_line(&e, 2, "cache_write_5m", 307, "1.25", "0.00038375");
    check_line(&e, 3, "cache_write_1h", 401, "2", "0.000802");
    check_line(&e, 4, "output", 503, "10", "0.00503");
    assert_string_equal(e.subtotal_usd, "0.00633705");
    assert_string_equal(e.markup, "0.4");
    assert_string_equal(e.charge_usd, "0.00887187");
    assert_string_equal(e.absorbed_usd, "0");
}

static void check_tool(const struct usage_entry *e, size_t i, const char *kind, int64_t count,
                       const char *price, const char *subtotal)
{
    assert_true(i < e->tool_count);
    assert_string_equal(e->tools[i].kind, kind);
    assert_int_equal(e->tools[i].count, count);
    assert_string_equal(e->tools[i].usd, price);
    assert_string_equal(e->tools[i].subtotal_usd, subtotal);
}

/* Holds a call of MODEL_CHAT that may use tools, four calls at most, and charges it. */
static void run_tools(char id[IDENT_REQUEST_SIZE], const struct ledger_usage *usage)
{
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_outcome how = moneyfix_ok();
    struct ledger_hold hold;
    struct ledger_charge charge;

    dbserver_sql(&fix.server, "UPDATE price SET web_search_usd = 0.01, web_search_preview_usd = "
                              "0.025, file_search_usd = 0.0025, container_16g_usd = 0.48 "
                              "WHERE id = 90011");
    want.tools = "web_search,file_search,container_16g";
    want.tool_calls = 4;
    assert_int_equal(ledger_authorize(&hold, &fix.store, fix.arena, &want, &fix.err), 0);
    /* (1000 x 2, a cache write, + 100 x 10) / 1e6 + 4 x 0.48, x 1.4 */
    assert_string_equal(hold.hold_usd, "2.6922");
    assert_int_equal(ledger_settle(&charge, &fix.store, fix.arena, id, usage, &how, &fix.err), 0);
}

static void test_tools(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.output = 100,
                                 .web_searches = 3,
                                 .preview_searches = 1,
                                 .file_searches = 2,
                                 .containers = 1,
                                 .container_gb = 16};
    struct ledger_usage none = {.output = 100};
    struct usage_entry e;

    run_tools(id, &usage);
    find(&e, id);
    assert_int_equal(e.line_count, 1);
    check_line(&e, 0, "output", 100, "10", "0.001");
    assert_int_equal(e.tool_count, 4);
    check_tool(&e, 0, "web_search", 3, "0.01", "0.03");
    check_tool(&e, 1, "web_search_preview", 1, "0.025", "0.025");
    check_tool(&e, 2, "file_search", 2, "0.0025", "0.005");
    check_tool(&e, 3, "code_interpreter", 1, "0.48", "0.48");
    assert_int_equal(e.container_gb, 16);
    assert_string_equal(e.subtotal_usd, "0.541");
    assert_string_equal(e.charge_usd, "0.7574");

    run_tools(id, &none);
    find(&e, id);
    assert_true(e.tool_count == 0 && e.container_gb == 0);
    assert_string_equal(e.subtotal_usd, "0.001");
    moneyfix_verify(&fix);
}

/* A tool that the model's price does not have is named, with 400; nothing is held. */
static void test_tool_without_price(void **state)
{
    static const struct {
        const char *tools;
        const char *named;
    } cases[] = {{"web_search", "web_search "},
                 {"file_search,web_search_preview", "web_search_preview "},
                 {"container_64g", "code_interpreter with a memory_limit of 64g "}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char id[IDENT_REQUEST_SIZE];
        struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
        struct ledger_hold hold;
        want.model_id = want.price_model_id = MODEL_STEPS;
        want.tools = cases[i].tools;
        want.tool_calls = 1;
        dbserver_sql(&fix.server,
                     "UPDATE price SET file_search_usd = 0.0025 WHERE model_id = 9002");
        assert_int_equal(ledger_authorize(&hold, &fix.store, fix.arena, &want, &fix.err), -1);
        assert_int_equal(fix.err.status, 400);
        assert_string_equal(fix.err.param, "tools");
        assert_non_null(strstr(fix.err.message, cases[i].named));
    }
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM hold WHERE state = 'open'"), "0");
}

static void test_steps(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 900, .cached = 100, .output = 50, .reasoning = 30};
    struct usage_entry e;

    run_call(id, MODEL_STEPS, &usage);
    find(&e, id);
    assert_false(e.above_tier);
    assert_int_equal(e.line_count, 4);
    check_line(&e, 0, "input", 900, "1", "0.0009");
    check_line(&e, 1, "cached_input", 100, "1", "0.0001"); /* no price of its own: as input */
    check_line(&e, 2, "output", 20, "10", "0.0002");
    check_line(&e, 3, "reasoning", 30, "20", "0.0006");
    assert_string_equal(e.subtotal_usd, "0.0018");
    assert_string_equal(e.charge_usd, "0.00252");

    usage.cached = 101; /* one token above the step */
    run_call(id, MODEL_STEPS, &usage);
    find(&e, id);
    assert_true(e.above_tier);
    check_line(&e, 0, "input", 900, "2", "0.0018");
    check_line(&e, 1, "cached_input", 101, "2", "0.000202");
    check_line(&e, 2, "output", 20, "15", "0.0003");
    check_line(&e, 3, "reasoning", 30, "30", "0.0009");
    assert_string_equal(e.subtotal_usd, "0.003202");
    assert_string_equal(e.charge_usd, "0.0044828");
}

/* A job: so many units at a price, and not what the provider says that it took. */
static void test_units(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    char task[TASK_ID_SIZE];
    struct ledger_want like = moneyfix_want(id, MONEY_ALICE);
    const struct task_want want = {.id = task,
                                   .request_id = id,
                                   .key_hash = like.key_hash,
                                   .model_id = 9101,
                                   .price_model_id = 9101,
                                   .unit = "second",
                                   .variant = "size=s",
                                   .quantity_milli = 2500,
                                   .provider = "kie",
                                   .api = "kie",
                                   .shape = "kie",
                                   .upstream_model = "up/film",
                                   .param = "{}"};
    const struct task_end end = {.ok = true, .result = "{}", .cost = "7", .cost_rate = "0.005"};
    struct task_ended ended;
    struct usage_entry e;
    bool known;

    dbserver_sql(&fix.server,
                 "INSERT INTO model (id, name, kind, owned_by, dialect, capabilities) VALUES"
                 "    (9101, 'unit-film', 'video', 'unit', 'kie', '');\n"
                 "INSERT INTO price (id, model_id, variant, valid_from, unit, unit_usd) VALUES"
                 "    (91012, 9101, 'size=s', '2021-01-01', 'second', 0.013);\n");
    task_id(task, id);
    assert_int_equal(task_create(&known, &fix.store, fix.arena, &want, &fix.err), 0);
    assert_int_equal(task_finish(&ended, &fix.store, fix.arena, task, &end, &fix.err), 0);
    find(&e, id);
    assert_int_equal(e.line_count, 0);
    assert_string_equal(e.unit, "second");
    assert_string_equal(e.variant, "size=s");
    assert_string_equal(e.quantity, "2.5");
    assert_string_equal(e.unit_usd, "0.013");
    assert_null(e.upstream_cost_usd);
    assert_string_equal(e.subtotal_usd, "0.0325");
    assert_string_equal(e.charge_usd, "0.0455");
}

static void test_upstream_cost(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 100, .output = 10, .upstream_cost_usd = "0.0015"};
    struct usage_entry e;

    run_call(id, MODEL_CHAT, &usage);
    find(&e, id);
    assert_string_equal(e.upstream_cost_usd, "0.0015");
    assert_string_equal(e.subtotal_usd, "0.0015");
    assert_string_equal(e.charge_usd, "0.0021");
}

static void test_absorbed(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 5000, .output = 10000, .estimated = true};
    struct usage_entry e;

    run_call(id, MODEL_CHAT, &usage);
    find(&e, id);
    assert_true(e.estimated);
    assert_string_equal(e.subtotal_usd, "0.105");
    assert_string_equal(e.hold_usd, "0.042");
    assert_string_equal(e.charge_usd, "0.042");
    assert_string_equal(e.absorbed_usd, "0.105");
}

static void test_released(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_outcome how = {.status = "timeout", .http_status = 504, .first_byte_ms = -1};
    struct usage_entry e;

    moneyfix_hold(&fix, id);
    assert_int_equal(ledger_release(&fix.store, fix.arena, id, &how, &fix.err), 0);
    find(&e, id);
    assert_string_equal(e.status, "timeout");
    assert_int_equal(e.http_status, 504);
    assert_null(e.provider);
    assert_null(e.upstream_model);
    assert_int_equal(e.first_byte_ms, -1);
    assert_int_equal(e.line_count, 0);
    assert_string_equal(e.subtotal_usd, "0");
    assert_string_equal(e.charge_usd, "0");
}

static void test_only_ones_own(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    char other[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 1};
    struct usage_entry e;

    run_call(id, MODEL_CHAT, &usage);
    assert_int_equal(usage_find(&e, &fix.store, fix.arena, 1, 0, id, &fix.err), 0);
    assert_int_equal(usage_find(&e, &fix.store, fix.arena, 1, MONEY_CAPPED, id, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
    assert_int_equal(usage_find(&e, &fix.store, fix.arena, 2, 0, id, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
    ident_request(other);
    assert_int_equal(usage_find(&e, &fix.store, fix.arena, 1, 0, other, &fix.err), -1);
    assert_int_equal(usage_find(&e, &fix.store, fix.arena, 1, 0, "' OR 1", &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_NOT_FOUND);
    assert_int_equal(fix.err.status, 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),    cmocka_unit_test(test_steps),
        cmocka_unit_test(test_tools),         cmocka_unit_test(test_tool_without_price),
        cmocka_unit_test(test_units),         cmocka_unit_test(test_upstream_cost),
        cmocka_unit_test(test_absorbed),      cmocka_unit_test(test_released),
        cmocka_unit_test(test_only_ones_own),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
