/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/cookie.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char name[] = COOKIE_NAME "=";
static const char csrf_purpose[] = "csrf";

void cookie_new_token(char out[COOKIE_TOKEN_SIZE])
{
    unsigned char random[COOKIE_TOKEN_LEN / 2];

    secret_random(random, sizeof random);
    secret_hex(out, random, sizeof random);
}

bool cookie_token_valid(const char *token)
{
    return token != NULL && strlen(token) == COOKIE_TOKEN_LEN &&
           strspn(token, "0123456789abcdef") == COOKIE_TOKEN_LEN;
}

/* The next session cookie's value at or after *rest, NULL if there is none; *rest moves behind it.
 */
static const char *next_value(size_t *len, const char **rest)
{
    while (*rest != NULL && **rest != '\0') {
        const char *pair = *rest + strspn(*rest, " \t;");
        size_t pair_len = strcspn(pair, ";");
        *rest = pair + pair_len;
        if (strncmp(pair, name, sizeof name - 1) != 0)
            continue;
        const char *value = pair + sizeof name - 1;
        *len = pair_len - (sizeof name - 1);
        while (*len > 0 && (value[*len - 1] == ' ' || value[*len - 1] == '\t'))
            (*len)--;
        return value;
    }
    return NULL;
}

bool cookie_present(const char *cookies)
{
    size_t len = 0;

    return next_value(&len, &cookies) != NULL;
}

int cookie_token(char out[COOKIE_TOKEN_SIZE], const char *cookies, struct err *err)
{
    size_t len = 0;
    size_t other_len = 0;
    const char *value = next_value(&len, &cookies);

    if (value == NULL)
        return err_set(err, ERR_NOT_SIGNED_IN, NULL, "Nobody is signed in here. Sign in first.");
    if (next_value(&other_len, &cookies) != NULL)
        return err_set(err, ERR_NOT_SIGNED_IN, NULL,
                       "There is more than one '" COOKIE_NAME "' cookie. Delete this site's "
                       "cookies and sign in again.");
    if (len == COOKIE_TOKEN_LEN) {
        memcpy(out, value, len);
        out[len] = '\0';
        if (cookie_token_valid(out))
            return 0;
    }
    return err_set(err, ERR_NOT_SIGNED_IN, NULL,
                   "This session has ended or is not known. Sign in again.");
}

void cookie_csrf(char out[COOKIE_CSRF_SIZE], const char *token)
{
    unsigned char mac[SECRET_SHA256_SIZE];

    secret_hmac_sha256(mac, token, strlen(token), csrf_purpose, sizeof csrf_purpose - 1);
    secret_hex(out, mac, sizeof mac);
}

int cookie_check_csrf(const char *token, const char *given, struct err *err)
{
    char want[COOKIE_CSRF_SIZE];

    cookie_csrf(want, token);
    if (given != NULL && strlen(given) == sizeof want - 1 &&
        secret_equal(given, want, sizeof want - 1))
        return 0;
    return err_set(err, ERR_CSRF, NULL,
                   "A change in a session needs the header X-CSRF-Token with the csrf_token of "
                   "GET /v1/auth/session.");
}

void cookie_set(char out[COOKIE_SET_SIZE], const char *token, const char *public_url,
                int64_t life_s)
{
    bool plain = public_url != NULL && strncasecmp(public_url, "http://", 7) == 0;

    snprintf(out, COOKIE_SET_SIZE, "%s%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s", name,
             token != NULL ? token : "", token != NULL ? (long long)life_s : 0LL,
             plain ? "" : "; Secure");
}
