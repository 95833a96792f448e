/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credit bought on Stripe's page: the steps that change our books. Each can be repeated without a
 * second effect (sql/procedures/p_stripe.sql). Cents are text that SQL has made.
 */
#ifndef AIG_PAYMENTS_H
#define AIG_PAYMENTS_H

#include "base/base.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

struct payments_checkout {
    const char *cents;
    const char *email;
};

/* A purchase is about to be paid. `id` is new. 400 for an amount that cannot be bought. */
int payments_open(struct payments_checkout *out, struct store *s, struct arena *arena,
                  int64_t actor_id, const char *id, const char *amount_usd,
                  struct err *err) AIG_MUST_USE;
/* Stripe's page; session_id NULL: there is none. */
int payments_opened(struct store *s, struct arena *arena, const char *id, const char *session_id,
                    struct err *err) AIG_MUST_USE;

/* What an event of Stripe says. */
struct payments_event {
    const char *id; /* evt_... */
    const char *type;
    const char *checkout_id; /* ours; NULL: none */
    const char *session_id;
    const char *payment_id;
    const char *currency;
    int64_t cents;
};
/* *outcome: credited, known, mismatch, ignored. */
int payments_paid(const char **outcome, struct store *s, struct arena *arena,
                  const struct payments_event *event, struct err *err) AIG_MUST_USE;
/* state: expired, failed. */
int payments_unpaid(const char **outcome, struct store *s, struct arena *arena,
                    const struct payments_event *event, const char *state,
                    struct err *err) AIG_MUST_USE;
/* cents: paid back in all. *outcome: refunded, refunded_in_part, known, ignored, or early: Stripe
 * has to tell it again later. */
int payments_refunded(const char **outcome, struct store *s, struct arena *arena,
                      const struct payments_event *event, struct err *err) AIG_MUST_USE;

struct payments_refund {
    const char *id; /* ours: new, or that of one that is pending */
    const char *payment_id;
    const char *cents;
    const char *amount_usd; /* trimmed */
};
/* Takes the unspent part of a purchase out of the balance. */
int payments_refund_begin(struct payments_refund *out, struct store *s, struct arena *arena,
                          int64_t actor_id, int64_t purchase_id, const char *id,
                          struct err *err) AIG_MUST_USE;
/* done false: Stripe will not pay, the credit comes back. *state: what it is now; "ignored" when
 * there is no such refund. */
int payments_refund_end(const char **state, struct store *s, struct arena *arena, const char *id,
                        bool done, const char *stripe_id, const char *note,
                        struct err *err) AIG_MUST_USE;
/* Refunds that have been pending for a minute or more, oldest first. */
int payments_refunds_pending(struct payments_refund **out, size_t *count, struct store *s,
                             struct arena *arena, size_t max, struct err *err) AIG_MUST_USE;

#endif
