/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/secret.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

int secret_unbase64(struct buf *out, struct span text)
{
    if (text.len % 4 != 0 || text.len > INT_MAX)
        return -1;
    if (text.len == 0)
        return 0;
    size_t padding = (text.ptr[text.len - 1] == '=') + (size_t)(text.ptr[text.len - 2] == '=');
    /* libcrypto would skip blanks around the text. */
    for (size_t i = 0; i < text.len - padding; i++)
        if (!isalnum((unsigned char)text.ptr[i]) && text.ptr[i] != '+' && text.ptr[i] != '/')
            return -1;
    unsigned char *data = mem_alloc(text.len / 4 * 3);
    int n = EVP_DecodeBlock(data, (const unsigned char *)text.ptr, (int)text.len);
    if (n >= 0)
        buf_append(out, data, (size_t)n - padding);
    mem_free(data);
    return n >= 0 ? 0 : -1;
}

int secret_unbase64_lines(struct buf *out, const char *text)
{
    struct buf joined;

    buf_init(&joined, SIZE_MAX / 2);
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        buf_append(&joined, text, n);
        text += n + (text[n] == '\n');
    }
    int rc = secret_unbase64(out, buf_span(&joined));
    buf_fini(&joined);
    return rc;
}

int secret_scrypt(unsigned char *out, size_t out_len, struct span password, struct span salt,
                  const struct secret_scrypt_cost *cost, size_t memory_max)
{
    if (cost->log2_n < 1 || cost->log2_n > 30 || cost->r < 1 || cost->p < 1)
        return -1;
    return EVP_PBE_scrypt(password.len > 0 ? password.ptr : "", password.len,
                          (const unsigned char *)salt.ptr, salt.len, UINT64_C(1) << cost->log2_n,
                          cost->r, cost->p, memory_max, out, out_len) == 1
               ? 0
               : -1;
}

void secret_wipe(void *data, size_t len)
{
    OPENSSL_cleanse(data, len);
}

enum { NONCE_SIZE = 12, TAG_SIZE = 16 };

/* A context with key, nonce and `place` in it; the caller frees it. */
static EVP_CIPHER_CTX *cipher_new(int encrypt, const char *master, const char *purpose,
                                  struct span place, const unsigned char nonce[NONCE_SIZE])
{
    unsigned char key[SECRET_SHA256_SIZE];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;

    secret_hmac_sha256(key, master, strlen(master), purpose, strlen(purpose));
    if (ctx == NULL || place.len > INT_MAX ||
        EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, encrypt) != 1 ||
        EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)place.ptr, (int)place.len) != 1)
        die("AES-256-GCM");
    OPENSSL_cleanse(key, sizeof key);
    return ctx;
}

void secret_seal(struct buf *out, const char *master, const char *purpose, struct span place,
                 struct span plain)
{
    unsigned char nonce[NONCE_SIZE];
    unsigned char tag[TAG_SIZE];
    unsigned char *text = plain.len < INT_MAX ? mem_alloc(plain.len + 1) : NULL;
    int n = 0;
    int rest = 0;

    if (text == NULL)
        die("AES-256-GCM of so long a text");
    secret_random(nonce, sizeof nonce);
    EVP_CIPHER_CTX *ctx = cipher_new(1, master, purpose, place, nonce);
    if (EVP_CipherUpdate(ctx, text, &n, (const unsigned char *)plain.ptr, (int)plain.len) != 1 ||
        EVP_CipherFinal_ex(ctx, text + n, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) != 1)
        die("AES-256-GCM");
    EVP_CIPHER_CTX_free(ctx);
    buf_append(out, nonce, sizeof nonce);
    buf_append(out, text, plain.len);
    buf_append(out, tag, sizeof tag);
    mem_free(text);
}

int secret_open(struct buf *out, const char *master, const char *purpose, struct span place,
                struct span sealed)
{
    const unsigned char *in = (const unsigned char *)sealed.ptr;
    unsigned char tag[TAG_SIZE];
    int n = 0;
    int rest = 0;

    if (sealed.len < SECRET_SEAL_OVERHEAD || sealed.len > INT_MAX)
        return -1;
    size_t len = sealed.len - SECRET_SEAL_OVERHEAD;
    unsigned char *text = mem_alloc(len + 1);
    memcpy(tag, in + NONCE_SIZE + len, sizeof tag);
    EVP_CIPHER_CTX *ctx = cipher_new(0, master, purpose, place, in);
    bool good = EVP_CipherUpdate(ctx, text, &n, in + NONCE_SIZE, (int)len) == 1 &&
                EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
                EVP_CipherFinal_ex(ctx, text + n, &rest) == 1;
    if (good)
        buf_append(out, text, len);
    OPENSSL_cleanse(text, len + 1);
    mem_free(text);
    EVP_CIPHER_CTX_free(ctx);
    return good ? 0 : -1;
}
