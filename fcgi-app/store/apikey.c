/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/apikey.h"

#include "db/stmt.h"
#include "db/txn.h"

#include <string.h>

/* The conditions are those of ledger_authorize. */
static const char SQL_FIND[] =
    "SELECT k.id, a.id, COALESCE(a.markup_override, tier.markup),"
    "    CASE WHEN NOT k.enabled OR NOT COALESCE(m.enabled, 1) THEN 'key_disabled'"
    "        WHEN k.expires_at <= UTC_TIMESTAMP(6) THEN 'key_expired'"
    "        WHEN NOT a.enabled OR NOT o.enabled OR NOT COALESCE(t.enabled, 1)"
    "            THEN 'account_disabled' END, k.account_id "
    "FROM api_key k"
    "    JOIN account o ON o.id = k.account_id"
    "    LEFT JOIN team_member m ON m.id = k.member_id"
    "    LEFT JOIN team t ON t.id = m.team_id"
    "    JOIN account a ON a.id = COALESCE(t.account_id, k.account_id)"
    "    JOIN tier ON tier.id = a.tier_id "
    "WHERE k.key_hash = ?";

/* The figures of one scope. Spent counts as 0 once a new window has begun (UTC). */
#define CAP(x)                                                                                     \
    x ".cap_usd, " x ".cap_period, IF(UTC_DATE() < " x ".window_end, " x ".spent_usd, 0), " x      \
      ".held_usd, DATE_FORMAT(CASE " x ".cap_period WHEN 'daily' THEN UTC_DATE() + INTERVAL 1 DAY" \
      " WHEN 'weekly' THEN UTC_DATE() + INTERVAL 7 - WEEKDAY(UTC_DATE()) DAY"                      \
      " WHEN 'monthly' THEN UTC_DATE() - INTERVAL DAYOFMONTH(UTC_DATE()) - 1 DAY"                  \
      " + INTERVAL 1 MONTH END, '%Y-%m-%dT00:00:00Z')"

static const char SQL_ME[] =
    "SELECT a.id, k.name, k.key_prefix, k.key_last4,"
    "    DATE_FORMAT(k.expires_at, '%Y-%m-%dT%H:%i:%sZ'),"
    "    tier.name, COALESCE(a.markup_override, tier.markup),"
    "    n.name, n.min_spend_usd, GREATEST(n.min_spend_usd - s.spend_usd, 0), s.spend_usd,"
    "    a.balance_usd, a.held_usd, a.balance_usd - a.held_usd, t.id, t.name,"
    "    " CAP("k") ", " CAP("a") ", " CAP("t") ", " CAP(
        "m") " "
             "FROM api_key k"
             "    LEFT JOIN team_member m ON m.id = k.member_id"
             "    LEFT JOIN team t ON t.id = m.team_id"
             "    JOIN account a ON a.id = COALESCE(t.account_id, k.account_id)"
             "    JOIN tier ON tier.id = a.tier_id"
             "    LEFT JOIN tier n ON n.min_spend_usd ="
             "        (SELECT MIN(x.min_spend_usd) FROM tier x WHERE x.min_spend_usd > "
             "tier.min_spend_usd)"
             "    JOIN (SELECT COALESCE(SUM(h.charge_usd), 0) AS spend_usd"
             "        FROM api_key k"
             "            LEFT JOIN team_member m ON m.id = k.member_id"
             "            LEFT JOIN team t ON t.id = m.team_id"
             "            JOIN spend_hourly h ON h.account_id = COALESCE(t.account_id, "
             "k.account_id)"
             "                AND h.hour >= UTC_TIMESTAMP() - INTERVAL 30 DAY"
             "        WHERE k.id = ?) s "
             "WHERE k.id = ?";

/* A price that is not set is NULL. */
static const char SQL_PRICES[] =
    "SELECT p.model_id, p.input_usd * f.factor, p.cached_input_usd * f.factor,"
    "    p.cache_write_5m_usd * f.factor, p.cache_write_1h_usd * f.factor,"
    "    p.output_usd * f.factor, p.reasoning_usd * f.factor, p.above_tokens,"
    "    p.above_input_usd * f.factor, p.above_output_usd * f.factor,"
    "    p.unit, p.unit_usd * f.factor "
    "FROM (SELECT 1 + CAST(? AS DECIMAL(6,4)) AS factor) f"
    "    JOIN model m ON m.enabled AND (m.id = ? OR ? = 0)"
    "    JOIN price p ON p.id = (SELECT v.id FROM price v"
    "        WHERE v.model_id = m.id AND v.variant = '' AND v.valid_from <= UTC_TIMESTAMP(6)"
    "        ORDER BY v.valid_from DESC LIMIT 1) "
    "ORDER BY p.model_id";

enum { PRICES_MAX = 10000 };

