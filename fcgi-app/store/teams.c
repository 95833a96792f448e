/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/teams.h"

#include "store/cap.h"
#include "store/outcome.h"

/* clang-format off */
static const char SQL_LIST[] =
    "SELECT t.id, 'team', t.name, me.role, me.id, p.id, p.email, t.enabled, " CAP_SQL("t") ","
    "    t.transfer_member_id, " ISO_SQL("t.created_at") " "
    "FROM team_member me"
    "    JOIN team t ON t.id = me.team_id"
    "    JOIN account p ON p.id = t.account_id "
    "WHERE me.account_id = ? AND me.enabled AND (? = 0 OR t.id < ?) AND (? = 0 OR t.id = ?) "
    "ORDER BY t.id DESC LIMIT ?";
static const struct table_column TEAM_COLUMNS[] = {
    {"id", TABLE_INT}, {"object", TABLE_TEXT}, {"name", TABLE_TEXT}, {"role", TABLE_TEXT},
    {"member_id", TABLE_INT}, {"payer.id", TABLE_INT}, {"payer.email", TABLE_TEXT},
    {"enabled", TABLE_BOOL}, CAP_COLUMNS, {"transfer_offered_to", TABLE_INT},
    {"created_at", TABLE_TEXT},
};

/* What a mere member sees of the others: who they are. */
static const char SQL_MEMBERS[] =
    "SELECT m.id, m.account_id, a.email, a.name, m.role, m.enabled, m.cap_usd, m.cap_period,"
    "    m.spent_usd, m.held_usd, m.resets_at, " ISO_SQL("m.created_at") " "
    "FROM (SELECT m.id, m.account_id, m.role, m.enabled, m.created_at,"
    "        IF(v.sees, m.cap_usd, NULL) AS cap_usd, IF(v.sees, m.cap_period, NULL) AS cap_period,"
    "        IF(v.sees, IF(UTC_DATE() < m.window_end, m.spent_usd, 0), NULL) AS spent_usd,"
    "        IF(v.sees, m.held_usd, NULL) AS held_usd, IF(v.sees, v.resets_at, NULL) AS resets_at"
    "    FROM team_member m JOIN ("
    "        SELECT x.id, me.role <> 'member' OR me.id = x.id AS sees,"
    "            DATE_FORMAT(CASE x.cap_period WHEN 'daily' THEN UTC_DATE() + INTERVAL 1 DAY"
    "                WHEN 'weekly' THEN UTC_DATE() + INTERVAL 7 - WEEKDAY(UTC_DATE()) DAY"
    "                WHEN 'monthly' THEN UTC_DATE() - INTERVAL DAYOFMONTH(UTC_DATE()) - 1 DAY"
    "                    + INTERVAL 1 MONTH END, '%Y-%m-%dT00:00:00Z') AS resets_at"
    "        FROM team_member me JOIN team_member x ON x.team_id = me.team_id"
    "        WHERE me.account_id = ? AND me.team_id = ? AND me.enabled) v ON v.id = m.id) m"
    "    JOIN account a ON a.id = m.account_id "
    "WHERE m.enabled ORDER BY m.id LIMIT ?";
static const struct table_column MEMBER_COLUMNS[] = {
    {"id", TABLE_INT}, {"account_id", TABLE_INT}, {"email", TABLE_TEXT}, {"name", TABLE_TEXT},
    {"role", TABLE_TEXT}, {"enabled", TABLE_BOOL}, CAP_COLUMNS, {"joined_at", TABLE_TEXT},
};

static const char SQL_INVITATIONS[] =
    "SELECT i.id, i.email, i.role, " ISO_SQL("i.created_at") ", " ISO_SQL("i.expires_at") " "
    "FROM team_member me JOIN team_invitation i ON i.team_id = me.team_id AND i.closed_at IS NULL "
    "WHERE me.account_id = ? AND me.team_id = ? AND me.enabled AND me.role <> 'member'"
    "    AND i.expires_at > UTC_TIMESTAMP() "
    "ORDER BY i.id LIMIT ?";
static const struct table_column INVITATION_COLUMNS[] = {
    {"id", TABLE_INT}, {"email", TABLE_TEXT}, {"role", TABLE_TEXT}, {"created_at", TABLE_TEXT},
    {"expires_at", TABLE_TEXT},
};
/* clang-format on */

