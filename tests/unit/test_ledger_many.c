/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ledger_authorize_many and ledger_settle_many give the figures of the single procedures: the same
 * random calls run singly in one database and together in another.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/ident.h"
#include "base/jsonx.h"
#include "base/secret.h"
#include "db/txn.h"
#include "dbserver.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 120, BATCH_MAX = 10, OPEN_MAX = 64, JSON_MAX = 64 * 1024 };
enum { PLAIN = 9001, STEPS = 9002, EMBED = 9003, MEDIA = 9004, PRICELESS = 9005, FREE = 9006 };
enum { DEAR = 9007 };
enum { KEY_ALICE = 1, KEY_BOB = 3, KEY_CAROL_TEAM = 4, KEY_DAVE = 20 };

#define KEY(id, account, member, enabled, expires)                                                 \
    "INSERT INTO api_key (id, account_id, member_id, name, key_hash, key_prefix, key_last4, "      \
    "enabled, expires_at) VALUES (" #id ", " #account ", " member ", 'key " #id                    \
    "', UNHEX(SHA2('key " #id "', 256)), 'sk-aig-0000', 'last', " #enabled ", " expires ");\n"
#define MEMBER(team, account)                                                                      \
    "(SELECT id FROM team_member WHERE team_id = " #team " AND account_id = " #account ")"

static const char SQL_FIXTURE[] =
    "INSERT INTO model (id, name, kind, owned_by, dialect, context_length, max_output_tokens,"
    "    capabilities) VALUES"
    "    (9001, 'm-plain', 'chat', 'unit', 'openai-chat', 128000, 4096, ''),"
    "    (9002, 'm-steps', 'chat', 'unit', 'openai-chat', 128000, 4096, ''),"
    "    (9003, 'm-embed', 'embedding', 'unit', 'embedding', 8192, NULL, ''),"
    "    (9004, 'm-media', 'chat', 'unit', 'openai-chat', 128000, 4096, ''),"
    "    (9005, 'm-priceless', 'chat', 'unit', 'openai-chat', 128000, 4096, ''),"
    "    (9006, 'm-free', 'chat', 'unit', 'openai-chat', 128000, 4096, ''),"
    "    (9007, 'm-dear', 'chat', 'unit', 'openai-chat', 128000, 4096, '');\n"
    "INSERT INTO price (id, model_id, variant, valid_from, input_usd, cached_input_usd,"
    "    cache_write_5m_usd, cache_write_1h_usd, output_usd, reasoning_usd) VALUES"
    "    (90010, 9001, '', '2020-01-01', 7, 7, 7, 7, 7, 7),"
    "    (90011, 9001, '', '2021-01-01', 1.25, 0.1, 1.5625, 2.5, 10.000000001, NULL),"
    "    (90012, 9001, '', '2099-01-01', 9, 9, 9, 9, 9, 9),"
    "    (90013, 9001, 'size=2K', '2022-01-01', 8, 8, 8, 8, 8, 8),"
    "    (90061, 9006, '', '2021-01-01', 0, NULL, NULL, NULL, 0, NULL),"
    "    (90071, 9007, '', '2021-01-01', 100, NULL, NULL, NULL, 1000, 1200);\n"
    "INSERT INTO price (id, model_id, valid_from, input_usd, output_usd, reasoning_usd,"
    "    above_tokens, above_input_usd, above_cached_input_usd, above_cache_write_5m_usd,"
    "    above_cache_write_1h_usd, above_output_usd, above_reasoning_usd) VALUES"
    "    (90021, 9002, '2021-01-01', 1, 10, 20, 1000, 2, 0.333333333, 2.5, NULL, 15, NULL),"
    "    (90031, 9003, '2021-01-01', 0.02, NULL, NULL, 500, 0.04, NULL, NULL, NULL, NULL, NULL);\n"
    "INSERT INTO price (id, model_id, valid_from, unit, unit_usd) VALUES"
    "    (90041, 9004, '2021-01-01', 'image', 0.04);\n"
    "CALL create_account('alice@example.org', 'Alice');\n"
    "CALL create_account('bob@example.org', 'Bob');\n"
    "CALL create_account('carol@example.org', 'Carol');\n"
    "CALL create_account('dave@example.org', 'Dave');\n"
    "CALL credit_purchase('alice@example.org', 30, 'pay-1');\n"
    "CALL credit_purchase('bob@example.org', 5, 'pay-2');\n"
    "CALL credit_purchase('carol@example.org', 0.7, 'pay-3');\n"
    "CALL set_markup('bob@example.org', 0.1234);\n"
    "CALL set_markup('carol@example.org', 0);\n"
    "CALL create_team('one', 'alice@example.org');\n"
    "CALL create_team('two', 'bob@example.org');\n"
    "CALL add_member(1, 'bob@example.org', 'member');\n"
    "CALL add_member(1, 'carol@example.org', 'member');\n"
    "CALL add_member(1, 'dave@example.org', 'member');\n"
    "CALL add_member(2, 'alice@example.org', 'member');\n" KEY(1, 1, "NULL", 1, "NULL") KEY(
        2, 1, "NULL", 1, "'2098-01-01'") KEY(3, 2, "NULL", 1, "NULL") KEY(4, 3, MEMBER(1, 3), 1,
                                                                          "NULL")
        KEY(5, 2, MEMBER(1, 2), 1, "NULL") KEY(6, 1, MEMBER(2, 1), 1, "NULL") KEY(
            7, 3, "NULL", 1, "NULL") KEY(8, 4, "NULL", 1, "NULL") KEY(9, 1, "NULL", 0, "NULL")
            KEY(10, 1, "NULL", 1, "'2021-01-01'") KEY(11, 4, MEMBER(1, 4), 1, "NULL") KEY(
                20, 4, "NULL", 1,
                "NULL") "UPDATE team_member SET enabled = 0 WHERE team_id = 1 AND account_id = 4;\n"
                        "SET @carol = " MEMBER(
                            1, 3) ";\n"
                                  "CALL set_cap('key', 2, 0.5, 'daily');\n"
                                  "CALL set_cap('key', 6, 1.5, 'none');\n"
                                  "CALL set_cap('key', 7, 0.3, 'monthly');\n"
                                  "CALL set_cap('member', @carol, 0.8, 'monthly');\n"
                                  "CALL set_cap('team', 1, 1.2, 'weekly');\n"
                                  "CALL set_cap('account', 2, 2, 'weekly');\n"
                                  "CALL set_cap('account', 1, 20, 'daily');\n";

