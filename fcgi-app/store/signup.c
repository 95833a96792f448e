/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/signup.h"

#include "db/stmt.h"
#include "db/txn.h"
#include "store/session.h"

#include <string.h>

static const char SQL_START[] = "CALL signup_start(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_VERIFY[] = "CALL signup_verify(?, ?, ?, ?, ?)";
static const char SQL_LOGIN[] = "SELECT id, password_hash, enabled FROM account WHERE email = ?";
static const char SQL_LOGIN_OPEN[] = "CALL login_open(?, ?, ?, ?, ?, ?)";
static const char SQL_RESET[] = "CALL reset_start(?, ?, ?, ?, ?)";
static const char SQL_RESET_EMAIL[] = "SELECT email, IF(used_at IS NOT NULL, 'used',"
                                      "    IF(expires_at <= UTC_TIMESTAMP(6), 'expired', 'set')) "
                                      "FROM signup_token WHERE token_hash = ? AND kind = 'reset'";
static const char SQL_RESET_FINISH[] = "CALL reset_finish(?, ?, ?, ?, ?)";
static const char SQL_PURGE[] = "CALL sign_in_purge()";

/* `good` when the database says so, else what is wrong with the link. */
static int check_outcome(const char *outcome, const char *good, struct err *err)
{
    static const struct {
        const char *outcome;
        const char *message;
    } refusals[] = {
        {"used", "This link has been used already. Sign in, or ask for a new one."},
        {"expired", "This link has expired. Ask for a new one."},
        {"known", "There is an account with this address already. Sign in."},
    };

    if (outcome != NULL && strcmp(outcome, good) == 0)
        return 0;
    for (size_t i = 0; outcome != NULL && i < ARRAY_LEN(refusals); i++)
        if (strcmp(outcome, refusals[i].outcome) == 0)
            return err_set(err, ERR_TOKEN, "token", "%s", refusals[i].message);
    return err_set(err, ERR_TOKEN, "token",
                   "This link is not known. Check that it was copied whole, or ask for a new one.");
}

int signup_store(struct store *s, struct arena *arena,
                 const unsigned char token_hash[SECRET_SHA256_SIZE], const struct signup_wish *wish,
                 struct err *err)
{
    const struct db_param params[] = {
        db_bytes(token_hash, SECRET_SHA256_SIZE),
        db_text(wish->email),
        db_text(wish->mailbox),
        db_text(wish->name),
        db_text(wish->password_hash),
        db_i64(wish->life_s),
        db_text(wish->fresh.subject),
        db_text(wish->fresh.body),
        db_text(wish->known.subject),
        db_text(wish->known.body),
    };
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_START, params, ARRAY_LEN(params), 0, 0, err);
}

int signup_use(const char **granted_usd, struct store *s, struct arena *arena,
               const unsigned char token_hash[SECRET_SHA256_SIZE],
               const struct signup_session *session, struct err *err)
{
    const struct db_param params[] = {
        db_bytes(token_hash, SECRET_SHA256_SIZE),
        db_bytes(session->hash, SECRET_SHA256_SIZE),
        db_text(session->user_agent),
        db_text(session->network),
        db_i64(SESSION_LIFE_S),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_VERIFY, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    *granted_usd = store_decimal(arena, db_cell(&rows, 0, 2));
    return check_outcome(db_cell(&rows, 0, 0), "opened", err);
}

int signup_find_login(struct signup_login *out, struct store *s, struct arena *arena,
                      const char *email, struct err *err)
{
    const struct db_param params[] = {db_text(email)};
    struct db_rows rows;

    *out = (struct signup_login){0};
    if (db_run(&rows, s->pool, arena, SQL_LOGIN, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return 0;
    out->account_id = db_cell_i64(&rows, 0, 0, 0);
    out->password_hash = db_cell(&rows, 0, 1);
    out->enabled = db_cell_i64(&rows, 0, 2, 0) != 0;
    return 0;
}

int signup_open_login(struct store *s, struct arena *arena, const struct signup_login *login,
                      const struct signup_session *session, struct err *err)
{
    const struct db_param params[] = {
        db_bytes(session->hash, SECRET_SHA256_SIZE),
        db_i64(login->account_id),
        db_text(login->password_hash),
        db_text(session->user_agent),
        db_text(session->network),
        db_i64(SESSION_LIFE_S),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_LOGIN_OPEN, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (strcmp(db_cell(&rows, 0, 0), "opened") != 0)
        return err_set(err, ERR_CREDENTIALS, NULL,
                       "The password was changed at this moment. Sign in with the new one.");
    return 0;
}

int signup_reset(struct store *s, struct arena *arena,
                 const unsigned char token_hash[SECRET_SHA256_SIZE], const char *email,
                 int64_t life_s, const struct signup_mail *mail, struct err *err)
{
    const struct db_param params[] = {
        db_bytes(token_hash, SECRET_SHA256_SIZE),
        db_text(email),
        db_i64(life_s),
        db_text(mail->subject),
        db_text(mail->body),
    };
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_RESET, params, ARRAY_LEN(params), 0, 0, err);
}

int signup_reset_email(const char **email, struct store *s, struct arena *arena,
                       const unsigned char token_hash[SECRET_SHA256_SIZE], struct err *err)
{
    const struct db_param params[] = {db_bytes(token_hash, SECRET_SHA256_SIZE)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_RESET_EMAIL, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    bool found = rows.row_count > 0;
    *email = found ? db_cell(&rows, 0, 0) : NULL;
    return check_outcome(found ? db_cell(&rows, 0, 1) : NULL, "set", err);
}

int signup_reset_use(struct store *s, struct arena *arena,
                     const unsigned char token_hash[SECRET_SHA256_SIZE], const char *password_hash,
                     const unsigned char throttle[SECRET_SHA256_SIZE],
                     const struct signup_mail *mail, struct err *err)
{
    const struct db_param params[] = {
        db_bytes(token_hash, SECRET_SHA256_SIZE),
        db_text(password_hash),
        db_bytes(throttle, SECRET_SHA256_SIZE),
        db_text(mail->subject),
        db_text(mail->body),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_RESET_FINISH, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    return check_outcome(db_cell(&rows, 0, 0), "set", err);
}

int signup_purge(struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_PURGE, NULL, 0, 0, 0, err);
}