static const char SQL_CREATE[] = "CALL team_create(?, ?)";
static const char SQL_CHANGE[] = "CALL team_change(?, ?, ?, ?, ?, ?)";
static const char SQL_INVITE[] = "CALL team_invite(?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_UNINVITE[] = "CALL team_uninvite(?, ?, ?)";
static const char SQL_JOIN[] = "CALL team_join(?, ?)";
static const char SQL_CHANGE_MEMBER[] = "CALL member_change(?, ?, ?, ?, ?, ?, ?)";
static const char SQL_REMOVE_MEMBER[] = "CALL member_remove(?, ?, ?)";
static const char SQL_TRANSFER[] = "CALL team_transfer(?, ?, ?)";

int teams_list(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
               int64_t before, int64_t team_id, size_t limit, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(before),
                                      db_i64(before),   db_i64(team_id),
                                      db_i64(team_id),  db_i64((int64_t)limit + 1)};

    return table_read(out, s, arena, SQL_LIST, TEAM_COLUMNS, ARRAY_LEN(TEAM_COLUMNS), params,
                      ARRAY_LEN(params), limit + 1, err);
}

int teams_members(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
                  int64_t team_id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(team_id), db_i64(TEAMS_MEMBERS_MAX)};

    return table_read(out, s, arena, SQL_MEMBERS, MEMBER_COLUMNS, ARRAY_LEN(MEMBER_COLUMNS), params,
                      ARRAY_LEN(params), TEAMS_MEMBERS_MAX, err);
}

int teams_invitations(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
                      int64_t team_id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(team_id), db_i64(TEAMS_MEMBERS_MAX)};

    return table_read(out, s, arena, SQL_INVITATIONS, INVITATION_COLUMNS,
                      ARRAY_LEN(INVITATION_COLUMNS), params, ARRAY_LEN(params), TEAMS_MEMBERS_MAX,
                      err);
}

/* *id: the third cell of the answer; may be NULL. */
static int run(int64_t *id, struct store *s, struct arena *arena, const char *sql,
               const struct db_param *params, size_t param_count, struct err *err)
{
    struct db_rows rows;

    if (outcome_call(&rows, s, arena, sql, params, param_count, err) != 0)
        return -1;
    if (id != NULL)
        *id = db_cell_i64(&rows, 0, 2, 0);
    return 0;
}

int teams_create(int64_t *id, struct store *s, struct arena *arena, int64_t actor_id,
                 const char *name, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_text(name)};

    return run(id, s, arena, SQL_CREATE, params, ARRAY_LEN(params), err);
}

int teams_change(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                 int64_t set, const char *name, const char *cap_usd, const char *period,
                 struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(team_id),  db_i64(set),
                                      db_text(name),    db_text(cap_usd), db_text(period)};

    return run(NULL, s, arena, SQL_CHANGE, params, ARRAY_LEN(params), err);
}

int teams_invite(int64_t *id, struct store *s, struct arena *arena, int64_t actor_id,
                 int64_t team_id, const struct teams_invite *invite, struct err *err)
{
    const struct db_param params[] = {
        db_i64(actor_id),
        db_i64(team_id),
        db_text(invite->email),
        db_text(invite->role),
        db_bytes(invite->token_hash, sizeof invite->token_hash),
        db_i64(TEAMS_INVITE_DAYS),
        db_text(invite->subject),
        db_text(invite->body),
    };

    return run(id, s, arena, SQL_INVITE, params, ARRAY_LEN(params), err);
}

int teams_uninvite(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                   int64_t invitation_id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(team_id), db_i64(invitation_id)};

    return run(NULL, s, arena, SQL_UNINVITE, params, ARRAY_LEN(params), err);
}

int teams_join(int64_t *team_id, struct store *s, struct arena *arena, int64_t actor_id,
               const unsigned char token_hash[SECRET_SHA256_SIZE], struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_bytes(token_hash, SECRET_SHA256_SIZE)};

    return run(team_id, s, arena, SQL_JOIN, params, ARRAY_LEN(params), err);
}

int teams_change_member(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                        int64_t member_id, int64_t set, const char *role, const char *cap_usd,
                        const char *period, struct err *err)
{
    const struct db_param params[] = {
        db_i64(actor_id), db_i64(team_id),  db_i64(member_id), db_i64(set),
        db_text(role),    db_text(cap_usd), db_text(period),
    };

    return run(NULL, s, arena, SQL_CHANGE_MEMBER, params, ARRAY_LEN(params), err);
}

int teams_remove_member(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                        int64_t member_id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(team_id), db_i64(member_id)};

    return run(NULL, s, arena, SQL_REMOVE_MEMBER, params, ARRAY_LEN(params), err);
}

int teams_transfer(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                   int64_t member_id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(team_id), db_i64(member_id)};

    return run(NULL, s, arena, SQL_TRANSFER, params, ARRAY_LEN(params), err);
}
