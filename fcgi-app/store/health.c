/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/health.h"

#include "db/stmt.h"
#include "db/txn.h"

static const char SQL_LOAD[] =
    "SELECT provider, failures, down_until > UTC_TIMESTAMP(6), down_until IS NOT NULL "
    "FROM upstream_health";
static const char SQL_FAIL[] =
    "INSERT INTO upstream_health (provider, failures, last_failure_at, last_error) "
    "VALUES (?, 1, UTC_TIMESTAMP(6), LEFT(?, 160)) "
    "ON DUPLICATE KEY UPDATE failures = failures + 1, last_failure_at = VALUES(last_failure_at),"
    "    last_error = VALUES(last_error), probe_until = NULL,"
    "    down_until = IF(failures >= ?, UTC_TIMESTAMP(6)"
    "        + INTERVAL LEAST(?, ? * POW(2, LEAST(failures - ?, 16))) SECOND, down_until)";
static const char SQL_RECOVER[] =
    "UPDATE upstream_health SET failures = 0, down_until = NULL, probe_until = NULL,"
    "    last_success_at = UTC_TIMESTAMP(6) WHERE provider = ?";
static const char SQL_PROBE[] =
    "UPDATE upstream_health SET probe_until = UTC_TIMESTAMP(6) + INTERVAL ? SECOND "
    "WHERE provider = ? AND down_until <= UTC_TIMESTAMP(6)"
    "    AND (probe_until IS NULL OR probe_until <= UTC_TIMESTAMP(6))";

enum { PROVIDERS_MAX = 64 };

int health_load(struct health_entry **out, size_t *count, struct store *s, struct arena *arena,
                struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_LOAD, NULL, 0, PROVIDERS_MAX, 0, err) != 0)
        return -1;
    *out = arena_alloc(arena, (rows.row_count + 1) * sizeof **out);
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++) {
        bool down = db_cell_i64(&rows, i, 2, 0) != 0;
        (*out)[i] = (struct health_entry){
            .provider = db_cell(&rows, i, 0),
            .failures = db_cell_i64(&rows, i, 1, 0),
            .down = down,
            .unproven = !down && db_cell_i64(&rows, i, 3, 0) != 0,
        };
    }
    return 0;
}

int health_fail(struct store *s, struct arena *arena, const char *provider, const char *what,
                struct err *err)
{
    struct db_rows rows;
    /* An ON DUPLICATE KEY UPDATE assigns from left to right: down_until sees the new count. */
    const struct db_param params[] = {
        db_text(provider),          db_text(what),
        db_i64(HEALTH_FAILURES),    db_i64(HEALTH_COOL_DOWN_MAX_S),
        db_i64(HEALTH_COOL_DOWN_S), db_i64(HEALTH_FAILURES),
    };

    return db_run(&rows, s->pool, arena, SQL_FAIL, params, ARRAY_LEN(params), 0, 0, err);
}

int health_recover(struct store *s, struct arena *arena, const char *provider, struct err *err)
{
    struct db_rows rows;
    const struct db_param params[] = {db_text(provider)};

    return db_run(&rows, s->pool, arena, SQL_RECOVER, params, ARRAY_LEN(params), 0, 0, err);
}

int health_probe(bool *won, struct store *s, struct arena *arena, const char *provider,
                 struct err *err)
{
    struct db_rows rows;
    const struct db_param params[] = {db_i64(HEALTH_PROBE_S), db_text(provider)};

    if (db_run(&rows, s->pool, arena, SQL_PROBE, params, ARRAY_LEN(params), 0, 0, err) != 0)
        return -1;
    *won = rows.affected == 1;
    return 0;
}
