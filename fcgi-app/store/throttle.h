/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often an address and a network may try something. Counted in the database: it holds over all
 * processes and survives a restart. Addresses and networks are stored as hashes.
 */
#ifndef AIG_THROTTLE_H
#define AIG_THROTTLE_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

enum throttle_action {
    THROTTLE_SIGNUP,
    THROTTLE_LOGIN, /* failures; what went well is given back */
    THROTTLE_RESET,
    THROTTLE_LINK, /* links that are no good; by network only */
    THROTTLE__COUNT
};

/* What counts this action of an address or a network (any letter case). */
void throttle_subject(unsigned char out[SECRET_SHA256_SIZE], enum throttle_action action,
                      const char *what);

/* Counts an attempt. `address` NULL: the network alone counts. -1: 429 with Retry-After when one of
 * them has tried too often. */
int throttle_take(struct store *s, struct arena *arena, enum throttle_action action,
                  const char *address, const char *network, struct err *err) AIG_MUST_USE;

/* The attempt went well and does not count. If the database is away just now, it does. */
void throttle_give(struct store *s, struct arena *arena, enum throttle_action action,
                   const char *address, const char *network);

#endif
