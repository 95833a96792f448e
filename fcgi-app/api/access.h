/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may call a path: API key, session cookie, CSRF token. Fills who calls into the worker's
 * endpoint.
 */
#ifndef AIG_ACCESS_H
#define AIG_ACCESS_H

#include "base/base.h"

#include "api/endpoint.h"
#include "base/err.h"
#include "http/fcgi.h"
#include "http/router.h"

/* Once a request, before its handler. -1: 401, or 403 for a change in a session without its CSRF
 * token. ROUTER_MODEL only checks the form of the key: the ledger checks the rest in its one step.
 */
int access_check(struct endpoint *ep, struct exchange *x, enum router_scope scope,
                 struct err *err) AIG_MUST_USE;

/* Looks up the key of ep->key_hash. -1: 401. */
int access_find_key(struct endpoint *ep, struct err *err) AIG_MUST_USE;

#endif
