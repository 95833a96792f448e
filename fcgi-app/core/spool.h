/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settlements that the database could not take: one small file each in spool_dir, written to a
 * temporary name, fsynced and renamed, holding ids and counts only. replay-spool settles them
 * exactly once (the ledger's settle is idempotent), then deletes the file. A file that cannot be
 * understood is renamed to *.bad and reported.
 */
#ifndef AIG_SPOOL_H
#define AIG_SPOOL_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/ledger.h"

/* Durable when it answers 0. */
int spool_write(const char *dir, const char *request_id, const struct ledger_usage *usage,
                const struct ledger_outcome *how, struct err *err) AIG_MUST_USE;

struct spool_report {
    size_t settled; /* now or by an earlier replay */
    size_t left;    /* the database is still away, or the deadline came */
    size_t bad;
};

/* Replays every file, oldest first, until deadline_ms (monotonic; 0: none). dry_run changes
 * nothing: what would be settled counts as left. A folder that does not exist is an empty one. -1
 * when it cannot be read, the database is away or refuses a settlement (the report is filled as far
 * as it went). Two replays at once do no harm. */
int spool_replay(struct spool_report *out, const char *dir, struct store *s, struct arena *arena,
                 int64_t deadline_ms, bool dry_run, struct err *err) AIG_MUST_USE;

#endif