static const char SQL_AUTHORIZE[] = "CALL ledger_authorize(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_AUTHORIZE_MANY[] = "CALL ledger_authorize_many(?)";
static const char SQL_SETTLE[] =
    "CALL ledger_settle(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_SETTLE_MANY[] = "CALL ledger_settle_many(?)";
static const char SQL_RELEASE[] = "CALL ledger_release(?, 'upstream_error', 'openai', 502, 1, 2)";
static const char SQL_AGE[] =
    "UPDATE hold SET expires_at = created_at - INTERVAL 1 SECOND WHERE id = ?";
static const char SQL_EXPIRE[] = "CALL ledger_expire(?)";
static const char SQL_CHECK[] = "SELECT check_name, subject, expected_usd, actual_usd "
                                "FROM v_ledger_check LIMIT 1";

/* Every scope's window is over. */
static const char *const SQL_OVER[] = {
    "UPDATE api_key SET window_end = UTC_DATE() - INTERVAL 3 DAY WHERE cap_period <> 'none'",
    "UPDATE team_member SET window_end = UTC_DATE() WHERE cap_period <> 'none'",
    "UPDATE team SET window_end = UTC_DATE() - INTERVAL 1 DAY WHERE cap_period <> 'none'",
    "UPDATE account SET window_end = UTC_DATE() - INTERVAL 40 DAY WHERE cap_period <> 'none'",
};

#define COUNTERS(scope, table, more)                                                               \
    "SELECT CONCAT_WS('|', '" scope "', id, held_usd, spent_usd, window_end" more ") AS line "     \
    "FROM " table
