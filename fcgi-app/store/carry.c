/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/carry.h"

#include "base/timing.h"
#include "db/stmt.h"
#include "db/txn.h"

static const char SQL_PUT[] =
    "INSERT INTO reasoning_carry (account_id, call_hash, provider, upstream_model, state,"
    "    expires_at) "
    "VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP() + INTERVAL ? HOUR) "
    "ON DUPLICATE KEY UPDATE provider = VALUES(provider), upstream_model = VALUES(upstream_model),"
    "    state = VALUES(state), expires_at = VALUES(expires_at)";
static const char SQL_GET[] =
    "SELECT LOWER(HEX(c.call_hash)), TO_BASE64(c.state) "
    "FROM JSON_TABLE(?, '$[*]' COLUMNS (hash CHAR(64) PATH '$')) asked"
    "    STRAIGHT_JOIN reasoning_carry c ON c.account_id = ? AND c.call_hash = UNHEX(asked.hash) "
    "WHERE c.provider = ? AND c.upstream_model = ? AND c.expires_at > UTC_TIMESTAMP()";
static const char SQL_PURGE[] =
    "DELETE FROM reasoning_carry WHERE expires_at < UTC_TIMESTAMP() LIMIT ?";

enum { PURGE_ROWS = 500 };

int carry_put(struct store *s, struct arena *arena, const struct carry_origin *origin,
              const unsigned char hash[SECRET_SHA256_SIZE], struct span sealed, struct err *err)
{
    struct db_rows rows;
    const struct db_param params[] = {
        db_i64(origin->account_id),       db_bytes(hash, SECRET_SHA256_SIZE),
        db_text(origin->provider),        db_text(origin->upstream_model),
        db_bytes(sealed.ptr, sealed.len), db_i64(CARRY_KEEP_H),
    };

    return db_run(&rows, s->pool, arena, SQL_PUT, params, ARRAY_LEN(params), 0, 0, err);
}

int carry_get(struct carry_row **out, size_t *count, struct store *s, struct arena *arena,
              const struct carry_origin *origin, const char *hashes, struct err *err)
{
    struct db_rows rows;
    const struct db_param params[] = {
        db_text(hashes),
        db_i64(origin->account_id),
        db_text(origin->provider),
        db_text(origin->upstream_model),
    };

    if (db_run(&rows, s->pool, arena, SQL_GET, params, ARRAY_LEN(params), CARRY_CALLS_MAX, 0,
               err) != 0)
        return -1;
    *out = arena_alloc(arena, (rows.row_count + 1) * sizeof **out);
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++)
        (*out)[i] =
            (struct carry_row){.hash = db_cell(&rows, i, 0), .sealed = db_cell(&rows, i, 1)};
    return 0;
}

int carry_purge(struct store *s, struct arena *arena, int64_t deadline_ms, struct err *err)
{
    const struct db_param params[] = {db_i64(PURGE_ROWS)};
    struct db_rows rows;

    do {
        if (db_run(&rows, s->pool, arena, SQL_PURGE, params, ARRAY_LEN(params), 0, 0, err) != 0)
            return -1;
    } while (rows.affected == PURGE_ROWS && !timing_passed(deadline_ms));
    return 0;
}
