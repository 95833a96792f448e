/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/apikey.h"

#include "db/stmt.h"
#include "db/txn.h"
#include "store/cap.h"

#include <string.h>

/* The conditions are those of ledger_authorize. */
static const char SQL_FIND[] =
    "SELECT k.id, a.id, COALESCE(a.markup_override, tier.markup),"
    "    CASE WHEN NOT k.enabled OR NOT COALESCE(m.enabled, 1) THEN 'key_disabled'"
    "        WHEN k.expires_at <= UTC_TIMESTAMP(6) THEN 'key_expired'"
    "        WHEN NOT a.enabled OR NOT o.enabled OR NOT COALESCE(t.enabled, 1)"
    "            THEN 'account_disabled' END, k.account_id, k.models_limited "
    "FROM api_key k"
    "    JOIN account o ON o.id = k.account_id"
    "    LEFT JOIN team_member m ON m.id = k.member_id"
    "    LEFT JOIN team t ON t.id = m.team_id"
    "    JOIN account a ON a.id = COALESCE(t.account_id, k.account_id)"
    "    JOIN tier ON tier.id = a.tier_id "
    "WHERE k.key_hash = ?";

/* clang-format off */

/* Whatever the payer has: its tier, credit and cap. */
#define PAYER_SQL                                                                                  \
    "tier.name, COALESCE(a.markup_override, tier.markup),"                                         \
    "    n.name, n.min_spend_usd, GREATEST(n.min_spend_usd - s.spend_usd, 0), s.spend_usd,"        \
    "    a.balance_usd, a.held_usd, a.balance_usd - a.held_usd, " CAP_SQL("a")
#define PAYER_TIERS_SQL                                                                            \
    "    JOIN tier ON tier.id = a.tier_id"                                                         \
    "    LEFT JOIN tier n ON n.min_spend_usd = (SELECT MIN(x.min_spend_usd) FROM tier x"           \
    "        WHERE x.min_spend_usd > tier.min_spend_usd)"

static const char SQL_ME[] =
    "SELECT a.id, NULL, NULL, " PAYER_SQL ", k.id, k.name, k.key_prefix, k.key_last4,"
    "    " ISO_SQL("k.expires_at") ", t.id, t.name,"
    "    " CAP_SQL("k") ", " CAP_SQL("t") ", " CAP_SQL("m") " "
    "FROM api_key k"
    "    LEFT JOIN team_member m ON m.id = k.member_id"
    "    LEFT JOIN team t ON t.id = m.team_id"
    "    JOIN account a ON a.id = COALESCE(t.account_id, k.account_id)"
    PAYER_TIERS_SQL
    "    JOIN (SELECT COALESCE(SUM(h.charge_usd), 0) AS spend_usd"
    "        FROM api_key k"
    "            LEFT JOIN team_member m ON m.id = k.member_id"
    "            LEFT JOIN team t ON t.id = m.team_id"
    "            JOIN spend_hourly h ON h.account_id = COALESCE(t.account_id, k.account_id)"
    "                AND h.hour >= " TIER_WINDOW_SQL
    "        WHERE k.id = ?) s "
    "WHERE k.id = ?";

static const char SQL_ME_ACCOUNT[] =
    "SELECT a.id, a.email, a.name, " PAYER_SQL " "
    "FROM account a"
    PAYER_TIERS_SQL
    "    JOIN (SELECT COALESCE(SUM(h.charge_usd), 0) AS spend_usd FROM spend_hourly h"
    "        WHERE h.account_id = ? AND h.hour >= " TIER_WINDOW_SQL ") s "
    "WHERE a.id = ?";

static const char SQL_MODELS[] = "SELECT model_id FROM api_key_model WHERE key_id = ?";

static const char SQL_NOT_ALLOWED[] =
    "SELECT m.name, LEFT((SELECT GROUP_CONCAT(d.name ORDER BY d.name SEPARATOR ', ')"
    "        FROM api_key k JOIN api_key_model x ON x.key_id = k.id JOIN model d ON d.id = x.model_id"
    "        WHERE k.key_hash = ?), 600) "
    "FROM model m WHERE m.id = ?";
/* clang-format on */

