/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "core/signin.h"
#include "http/reply.h"

#include <stdlib.h>
#include <string.h>

static void client_of(struct signin_client *out, const struct endpoint *ep,
                      const struct exchange *x)
{
    signin_client_of(out, ep->arena, exchange_param(x, "HTTP_USER_AGENT"),
                     exchange_param(x, "REMOTE_ADDR"));
}

/* What is about a session or a password lies in no cache. */
static int reply_private(struct exchange *x, int status, struct json_object *body)
{
    exchange_header(x, "Cache-Control", "no-store");
    return reply_json(x, status, body);
}

/* A text field in the arena; an absent one is refused, or `dflt` where that is not NULL. */
static int text_field(const char **out, const struct endpoint *ep, struct json_object *body,
                      const char *name, const char *dflt, struct err *err)
{
    const char *text = dflt;

    if (jsonx_want_str(&text, body, name, name, err) != 0)
        return -1;
    if (text == NULL)
        return err_set(err, ERR_BAD_REQUEST, name, "'%s' is missing.", name);
    *out = arena_strdup(ep->arena, text);
    return 0;
}

/* Reads a body of text fields; values[i] is NULL for an optional one that is absent. */
static int read_fields(const char **values, struct endpoint *ep, struct exchange *x,
                       const char *const *fields, size_t count, size_t required, struct err *err)
{
    struct json_object *body = NULL;
    int rc = endpoint_read_object(&body, ep, x, fields, count, false, err);

    for (size_t i = 0; rc == 0 && i < count; i++) {
        values[i] = NULL;
        if (i < required || jsonx_get(body, fields[i]) != NULL)
            rc = text_field(&values[i], ep, body, fields[i], NULL, err);
    }
    json_object_put(body);
    return rc;
}

/* The answer that never says whether the address is known. */
static int reply_sent(struct exchange *x)
{
    struct json_object *body = json_object_new_object();

    jsonx_set_str(body, "object", "mail");
    jsonx_set_str(body, "message", "If this address can be used, a mail is on its way to it.");
    (void)reply_private(x, 202, body);
    json_object_put(body);
    return 0;
}

static struct json_object *session_json(const struct session_principal *p, const char *token)
{
    struct json_object *body = json_object_new_object();
    struct json_object *account = json_object_new_object();
    char csrf[COOKIE_CSRF_SIZE];

    cookie_csrf(csrf, token);
    jsonx_set_i64(account, "id", p->account_id);
    jsonx_set_str(account, "email", p->email);
    jsonx_set_str(account, "name", p->name);
    jsonx_set_str(body, "object", "session");
    jsonx_set(body, "account", account);
    jsonx_set_str(body, "csrf_token", csrf);
    jsonx_set_str(body, "expires_at", p->expires_at);
    return body;
}

/* Hands out the cookie of a session that was opened. */
static int reply_opened(struct endpoint *ep, struct exchange *x, const struct signin_opened *opened,
                        bool verified, struct err *err)
{
    unsigned char hash[SECRET_SHA256_SIZE];
    char cookie[COOKIE_SET_SIZE];

    secret_sha256(hash, opened->token, strlen(opened->token));
    if (session_find(&ep->session, &ep->app->store, ep->arena, hash, err) != 0)
        return -1;
    struct json_object *body = session_json(&ep->session, opened->token);
    if (verified)
        jsonx_set_decimal(body, "granted_usd",
                          opened->granted_usd != NULL ? opened->granted_usd : "0");
    cookie_set(cookie, opened->token, ep->app->conf->public_url, SESSION_LIFE_S);
    exchange_header(x, "Set-Cookie", "%s", cookie);
    (void)reply_private(x, 200, body);
    json_object_put(body);
    return 0;
}

int ep_auth_signup(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    static const char *const fields[] = {"email", "password", "name"};
    const char *values[ARRAY_LEN(fields)];
    struct endpoint *ep = context;
    struct signin_client client;

    (void)match;
    client_of(&client, ep, x);
    if (read_fields(values, ep, x, fields, ARRAY_LEN(fields), 2, err) != 0 ||
        signin_begin(ep->app, ep->arena, &client, values[0], values[2] != NULL ? values[2] : "",
                     span_of(values[1]), err) != 0)
        return -1;
    return reply_sent(x);
}

int ep_auth_verify(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    static const char *const fields[] = {"token"};
    const char *values[ARRAY_LEN(fields)];
    struct endpoint *ep = context;
    struct signin_client client;
    struct signin_opened opened;

    (void)match;
    client_of(&client, ep, x);
    if (read_fields(values, ep, x, fields, ARRAY_LEN(fields), 1, err) != 0 ||
        signin_verify(&opened, ep->app, ep->arena, &client, values[0], err) != 0)
        return -1;
    return reply_opened(ep, x, &opened, true, err);
}

int ep_auth_login(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    static const char *const fields[] = {"email", "password"};
    const char *values[ARRAY_LEN(fields)];
    struct endpoint *ep = context;
    struct signin_client client;
    struct signin_opened opened;

    (void)match;
    client_of(&client, ep, x);
    if (read_fields(values, ep, x, fields, ARRAY_LEN(fields), 2, err) != 0 ||
        signin_login(&opened, ep->app, ep->arena, &client, values[0], span_of(values[1]), err) != 0)
        return -1;
    return reply_opened(ep, x, &opened, false, err);
}

