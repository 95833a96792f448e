/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-up, sign-in and reset as the database has them: one CALL a step. Tokens come as SHA-256,
 * passwords as scrypt; addresses as base/mailaddr makes them. Each step may run again after a lost
 * connection without a second effect.
 */
#ifndef AIG_STORE_SIGNUP_H
#define AIG_STORE_SIGNUP_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

struct signup_mail {
    const char *subject;
    const char *body;
};

struct signup_wish {
    const char *email;
    const char *mailbox;
    const char *name;
    const char *password_hash;
    int64_t life_s;
    struct signup_mail fresh; /* to an address without an account: the link */
    struct signup_mail known; /* to one with an account */
};

/* Notes the sign-up and writes one of the two mails; does not say which. */
int signup_store(struct store *s, struct arena *arena,
                 const unsigned char token_hash[SECRET_SHA256_SIZE], const struct signup_wish *wish,
                 struct err *err) AIG_MUST_USE;

/* The session that a step opens. */
struct signup_session {
    const unsigned char *hash; /* SECRET_SHA256_SIZE bytes */
    const char *user_agent;
    const char *network;
};

/* Opens the account, its welcome credit and a session. *granted_usd is decimal text, NULL when the
 * mailbox had its credit before. -1: 400 ERR_TOKEN for a link that is unknown, used or expired. */
int signup_use(const char **granted_usd, struct store *s, struct arena *arena,
               const unsigned char token_hash[SECRET_SHA256_SIZE],
               const struct signup_session *session, struct err *err) AIG_MUST_USE;

struct signup_login {
    int64_t account_id;        /* 0: nobody is known by the address */
    const char *password_hash; /* NULL: none is set */
    bool enabled;
};
int signup_find_login(struct signup_login *out, struct store *s, struct arena *arena,
                      const char *email, struct err *err) AIG_MUST_USE;
/* -1: 401 ERR_CREDENTIALS when the password has been changed since signup_find_login. */
int signup_open_login(struct store *s, struct arena *arena, const struct signup_login *login,
                      const struct signup_session *session, struct err *err) AIG_MUST_USE;

/* Writes the mail with the link if there is such an account; does not say so. */
int signup_reset(struct store *s, struct arena *arena,
                 const unsigned char token_hash[SECRET_SHA256_SIZE], const char *email,
                 int64_t life_s, const struct signup_mail *mail, struct err *err) AIG_MUST_USE;
/* Whose link it is. -1: 400 ERR_TOKEN. */
int signup_reset_email(const char **email, struct store *s, struct arena *arena,
                       const unsigned char token_hash[SECRET_SHA256_SIZE],
                       struct err *err) AIG_MUST_USE;
/* Sets the password, ends all sessions, forgets failed sign-ins (`throttle`: their subject), writes
 * the mail. -1: 400 ERR_TOKEN. */
int signup_reset_use(struct store *s, struct arena *arena,
                     const unsigned char token_hash[SECRET_SHA256_SIZE], const char *password_hash,
                     const unsigned char throttle[SECRET_SHA256_SIZE],
                     const struct signup_mail *mail, struct err *err) AIG_MUST_USE;

/* Deletes what has ended: sessions, links, counts, old mails. */
int signup_purge(struct store *s, struct arena *arena, struct err *err) AIG_MUST_USE;

#endif
