/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every endpoint gets: the worker's things and, on a path that needs a key, who calls. The
 * handlers are listed in routes.c; each parses, makes one call and answers.
 */
#ifndef AIG_ENDPOINT_H
#define AIG_ENDPOINT_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/relay.h"
#include "http/fcgi.h"
#include "http/router.h"
#include "store/apikey.h"

/* One a worker thread; reset from request to request. */
struct endpoint {
    struct app *app;
    struct relay *relay;
    struct arena *arena;
    struct buf body;
    unsigned char key_hash[SECRET_SHA256_SIZE]; /* ROUTER_KEY and ROUTER_MODEL */
    struct apikey_principal principal;          /* ROUTER_KEY */
};

/* router_fn; context is a struct endpoint. */
int ep_chat(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_responses(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err);
int ep_stored(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_stored_delete(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err);
int ep_stored_input(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err);
int ep_models(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_model(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_me(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_usage(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_health(void *context, struct exchange *x, const struct router_match *match, struct err *err);
int ep_retired(void *context, struct exchange *x, const struct router_match *match,
               struct err *err);

/* Reads a JSON body into ep->body: 415 unless it is announced as JSON (or as nothing), 413 beyond
 * max_body. */
int endpoint_read_json(struct endpoint *ep, struct exchange *x, struct err *err) AIG_MUST_USE;

#endif