static const struct {
    const char *refusal;
    enum err_code code;
    const char *message;
} REFUSALS[] = {
    {"key_disabled", ERR_AUTH_DISABLED, "This API key is disabled. Use another one."},
    {"key_expired", ERR_AUTH_EXPIRED, "This API key has expired. Use another one."},
    {"account_disabled", ERR_ACCOUNT_DISABLED,
     "The account of this API key is disabled. Ask the operator of this service."},
};

int apikey_find(struct apikey_principal *out, struct store *s, struct arena *arena,
                const unsigned char hash[SECRET_SHA256_SIZE], struct err *err)
{
    const struct db_param params[] = {db_bytes(hash, SECRET_SHA256_SIZE)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_FIND, params, 1, 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return err_set(err, ERR_AUTH_INVALID, NULL,
                       "The API key is not known. Check that it was copied whole and belongs to "
                       "this service.");
    const char *refusal = db_cell(&rows, 0, 3);
    for (size_t i = 0; refusal != NULL && i < ARRAY_LEN(REFUSALS); i++)
        if (strcmp(refusal, REFUSALS[i].refusal) == 0)
            return err_set(err, REFUSALS[i].code, NULL, "%s", REFUSALS[i].message);
    out->key_id = db_cell_i64(&rows, 0, 0, 0);
    out->account_id = db_cell_i64(&rows, 0, 1, 0);
    out->owner_id = db_cell_i64(&rows, 0, 4, 0);
    out->markup = store_decimal(arena, db_cell(&rows, 0, 2));
    return 0;
}

static const char *next_decimal(struct db_cursor *c, struct arena *arena)
{
    return store_decimal(arena, db_next(c));
}

static void read_cap(struct apikey_cap *out, struct db_cursor *c, struct arena *arena)
{
    out->cap_usd = next_decimal(c, arena);
    out->period = db_next(c);
    out->spent_usd = next_decimal(c, arena);
    out->held_usd = next_decimal(c, arena);
    out->resets_at = db_next(c);
}

int apikey_me(struct apikey_me *out, struct store *s, struct arena *arena, int64_t key_id,
              struct err *err)
{
    const struct db_param params[] = {db_i64(key_id), db_i64(key_id)};
    struct db_rows rows;
    struct db_cursor c = {.rows = &rows};

    if (db_run(&rows, s->pool, arena, SQL_ME, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return err_set(err, ERR_AUTH_INVALID, NULL, "The API key is not known.");
    *out = (struct apikey_me){.key_id = key_id};
    out->account_id = db_next_i64(&c, 0);
    out->key_name = db_next(&c);
    out->key_prefix = db_next(&c);
    out->key_last4 = db_next(&c);
    out->key_expires_at = db_next(&c);
    out->tier = db_next(&c);
    out->markup = next_decimal(&c, arena);
    out->next_tier = db_next(&c);
    out->next_tier_usd = next_decimal(&c, arena);
    out->next_tier_missing_usd = next_decimal(&c, arena);
    out->spend_30d_usd = next_decimal(&c, arena);
    out->balance_usd = next_decimal(&c, arena);
    out->held_usd = next_decimal(&c, arena);
    out->available_usd = next_decimal(&c, arena);
    out->team_id = db_next_i64(&c, 0);
    out->team_name = db_next(&c);
    read_cap(&out->key, &c, arena);
    read_cap(&out->account, &c, arena);
    read_cap(&out->team, &c, arena);
    read_cap(&out->member, &c, arena);
    return 0;
}

int apikey_prices(struct apikey_price **out, size_t *count, struct store *s, struct arena *arena,
                  const char *markup, int64_t model_id, struct err *err)
{
    const struct db_param params[] = {db_text(markup), db_i64(model_id), db_i64(model_id)};
    struct db_rows rows;

    *out = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_PRICES, params, ARRAY_LEN(params), PRICES_MAX, 0, err) !=
        0)
        return -1;
    *out = arena_zalloc(arena, rows.row_count * sizeof(**out));
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++) {
        struct db_cursor c = {.rows = &rows, .row = i};
        struct apikey_price *p = &(*out)[i];
        p->model_id = db_next_i64(&c, 0);
        p->input = next_decimal(&c, arena);
        p->cached_input = next_decimal(&c, arena);
        p->cache_write_5m = next_decimal(&c, arena);
        p->cache_write_1h = next_decimal(&c, arena);
        p->output = next_decimal(&c, arena);
        p->reasoning = next_decimal(&c, arena);
        p->above_tokens = db_next(&c);
        p->above_input = next_decimal(&c, arena);
        p->above_output = next_decimal(&c, arena);
        p->unit = db_next(&c);
        p->unit_usd = next_decimal(&c, arena);
    }
    return 0;
}
