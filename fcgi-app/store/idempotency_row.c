/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/idempotency_row.h"

#include "base/timing.h"
#include "db/stmt.h"
#include "db/txn.h"

#include <string.h>

static const char SQL_BEGIN[] = "CALL idempotency_begin(?, ?, ?, ?, ?, ?)";
static const char SQL_BEAT[] = "CALL idempotency_beat(?, ?, ?, ?)";
static const char SQL_END[] = "CALL idempotency_end(?, ?, ?, ?, ?)";
static const char SQL_PURGE[] = "CALL idempotency_purge()";

/* Columns of SQL_BEGIN. */
enum {
    BEGIN_OUTCOME,
    BEGIN_KEY_ID,
    BEGIN_REQUEST_ID,
    BEGIN_HTTP_STATUS,
    BEGIN_RETRY_AFTER_S,
    BEGIN_ANSWER
};

enum { PURGE_LIMIT_MS = 10 * 60 * 1000 };

static const char *const OUTCOMES[] = {
    [IDEMPOTENCY_RUN] = "run",           [IDEMPOTENCY_DONE] = "done",
    [IDEMPOTENCY_GONE] = "gone",         [IDEMPOTENCY_IN_FLIGHT] = "in_flight",
    [IDEMPOTENCY_MISMATCH] = "mismatch", [IDEMPOTENCY_NO_KEY] = "no_key",
};

static int unexpected(const char *outcome, const char *sql, struct err *err)
{
    err_set(err, ERR_INTERNAL, NULL, "The server had an internal error.");
    return err_detail(err, "outcome %s in: %s", outcome != NULL ? outcome : "NULL", sql);
}

int idempotency_row_begin(struct idempotency_row *out, struct store *s, struct arena *arena,
                          const struct idempotency_claim *claim, struct err *err)
{
    const struct db_param params[] = {
        db_bytes(claim->key_hash, sizeof claim->key_hash),
        db_bytes(claim->name_hash, sizeof claim->name_hash),
        db_bytes(claim->fingerprint, sizeof claim->fingerprint),
        db_text(claim->owner),
        db_i64(IDEMPOTENCY_LEASE_S),
        db_i64(IDEMPOTENCY_KEEP_S),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_BEGIN, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *outcome = rows.row_count == 1 ? db_cell(&rows, 0, BEGIN_OUTCOME) : NULL;
    for (size_t i = 0; outcome != NULL && i < ARRAY_LEN(OUTCOMES); i++) {
        if (strcmp(outcome, OUTCOMES[i]) != 0)
            continue;
        *out = (struct idempotency_row){
            .outcome = (enum idempotency_outcome)i,
            .key_id = db_cell_i64(&rows, 0, BEGIN_KEY_ID, 0),
            .request_id = db_cell(&rows, 0, BEGIN_REQUEST_ID),
            .http_status = (int)db_cell_i64(&rows, 0, BEGIN_HTTP_STATUS, 0),
            .retry_after_s = (int)db_cell_i64(&rows, 0, BEGIN_RETRY_AFTER_S, 1),
            .answer = db_cell(&rows, 0, BEGIN_ANSWER),
        };
        return 0;
    }
    return unexpected(outcome, SQL_BEGIN, err);
}

int idempotency_row_beat(bool *lost, struct store *s, struct arena *arena,
                         const struct idempotency_claim *claim, int64_t key_id, struct err *err)
{
    const struct db_param params[] = {
        db_i64(key_id),
        db_bytes(claim->name_hash, sizeof claim->name_hash),
        db_text(claim->owner),
        db_i64(IDEMPOTENCY_LEASE_S),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_BEAT, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *outcome = rows.row_count == 1 ? db_cell(&rows, 0, 0) : NULL;
    *lost = outcome == NULL || strcmp(outcome, "leased") != 0;
    return 0;
}

int idempotency_row_end(struct store *s, struct arena *arena, const struct idempotency_claim *claim,
                        int64_t key_id, int http_status, struct span answer, struct err *err)
{
    const struct db_param params[] = {
        db_i64(key_id),
        db_bytes(claim->name_hash, sizeof claim->name_hash),
        db_text(claim->owner),
        http_status > 0 ? db_i64(http_status) : db_null(),
        answer.ptr != NULL ? db_bytes(answer.ptr, answer.len) : db_null(),
    };
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_END, params, ARRAY_LEN(params), 1, 0, err);
}

int idempotency_row_purge(int64_t *deleted, struct store *s, struct arena *arena, struct err *err)
{
    int64_t deadline_ms = timing_mono_ms() + PURGE_LIMIT_MS;
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_PURGE, NULL, 0, 1, deadline_ms, err) != 0)
        return -1;
    *deleted = rows.row_count == 1 ? db_cell_i64(&rows, 0, 0, 0) : 0;
    return 0;
}