static const char SQL_COUNTERS[] =
    "SELECT GROUP_CONCAT(line ORDER BY line SEPARATOR '\n') FROM (" COUNTERS(
        "key", "api_key",
        ", last_used_at IS NULL") " UNION ALL " COUNTERS("member", "team_member",
                                                         "") " UNION ALL " COUNTERS("team", "team",
                                                                                    "") " UNION "
                                                                                        "ALL"
                                                                                        " " COUNTERS(
                                                                                            "accoun"
                                                                                            "t",
                                                                                            "accoun"
                                                                                            "t",
                                                                                            ", "
                                                                                            "balanc"
                                                                                            "e_usd") ") s";
static const char SQL_ROWS[] =
    "SELECT GROUP_CONCAT(line ORDER BY line SEPARATOR '\n') FROM ("
    "SELECT CONCAT_WS('|', 'usage', request_id, account_id, key_id, COALESCE(member_id, '-'),"
    "    COALESCE(team_id, '-'), model_id, price_id, markup, status, estimated, late, stream,"
    "    COALESCE(http_status, '-'), provider, upstream_model, COALESCE(hedged_from, '-'),"
    "    input_tokens, cached_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,"
    "    reasoning_tokens, COALESCE(upstream_cost_usd, '-'), cost_usd, hold_usd, charge_usd,"
    "    absorbed_usd, COALESCE(first_byte_ms, '-'), COALESCE(duration_ms, '-')) AS line"
    "    FROM usage_log "
    "UNION ALL SELECT CONCAT_WS('|', 'ledger', l.account_id, l.kind, l.amount_usd, l.reference,"
    "    l.usage_at = u.created_at, l.created_at = u.settled_at)"
    "    FROM ledger l LEFT JOIN usage_log u ON u.request_id = l.reference "
    "UNION ALL SELECT CONCAT_WS('|', 'hold', id, state, account_id, key_id,"
    "    COALESCE(member_id, '-'), COALESCE(team_id, '-'), model_id, price_id, markup, hold_usd,"
    "    output_limit, TIMESTAMPDIFF(SECOND, created_at, expires_at), resolved_at IS NULL)"
    "    FROM hold "
    "UNION ALL SELECT CONCAT_WS('|', 'spend', account_id, key_id, model_id, provider,"
    "    COALESCE(MAX(member_id), '-'), COALESCE(MAX(team_id), '-'), SUM(calls),"
    "    SUM(input_tokens), SUM(output_tokens), SUM(charge_usd), SUM(cost_usd), SUM(absorbed_usd))"
    "    FROM spend_hourly GROUP BY account_id, key_id, model_id, provider) s";

static const char SQL_CREDIT[] = "CALL credit_purchase('alice@example.org', 10, 'pay-7');\n"
                                 "CALL credit_purchase('bob@example.org', 10, 'pay-8');\n"
                                 "CALL credit_purchase('dave@example.org', 10, 'pay-9');\n"
                                 "CALL set_cap('key', 20, 0.4, 'daily');\n";

struct call {
    char id[IDENT_REQUEST_SIZE];
    int key;
    int64_t model;
    int64_t price_model;
    int64_t bound;
    int64_t likely;
    int64_t limit;
    int64_t max;
    int64_t choices;
    int64_t tokens[6];
    const char *cost; /* NULL: none */
    const char *upstream_model;
    const char *hedged_from;
    bool sparse; /* figures that may be NULL are */
};

static struct dbserver server;
static struct db_pool *singly;   /* database "aig" */
static struct db_pool *together; /* database "shared" */
static struct arena *arena;
static uint32_t random_state;
static struct {
    int held, refused, settled, left_out, free_holds, repeated, capped, none;
} seen;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static void prepare(const char *name)
{
    server.config.name = name;
    dbserver_schema(&server);
    dbserver_sql(&server, SQL_FIXTURE);
}

