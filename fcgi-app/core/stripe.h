/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit through Stripe Checkout, where the operator has configured it: the hosted page, the events
 * that say what became of it, refunds. Money changes in our books only (store/payments); Stripe is
 * asked with our own numbers as idempotency keys. Formats: docs.stripe.com/api (Checkout Sessions,
 * Refunds, Events).
 */
#ifndef AIG_STRIPE_H
#define AIG_STRIPE_H

#include "base/base.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/payments.h"
#include "store/store.h"

struct stripe_call {
    const struct conf *conf;
    struct store *store;
    struct arena *arena;
};

/* *url: the page where the customer pays. -1: 404 when the operator has not configured Stripe, 400
 * for a bad amount, 502 when Stripe does not answer well (nothing was bought then). */
int stripe_checkout(const char **url, const struct stripe_call *call, int64_t account_id,
                    const char *amount_usd, struct err *err) AIG_MUST_USE;

/* An event as it came, with its Stripe-Signature header (or NULL). *outcome: what was done. -1: 400
 * for a bad signature, 409 when Stripe has to send it again later. */
int stripe_event(const char **outcome, const struct stripe_call *call, struct span body,
                 const char *signature, struct err *err) AIG_MUST_USE;

/* Gives the unspent part of a purchase back. *state: done, or pending when Stripe could not be
 * asked, which stripe_refund_retry does later. -1: also when Stripe refuses; the credit is back
 * then. */
int stripe_refund(struct payments_refund *out, const char **state, const struct stripe_call *call,
                  int64_t account_id, int64_t purchase_id, struct err *err) AIG_MUST_USE;

/* For cron: asks Stripe once more for refunds that have been pending for a minute or more, until
 * deadline_ms (monotonic; 0: none). Inits and ends what calls to Stripe need. */
struct stripe_retry {
    size_t done;
    size_t failed; /* refused: the credit is back */
    size_t open;
};
int stripe_refund_retry(struct stripe_retry *out, const struct stripe_call *call,
                        int64_t deadline_ms, bool dry_run, struct err *err) AIG_MUST_USE;

#endif
