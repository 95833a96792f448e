/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matches method and path against a constant table that api/ gives. A segment "{}" of a path takes
 * any one non-empty segment; its text is a parameter. Pure; any thread may call it.
 */
#ifndef AIG_ROUTER_H
#define AIG_ROUTER_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/fcgi.h"

enum router_scope {
    ROUTER_PUBLIC,  /* no key */
    ROUTER_KEY,     /* a valid key; free of charge, also for a key over its cap */
    ROUTER_SESSION, /* somebody who is signed in (cookie); a change also needs the CSRF token */
    ROUTER_ACCOUNT, /* a valid key, or somebody who is signed in */
    ROUTER_MODEL, /* a model call: needs a worker that is not reserved; the ledger checks the key */
};

enum { ROUTER_PARAM_MAX = 2 };

struct router_match;

/* 0 when answered; -1 with err when nothing has been sent yet. `context` is the caller's. */
typedef int router_fn(void *context, struct exchange *x, const struct router_match *match,
                      struct err *err);

struct router_route {
    const char *method;
    const char *path; /* after the mount: "/v1/models/{}"; a trailing "/..." segment takes all that
                         follows */
    enum router_scope scope;
    router_fn *handler;
};

struct router_match {
    const struct router_route *route;
    const char *params[ROUTER_PARAM_MAX];
};

/* 404, or 405 naming the allowed methods (also in *allow, a static or arena text for the Allow
 * header). */
int router_find(struct router_match *out, const char **allow, const struct router_route *routes,
                size_t route_count, const char *method, const char *path, struct arena *arena,
                struct err *err) AIG_MUST_USE;

#endif