static int group_start(void **state)
{
    (void)state;
    dbserver_start(&server);
    dbserver_sql(&server, "CREATE DATABASE shared CHARACTER SET utf8mb4;");
    prepare("aig");
    singly = db_pool_new(&server.config);
    prepare("shared");
    together = db_pool_new(&server.config);
    arena = arena_new();
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    db_pool_free(singly);
    db_pool_free(together);
    arena_free(arena);
    dbserver_stop(&server);
    return 0;
}

/* --- Statements ---------------------------------------------------------------------------------
 */

static struct db_rows ask(struct db_pool *pool, const char *sql, const struct db_param *params,
                          size_t count)
{
    struct db_rows rows;
    struct err err;

    if (db_run(&rows, pool, arena, sql, params, count, BATCH_MAX, 0, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return rows;
}

static void ask_of(struct db_pool *pool, const char *sql, const char *id)
{
    const struct db_param param = db_text(id);
    (void)ask(pool, sql, &param, 1);
}

static const char *text_of(struct db_pool *pool, const char *sql)
{
    struct db_rows rows = ask(pool, sql, NULL, 0);
    return rows.row_count > 0 ? db_cell(&rows, 0, 0) : NULL;
}

static void verify(struct db_pool *pool)
{
    struct db_rows rows = ask(pool, SQL_CHECK, NULL, 0);

    if (rows.row_count > 0)
        fail_msg("%s %s: %s, found %s", db_cell(&rows, 0, 0), db_cell(&rows, 0, 1),
                 db_cell(&rows, 0, 2), db_cell(&rows, 0, 3));
}

/* The text is the same in both databases; else shows the first line that is not. */
static void same(const char *sql)
{
    const char *a = text_of(singly, sql);
    const char *b = text_of(together, sql);

    assert_non_null(a);
    assert_non_null(b);
    size_t line = 0;
    for (size_t i = 0; a[i] == b[i]; i++) {
        if (a[i] == '\0')
            return;
        if (a[i] == '\n')
            line = i + 1;
    }
    fail_msg("singly:   %.*s\ntogether: %.*s", (int)strcspn(a + line, "\n"), a + line,
             (int)strcspn(b + line, "\n"), b + line);
}

static void key_hash(unsigned char hash[SECRET_SHA256_SIZE], int key)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "key %d", key);
    secret_sha256(hash, text, (size_t)len);
}

static struct db_rows authorize(struct db_pool *pool, const struct call *c)
{
    unsigned char hash[SECRET_SHA256_SIZE];
    key_hash(hash, c->key);
    const struct db_param params[] = {
        db_text(c->id),     db_bytes(hash, sizeof(hash)),
        db_i64(c->model),   db_i64(c->price_model),
        db_i64(c->bound),   db_i64(c->likely),
        db_i64(c->limit),   db_i64(c->max),
        db_i64(c->choices), db_i64(900),
    };
    return ask(pool, SQL_AUTHORIZE, params, ARRAY_LEN(params));
}

static struct db_param number_or_null(const struct call *c, int64_t n)
{
    return c->sparse ? db_null() : db_i64(n);
}

static void settle_params(struct db_param params[17], const struct call *c)
{
    const char *status = c->sparse ? "client_gone" : "ok";
    const struct db_param all[17] = {
        db_text(c->id),
        db_i64(c->tokens[0]),
        db_i64(c->tokens[1]),
        db_i64(c->tokens[2]),
        db_i64(c->tokens[3]),
        db_i64(c->tokens[4]),
        db_i64(c->tokens[5]),
        db_text(c->cost),
        db_i64(c->sparse),
        db_text(status),
        db_text(c->key % 2 ? "openai" : ""),
        db_text(c->upstream_model),
        db_text(c->hedged_from),
        db_i64(!c->sparse),
        number_or_null(c, 200),
        number_or_null(c, 17),
        number_or_null(c, 2147483647),
    };
    memcpy(params, all, sizeof(all));
}

static struct db_rows settle(struct db_pool *pool, const struct call *c)
{
    struct db_param params[17];
    settle_params(params, c);
    return ask(pool, SQL_SETTLE, params, ARRAY_LEN(params));
}

