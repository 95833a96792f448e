/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/throttle.h"

#include "base/buf.h"
#include "base/log.h"
#include "db/stmt.h"
#include "db/txn.h"

static const char SQL_TAKE[] = "CALL throttle_take(?, ?, ?, ?, ?)";
static const char SQL_GIVE[] = "CALL throttle_give(?, ?)";

/* A network of ours may be an office or a provider's one address for many people. */
static const struct {
    const char *name;
    int address; /* attempts in a window */
    int network;
    int window_s;
} limits[] = {
    [THROTTLE_SIGNUP] = {"signup", 3, 30, 3600},
    [THROTTLE_LOGIN] = {"login", 10, 50, 900},
    [THROTTLE_RESET] = {"reset", 3, 30, 3600},
    [THROTTLE_LINK] = {"link", 0, 50, 3600},
};
static_assert(ARRAY_LEN(limits) == THROTTLE__COUNT, "a limit for every action");

enum { SUBJECT_MAX = 512 };

void throttle_subject(unsigned char out[SECRET_SHA256_SIZE], enum throttle_action action,
                      const char *what)
{
    struct buf text;

    buf_init(&text, SUBJECT_MAX);
    buf_printf(&text, "%s %s", limits[action].name, what);
    assert(!buf_failed(&text));
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'Z')
            text.data[i] = (char)(text.data[i] - 'A' + 'a');
    secret_sha256(out, text.data, text.len);
    buf_fini(&text);
}

/* SQL NULL for no address. */
static struct db_param subject(unsigned char hash[SECRET_SHA256_SIZE], enum throttle_action action,
                               const char *what)
{
    if (what == NULL)
        return db_null();
    throttle_subject(hash, action, what);
    return db_bytes(hash, SECRET_SHA256_SIZE);
}

int throttle_take(struct store *s, struct arena *arena, enum throttle_action action,
                  const char *address, const char *network, struct err *err)
{
    unsigned char hashes[2][SECRET_SHA256_SIZE];
    const struct db_param params[] = {
        subject(hashes[0], action, address), db_i64(limits[action].address),
        subject(hashes[1], action, network), db_i64(limits[action].network),
        db_i64(limits[action].window_s),
    };
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_TAKE, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    int64_t wait_s = db_cell_i64(&rows, 0, 0, 0);
    if (wait_s == 0)
        return 0;
    err_set(err, ERR_RATE_LIMITED, NULL,
            "Too many attempts for this address or from this network. Try again in %lld seconds.",
            (long long)wait_s);
    err->retry_after_s = (int)wait_s;
    return -1;
}

void throttle_give(struct store *s, struct arena *arena, enum throttle_action action,
                   const char *address, const char *network)
{
    unsigned char hashes[2][SECRET_SHA256_SIZE];
    const struct db_param params[] = {
        subject(hashes[0], action, address),
        subject(hashes[1], action, network),
    };
    struct db_rows rows;
    struct err err;

    if (db_run(&rows, s->pool, arena, SQL_GIVE, params, ARRAY_LEN(params), 0, 0, &err) != 0)
        log_write(LOG_LEVEL_INFO, NULL, "an attempt was not given back: %s", err.detail);
}
