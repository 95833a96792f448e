/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "api/table_json.h"
#include "base/mailaddr.h"
#include "core/cookie.h"
#include "core/letter.h"
#include "http/reply.h"
#include "store/teams.h"

#include <string.h>

enum { NAME_MAX_CHARACTERS = 120 };

static const char *const roles[] = {"admin", "member"};

int ep_teams(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct table teams;
    int64_t limit = ASK_LIMIT;
    int64_t after = 0;

    (void)match;
    if (ask_query_i64(&limit, ep, x, "limit", 1, ASK_LIMIT_MAX, err) != 0 ||
        ask_query_i64(&after, ep, x, "after", 1, UINT32_MAX, err) != 0 ||
        teams_list(&teams, &ep->app->store, ep->arena, ep->account_id, after, 0, (size_t)limit,
                   err) != 0)
        return -1;
    bool more = table_cut(&teams, (size_t)limit);
    const char *next = more ? table_cell(&teams, (size_t)limit - 1, "id") : NULL;
    struct json_object *body = table_list_json(&teams, next);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

/* A team with its members and open invitations. */
static int answer_team(struct endpoint *ep, struct exchange *x, int status, int64_t team_id,
                       struct err *err)
{
    struct store *s = &ep->app->store;
    struct table team;
    struct table members;
    struct table invitations;

    if (teams_list(&team, s, ep->arena, ep->account_id, 0, team_id, 1, err) != 0)
        return -1;
    if (team.row_count == 0)
        return err_set(err, ERR_NOT_FOUND, "team_id",
                       "You are in no such team. GET /v1/teams lists yours.");
    if (teams_members(&members, s, ep->arena, ep->account_id, team_id, err) != 0 ||
        teams_invitations(&invitations, s, ep->arena, ep->account_id, team_id, err) != 0)
        return -1;
    struct json_object *body = table_row_json(&team, 0);
    jsonx_set(body, "members", table_rows_json(&members));
    jsonx_set(body, "invitations", table_rows_json(&invitations));
    (void)reply_json(x, status, body);
    json_object_put(body);
    return 0;
}

int ep_team(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    int64_t id = 0;

    return ask_path_id(&id, match->params[0], err) == 0 ? answer_team(context, x, 200, id, err)
                                                        : -1;
}

int ep_team_create(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    static const char *const names[] = {"name"};
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    const char *name = NULL;
    int64_t id = 0;

    (void)match;
    if (endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = ask_name(&name, ep, body, "name", NAME_MAX_CHARACTERS, err);
    json_object_put(body);
    if (rc != 0)
        return -1;
    if (name == NULL)
        return err_set(err, ERR_BAD_REQUEST, "name", "A team needs a 'name'.");
    if (teams_create(&id, &ep->app->store, ep->arena, ep->account_id, name, err) != 0)
        return -1;
    return answer_team(ep, x, 201, id, err);
}

int ep_team_change(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    static const char *const names[] = {"name", "cap_usd", "period"};
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    const char *name = NULL;
    const char *cap_usd = NULL;
    const char *period = NULL;
    int64_t set = 0;
    int64_t id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = ask_name(&name, ep, body, "name", NAME_MAX_CHARACTERS, err);
    if (rc == 0)
        rc = ask_cap(&cap_usd, &period, &set, TEAMS_CAP, TEAMS_PERIOD, ep, body, err);
    json_object_put(body);
    set |= name != NULL ? TEAMS_NAME : 0;
    if (rc != 0 || teams_change(&ep->app->store, ep->arena, ep->account_id, id, set, name, cap_usd,
                                period, err) != 0)
        return -1;
    return answer_team(ep, x, 200, id, err);
}

/* --- Invitations --------------------------------------------------------------------------------
 */

static int read_invitation(struct teams_invite *invite, struct endpoint *ep,
                           struct json_object *body, struct err *err)
{
    const char *email = NULL;
    char *normal = arena_alloc(ep->arena, MAILADDR_SIZE);

    if (ask_name(&email, ep, body, "email", MAILADDR_MAX, err) != 0 ||
        ask_word(&invite->role, body, "role", roles, ARRAY_LEN(roles), err) != 0)
        return -1;
    if (email == NULL || !mailaddr_valid(span_of(email)))
        return err_set(err, ERR_BAD_REQUEST, "email", "'email' must be an e-mail address.");
    mailaddr_normal(normal, span_of(email));
    invite->email = normal;
    return 0;
}

/* The mail with the link; only the link has the token. */
static int write_mail(struct teams_invite *invite, struct endpoint *ep, const char *team,
                      struct err *err)
{
    const char *base = ep->app->conf->public_url;
    char token[COOKIE_TOKEN_SIZE];

    if (base == NULL) {
        err_set(err, ERR_NOT_CONFIGURED, NULL, "The server is not set up to send mails.");
        return err_detail(err, "public_url is not set");
    }
    cookie_new_token(token);
    secret_sha256(invite->token_hash, token, strlen(token));
    struct signup_mail mail =
        letter_invite(ep->arena, base, token, ep->session.email, team, invite->email);
    invite->subject = mail.subject;
    invite->body = mail.body;
    return 0;
}

int ep_team_invite(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    static const char *const names[] = {"email", "role"};
    struct endpoint *ep = context;
    struct teams_invite invite = {.role = "member"};
    struct json_object *body = NULL;
    struct table team;
    int64_t id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = read_invitation(&invite, ep, body, err);
    json_object_put(body);
    if (rc != 0 ||
        teams_list(&team, &ep->app->store, ep->arena, ep->account_id, 0, id, 1, err) != 0)
        return -1;
    if (team.row_count == 0)
        return err_set(err, ERR_NOT_FOUND, "team_id",
                       "You are in no such team. GET /v1/teams lists yours.");
    int64_t invitation_id = 0;
    if (write_mail(&invite, ep, table_cell(&team, 0, "name"), err) != 0 ||
        teams_invite(&invitation_id, &ep->app->store, ep->arena, ep->account_id, id, &invite,
                     err) != 0)
        return -1;
    return answer_team(ep, x, 201, id, err);
}

int ep_team_uninvite(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    struct endpoint *ep = context;
    int64_t id = 0;
    int64_t invitation_id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        ask_path_id(&invitation_id, match->params[1], err) != 0 ||
        teams_uninvite(&ep->app->store, ep->arena, ep->account_id, id, invitation_id, err) != 0)
        return -1;
    (void)reply_empty(x, 204);
    return 0;
}

int ep_team_join(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err)
{
    static const char *const names[] = {"token"};
    struct endpoint *ep = context;
    unsigned char hash[SECRET_SHA256_SIZE];
    struct json_object *body = NULL;
    const char *token = NULL;
    int64_t id = 0;

    (void)match;
    if (endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = ask_name(&token, ep, body, "token", COOKIE_TOKEN_LEN, err);
    json_object_put(body);
    if (rc != 0)
        return -1;
    if (token == NULL)
        return err_set(err, ERR_BAD_REQUEST, "token", "The 'token' of the invitation is missing.");
    secret_sha256(hash, token, strlen(token));
    if (teams_join(&id, &ep->app->store, ep->arena, ep->account_id, hash, err) != 0)
        return -1;
    return answer_team(ep, x, 200, id, err);
}

/* --- Members ------------------------------------------------------------------------------------
 */

int ep_member_change(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    static const char *const names[] = {"role", "cap_usd", "period"};
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    const char *role = NULL;
    const char *cap_usd = NULL;
    const char *period = NULL;
    int64_t set = 0;
    int64_t id = 0;
    int64_t member_id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        ask_path_id(&member_id, match->params[1], err) != 0 ||
        endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = ask_word(&role, body, "role", roles, ARRAY_LEN(roles), err);
    if (rc == 0)
        rc = ask_cap(&cap_usd, &period, &set, MEMBER_CAP, MEMBER_PERIOD, ep, body, err);
    json_object_put(body);
    set |= role != NULL ? MEMBER_ROLE : 0;
    if (rc != 0 || teams_change_member(&ep->app->store, ep->arena, ep->account_id, id, member_id,
                                       set, role, cap_usd, period, err) != 0)
        return -1;
    return answer_team(ep, x, 200, id, err);
}

int ep_member_remove(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    struct endpoint *ep = context;
    int64_t id = 0;
    int64_t member_id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        ask_path_id(&member_id, match->params[1], err) != 0 ||
        teams_remove_member(&ep->app->store, ep->arena, ep->account_id, id, member_id, err) != 0)
        return -1;
    (void)reply_empty(x, 204);
    return 0;
}

int ep_team_transfer(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    static const char *const names[] = {"member_id"};
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    int64_t id = 0;
    int64_t member_id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = jsonx_want_i64(&member_id, body, "member_id", "member_id", 1, UINT32_MAX, err);
    json_object_put(body);
    if (rc != 0)
        return -1;
    if (member_id == 0)
        return err_set(err, ERR_BAD_REQUEST, "member_id", "'member_id' is missing.");
    if (teams_transfer(&ep->app->store, ep->arena, ep->account_id, id, member_id, err) != 0)
        return -1;
    return answer_team(ep, x, 200, id, err);
}