static const char *authorize_json(struct call *const calls[], size_t count)
{
    struct buf json;

    buf_init(&json, JSON_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct call *c = calls[i];
        unsigned char hash[SECRET_SHA256_SIZE];
        char hex[2 * SECRET_SHA256_SIZE + 1];
        key_hash(hash, c->key);
        secret_hex(hex, hash, sizeof(hash));
        buf_printf(&json, "%c[\"%s\",\"%s\",%lld,%lld,%lld,%lld,%lld,%lld,%lld,900]",
                   i == 0 ? '[' : ',', c->id, hex, (long long)c->model, (long long)c->price_model,
                   (long long)c->bound, (long long)c->likely, (long long)c->limit,
                   (long long)c->max, (long long)c->choices);
    }
    buf_append_char(&json, ']');
    const char *text = arena_strdup(arena, json.data);
    buf_fini(&json);
    return text;
}

static const char *settle_json(struct call *const calls[], size_t count)
{
    struct db_param params[17];
    struct buf json;

    buf_init(&json, JSON_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(&json, i == 0 ? '[' : ',');
        settle_params(params, calls[i]);
        for (size_t k = 0; k < ARRAY_LEN(params); k++) {
            buf_append_char(&json, k == 0 ? '[' : ',');
            if (params[k].type == DB_TEXT)
                jsonx_write_string(&json, params[k].bytes.ptr, params[k].bytes.len);
            else if (params[k].type == DB_I64)
                buf_printf(&json, "%lld", (long long)params[k].i64);
            else
                buf_append_str(&json, "null");
        }
        buf_append_char(&json, ']');
    }
    buf_append_char(&json, ']');
    const char *text = arena_strdup(arena, json.data);
    buf_fini(&json);
    return text;
}

static struct db_rows authorize_many(struct call *const calls[], size_t count)
{
    const struct db_param param = db_text(authorize_json(calls, count));
    return ask(together, SQL_AUTHORIZE_MANY, &param, 1);
}

static struct db_rows settle_many(struct call *const calls[], size_t count)
{
    const struct db_param param = db_text(settle_json(calls, count));
    return ask(together, SQL_SETTLE_MANY, &param, 1);
}

/* The row of a call, or rows->row_count. */
static size_t row_of(const struct db_rows *rows, const struct call *c)
{
    size_t row = 0;
    while (row < rows->row_count && strcmp(db_cell(rows, row, 0), c->id) != 0)
        row++;
    return row;
}

/* Compares the only row of `a` with one of `b`, whose cells begin at `from`. */
static void same_cells(const struct db_rows *a, const struct db_rows *b, size_t row, size_t from,
                       size_t except)
{
    assert_int_equal(a->row_count, 1);
    assert_int_equal(a->column_count, b->column_count - from);
    for (size_t i = 0; i < a->column_count; i++) {
        const char *x = db_cell(a, 0, i);
        const char *y = db_cell(b, row, i + from);
        if (i != except && (x == NULL || y == NULL ? x != y : strcmp(x, y) != 0))
            fail_msg("column %zu: %s and %s", i, x, y);
    }
}

static bool is(const struct db_rows *rows, const char *outcome)
{
    return strcmp(db_cell(rows, 0, 0), outcome) == 0;
}

/* --- Random calls -------------------------------------------------------------------------------
 */

static struct call call_new(int key, int64_t model)
{
    struct call c = {.key = key,
                     .model = model,
                     .price_model = model,
                     .bound = 1000,
                     .likely = 300,
                     .limit = 100,
                     .max = model == EMBED ? 0 : 4096,
                     .choices = 1,
                     .tokens = {300, 0, 0, 0, 50, 0},
                     .upstream_model = "up"};
    ident_request(c.id);
    return c;
}

static struct call call_random(void)
{
    static const int64_t models[] = {PLAIN, PLAIN, STEPS, STEPS, EMBED, FREE, DEAR};
    static const char *const costs[] = {NULL,          NULL,          NULL,  "0",
                                        "0.000000001", "0.012345678", "0.5", "50000.123456789"};
    static const char *const names[] = {"up", "", "a/b:free", "q\"uo'te\\d", "[null]"};
    int key = 1 + (int)random_below(8);
    struct call c = call_new(key, models[random_below(ARRAY_LEN(models))]);

