/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/usage_log.h"

#include "base/ident.h"
#include "db/stmt.h"
#include "db/txn.h"

/*
 * The arithmetic of ledger_settle taken apart. The inner query picks the prices that applied (of
 * the step that the prompt reached, with their fallbacks); reasoning is told apart from output only
 * where it has a price of its own.
 */
static const char SQL_FIND[] =
    "SELECT u.request_id,"
    "    CONCAT(LEFT(DATE_FORMAT(u.created_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'), m.name,"
    "    NULLIF(u.provider, ''), NULLIF(u.upstream_model, ''), u.hedged_from, u.status,"
    "    u.http_status, u.stream, u.estimated, u.price_id, u.above_tier, u.upstream_cost_usd,"
    "    u.price_unit, u.variant, u.quantity, u.unit_usd,"
    "    COALESCE(u.upstream_cost_usd, u.quantity * u.unit_usd, (u.input_tokens * u.input_usd"
    "        + u.cached_tokens * u.cached_usd + u.cache_write_5m_tokens * u.write_5m_usd"
    "        + u.cache_write_1h_tokens * u.write_1h_usd + u.plain_tokens * u.output_usd"
    "        + u.apart_tokens * u.apart_usd) * 0.000001 + u.web_searches * u.web_search_usd"
    "        + u.preview_searches * u.web_search_preview_usd + u.file_searches * u.file_search_usd"
    "        + u.containers * u.container_usd),"
    "    u.markup, u.hold_usd, u.charge_usd, u.absorbed_usd, u.first_byte_ms, u.duration_ms,"
    "    u.input_tokens, u.input_usd, u.input_tokens * u.input_usd * 0.000001,"
    "    u.cached_tokens, u.cached_usd, u.cached_tokens * u.cached_usd * 0.000001,"
    "    u.cache_write_5m_tokens, u.write_5m_usd, u.cache_write_5m_tokens * u.write_5m_usd * "
    "0.000001,"
    "    u.cache_write_1h_tokens, u.write_1h_usd, u.cache_write_1h_tokens * u.write_1h_usd * "
    "0.000001,"
    "    u.plain_tokens, u.output_usd, u.plain_tokens * u.output_usd * 0.000001,"
    "    u.apart_tokens, u.apart_usd, u.apart_tokens * u.apart_usd * 0.000001,"
    "    u.web_searches, u.web_search_usd, u.web_searches * u.web_search_usd,"
    "    u.preview_searches, u.web_search_preview_usd,"
    "    u.preview_searches * u.web_search_preview_usd,"
    "    u.file_searches, u.file_search_usd, u.file_searches * u.file_search_usd,"
    "    u.containers, u.container_usd, u.containers * u.container_usd, u.container_gb "
    "FROM (SELECT t.*, IF(p.unit = 'token', NULL, p.unit) AS price_unit,"
    "        p.variant, p.unit_usd,"
    "        IF(t.above_tier, p.above_input_usd, COALESCE(p.input_usd, 0)) AS input_usd,"
    "        IF(t.above_tier, COALESCE(p.above_cached_input_usd, p.above_input_usd),"
    "            COALESCE(p.cached_input_usd, p.input_usd, 0)) AS cached_usd,"
    "        IF(t.above_tier, COALESCE(p.above_cache_write_5m_usd, p.above_input_usd),"
    "            COALESCE(p.cache_write_5m_usd, p.input_usd, 0)) AS write_5m_usd,"
    "        IF(t.above_tier, COALESCE(p.above_cache_write_1h_usd, p.above_input_usd),"
    "            COALESCE(p.cache_write_1h_usd, p.input_usd, 0)) AS write_1h_usd,"
    "        COALESCE(IF(t.above_tier, p.above_output_usd, p.output_usd), 0) AS output_usd,"
    "        COALESCE(t.own_usd, 0) AS apart_usd,"
    "        IF(t.own_usd IS NULL, 0, t.reasoning_tokens) AS apart_tokens,"
    "        t.output_tokens - IF(t.own_usd IS NULL, 0, t.reasoning_tokens) AS plain_tokens,"
    "        COALESCE(p.web_search_usd, 0) AS web_search_usd,"
    "        COALESCE(p.web_search_preview_usd, 0) AS web_search_preview_usd,"
    "        COALESCE(p.file_search_usd, 0) AS file_search_usd,"
    "        COALESCE(CASE t.container_gb WHEN 1 THEN p.container_1g_usd"
    "            WHEN 4 THEN p.container_4g_usd WHEN 16 THEN p.container_16g_usd"
    "            WHEN 64 THEN p.container_64g_usd END, 0) AS container_usd"
    "    FROM (SELECT l.*,"
    "            COALESCE(l.input_tokens + l.cached_tokens + l.cache_write_5m_tokens"
    "                + l.cache_write_1h_tokens > q.above_tokens, 0) AS above_tier,"
    "            IF(l.input_tokens + l.cached_tokens + l.cache_write_5m_tokens"
    "                + l.cache_write_1h_tokens > q.above_tokens, q.above_reasoning_usd,"
    "                q.reasoning_usd) AS own_usd"
    "        FROM usage_log l JOIN price q ON q.id = l.price_id"
    "        WHERE l.request_id = ?"
    "            AND IF(? <> 0, l.key_id = ?, l.account_id = ? OR EXISTS (SELECT 1 FROM api_key k"
    "                WHERE k.id = l.key_id AND k.account_id = ?))) t"
    "        JOIN price p ON p.id = t.price_id) u"
    "    JOIN model m ON m.id = u.model_id";

