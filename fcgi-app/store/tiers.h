/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiers: the list of them, and moving accounts between them.
 */
#ifndef AIG_TIERS_H
#define AIG_TIERS_H

#include "base/base.h"

#include "store/table.h"

/* Lowest first: name, min_spend_usd, markup. */
int tiers_list(struct table *out, struct store *s, struct arena *arena,
               struct err *err) AIG_MUST_USE;

/* The highest number of an account. */
int tiers_last_account(int64_t *id, struct store *s, struct arena *arena,
                       struct err *err) AIG_MUST_USE;

/* Moves the accounts from first to last into the tiers that they have earned: one row for each that
 * changed (or, in a dry run, would): account_id, from, to, spend_usd. */
int tiers_recompute(struct table *out, struct store *s, struct arena *arena, int64_t first,
                    int64_t last, bool dry_run, struct err *err) AIG_MUST_USE;

#endif
