/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/secret.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

/* libcrypto fails here only when memory is out or it is broken: nothing sensible can follow. */
_Noreturn static void die(const char *what)
{
    fprintf(stderr, "libcrypto: %s failed\n", what);
    abort();
}

void secret_sha256(unsigned char out[SECRET_SHA256_SIZE], const void *data, size_t len)
{
    unsigned size = 0;
    if (EVP_Digest(data, len, out, &size, EVP_sha256(), NULL) != 1 || size != SECRET_SHA256_SIZE) {
        die("SHA-256");
    }
}

void secret_hmac_sha256(unsigned char out[SECRET_SHA256_SIZE], const void *key, size_t key_len,
                        const void *data, size_t len)
{
    size_t size = 0;
    /* A key must not be NULL, else libcrypto takes it for "unchanged". */
    const void *some_key = key_len > 0 ? key : "";
    if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, some_key, key_len, data, len, out,
                  SECRET_SHA256_SIZE, &size) == NULL ||
        size != SECRET_SHA256_SIZE) {
        die("HMAC-SHA-256");
    }
}

void secret_random(void *out, size_t len)
{
    unsigned char *to = out;

    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        to += n;
        len -= (size_t)n;
    }
}

bool secret_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void secret_hex(char *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

void secret_base64(struct buf *out, const void *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned bits = (unsigned)p[i] << 16;
        bits |= left > 1 ? (unsigned)p[i + 1] << 8 : 0;
        bits |= left > 2 ? (unsigned)p[i + 2] : 0;
        const char group[4] = {
            digits[bits >> 18],
            digits[bits >> 12 & 63],
            left > 1 ? digits[bits >> 6 & 63] : '=',
            left > 2 ? digits[bits & 63] : '=',
        };
        buf_append(out, group, sizeof(group));
    }
}
