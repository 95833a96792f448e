/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/stored_response.h"

#include "db/stmt.h"
#include "db/txn.h"

static const char SQL_PUT[] = "CALL stored_response_put(?, ?, ?, ?, ?, ?)";
static const char SQL_CHAIN[] = "CALL stored_response_chain(?, ?, ?)";
static const char SQL_ITEMS[] = "CALL stored_response_items(?, ?, ?)";
static const char SQL_DELETE[] = "CALL stored_response_delete(?, ?)";
static const char SQL_PURGE[] = "CALL stored_response_purge()";

int stored_response_put(struct store *s, struct arena *arena, int64_t key_id,
                        const struct stored_new *new_row, struct err *err)
{
    const struct db_param params[] = {
        db_text(new_row->id),
        db_i64(key_id),
        db_text(new_row->previous_id),
        db_i64(STORED_RESPONSE_DAYS),
        db_bytes(new_row->sealed.ptr, new_row->sealed.len),
        db_text(new_row->item_ids),
    };
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_PUT, params, ARRAY_LEN(params), 1, 0, err);
}

static void copy_rows(struct stored_row **out, size_t *count, const struct db_rows *rows,
                      struct arena *arena)
{
    *out = arena_alloc(arena, (rows->row_count + 1) * sizeof **out);
    *count = rows->row_count;
    for (size_t i = 0; i < rows->row_count; i++) {
        struct db_cursor c = {.rows = rows, .row = i};
        struct stored_row *row = &(*out)[i];
        row->id = db_next(&c);
        row->previous_id = db_next(&c);
        row->depth = db_next_i64(&c, 1);
        row->chain_bytes = db_next_i64(&c, 0);
        row->sealed = db_next(&c);
    }
}

int stored_response_chain(struct stored_row **out, size_t *count, struct store *s,
                          struct arena *arena, int64_t key_id, const char *id, size_t max,
                          struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(key_id), db_i64((int64_t)max)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_CHAIN, params, ARRAY_LEN(params), max, 0, err) != 0)
        return -1;
    copy_rows(out, count, &rows, arena);
    return 0;
}

int stored_response_items(struct stored_row **out, size_t *count, struct store *s,
                          struct arena *arena, int64_t key_id, const char *item_ids,
                          struct err *err)
{
    const struct db_param params[] = {db_text(item_ids), db_i64(key_id),
                                      db_i64(STORED_RESPONSE_DEPTH_MAX)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_ITEMS, params, ARRAY_LEN(params),
               STORED_RESPONSE_DEPTH_MAX, 0, err) != 0)
        return -1;
    copy_rows(out, count, &rows, arena);
    return 0;
}

int stored_response_delete(bool *deleted, struct store *s, struct arena *arena, int64_t key_id,
                           const char *id, struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(key_id)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_DELETE, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    *deleted = db_cell_i64(&rows, 0, 0, 0) > 0;
    return 0;
}

int stored_response_purge(struct store *s, struct arena *arena, int64_t deadline_ms,
                          struct err *err)
{
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_PURGE, NULL, 0, 1, deadline_ms, err);
}
