/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which upstreams are up: shared by all processes and nodes through the table upstream_health.
 * Holds no money.
 */
#ifndef AIG_HEALTH_H
#define AIG_HEALTH_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

enum {
    HEALTH_FAILURES = 3,     /* in a row: then the provider is marked down */
    HEALTH_COOL_DOWN_S = 15, /* doubles with each failure more */
    HEALTH_COOL_DOWN_MAX_S = 300,
    HEALTH_PROBE_S = 30, /* a probe that has not reported by then is given up */
};

struct health_entry {
    const char *provider;
    int64_t failures;
    bool down;     /* its cool-down runs */
    bool unproven; /* its cool-down is over, but no probe has succeeded since */
};

/* Every provider that ever failed; rows in the arena. */
int health_load(struct health_entry **out, size_t *count, struct store *s, struct arena *arena,
                struct err *err) AIG_MUST_USE;

/* One failure more. `what` is for the operator. */
int health_fail(struct store *s, struct arena *arena, const char *provider, const char *what,
                struct err *err) AIG_MUST_USE;
/* It answered: failures are forgotten. */
int health_recover(struct store *s, struct arena *arena, const char *provider,
                   struct err *err) AIG_MUST_USE;
/* *won: the caller, and nobody else, is to try the unproven provider now. */
int health_probe(bool *won, struct store *s, struct arena *arena, const char *provider,
                 struct err *err) AIG_MUST_USE;

#endif
