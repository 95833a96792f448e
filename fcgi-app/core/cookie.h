/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookie of a session (RFC 6265) and the CSRF token that belongs to it: an HMAC of the
 * session's token, so a page of this origin can be given it, and nobody else can compute it. Pure.
 */
#ifndef AIG_COOKIE_H
#define AIG_COOKIE_H

#include "base/base.h"
#include "base/err.h"
#include "base/secret.h"

#define COOKIE_NAME "aig_session"

enum {
    COOKIE_TOKEN_LEN = 64, /* 32 random bytes in hex; also of links in mails */
    COOKIE_TOKEN_SIZE = COOKIE_TOKEN_LEN + 1,
    COOKIE_CSRF_SIZE = 2 * SECRET_SHA256_SIZE + 1,
    COOKIE_SET_SIZE = 256,
};

/* A new random token. */
void cookie_new_token(char out[COOKIE_TOKEN_SIZE]);
/* Form only. NULL is no token. */
bool cookie_token_valid(const char *token);

/* Whether `cookies` (the Cookie header or NULL) has a session's cookie, whatever is in it. */
bool cookie_present(const char *cookies);
/* Its token. -1: 401 when there is none, it is no token, or there are several (a neighbour domain
 * may have planted one). */
int cookie_token(char out[COOKIE_TOKEN_SIZE], const char *cookies, struct err *err) AIG_MUST_USE;

void cookie_csrf(char out[COOKIE_CSRF_SIZE], const char *token);
/* `given`: the X-CSRF-Token header or NULL. -1: 403. */
int cookie_check_csrf(const char *token, const char *given, struct err *err) AIG_MUST_USE;

/* The value of Set-Cookie; token NULL takes the cookie away. `public_url` (may be NULL) decides
 * about Secure: only http:// goes without. */
void cookie_set(char out[COOKIE_SET_SIZE], const char *token, const char *public_url,
                int64_t life_s);

#endif
