/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses that a client asked to keep: sealed texts, found by their id or by the ids of their
 * items, only for the payer and the owner of the key that made them.
 */
#ifndef AIG_STORED_RESPONSE_H
#define AIG_STORED_RESPONSE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

enum {
    STORED_RESPONSE_ID_LEN = 31, /* "resp_" and a ULID */
    STORED_RESPONSE_DAYS = 30,
    STORED_RESPONSE_DEPTH_MAX = 64, /* responses that go on from each other */
};

struct stored_row {
    const char *id;
    const char *previous_id; /* NULL: none */
    int64_t depth;           /* responses in the chain up to this one */
    int64_t chain_bytes;     /* sealed bytes in it */
    const char *sealed;      /* base64 in lines */
};

struct stored_new {
    const char *id;
    const char *previous_id; /* NULL: none */
    struct span sealed;
    const char *item_ids; /* JSON array of strings: what a later request may refer to */
};

/* Keeps it; the same id once more changes nothing. */
int stored_response_put(struct store *s, struct arena *arena, int64_t key_id,
                        const struct stored_new *new_row, struct err *err) AIG_MUST_USE;

/* The response and what it went on from, newest first, at most `max` rows; none: it is not kept, or
 * not for this key's owner. */
int stored_response_chain(struct stored_row **out, size_t *count, struct store *s,
                          struct arena *arena, int64_t key_id, const char *id, size_t max,
                          struct err *err) AIG_MUST_USE;

/* The responses that have one of the items (a JSON array of ids). */
int stored_response_items(struct stored_row **out, size_t *count, struct store *s,
                          struct arena *arena, int64_t key_id, const char *item_ids,
                          struct err *err) AIG_MUST_USE;

/* *deleted false: there was none. */
int stored_response_delete(bool *deleted, struct store *s, struct arena *arena, int64_t key_id,
                           const char *id, struct err *err) AIG_MUST_USE;

/* Housekeeping: deletes those whose time is over. */
int stored_response_purge(struct store *s, struct arena *arena, int64_t deadline_ms,
                          struct err *err) AIG_MUST_USE;

#endif
