/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography by OpenSSL's libcrypto; this is its home. Any thread may call these.
 */
#ifndef AIG_SECRET_H
#define AIG_SECRET_H

#include "base/base.h"
#include "base/buf.h"

enum { SECRET_SHA256_SIZE = 32 };

void secret_sha256(unsigned char out[SECRET_SHA256_SIZE], const void *data, size_t len);
void secret_hmac_sha256(unsigned char out[SECRET_SHA256_SIZE], const void *key, size_t key_len,
                        const void *data, size_t len);
/* Cryptographically random; aborts if the system has none. */
void secret_random(void *out, size_t len);
/* Constant time in the contents. */
bool secret_equal(const void *a, const void *b, size_t len);
/* Lower-case hex plus NUL: out needs 2 * len + 1 bytes. */
void secret_hex(char *out, const void *data, size_t len);
/* Appends standard base64 with padding. */
void secret_base64(struct buf *out, const void *data, size_t len);

#endif
