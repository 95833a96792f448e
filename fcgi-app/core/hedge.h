/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a provider is asked and when its hedge is: a short-lived copy of store/health, and what
 * calls report. Any thread may call these.
 */
#ifndef AIG_HEDGE_H
#define AIG_HEDGE_H

#include "base/base.h"
#include "base/mem.h"
#include "store/health.h"

enum { HEDGE_TTL_MS = 1000 };

struct hedge;

struct hedge *hedge_new(struct store *store) AIG_MUST_USE;
void hedge_free(struct hedge *h);

/* False while the provider is marked down; after its cool-down true for one call at a time, the
 * probe. With the database away every provider counts as up. */
bool hedge_is_up(struct hedge *h, const char *provider, struct arena *arena);

/* Whether it would be marked down, without a claim to the probe. */
bool hedge_is_down(struct hedge *h, const char *provider, struct arena *arena);

/* How a call to the provider went; `what` (NULL: well) is for the operator. */
void hedge_report(struct hedge *h, const char *provider, const char *what, struct arena *arena);

#endif
