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
/* Appends what standard base64 with padding (RFC 4648, section 4) stands for. -1: it is none;
 * nothing is appended then. */
int secret_unbase64(struct buf *out, struct span text) AIG_MUST_USE;
/* The same for what MariaDB's TO_BASE64 writes, in lines. (Its REPLACE takes seconds to join those
 * of some MiB.) */
int secret_unbase64_lines(struct buf *out, const char *text) AIG_MUST_USE;

struct secret_scrypt_cost {
    unsigned log2_n; /* memory: 128 * r * 2^log2_n bytes */
    unsigned r;
    unsigned p;
};
/* scrypt (RFC 7914). -1: parameters that RFC 7914 forbids, or that need more than memory_max bytes.
 */
int secret_scrypt(unsigned char *out, size_t out_len, struct span password, struct span salt,
                  const struct secret_scrypt_cost *cost, size_t memory_max) AIG_MUST_USE;
/* Overwrites what must not stay in memory. */
void secret_wipe(void *data, size_t len);

/* What a sealed text is longer than the plain one: nonce and tag. */
enum { SECRET_SEAL_OVERHEAD = 12 + 16 };

/* Encrypts what is stored: appends nonce, ciphertext and tag of AES-256-GCM (NIST SP 800-38D). The
 * key is derived from `master` (the configuration's secret_key) for one purpose
 * ("reasoning_carry"); `place` says where the text is kept (a row's id), so that it opens nowhere
 * else. */
void secret_seal(struct buf *out, const char *master, const char *purpose, struct span place,
                 struct span plain);
/* Appends the plain text. -1: not sealed under this key for this purpose and place, or changed
 * since; nothing is appended then. */
int secret_open(struct buf *out, const char *master, const char *purpose, struct span place,
                struct span sealed) AIG_MUST_USE;

#endif
