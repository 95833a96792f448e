/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sign-up, verification, sign-in and password reset: what the endpoints do. Whether an address is
 * known never shows: the same checks, the same scrypt and as many rows written either way. Any
 * thread.
 */
#ifndef AIG_SIGNIN_H
#define AIG_SIGNIN_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/subnet.h"
#include "core/app.h"
#include "core/cookie.h"
#include "core/password.h"

enum { SIGNIN_NAME_MAX = 120 }; /* characters */

/* Where a request comes from. */
struct signin_client {
    const char *user_agent; /* printable ASCII, at most SESSION_USER_AGENT_MAX */
    char network[SUBNET_SIZE];
};

/* `user_agent`, `address`: of the request, or NULL. */
void signin_client_of(struct signin_client *out, struct arena *arena, const char *user_agent,
                      const char *address);

struct signin_opened {
    char token[COOKIE_TOKEN_SIZE]; /* of the new session */
    const char *granted_usd; /* verification: decimal text, NULL when the mailbox had its grant */
};

/* A new sign-up: one mail will go out. -1: 400, 429, 503 (also while mail is not configured). */
int signin_begin(struct app *app, struct arena *arena, const struct signin_client *client,
                 const char *email, const char *name, struct span password,
                 struct err *err) AIG_MUST_USE;
/* The link of a sign-up. -1: 400 ERR_TOKEN, 429. */
int signin_verify(struct signin_opened *out, struct app *app, struct arena *arena,
                  const struct signin_client *client, const char *token,
                  struct err *err) AIG_MUST_USE;
/* -1: 401 ERR_CREDENTIALS or ERR_ACCOUNT_DISABLED (only with the right password), 429. */
int signin_login(struct signin_opened *out, struct app *app, struct arena *arena,
                 const struct signin_client *client, const char *email, struct span password,
                 struct err *err) AIG_MUST_USE;
/* Sends a link if there is such an account. */
int signin_ask_reset(struct app *app, struct arena *arena, const struct signin_client *client,
                     const char *email, struct err *err) AIG_MUST_USE;
/* The link of a reset: sets the password, ends all sessions. -1: 400 ERR_TOKEN, 429. */
int signin_reset(struct app *app, struct arena *arena, const struct signin_client *client,
                 const char *token, struct span password, struct err *err) AIG_MUST_USE;

#endif
