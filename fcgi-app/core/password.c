/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/password.h"

#include "base/secret.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    SALT_SIZE = 16,
    KEY_SIZE = 32,
    MEMORY_MAX = 80 * 1024 * 1024, /* for stored hashes with other parameters, too */
};

static const struct secret_scrypt_cost cost_now = {.log2_n = 15, .r = 8, .p = 3};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t left;
    int inside;
    int waiting;
} turnstile = {.mutex = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

static int busy(struct err *err)
{
    return err_set(err, ERR_NO_WORKER, NULL,
                   "Too many people are signing in at this moment. Try again in a second.");
}

/* Room for one more inside, waiting for it if need be; the mutex is held. */
static bool wait_for_room(const struct timespec *until)
{
    int rc = 0;

    turnstile.waiting++;
    while (turnstile.inside >= PASSWORD_AT_ONCE && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&turnstile.left, &turnstile.mutex, until);
    turnstile.waiting--;
    return turnstile.inside < PASSWORD_AT_ONCE;
}

static int enter(struct err *err)
{
    struct timespec until;
    bool in = true;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PASSWORD_WAIT_MS / 1000;
    pthread_mutex_lock(&turnstile.mutex);
    if (turnstile.inside >= PASSWORD_AT_ONCE)
        in = turnstile.waiting < PASSWORD_WAITING_MAX && wait_for_room(&until);
    if (in)
        turnstile.inside++;
    pthread_mutex_unlock(&turnstile.mutex);
    return in ? 0 : busy(err);
}

static void leave(void)
{
    pthread_mutex_lock(&turnstile.mutex);
    turnstile.inside--;
    pthread_cond_signal(&turnstile.left);
    pthread_mutex_unlock(&turnstile.mutex);
}

static int derive(unsigned char key[KEY_SIZE], struct span password, struct span salt,
                  const struct secret_scrypt_cost *cost, struct err *err)
{
    if (enter(err) != 0)
        return -1;
    int rc = secret_scrypt(key, KEY_SIZE, password, salt, cost, MEMORY_MAX);
    leave();
    return rc == 0 ? 0 : err_set(err, ERR_INTERNAL, NULL, "The password cannot be checked.");
}

/* Base64 without padding, as the PHC format has it. */
static void put_base64(struct buf *out, const void *data, size_t len)
{
    secret_base64(out, data, len);
    while (out->len > 0 && out->data[out->len - 1] == '=')
        out->data[--out->len] = '\0';
}

int password_hash(char out[PASSWORD_HASH_SIZE], struct span password, struct err *err)
{
    unsigned char salt[SALT_SIZE];
    unsigned char key[KEY_SIZE];
    struct buf text;

    secret_random(salt, sizeof salt);
    if (derive(key, password, (struct span){(const char *)salt, sizeof salt}, &cost_now, err) != 0)
        return -1;
    buf_init(&text, PASSWORD_HASH_SIZE - 1);
    buf_printf(&text, "$scrypt$ln=%u,r=%u,p=%u$", cost_now.log2_n, cost_now.r, cost_now.p);
    put_base64(&text, salt, sizeof salt);
    buf_append_char(&text, '$');
    put_base64(&text, key, sizeof key);
    assert(!buf_failed(&text));
    memcpy(out, text.data, text.len + 1);
    buf_fini(&text);
    secret_wipe(key, sizeof key);
    return 0;
}

/* Base64 without padding, of exactly `size` bytes. */
static int take_base64(unsigned char *out, size_t size, const char *text, size_t len)
{
    struct buf padded;
    struct buf data;
    int rc = -1;

    buf_init(&padded, PASSWORD_HASH_SIZE);
    buf_init(&data, PASSWORD_HASH_SIZE);
    buf_append(&padded, text, len);
    while (padded.len % 4 != 0 && !buf_failed(&padded))
        buf_append_char(&padded, '=');
    if (!buf_failed(&padded) && secret_unbase64(&data, buf_span(&padded)) == 0 &&
        data.len == size) {
        memcpy(out, data.data, size);
        rc = 0;
    }
    buf_fini(&data);
    buf_fini(&padded);
    return rc;
}

static int parse_hash(struct secret_scrypt_cost *cost, unsigned char salt[SALT_SIZE],
                      unsigned char key[KEY_SIZE], const char *hash)
{
    int at = 0;

    if (sscanf(hash, "$scrypt$ln=%2u,r=%2u,p=%2u$%n", &cost->log2_n, &cost->r, &cost->p, &at) !=
            3 ||
        at == 0)
        return -1;
    const char *salt_text = hash + at;
    size_t salt_len = strcspn(salt_text, "$");
    if (salt_text[salt_len] != '$')
        return -1;
    const char *key_text = salt_text + salt_len + 1;
    return take_base64(salt, SALT_SIZE, salt_text, salt_len) == 0 &&
                   take_base64(key, KEY_SIZE, key_text, strlen(key_text)) == 0
               ? 0
               : -1;
}

int password_verify(bool *right, const char *hash, struct span password, struct err *err)
{
    struct secret_scrypt_cost cost = cost_now;
    unsigned char salt[SALT_SIZE] = {0};
    unsigned char want[KEY_SIZE] = {0};
    unsigned char key[KEY_SIZE];

    *right = false;
    if (hash != NULL && parse_hash(&cost, salt, want, hash) != 0)
        return err_set(err, ERR_INTERNAL, NULL, "The stored password cannot be understood.");
    if (derive(key, password, (struct span){(const char *)salt, sizeof salt}, &cost, err) != 0)
        return -1;
    *right = hash != NULL && secret_equal(key, want, sizeof want);
    secret_wipe(key, sizeof key);
    return 0;
}
