/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the Authorization header to the hash that the ledger knows a key by. Pure.
 */
#ifndef AIG_AUTH_H
#define AIG_AUTH_H

#include "base/base.h"
#include "base/err.h"
#include "base/secret.h"

/* `authorization` is the header's value or NULL. 401 when it is absent, is not "Bearer <key>", or
 * holds what cannot be a key of this gateway; the key itself is never echoed. */
int auth_key_hash(unsigned char out[SECRET_SHA256_SIZE], const char *authorization,
                  struct err *err) AIG_MUST_USE;

#endif