    if (random_below(12) == 0)
        c.key = 9 + (int)random_below(5);
    if (random_below(30) == 0)
        c.price_model = random_below(2) ? MEDIA : PRICELESS;
    c.bound = random_below(2500);
    c.likely = c.bound / (1 + random_below(4));
    c.limit = 1 + random_below(300);
    c.choices = 1 + random_below(3);
    if (random_below(6) == 0)
        c.max = c.max > 0 ? 50 : 0;
    for (size_t i = 0; i < 4; i++)
        c.tokens[i] = random_below(3) ? random_below(800) : 0;
    c.tokens[4] = random_below(8) ? random_below(300) : random_below(20000);
    c.tokens[5] = random_below(400);
    if (random_below(10) == 0)
        memset(c.tokens, 0, sizeof(c.tokens));
    if (random_below(60) == 0)
        c.tokens[0] = INT32_MAX;
    c.cost = costs[random_below(ARRAY_LEN(costs))];
    c.upstream_model = names[random_below(ARRAY_LEN(names))];
    c.hedged_from = random_below(3) ? NULL : "openrouter";
    c.sparse = random_below(4) == 0;
    return c;
}

/* Together in one database; in the other, singly in the order that this comes to. */
static size_t authorize_batch(struct call *held[], struct call *const calls[], size_t count)
{
    struct db_rows many = authorize_many(calls, count);
    size_t n = 0;

    seen.none += count > 1 && many.row_count == 0;
    for (size_t i = 0; i < count; i++) {
        size_t row = row_of(&many, calls[i]);
        if (row == many.row_count)
            continue;
        struct db_rows one = authorize(singly, calls[i]);
        same_cells(&one, &many, row, 1, SIZE_MAX);
        held[n++] = calls[i];
        seen.held++;
        seen.free_holds += calls[i]->model == FREE;
    }
    for (size_t i = 0; i < count; i++) {
        if (row_of(&many, calls[i]) < many.row_count)
            continue;
        seen.left_out++;
        struct db_rows a = authorize(singly, calls[i]);
        struct db_rows b = authorize(together, calls[i]);
        same_cells(&a, &b, 0, 0, SIZE_MAX);
        if (is(&a, "held"))
            held[n++] = calls[i];
        else
            seen.refused++;
        seen.capped += strstr(db_cell(&a, 0, 0), "cap_exceeded") != NULL;
    }
    return n;
}

static void settle_batch(struct call *const calls[], size_t count)
{
    struct db_rows many = settle_many(calls, count);

    assert_true(many.row_count == 0 || many.row_count == count);
    for (size_t i = 0; i < count; i++) {
        struct db_rows a = settle(singly, calls[i]);
        if (many.row_count > 0) {
            same_cells(&a, &many, row_of(&many, calls[i]), 1, count > 1 ? 3 : SIZE_MAX);
            assert_true(is(&a, "settled"));
            seen.settled++;
        } else {
            struct db_rows b = settle(together, calls[i]);
            same_cells(&a, &b, 0, 0, SIZE_MAX);
            seen.repeated += is(&a, "replayed");
        }
    }
}

static void both(const char *sql, const char *id)
{
    ask_of(singly, sql, id);
    ask_of(together, sql, id);
}

/* One of the calls that are about to be settled is no longer open, or never was. */
static void spoil(struct call *c)
{
    switch (random_below(4)) {
    case 0:
        both(SQL_RELEASE, c->id);
        break;
    case 1:
        both(SQL_AGE, c->id);
        both(SQL_EXPIRE, c->id);
        break;
    case 2:
        settle_batch(&c, 1);
        break;
    default:
        both(SQL_RELEASE, c->id);
        ident_request(c->id); /* unknown */
    }
}