/* Two steps: {email} asks for the link, {token, password} uses it. */
int ep_auth_reset(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    static const char *const fields[] = {"email", "token", "password"};
    const char *values[ARRAY_LEN(fields)];
    struct endpoint *ep = context;
    struct signin_client client;

    (void)match;
    client_of(&client, ep, x);
    if (read_fields(values, ep, x, fields, ARRAY_LEN(fields), 0, err) != 0)
        return -1;
    bool asks = values[0] != NULL && values[1] == NULL && values[2] == NULL;
    bool uses = values[0] == NULL && values[1] != NULL && values[2] != NULL;
    if (!asks && !uses)
        return err_set(err, ERR_BAD_REQUEST, NULL,
                       "Send either 'email', or 'token' and 'password'.");
    if (asks) {
        if (signin_ask_reset(ep->app, ep->arena, &client, values[0], err) != 0)
            return -1;
        return reply_sent(x);
    }
    if (signin_reset(ep->app, ep->arena, &client, values[1], span_of(values[2]), err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "object", "password");
    jsonx_set_str(body, "message", "The new password is set. Sign in with it.");
    (void)reply_private(x, 200, body);
    json_object_put(body);
    return 0;
}

/* The session's own token, which access_check has accepted. */
static int own_token(char token[COOKIE_TOKEN_SIZE], const struct exchange *x, struct err *err)
{
    return cookie_token(token, exchange_param(x, "HTTP_COOKIE"), err);
}

static void take_cookie_away(const struct endpoint *ep, struct exchange *x)
{
    char cookie[COOKIE_SET_SIZE];

    cookie_set(cookie, NULL, ep->app->conf->public_url, 0);
    exchange_header(x, "Set-Cookie", "%s", cookie);
}

int ep_auth_logout(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    static const char *const fields[] = {"everywhere"};
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    bool everywhere = false;
    uint64_t ended = 0;

    (void)match;
    if (endpoint_read_object(&body, ep, x, fields, ARRAY_LEN(fields), true, err) != 0)
        return -1;
    int rc = jsonx_want_bool(&everywhere, body, "everywhere", "everywhere", err);
    json_object_put(body);
    if (rc != 0 || session_close(&ended, &ep->app->store, ep->arena, ep->account_id,
                                 everywhere ? 0 : ep->session.session_id, err) != 0)
        return -1;
    take_cookie_away(ep, x);
    (void)reply_empty(x, 204);
    return 0;
}

int ep_auth_session(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err)
{
    struct endpoint *ep = context;
    char token[COOKIE_TOKEN_SIZE];

    (void)match;
    if (own_token(token, x, err) != 0)
        return -1;
    struct json_object *body = session_json(&ep->session, token);
    (void)reply_private(x, 200, body);
    json_object_put(body);
    return 0;
}

static struct json_object *entry_json(const struct session_entry *e, bool current)
{
    struct json_object *obj = json_object_new_object();

    jsonx_set_i64(obj, "id", e->id);
    jsonx_set_str(obj, "object", "session");
    jsonx_set_str(obj, "created_at", e->created_at);
    jsonx_set_str(obj, "last_used_at", e->last_used_at);
    jsonx_set_str(obj, "expires_at", e->expires_at);
    jsonx_set_str(obj, "user_agent", e->user_agent);
    jsonx_set_str(obj, "network", e->network);
    jsonx_set_bool(obj, "current", current);
    return obj;
}

/* An account has at most SESSION_PER_ACCOUNT_MAX, so they are one page. */
int ep_auth_sessions(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    struct endpoint *ep = context;
    struct session_entry *entries = NULL;
    size_t count = 0;

    (void)match;
    if (session_list(&entries, &count, &ep->app->store, ep->arena, ep->account_id, err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    struct json_object *data = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(data,
                              entry_json(&entries[i], entries[i].id == ep->session.session_id));
    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", data);
    jsonx_set_bool(body, "has_more", false);
    jsonx_set_null(body, "next");
    (void)reply_private(x, 200, body);
    json_object_put(body);
    return 0;
}

/* 0 for what is no number of a session. */
static int64_t session_number(const char *text)
{
    if (text[0] == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
        return 0;
    return strtoll(text, NULL, 10);
}

int ep_auth_revoke(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    struct endpoint *ep = context;
    int64_t id = session_number(match->params[0]);
    uint64_t ended = 0;

    if (id != 0 && session_close(&ended, &ep->app->store, ep->arena, ep->account_id, id, err) != 0)
        return -1;
    if (ended == 0)
        return err_set(err, ERR_NOT_FOUND, NULL,
                       "There is no session '%.40s' of this account; GET /v1/auth/sessions lists "
                       "them.",
                       match->params[0]);
    if (id == ep->session.session_id)
        take_cookie_away(ep, x);
    (void)reply_empty(x, 204);
    return 0;
}
