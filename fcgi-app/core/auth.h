/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the headers with a key to the hash that the ledger knows a key by. Pure.
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

/* The same where a key may also come as Anthropic's clients send it: `api_key` is the value of
 * x-api-key or NULL. It counts where `authorization` holds no key. */
int auth_any_key_hash(unsigned char out[SECRET_SHA256_SIZE], const char *authorization,
                      const char *api_key, struct err *err) AIG_MUST_USE;

#endif
