/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/mail.h"

#include "db/stmt.h"
#include "db/txn.h"

static const char SQL_CLAIM[] = "CALL mail_claim(?)";
static const char SQL_DONE[] = "CALL mail_done(?, ?, LEFT(?, 255))";
static const char SQL_DUE[] = "SELECT COUNT(*) FROM outbox_mail WHERE state = 'pending'"
                              "    AND next_attempt_at <= UTC_TIMESTAMP(6)";

int mail_claim(bool *found, struct mail_entry *out, struct store *s, struct arena *arena,
               struct err *err)
{
    const struct db_param params[] = {db_i64(MAIL_LEASE_S)};
    struct db_rows rows;
    struct db_cursor c = {.rows = &rows};

    *found = false;
    if (db_run(&rows, s->pool, arena, SQL_CLAIM, params, 1, 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return 0;
    *found = true;
    out->id = db_next_i64(&c, 0);
    out->attempts = db_next_i64(&c, 0);
    out->recipient = db_next(&c);
    out->subject = db_next(&c);
    out->body = db_next(&c);
    out->kind = db_next(&c);
    out->created_s = db_next_i64(&c, 0);
    return 0;
}

int mail_done(const char **state, struct store *s, struct arena *arena,
              const struct mail_entry *mail, const char *error, struct err *err)
{
    const struct db_param params[] = {db_i64(mail->id), db_i64(mail->attempts), db_text(error)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_DONE, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *now = rows.row_count > 0 ? db_cell(&rows, 0, 0) : NULL;
    *state = now != NULL ? now : "dead";
    return 0;
}

int mail_due(int64_t *count, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_DUE, NULL, 0, 1, 0, err) != 0)
        return -1;
    *count = db_cell_i64(&rows, 0, 0, 0);
    return 0;
}
