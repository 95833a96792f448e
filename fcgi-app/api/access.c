/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/access.h"

#include "core/auth.h"
#include "core/cookie.h"

#include <string.h>

int access_find_key(struct endpoint *ep, struct err *err)
{
    return apikey_find(&ep->principal, &ep->app->store, ep->arena, ep->key_hash, err);
}

static int check_key(struct endpoint *ep, struct exchange *x, struct err *err)
{
    if (auth_key_hash(ep->key_hash, exchange_param(x, "HTTP_AUTHORIZATION"), err) != 0 ||
        access_find_key(ep, err) != 0)
        return -1;
    ep->account_id = ep->principal.owner_id;
    return 0;
}

static bool changes(const struct exchange *x)
{
    const char *method = exchange_param(x, "REQUEST_METHOD");

    return method != NULL && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static int check_session(struct endpoint *ep, struct exchange *x, struct err *err)
{
    unsigned char hash[SECRET_SHA256_SIZE];
    char token[COOKIE_TOKEN_SIZE];

    if (cookie_token(token, exchange_param(x, "HTTP_COOKIE"), err) != 0)
        return -1;
    secret_sha256(hash, token, strlen(token));
    if (session_find(&ep->session, &ep->app->store, ep->arena, hash, err) != 0)
        return -1;
    if (changes(x) && cookie_check_csrf(token, exchange_param(x, "HTTP_X_CSRF_TOKEN"), err) != 0)
        return -1;
    ep->account_id = ep->session.account_id;
    ep->principal = (struct apikey_principal){
        .account_id = ep->session.account_id,
        .owner_id = ep->session.account_id,
        .markup = ep->session.markup,
    };
    return 0;
}

/* A key counts where both are there: whoever sends one means it. */
static int check_account(struct endpoint *ep, struct exchange *x, struct err *err)
{
    const char *authorization = exchange_param(x, "HTTP_AUTHORIZATION");
    const char *cookies = exchange_param(x, "HTTP_COOKIE");

    if ((authorization == NULL || authorization[0] == '\0') && cookie_present(cookies))
        return check_session(ep, x, err);
    return check_key(ep, x, err);
}

int access_check(struct endpoint *ep, struct exchange *x, enum router_scope scope, struct err *err)
{
    ep->principal = (struct apikey_principal){0};
    ep->session = (struct session_principal){0};
    ep->account_id = 0;
    switch (scope) {
    case ROUTER_PUBLIC:
        return 0;
    case ROUTER_KEY:
        return check_key(ep, x, err);
    case ROUTER_SESSION:
        return check_session(ep, x, err);
    case ROUTER_ACCOUNT:
        return check_account(ep, x, err);
    case ROUTER_MODEL:
        return auth_key_hash(ep->key_hash, exchange_param(x, "HTTP_AUTHORIZATION"), err);
    }
    return err_set(err, ERR_INTERNAL, NULL, "This path is not open to anybody.");
}
