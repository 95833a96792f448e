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
#include "http/router.h"
#include "store/apikey.h"
#include "store/session.h"

/* One a worker thread; reset from request to request. */
struct endpoint {
    struct app *app;
    struct relay *relay;
    struct arena *arena;
    struct buf body;
    const char *path;                           /* of the route: "/v1/chat/completions" */
    unsigned char key_hash[SECRET_SHA256_SIZE]; /* ROUTER_KEY and ROUTER_MODEL */
    struct apikey_principal principal; /* ROUTER_KEY and ROUTER_ACCOUNT; in a session key_id is 0,
                                          account_id that of the session */
    int64_t account_id;               /* who acts: ROUTER_SESSION, ROUTER_ACCOUNT (owner of the key,
                                         not the payer) and ROUTER_KEY; else 0 */
    struct session_principal session; /* ROUTER_SESSION and ROUTER_ACCOUNT; session_id 0: by key */
};

/* router_fn; context is a struct endpoint. */
int ep_chat(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_embeddings(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err);
int ep_models(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_model(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_me(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_usage(void *context, struct exchange *x, const struct router_match *match, struct err *err);
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
/* What OpenAI has retired. */
int ep_retired(void *context, struct exchange *x, const struct router_match *match,
               struct err *err);

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
