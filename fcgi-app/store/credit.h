/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The credit of an account as its owner sees it: what is left of which lot, and the statement of a
 * month. Amounts are computed by SQL.
 */
#ifndef AIG_CREDIT_H
#define AIG_CREDIT_H

#include "base/base.h"

#include "store/table.h"

enum { CREDIT_LOTS_MAX = 5000, CREDIT_LINES_MAX = 50000 };

/* One row: balance_usd, held_usd, available_usd. */
int credit_balance(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                   struct err *err) AIG_MUST_USE;
/* Purchases and grants, newest first. */
int credit_lots(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                struct err *err) AIG_MUST_USE;

/* The months that there are statements of, newest first: month ("2026-11"), complete. */
int credit_months(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                  struct err *err) AIG_MUST_USE;

/* The lines of a month ("2026-11"); the first is the opening balance, the last the closing one.
 * 404 when the account has none of that month. */
int credit_statement(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                     const char *month, struct err *err) AIG_MUST_USE;

#endif
