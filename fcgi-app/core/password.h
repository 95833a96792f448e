/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: scrypt with its parameters beside the hash, in the PHC string format
 * (github.com/P-H-C/phc-string-format): $scrypt$ln=15,r=8,p=3$salt$hash. One computation takes 32
 * MiB and a good part of a second, so a process does at most PASSWORD_AT_ONCE at a time; a few more
 * wait their turn, the rest are refused. Any thread may call these; the turnstile behind them is
 * the process's only shared state here, and has its own mutex.
 */
#ifndef AIG_PASSWORD_H
#define AIG_PASSWORD_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    PASSWORD_MIN = 10, /* bytes */
    PASSWORD_MAX = 1024,
    PASSWORD_HASH_SIZE = 200,
    PASSWORD_AT_ONCE = 2,
    PASSWORD_WAITING_MAX = 4, /* fewer than the workers that are kept free of model calls */
    PASSWORD_WAIT_MS = 10 * 1000,
};

/* A new hash. -1: 503 when too many are at it. */
int password_hash(char out[PASSWORD_HASH_SIZE], struct span password, struct err *err) AIG_MUST_USE;

/* Whether `password` belongs to `hash`. hash NULL (nobody is known, or has no password): the same
 * work, and false. -1: 503 when too many are at it. */
int password_verify(bool *right, const char *hash, struct span password,
                    struct err *err) AIG_MUST_USE;

#endif
