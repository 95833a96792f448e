/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasoning state of answers with tool calls, kept for CARRY_KEEP_H hours: sealed texts, found by
 * account and by the hash of the first call's id.
 */
#ifndef AIG_STORE_CARRY_H
#define AIG_STORE_CARRY_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

enum {
    CARRY_KEEP_H = 24,
    CARRY_CALLS_MAX = 64, /* looked up at once */
};

/* For whom and by whom it was made. */
struct carry_origin {
    int64_t account_id;
    const char *provider;
    const char *upstream_model;
};

struct carry_row {
    const char *hash;   /* of the call's id, lower-case hex */
    const char *sealed; /* base64 in lines */
};

/* Replaces what was kept under the same hash. */
int carry_put(struct store *s, struct arena *arena, const struct carry_origin *origin,
              const unsigned char hash[SECRET_SHA256_SIZE], struct span sealed,
              struct err *err) AIG_MUST_USE;

/* `hashes`: a JSON array of at most CARRY_CALLS_MAX hashes in hex. Rows in the arena, those that
 * are not kept are missing. */
int carry_get(struct carry_row **out, size_t *count, struct store *s, struct arena *arena,
              const struct carry_origin *origin, const char *hashes, struct err *err) AIG_MUST_USE;

/* Housekeeping: deletes what has expired, in small chunks, until `deadline_ms` (monotonic). */
int carry_purge(struct store *s, struct arena *arena, int64_t deadline_ms,
                struct err *err) AIG_MUST_USE;

#endif
