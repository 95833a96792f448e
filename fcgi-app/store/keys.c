/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/keys.h"

#include "base/secret.h"
#include "store/cap.h"
#include "store/outcome.h"

#include <string.h>

/* clang-format off */
static const char SQL_LIST[] =
    "SELECT k.id, 'key', k.name, k.key_prefix, k.key_last4, t.id, t.name,"
    "    k.enabled AND COALESCE(m.enabled, 1), " ISO_SQL("k.created_at") ","
    "    " ISO_SQL("k.last_used_at") ", " ISO_SQL("k.expires_at") ","
    "    IF(k.models_limited, COALESCE((SELECT GROUP_CONCAT(d.name ORDER BY d.name SEPARATOR ',')"
    "        FROM api_key_model x JOIN model d ON d.id = x.model_id WHERE x.key_id = k.id), ''),"
    "        NULL),"
    "    " CAP_SQL("k") ", o.id, o.email "
    "FROM (SELECT id FROM api_key WHERE account_id = ?"
    "    UNION SELECT y.id FROM team_member me"
    "        JOIN team_member x ON x.team_id = me.team_id"
    "            AND (me.role = 'owner' OR (me.role = 'admin' AND x.role = 'member'))"
    "        JOIN api_key y ON y.member_id = x.id"
    "    WHERE me.account_id = ? AND me.enabled) v"
    "    JOIN api_key k ON k.id = v.id"
    "    JOIN account o ON o.id = k.account_id"
    "    LEFT JOIN team_member m ON m.id = k.member_id"
    "    LEFT JOIN team t ON t.id = m.team_id "
    "WHERE k.deleted_at IS NULL AND (? = 0 OR k.id < ?) AND (? = 0 OR k.id = ?) "
    "ORDER BY k.id DESC LIMIT ?";
static const struct table_column KEY_COLUMNS[] = {
    {"id", TABLE_INT}, {"object", TABLE_TEXT}, {"name", TABLE_TEXT}, {"prefix", TABLE_TEXT},
    {"last4", TABLE_TEXT}, {"team.id", TABLE_INT}, {"team.name", TABLE_TEXT},
    {"enabled", TABLE_BOOL}, {"created_at", TABLE_TEXT}, {"last_used_at", TABLE_TEXT},
    {"expires_at", TABLE_TEXT}, {"models", TABLE_LIST}, CAP_COLUMNS,
    {"owner.id", TABLE_INT}, {"owner.email", TABLE_TEXT},
};
/* clang-format on */

static const char SQL_CREATE[] = "CALL key_create(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_CHANGE[] = "CALL key_change(?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_ROTATE[] = "CALL key_rotate(?, ?, ?, ?, ?)";
static const char SQL_DELETE[] = "CALL key_delete(?, ?)";

enum { PREFIX_LEN = 11, LAST_LEN = 4 };

int keys_list(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
              int64_t before, int64_t id, size_t limit, struct err *err)
{
    const struct db_param params[] = {
        db_i64(actor_id), db_i64(actor_id),           db_i64(before), db_i64(before), db_i64(id),
        db_i64(id),       db_i64((int64_t)limit + 1),
    };

    return table_read(out, s, arena, SQL_LIST, KEY_COLUMNS, ARRAY_LEN(KEY_COLUMNS), params,
                      ARRAY_LEN(params), limit + 1, err);
}

/* The parts of a key that are kept: two parameters for its ends; *hash for the whole. */
static void ends_of(struct db_param ends[2], unsigned char hash[SECRET_SHA256_SIZE],
                    struct arena *arena, const char *key)
{
    secret_sha256(hash, key, strlen(key));
    ends[0] = db_text(arena_strndup(arena, key, PREFIX_LEN));
    ends[1] = db_text(key + IDENT_KEY_LEN - LAST_LEN);
}

int keys_create(int64_t *id, struct store *s, struct arena *arena, int64_t actor_id,
                int64_t team_id, const char key[IDENT_KEY_SIZE], const struct keys_values *values,
                struct err *err)
{
    unsigned char hash[SECRET_SHA256_SIZE];
    struct db_param ends[2];
    struct db_rows rows;

    ends_of(ends, hash, arena, key);
    const struct db_param params[] = {
        db_i64(actor_id),
        team_id != 0 ? db_i64(team_id) : db_null(),
        db_bytes(hash, sizeof hash),
        ends[0],
        ends[1],
        db_text(values->name),
        db_text(values->cap_usd),
        db_text(values->period),
        db_text(values->expires_at),
        db_text(values->models),
    };
    if (outcome_call(&rows, s, arena, SQL_CREATE, params, ARRAY_LEN(params), err) != 0)
        return -1;
    *id = db_cell_i64(&rows, 0, 2, 0);
    return 0;
}

int keys_change(struct store *s, struct arena *arena, int64_t actor_id, int64_t id,
                const struct keys_values *values, struct err *err)
{
    const struct db_param params[] = {
        db_i64(actor_id),
        db_i64(id),
        db_i64(values->set),
        db_text(values->name),
        db_text(values->cap_usd),
        db_text(values->period),
        db_text(values->expires_at),
        db_text(values->models),
        db_i64(values->enabled),
    };
    struct db_rows rows;

    return outcome_call(&rows, s, arena, SQL_CHANGE, params, ARRAY_LEN(params), err);
}

int keys_rotate(struct store *s, struct arena *arena, int64_t actor_id, int64_t id,
                const char key[IDENT_KEY_SIZE], struct err *err)
{
    unsigned char hash[SECRET_SHA256_SIZE];
    struct db_param ends[2];
    struct db_rows rows;

    ends_of(ends, hash, arena, key);
    const struct db_param params[] = {db_i64(actor_id), db_i64(id), db_bytes(hash, sizeof hash),
                                      ends[0], ends[1]};
    return outcome_call(&rows, s, arena, SQL_ROTATE, params, ARRAY_LEN(params), err);
}

int keys_delete(struct store *s, struct arena *arena, int64_t actor_id, int64_t id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(id)};
    struct db_rows rows;

    return outcome_call(&rows, s, arena, SQL_DELETE, params, ARRAY_LEN(params), err);
}
