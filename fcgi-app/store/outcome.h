/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a procedure of the API answers in its one row: "ok", or a word for why not, which becomes an
 * error here.
 */
#ifndef AIG_OUTCOME_H
#define AIG_OUTCOME_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/stmt.h"
#include "store/store.h"

/* Calls a procedure whose first two columns are outcome and detail. -1: it refused (400, 403, 404)
 * or could not be asked. */
int outcome_call(struct db_rows *rows, struct store *s, struct arena *arena, const char *sql,
                 const struct db_param *params, size_t param_count, struct err *err) AIG_MUST_USE;

#endif
