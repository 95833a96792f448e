/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every endpoint gets: the worker's things and, on a path that needs a key, who calls. The
 * handlers are listed in routes.c; each parses, makes one call and answers.
 */
#ifndef AIG_ENDPOINT_H
#define AIG_ENDPOINT_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/relay.h"
#include "http/fcgi.h"
#include "http/reply.h"
#include "http/router.h"
#include "store/apikey.h"
#include "store/session.h"

struct endpoint;

/* Work that is done once the client has its answer. */
typedef void endpoint_after_fn(struct endpoint *ep, void *arg);

/* One a worker thread; reset from request to request. */
struct endpoint {
    struct app *app;
    struct relay *relay;
    struct arena *arena;
    struct buf body;
    const char *path;                /* of the route: "/v1/chat/completions" */
    reply_error_body_fn *error_body; /* how its clients are told of an error; NULL: as OpenAI's */
    unsigned char key_hash[SECRET_SHA256_SIZE]; /* ROUTER_KEY and ROUTER_MODEL */
    struct apikey_principal principal; /* ROUTER_KEY and ROUTER_ACCOUNT; in a session key_id is 0,
                                          account_id that of the session */
    int64_t account_id;               /* who acts: ROUTER_SESSION, ROUTER_ACCOUNT (owner of the key,
                                         not the payer) and ROUTER_KEY; else 0 */
    struct session_principal session; /* ROUTER_SESSION and ROUTER_ACCOUNT; session_id 0: by key */
    endpoint_after_fn *after;         /* endpoint_after; NULL: nothing */
    void *after_arg;
};

/* router_fn; context is a struct endpoint. */
int ep_chat(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_messages(void *context, struct exchange *x, const struct router_match *match,
                struct err *err);
int ep_count_tokens(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err);
int ep_responses(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err);
int ep_stored(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_stored_delete(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_stored_input(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err);
/* The rest of what clients of the OpenAI SDKs call, and the account's figures. */
int ep_embeddings(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_models(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_model(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_me(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_usage(void *context, struct exchange *x, const struct router_match *match, struct err *err);
/* Media jobs (ep_jobs.c) and what providers call when one has ended (ep_callback.c). */
int ep_job_create(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_job_record(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_jobs(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_callback(void *context, struct exchange *x, const struct router_match *match,
                struct err *err);
int ep_health(void *context, struct exchange *x, const struct router_match *match, struct err *err);
/* Sign-up and sign-in (ep_auth.c). */
int ep_auth_signup(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
int ep_auth_verify(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
int ep_auth_login(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_auth_logout(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
int ep_auth_reset(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_auth_session(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err);
int ep_auth_sessions(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_auth_revoke(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
/* Lists and sums of calls, tiers (ep_usage_read.c). */
int ep_usage_list(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_usage_summary(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_tiers(void *context, struct exchange *x, const struct router_match *match, struct err *err);
/* Keys (ep_keys.c). */
int ep_keys(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_key_create(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_key_change(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_key_delete(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_key_rotate(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
/* Teams (ep_teams.c). */
int ep_teams(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_team(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_team_create(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
int ep_team_change(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
int ep_team_invite(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
int ep_team_uninvite(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_team_join(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err);
/* Their members. */
int ep_member_change(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_member_remove(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_team_transfer(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
/* Credit, statements, Stripe (ep_credit.c). */
int ep_credit(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_credit_checkout(void *context, struct exchange *x, const struct router_match *match,
                       struct err *err);
int ep_credit_refund(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_statements(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_statement(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err);
int ep_stripe_webhook(void *context, struct exchange *x, const struct router_match *match,
                      struct err *err);
/* Webhooks: deliveries and secrets. */
int ep_hooks(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_hook(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_hook_redeliver(void *context, struct exchange *x, const struct router_match *match,
                      struct err *err);
int ep_hook_secrets(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err);
int ep_hook_rotate(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err);
/* What OpenAI has retired. */
int ep_retired(void *context, struct exchange *x, const struct router_match *match,
               struct err *err);

/* Is this one of kie.ai's paths, whose errors have kie.ai's `code` and `msg` beside OpenAI's error?
 */
bool ep_job_owns(const struct router_match *match);
/* reply_error_body_fn, in that form. */
void ep_job_error_body(struct buf *out, const struct err *e, const char *request_id);

/* Has `fn` called after the answer, with the request's arena still there. Once a request; the
 * answer must have been written. */
void endpoint_after(struct endpoint *ep, endpoint_after_fn *fn, void *arg);
/* Reads a body that must be a JSON object with no other members than `fields`; 400 names another
 * one. 415 unless it is announced as JSON: a form of another site cannot do that. 413 beyond
 * ENDPOINT_OBJECT_MAX. An empty body is an empty object where `may_be_empty`. The caller owns *out
 * (json_object_put). */
int endpoint_read_object(struct json_object **out, struct endpoint *ep, struct exchange *x,
                         const char *const *fields, size_t field_count, bool may_be_empty,
                         struct err *err) AIG_MUST_USE;
enum { ENDPOINT_OBJECT_MAX = 64 * 1024 };

/* Reads a JSON body into ep->body: 415 unless it is announced as JSON (or as nothing), 413 beyond
 * max_body. */
int endpoint_read_json(struct endpoint *ep, struct exchange *x, struct err *err) AIG_MUST_USE;

#endif
