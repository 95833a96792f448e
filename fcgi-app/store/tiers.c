/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/tiers.h"

#include "base/timing.h"
#include "db/txn.h"

static const char SQL_LIST[] = "SELECT name, min_spend_usd, markup FROM tier "
                               "ORDER BY min_spend_usd LIMIT ?";
static const struct table_column TIER_COLUMNS[] = {
    {"name", TABLE_TEXT}, {"min_spend_usd", TABLE_USD}, {"markup", TABLE_USD}};

static const char SQL_LAST[] = "SELECT COALESCE(MAX(id), 0) FROM account";
static const char SQL_RECOMPUTE[] = "CALL recompute_tiers(?, ?, ?)";
static const struct table_column CHANGE_COLUMNS[] = {
    {"account_id", TABLE_INT}, {"from", TABLE_TEXT}, {"to", TABLE_TEXT}, {"spend_usd", TABLE_USD}};

enum { TIERS_MAX = 100, RECOMPUTE_LIMIT_MS = 30 * 60 * 1000 };

int tiers_list(struct table *out, struct store *s, struct arena *arena, struct err *err)
{
    const struct db_param params[] = {db_i64(TIERS_MAX)};

    return table_read(out, s, arena, SQL_LIST, TIER_COLUMNS, ARRAY_LEN(TIER_COLUMNS), params, 1,
                      TIERS_MAX, err);
}

int tiers_last_account(int64_t *id, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_LAST, NULL, 0, 1, 0, err) != 0)
        return -1;
    *id = db_cell_i64(&rows, 0, 0, 0);
    return 0;
}

int tiers_recompute(struct table *out, struct store *s, struct arena *arena, int64_t first,
                    int64_t last, bool dry_run, struct err *err)
{
    const struct db_param params[] = {db_i64(first), db_i64(last), db_i64(dry_run)};
    struct db_rows rows;

    assert(first > 0 && last >= first);
    if (db_run(&rows, s->pool, arena, SQL_RECOMPUTE, params, ARRAY_LEN(params),
               (size_t)(last - first) + 1, timing_mono_ms() + RECOMPUTE_LIMIT_MS, err) != 0)
        return -1;
    *out = (struct table){.columns = CHANGE_COLUMNS,
                          .column_count = ARRAY_LEN(CHANGE_COLUMNS),
                          .row_count = rows.row_count,
                          .cells = rows.cells};
    return 0;
}
