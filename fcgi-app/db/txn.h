/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step against the database with its retries. Every step is idempotent (ids are made by the
 * caller), so a conflict (1213, 1205) is retried with jitter and a lost connection once on a fresh
 * one, on another host if need be.
 */
#ifndef AIG_DB_TXN_H
#define AIG_DB_TXN_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/pool.h"
#include "db/stmt.h"

/* Takes a connection, runs `sql`, gives the connection back; retries as said above until
 * deadline_ms (monotonic; 0: 10 s from now). */
int db_run(struct db_rows *out, struct db_pool *pool, struct arena *arena, const char *sql,
           const struct db_param *params, size_t param_count, size_t row_max, int64_t deadline_ms,
           struct err *err) AIG_MUST_USE;

#endif
