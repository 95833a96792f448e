/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature of Stripe's events (docs.stripe.com/webhooks, "Verify webhook signatures
 * manually"): the header "t=<seconds>,v1=<hex>[,v1=<hex>...]" has an HMAC-SHA256 of "<t>.<body>"
 * under the endpoint's secret for each secret that is valid. Other schemes in it are ignored. Pure.
 */
#ifndef AIG_STRIPE_SIGN_H
#define AIG_STRIPE_SIGN_H

#include "base/base.h"

#include "base/buf.h"
#include "base/err.h"

enum {
    STRIPE_TOLERANCE_S = 300, /* an event may be this old, or our clock this late */
    STRIPE_HEADER_MAX = 4096,
};

/* `header` may be NULL. -1: 400. */
int stripe_sign_check(const char *header, struct span body, const char *secret, int64_t now_s,
                      struct err *err) AIG_MUST_USE;

#endif