static void one_round(struct call calls[BATCH_MAX], struct call *open[OPEN_MAX], size_t *open_count,
                      unsigned round)
{
    struct call *batch[BATCH_MAX];
    size_t count = 1 + random_below(BATCH_MAX);

    for (size_t i = 0; i < count; i++) {
        calls[i] = call_random();
        batch[i] = &calls[i];
    }
    /* Depends on what is left, which others take from: only the first one. */
    if (random_below(2) == 0)
        calls[0].limit = 0;
    *open_count += authorize_batch(open + *open_count, batch, count);
    same(SQL_COUNTERS);
    if (round % 5 == 4) {
        for (size_t i = 0; i < ARRAY_LEN(SQL_OVER); i++) {
            (void)ask(singly, SQL_OVER[i], NULL, 0);
            (void)ask(together, SQL_OVER[i], NULL, 0);
        }
    }
    while (*open_count > 20 || (*open_count > 0 && random_below(3) > 0)) {
        size_t n = 1 + random_below(BATCH_MAX);
        n = n < *open_count ? n : *open_count;
        *open_count -= n;
        if (random_below(6) == 0)
            spoil(open[*open_count + random_below((uint32_t)n)]);
        settle_batch(open + *open_count, n);
        same(SQL_COUNTERS);
    }
}

static void test_same_figures(void **state)
{
    (void)state;
    static struct call calls[ROUNDS][BATCH_MAX];
    struct call *open[OPEN_MAX];
    size_t open_count = 0;

    random_state = 20240229;
    for (unsigned round = 0; round < ROUNDS; round++) {
        one_round(calls[round], open, &open_count, round);
        arena_reset(arena);
    }
    for (; open_count > 0; open_count--)
        settle_batch(&open[open_count - 1], 1);
    same(SQL_COUNTERS);
    same(SQL_ROWS);
    verify(singly);
    verify(together);
    print_message("held together %d (%d for nothing), left out %d, batches of none %d, refused %d "
                  "(%d by caps), settled together %d, repeated %d\n",
                  seen.held, seen.free_holds, seen.left_out, seen.none, seen.refused, seen.capped,
                  seen.settled, seen.repeated);
    assert_true(seen.held > 200 && seen.settled > 200 && seen.free_holds > 10);
    assert_true(seen.refused > 50 && seen.capped > 10 && seen.repeated > 0 && seen.none > 0);
}

/* --- What the shared procedures leave to the single ones ----------------------------------------
 */