/* In the order of the query's lines. */
static const char *const KINDS[] = {"input",          "cached_input", "cache_write_5m",
                                    "cache_write_1h", "output",       "reasoning"};
static_assert(ARRAY_LEN(KINDS) == USAGE_LINE_MAX, "a line for every kind");

/* Likewise. */
static const char *const TOOLS[] = {"web_search", "web_search_preview", "file_search",
                                    "code_interpreter"};
static_assert(ARRAY_LEN(TOOLS) == USAGE_TOOL_MAX, "a line for every tool");

static int not_found(const char *request_id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "request_id",
                   "There is no call %.40s of this key. The id of a call is its x-request-id.",
                   request_id);
}

static void read_lines(struct usage_entry *out, struct db_cursor *c, struct arena *arena)
{
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        struct usage_line line = {.kind = KINDS[i]};
        line.tokens = db_next_i64(c, 0);
        line.usd_per_mtok = store_decimal(arena, db_next(c));
        line.subtotal_usd = store_decimal(arena, db_next(c));
        if (line.tokens > 0)
            out->lines[out->line_count++] = line;
    }
}

static void read_tools(struct usage_entry *out, struct db_cursor *c, struct arena *arena)
{
    for (size_t i = 0; i < ARRAY_LEN(TOOLS); i++) {
        struct usage_tool tool = {.kind = TOOLS[i]};
        tool.count = db_next_i64(c, 0);
        tool.usd = store_decimal(arena, db_next(c));
        tool.subtotal_usd = store_decimal(arena, db_next(c));
        if (tool.count > 0)
            out->tools[out->tool_count++] = tool;
    }
    out->container_gb = db_next_i64(c, 0);
}

int usage_find(struct usage_entry *out, struct store *s, struct arena *arena, int64_t account_id,
               int64_t key_id, const char *request_id, struct err *err)
{
    const struct db_param params[] = {db_text(request_id), db_i64(key_id), db_i64(key_id),
                                      db_i64(account_id), db_i64(account_id)};
    struct db_rows rows;
    struct db_cursor c = {.rows = &rows};

    if (!ident_request_valid(request_id))
        return not_found(request_id, err);
    if (db_run(&rows, s->pool, arena, SQL_FIND, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return not_found(request_id, err);
    *out = (struct usage_entry){0};
    out->request_id = db_next(&c);
    out->created_at = db_next(&c);
    out->model = db_next(&c);
    out->provider = db_next(&c);
    out->upstream_model = db_next(&c);
    out->hedged_from = db_next(&c);
    out->status = db_next(&c);
    out->http_status = db_next_i64(&c, 0);
    out->stream = db_next_i64(&c, 0) != 0;
    out->estimated = db_next_i64(&c, 0) != 0;
    out->price_id = db_next_i64(&c, 0);
    out->above_tier = db_next_i64(&c, 0) != 0;
    out->upstream_cost_usd = store_decimal(arena, db_next(&c));
    out->unit = db_next(&c);
    out->variant = db_next(&c);
    out->quantity = store_decimal(arena, db_next(&c));
    out->unit_usd = store_decimal(arena, db_next(&c));
    out->subtotal_usd = store_decimal(arena, db_next(&c));
    out->markup = store_decimal(arena, db_next(&c));
    out->hold_usd = store_decimal(arena, db_next(&c));
    out->charge_usd = store_decimal(arena, db_next(&c));
    out->absorbed_usd = store_decimal(arena, db_next(&c));
    out->first_byte_ms = db_next_i64(&c, -1);
    out->duration_ms = db_next_i64(&c, 0);
    read_lines(out, &c, arena);
    read_tools(out, &c, arena);
    return 0;
}
