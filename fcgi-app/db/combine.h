/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several threads' waiting steps of one kind share one CALL and so one transaction. While a step
 * runs, those that come meanwhile queue up; the next one that may run takes them all along as one
 * JSON array. Nobody waits for company: a step that is alone runs by itself at once.
 *
 * The shared procedure answers with a row for each step that it did; what it leaves out, or all if
 * it fails, runs by itself through the single procedure. Steps are idempotent (ids are made by the
 * caller), so that is always safe. Only when the database is away do all of them fail at once. Any
 * thread may call these.
 */
#ifndef AIG_DB_COMBINE_H
#define AIG_DB_COMBINE_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/pool.h"
#include "db/stmt.h"

/* Below the least, one by one at the same time is quicker (measured). */
enum { DB_COMBINE_MIN = 4, DB_COMBINE_MAX = 32 };

struct db_combiner;

/* `single` is a CALL with the step's parameters and one row as its answer; `many` is a CALL with
 * one parameter, the JSON array of the steps' parameters (each an array; DB_BYTES in hex), whose
 * rows have the step's first parameter before the columns of the single one. Both are static. */
struct db_combiner *db_combiner_new(struct db_pool *pool, const char *single,
                                    const char *many) AIG_MUST_USE;
/* No step may be under way. NULL is allowed. */
void db_combiner_free(struct db_combiner *c);

/* Runs one step, alone or together with others. *out has one row, or none if the procedure answered
 * none. */
int db_combine(struct db_rows *out, struct db_combiner *c, struct arena *arena,
               const struct db_param *params, size_t param_count, struct err *err) AIG_MUST_USE;

#endif