/* The caps and credits of the first test have been used up: new windows, new credit. */
static int setup(void **state)
{
    static bool credited;

    (void)state;
    if (!credited)
        dbserver_sql(&server, SQL_CREDIT);
    credited = true;
    for (size_t i = 0; i < ARRAY_LEN(SQL_OVER); i++)
        (void)ask(together, SQL_OVER[i], NULL, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    verify(together);
    arena_reset(arena);
    return 0;
}

static void nothing_done(struct call *const calls[], size_t count, bool settles)
{
    const char *before = text_of(together, SQL_COUNTERS);
    const char *rows_before = text_of(together, SQL_ROWS);
    struct db_rows many = settles ? settle_many(calls, count) : authorize_many(calls, count);

    assert_int_equal(many.row_count, 0);
    assert_string_equal(text_of(together, SQL_COUNTERS), before);
    assert_string_equal(text_of(together, SQL_ROWS), rows_before);
}

static void test_not_all_fit(void **state)
{
    (void)state;
    struct call calls[BATCH_MAX];
    struct call *batch[BATCH_MAX];
    int held = 0;

    /* $0.168 each of $0.4. */
    for (size_t i = 0; i < 5; i++) {
        calls[i] = call_new(KEY_DAVE, DEAR);
        calls[i].bound = calls[i].likely = 0;
        batch[i] = &calls[i];
    }
    nothing_done(batch, 5, false);
    for (size_t i = 0; i < 5; i++) {
        struct db_rows rows = authorize(together, &calls[i]);
        held += is(&rows, "held");
    }
    assert_int_equal(held, 2);
    for (size_t i = 0; i < 5; i++)
        ask_of(together, SQL_RELEASE, calls[i].id);
}

/* Its hold exists already: not counted once more, whatever became of its key or room. */
static void test_repeated_authorize(void **state)
{
    (void)state;
    struct call known = call_new(KEY_CAROL_TEAM, PLAIN);
    struct call other = call_new(KEY_ALICE, PLAIN);
    struct call *batch[] = {&known, &other};
    struct db_rows rows = authorize(together, &known);
    const struct db_param param = db_text(authorize_json(batch, 2));
    struct err err;

    assert_true(is(&rows, "held"));
    assert_int_equal(
        db_run(&rows, together, arena, SQL_AUTHORIZE_MANY, &param, 1, BATCH_MAX, 0, &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    verify(together);
    (void)ask(together, "UPDATE api_key SET enabled = 0 WHERE id = 4", NULL, 0);
    nothing_done(batch, 1, false);
    nothing_done(batch, 2, false);
    verify(together);
    ask_of(together, SQL_RELEASE, known.id);
    nothing_done(batch, 2, false);
    (void)ask(together, "UPDATE api_key SET enabled = 1 WHERE id = 4", NULL, 0);
}

static void test_hold_of_nothing(void **state)
{
    (void)state;
    struct call calls[] = {call_new(KEY_ALICE, FREE), call_new(KEY_CAROL_TEAM, FREE),
                           call_new(KEY_BOB, PLAIN)};
    struct call *batch[] = {&calls[0], &calls[1], &calls[2]};

    assert_int_equal(authorize_many(batch, 3).row_count, 3);
    verify(together);
    assert_int_equal(settle_many(batch, 3).row_count, 3);
}

static void test_special_holds(void **state)
{
    (void)state;
    struct call fresh = call_new(KEY_ALICE, PLAIN);
    struct call team = call_new(KEY_CAROL_TEAM, PLAIN);
    struct call special = call_new(KEY_ALICE, PLAIN);
    struct call *held[] = {&fresh, &team};
    struct call *batch[] = {&fresh, &special, &team};
    struct call *twice[] = {&fresh, &fresh};

    assert_int_equal(authorize_many(held, 2).row_count, 2);
    nothing_done(batch, 3, true); /* unknown */
    assert_int_equal(authorize_many(&batch[1], 1).row_count, 1);
    ask_of(together, SQL_AGE, special.id);
    ask_of(together, SQL_EXPIRE, special.id);
    nothing_done(batch, 3, true); /* expired */
    struct db_rows rows = settle(together, &special);
    assert_true(is(&rows, "settled"));
    nothing_done(batch, 3, true); /* settled */
    ident_request(special.id);
    assert_int_equal(authorize_many(&batch[1], 1).row_count, 1);
    ask_of(together, SQL_RELEASE, special.id);
    nothing_done(batch, 3, true); /* released */
    nothing_done(twice, 2, true);
    assert_int_equal(settle_many(held, 2).row_count, 2);
    nothing_done(held, 2, true);
}

/* An operator deleted the price that a running call names: it is not lost silently. */
static void test_missing_price(void **state)
{
    (void)state;
    struct call calls[] = {call_new(KEY_ALICE, PLAIN), call_new(KEY_ALICE, STEPS)};
    struct call *batch[] = {&calls[0], &calls[1]};
    struct db_rows rows;
    struct err err;

    assert_int_equal(authorize_many(batch, 2).row_count, 2);
    ask_of(together, "UPDATE hold SET price_id = price_id + 1000000 WHERE id = ?", calls[1].id);
    const struct db_param param = db_text(settle_json(batch, 2));
    assert_int_equal(db_run(&rows, together, arena, SQL_SETTLE_MANY, &param, 1, BATCH_MAX, 0, &err),
                     -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    verify(together);
    ask_of(together, "UPDATE hold SET price_id = price_id - 1000000 WHERE id = ?", calls[1].id);
    assert_int_equal(settle_many(batch, 2).row_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_figures),
        cmocka_unit_test_setup_teardown(test_not_all_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeated_authorize, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold_of_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_special_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_price, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
