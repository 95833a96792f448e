/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage as the dashboard reads it: a list of calls and sums over the hourly rollup. Every question
 * is bounded by an index and a number of rows.
 */
#ifndef AIG_USAGE_READ_H
#define AIG_USAGE_READ_H

#include "base/base.h"

#include "base/ident.h"
#include "store/table.h"

enum { USAGE_PLACE_LEN = 26 + 1 + IDENT_REQUEST_LEN }; /* "2026-11-23T10:00:00.123456_req_..." */

struct usage_filter {
    int64_t actor_id;   /* account that is signed in; 0: a key asks, key_id says which */
    int64_t key_id;     /* 0: all */
    const char *from;   /* SQL times: from ... */
    const char *to;     /* ... and before */
    int64_t model_id;   /* 0: all */
    const char *status; /* NULL: all */
    const char *text;   /* NULL: all */
    const char *after;  /* a place: what comes behind it; NULL: from the newest */
};

/* At most `limit` calls, newest first. *next: where to go on, NULL at the end; there may be more
 * even when fewer than limit are returned (a filter that matches little). A bad place is a 400. */
int usage_list(struct table *out, const char **next, struct store *s, struct arena *arena,
               const struct usage_filter *filter, size_t limit, struct err *err) AIG_MUST_USE;

enum usage_group {
    USAGE_BY_DAY,
    USAGE_BY_HOUR,
    USAGE_BY_MODEL,
    USAGE_BY_KEY,
    USAGE_BY_MEMBER,
    USAGE_BY_PROVIDER,
    USAGE_BY__COUNT
};
extern const char *const usage_group_names[USAGE_BY__COUNT];

enum { USAGE_SUMS_MAX = 10000 };

/* Of filter only actor_id, key_id, from and to count. Rows: group, label, calls, input_tokens,
 * output_tokens, charge_usd. */
int usage_sums(struct table *out, struct store *s, struct arena *arena, enum usage_group group,
               const struct usage_filter *filter, struct err *err) AIG_MUST_USE;

#endif
