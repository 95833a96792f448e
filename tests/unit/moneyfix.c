/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"

#include "db/stmt.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define KEY(id, account, member, enabled, expires)                                                 \
    "INSERT INTO api_key (id, account_id, member_id, name, key_hash, key_prefix, key_last4, "      \
    "enabled, expires_at) VALUES (" #id ", " #account ", " #member ", 'key " #id                   \
    "', UNHEX(SHA2('key " #id "', 256)), 'sk-aig-" #id #id #id #id "', 'last', " #enabled          \
    ", " expires ");\n"

static const char SQL[] =
    "INSERT INTO model (id, name, kind, owned_by, dialect, context_length, max_output_tokens,"
    "    capabilities) VALUES"
    "    (9001, 'unit-chat', 'chat', 'unit', 'openai-chat', 128000, 4096, 'tools,stream'),"
    "    (9002, 'unit-steps', 'chat', 'unit', 'openai-chat', 128000, 4096, 'stream,reasoning'),"
    "    (9003, 'unit-embed', 'embedding', 'unit', 'embedding', 8192, NULL, ''),"
    "    (9004, 'unit-free', 'chat', 'unit', 'openai-chat', 128000, 4096, ''),"
    "    (9005, 'unit-dear', 'chat', 'unit', 'openai-chat', NULL, 4096, '');\n"
    "INSERT INTO price (id, model_id, valid_from, input_usd, cached_input_usd, cache_write_5m_usd,"
    "    cache_write_1h_usd, output_usd) VALUES"
    "    (90010, 9001, '2020-01-01', 7, 7, 7, 7, 7),"
    "    (90011, 9001, '2021-01-01', 1, 0.1, 1.25, 2, 10),"
    "    (90012, 9001, '2099-01-01', 9, 9, 9, 9, 9),"
    "    (90031, 9003, '2021-01-01', 0.5, NULL, NULL, NULL, NULL),"
    "    (90051, 9005, '2021-01-01', 100, NULL, NULL, NULL, 1000);\n"
    "INSERT INTO price (id, model_id, valid_from, input_usd, output_usd, reasoning_usd,"
    "    above_tokens, above_input_usd, above_output_usd, above_reasoning_usd) VALUES"
    "    (90021, 9002, '2021-01-01', 1, 10, 20, 1000, 2, 15, 30);\n"
    "INSERT INTO route (model_id, position, provider, upstream_model, price_model_id, enabled)"
    "    VALUES (9001, 0, 'openai', 'up-chat', 9001, 1),"
    "    (9001, 1, 'openrouter', 'a/off', 9005, 0), (9001, 2, 'openrouter', 'a/dear', 9005, 1),"
    "    (9002, 0, 'openai-responses', 'up-steps', 9002, 1);\n"
    "INSERT INTO model_alias (alias, model_id) VALUES ('unit-chat-2026', 9001);\n"
    "CALL create_account('alice@example.org', 'Alice');\n"
    "CALL create_account('bob@example.org', 'Bob');\n"
    "CALL create_account('carol@example.org', 'Carol');\n"
    "CALL credit_purchase('alice@example.org', 10, 'pay-1');\n"
    "CALL create_team('unit team', 'alice@example.org');\n"
    "CALL add_member(1, 'carol@example.org', 'member');\n"
    "SET @carol = (SELECT id FROM team_member WHERE account_id = 3);\n" KEY(1, 1, NULL, 1, "NULL")
        KEY(2, 2, NULL, 1, "NULL") KEY(3, 1, NULL, 1, "NULL") KEY(4, 1, NULL, 0, "NULL")
            KEY(5, 1, NULL, 1, "'2021-01-01'")
                KEY(6, 3, @carol, 1,
                    "'2098-01-02 03:04:05'") "CALL set_cap('key', 3, 0.01, 'daily');\n"
                                             "CALL set_cap('member', @carol, 1, 'monthly');\n"
                                             "CALL set_cap('team', 1, 2, 'weekly');\n";

void moneyfix_start(struct moneyfix *f)
{
    *f = (struct moneyfix){0};
    dbserver_start(&f->server);
    dbserver_schema(&f->server);
    dbserver_sql(&f->server, SQL);
    f->store.pool = db_pool_new(&f->server.config);
    ledger_open(&f->store);
    f->arena = arena_new();
}

void moneyfix_stop(struct moneyfix *f)
{
    store_fini(&f->store);
    arena_free(f->arena);
    dbserver_stop(&f->server);
}

struct ledger_want moneyfix_want(char id[IDENT_REQUEST_SIZE], enum money_key key)
{
    struct ledger_want want = {
        .request_id = id,
        .model_id = MODEL_CHAT,
        .price_model_id = MODEL_CHAT,
        .prompt_bound = 1000,
        .prompt_likely = 300,
        .output_limit = 100,
        .output_max = 4096,
        .choices = 1,
    };
    char text[16];
    int len = snprintf(text, sizeof(text), "key %d", (int)key);

    secret_sha256(want.key_hash, text, (size_t)len);
    ident_request(id);
    return want;
}

void moneyfix_hold(struct moneyfix *f, char id[IDENT_REQUEST_SIZE])
{
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_hold hold;

    if (ledger_authorize(&hold, &f->store, f->arena, &want, &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    assert_string_equal(hold.hold_usd, "0.0042");
}

struct ledger_outcome moneyfix_ok(void)
{
    return (struct ledger_outcome){
        .status = "ok",
        .provider = "openai",
        .upstream_model = "up-chat",
        .stream = true,
        .http_status = 200,
        .first_byte_ms = 12,
        .duration_ms = 345,
    };
}

const char *moneyfix_ask(struct moneyfix *f, const char *sql)
{
    struct db_conn *conn = NULL;
    struct db_rows rows;

    if (db_pool_take(&conn, f->store.pool, 0, &f->err) != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    int rc = db_exec(&rows, conn, f->arena, sql, NULL, 0, 1, &f->err);
    db_pool_give(f->store.pool, conn);
    if (rc != 0)
        fail_msg("%s (%s)", f->err.message, f->err.detail);
    return rows.row_count > 0 ? db_cell(&rows, 0, 0) : NULL;
}

void moneyfix_verify(struct moneyfix *f)
{
    struct ledger_breach *breaches = NULL;
    size_t count = 0;

    assert_int_equal(ledger_verify(&breaches, &count, &f->store, f->arena, 20, &f->err), 0);
    for (size_t i = 0; i < count; i++)
        print_error("%s %s: %s\n", breaches[i].rule, breaches[i].subject, breaches[i].detail);
    assert_int_equal(count, 0);
}
