/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database as the rest of the program sees it: opens the pool, knows the schema version that
 * this build needs. store/ is the only C with SQL text; a statement stands at the top of its file.
 * Any thread may call store functions; rows are copied into the caller's arena.
 */
#ifndef AIG_STORE_H
#define AIG_STORE_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/pool.h"

enum { STORE_SCHEMA_VERSION = 11 }; /* highest migration number this build needs */

struct db_combiner;

struct store {
    struct db_pool *pool;
    struct db_combiner *authorize; /* store/ledger's: calls that come at once share a transaction */
    struct db_combiner *settle;
};

/* Never fails: connections open lazily. The conf must outlive it. */
void store_init(struct store *s, const struct conf *conf);
/* The same for a cron program: few connections, and an answer may take an hour. */
void store_init_batch(struct store *s, const struct conf *conf);
void store_fini(struct store *s);

/* 0 when the database answers and its schema version is at least STORE_SCHEMA_VERSION; *version
 * (may be NULL) is what it has. */
int store_check(int64_t *version, struct store *s, struct arena *arena,
                struct err *err) AIG_MUST_USE;

/* A DECIMAL cell without trailing zeros, in the arena; NULL stays NULL. */
const char *store_decimal(struct arena *arena, const char *cell);

/* An advisory lock of the database, held by a connection of its own; the server drops it when that
 * connection ends, so a killed program leaves none behind. */
struct store_lock;
/* *out is NULL when somebody else holds the lock. The pool must allow one more connection. */
int store_lock(struct store_lock **out, struct store *s, struct arena *arena, const char *name,
               struct err *err) AIG_MUST_USE;
/* NULL is allowed. */
void store_unlock(struct store_lock *lock, struct store *s);

#endif
