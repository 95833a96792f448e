/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A handler that is run once for each Idempotency-Key: core/idempotency on an exchange.
 */
#ifndef AIG_IDEMPOTENT_H
#define AIG_IDEMPOTENT_H

#include "base/base.h"

#include "api/endpoint.h"

/* 0 when answered; -1 with err when nothing has been sent yet. */
typedef int idempotent_fn(void *arg, struct err *err);

/* Runs fn, or answers what was answered before. Without the header it does nothing but that. Call
 * it when the request has been read and is in order: ep->body and ep->path are what a repeat has
 * to have in common. fn must take the request id from the exchange (it may be another one than
 * before), answer through it and ask exchange_gone about once a second; it may empty ep->body. */
int idempotent_run(struct endpoint *ep, struct exchange *x, idempotent_fn *fn, void *arg,
                   struct err *err) AIG_MUST_USE;

#endif