/* A price that is not set is NULL. */
static const char SQL_PRICES[] =
    "SELECT p.model_id, p.input_usd * f.factor, p.cached_input_usd * f.factor,"
    "    p.cache_write_5m_usd * f.factor, p.cache_write_1h_usd * f.factor,"
    "    p.output_usd * f.factor, p.reasoning_usd * f.factor, p.above_tokens,"
    "    p.above_input_usd * f.factor, p.above_output_usd * f.factor,"
    "    p.unit, p.unit_usd * f.factor, p.web_search_usd * f.factor,"
    "    p.web_search_preview_usd * f.factor, p.file_search_usd * f.factor,"
    "    p.container_1g_usd * f.factor, p.container_4g_usd * f.factor,"
    "    p.container_16g_usd * f.factor, p.container_64g_usd * f.factor "
    "FROM (SELECT 1 + CAST(? AS DECIMAL(6,4)) AS factor) f"
    "    JOIN model m ON m.enabled AND (m.id = ? OR ? = 0)"
    "    JOIN price p ON p.id = (SELECT v.id FROM price v"
    "        WHERE v.model_id = m.id AND v.variant = '' AND v.valid_from <= UTC_TIMESTAMP(6)"
    "        ORDER BY v.valid_from DESC LIMIT 1) "
    "ORDER BY p.model_id";

enum { PRICES_MAX = 10000, MODELS_MAX = 10000 };

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
    out->models_limited = db_cell_i64(&rows, 0, 5, 0) != 0;
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

/* In the order of PAYER_SQL. */
static void read_payer(struct apikey_me *out, struct db_cursor *c, struct arena *arena)
{
    out->account_id = db_next_i64(c, 0);
    out->email = db_next(c);
    out->name = db_next(c);
    out->tier = db_next(c);
    out->markup = next_decimal(c, arena);
    out->next_tier = db_next(c);
    out->next_tier_usd = next_decimal(c, arena);
    out->next_tier_missing_usd = next_decimal(c, arena);
    out->spend_30d_usd = next_decimal(c, arena);
    out->balance_usd = next_decimal(c, arena);
    out->held_usd = next_decimal(c, arena);
    out->available_usd = next_decimal(c, arena);
    read_cap(&out->account, c, arena);
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
    *out = (struct apikey_me){0};
    read_payer(out, &c, arena);
    out->key_id = db_next_i64(&c, 0);
    out->key_name = db_next(&c);
    out->key_prefix = db_next(&c);
    out->key_last4 = db_next(&c);
    out->key_expires_at = db_next(&c);
    out->team_id = db_next_i64(&c, 0);
    out->team_name = db_next(&c);
    read_cap(&out->key, &c, arena);
    read_cap(&out->team, &c, arena);
    read_cap(&out->member, &c, arena);
    return 0;
}

int apikey_me_account(struct apikey_me *out, struct store *s, struct arena *arena,
                      int64_t account_id, struct err *err)
{
    const struct db_param params[] = {db_i64(account_id), db_i64(account_id)};
    struct db_rows rows;
    struct db_cursor c = {.rows = &rows};

    if (db_run(&rows, s->pool, arena, SQL_ME_ACCOUNT, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return err_set(err, ERR_NOT_FOUND, NULL, "There is no such account.");
    *out = (struct apikey_me){0};
    read_payer(out, &c, arena);
    return 0;
}

int apikey_models(int64_t **ids, size_t *count, struct store *s, struct arena *arena,
                  int64_t key_id, struct err *err)
{
    const struct db_param params[] = {db_i64(key_id)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_MODELS, params, 1, MODELS_MAX, 0, err) != 0)
        return -1;
    *ids = arena_alloc(arena, (rows.row_count + 1) * sizeof(**ids));
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++)
        (*ids)[i] = db_cell_i64(&rows, i, 0, 0);
    return 0;
}

int apikey_refuse_model(struct store *s, struct arena *arena,
                        const unsigned char hash[SECRET_SHA256_SIZE], int64_t model_id,
                        struct err *err)
{
    const struct db_param params[] = {db_bytes(hash, SECRET_SHA256_SIZE), db_i64(model_id)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_NOT_ALLOWED, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *name = rows.row_count > 0 ? db_cell(&rows, 0, 0) : NULL;
    const char *list = rows.row_count > 0 ? db_cell(&rows, 0, 1) : NULL;
    return err_set(err, ERR_MODEL_NOT_ALLOWED, "model",
                   "This key may not call the model '%s'. The models on its list are: %s. Use one "
                   "of these, or a key that may call every model.",
                   name != NULL ? name : "", list != NULL ? list : "none");
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
        for (size_t k = 0; k < ARRAY_LEN(p->tools); k++)
            p->tools[k] = next_decimal(&c, arena);
    }
    return 0;
}
