/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/session.h"

#include "db/stmt.h"
#include "db/txn.h"

#include <string.h>

#define ISO "'%Y-%m-%dT%H:%i:%sZ'"

static const char SQL_FIND[] =
    "SELECT s.id, a.id, a.email, a.name, COALESCE(a.markup_override, t.markup),"
    "    DATE_FORMAT(s.expires_at, " ISO "), a.enabled,"
    "    s.last_used_at < UTC_TIMESTAMP(6) - INTERVAL ? SECOND "
    "FROM session s"
    "    JOIN account a ON a.id = s.account_id"
    "    JOIN tier t ON t.id = a.tier_id "
    "WHERE s.token_hash = ? AND s.expires_at > UTC_TIMESTAMP(6)"
    "    AND s.last_used_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND";
static const char SQL_TOUCH[] = "UPDATE session SET last_used_at = UTC_TIMESTAMP(6) WHERE id = ?";
static const char SQL_LIST[] =
    "SELECT id, DATE_FORMAT(created_at, " ISO "), DATE_FORMAT(last_used_at, " ISO "),"
    "    DATE_FORMAT(expires_at, " ISO "), user_agent, network "
    "FROM session "
    "WHERE account_id = ? AND expires_at > UTC_TIMESTAMP(6)"
    "    AND last_used_at > UTC_TIMESTAMP(6) - INTERVAL ? SECOND "
    "ORDER BY id DESC LIMIT ?";
static const char SQL_CLOSE[] = "DELETE FROM session WHERE account_id = ? AND (? = 0 OR id = ?)";

static int not_signed_in(struct err *err)
{
    return err_set(err, ERR_NOT_SIGNED_IN, NULL,
                   "This session has ended or is not known. Sign in again.");
}

int session_find(struct session_principal *out, struct store *s, struct arena *arena,
                 const unsigned char hash[SECRET_SHA256_SIZE], struct err *err)
{
    const struct db_param params[] = {
        db_i64(SESSION_TOUCH_S),
        db_bytes(hash, SECRET_SHA256_SIZE),
        db_i64(SESSION_IDLE_S),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_FIND, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return not_signed_in(err);
    if (db_cell_i64(&rows, 0, 6, 0) == 0)
        return err_set(err, ERR_ACCOUNT_DISABLED, NULL,
                       "This account is disabled. Ask the operator of this service.");
    *out = (struct session_principal){
        .session_id = db_cell_i64(&rows, 0, 0, 0),
        .account_id = db_cell_i64(&rows, 0, 1, 0),
        .email = db_cell(&rows, 0, 2),
        .name = db_cell(&rows, 0, 3),
        .markup = store_decimal(arena, db_cell(&rows, 0, 4)),
        .expires_at = db_cell(&rows, 0, 5),
    };
    if (db_cell_i64(&rows, 0, 7, 0) == 0)
        return 0;
    const struct db_param touch[] = {db_i64(out->session_id)};
    return db_run(&rows, s->pool, arena, SQL_TOUCH, touch, 1, 0, 0, err);
}

int session_list(struct session_entry **out, size_t *count, struct store *s, struct arena *arena,
                 int64_t account_id, struct err *err)
{
    const struct db_param params[] = {
        db_i64(account_id),
        db_i64(SESSION_IDLE_S),
        db_i64(SESSION_PER_ACCOUNT_MAX),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_LIST, params, ARRAY_LEN(params), SESSION_PER_ACCOUNT_MAX,
               0, err) != 0)
        return -1;
    *count = rows.row_count;
    *out = arena_zalloc(arena, (*count + 1) * sizeof **out);
    for (size_t i = 0; i < *count; i++) {
        struct db_cursor c = {.rows = &rows, .row = i};
        struct session_entry *e = &(*out)[i];
        e->id = db_next_i64(&c, 0);
        e->created_at = db_next(&c);
        e->last_used_at = db_next(&c);
        e->expires_at = db_next(&c);
        e->user_agent = db_next(&c);
        e->network = db_next(&c);
    }
    return 0;
}

int session_close(uint64_t *ended, struct store *s, struct arena *arena, int64_t account_id,
                  int64_t id, struct err *err)
{
    const struct db_param params[] = {db_i64(account_id), db_i64(id), db_i64(id)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_CLOSE, params, ARRAY_LEN(params), 0, 0, err) != 0)
        return -1;
    *ended = rows.affected;
    return 0;
}
