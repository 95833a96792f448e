/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/idempotency.h"

#include "base/log.h"
#include "base/timing.h"
#include "store/apikey.h"
#include "store/idempotency_row.h"

#include <string.h>

enum { BEAT_MS = 5 * 1000 };

static const char PURPOSE[] = "idempotency";
static const char BLANK_LINE[] = "\r\n";
static const char HEAD_END[] = "\r\n\r\n";

struct idempotency {
    struct app *app;
    struct arena *arena;
    struct idempotency_claim claim;
    int64_t key_id;
    const char *request_id;
    int64_t beat_ms;
};

static int check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);
    bool printable = true;

    for (size_t i = 0; i < len && i < IDEMPOTENCY_NAME_MAX; i++)
        printable = printable && name[i] >= ' ' && name[i] <= '~';
    if (len == 0 || len > IDEMPOTENCY_NAME_MAX || !printable)
        return err_set(
            err, ERR_BAD_REQUEST, "Idempotency-Key",
            "The Idempotency-Key must be 1 to %d printable ASCII characters; a UUID is a "
            "good one.",
            IDEMPOTENCY_NAME_MAX);
    return 0;
}

/* The API key's hash keys the others: equal texts of two customers do not show as such. */
static void make_claim(struct idempotency_claim *claim, const struct idempotency_call *call)
{
    unsigned char digests[2 * SECRET_SHA256_SIZE];

    memcpy(claim->key_hash, call->key_hash, sizeof claim->key_hash);
    claim->owner = call->request_id;
    secret_hmac_sha256(claim->name_hash, call->key_hash, SECRET_SHA256_SIZE, call->name,
                       strlen(call->name));
    secret_sha256(digests, call->path, strlen(call->path));
    secret_sha256(digests + SECRET_SHA256_SIZE, call->body.ptr, call->body.len);
    secret_hmac_sha256(claim->fingerprint, call->key_hash, SECRET_SHA256_SIZE, digests,
                       sizeof digests);
}

/* Where an answer is kept: it opens for no other key and no other call. */
static struct span place_of(struct arena *arena, const struct idempotency_claim *claim,
                            const char *request_id)
{
    char hex[2 * SECRET_SHA256_SIZE + 1];

    secret_hex(hex, claim->name_hash, sizeof claim->name_hash);
    return span_of(arena_printf(arena, "%s %s", hex, request_id));
}

static int gone(const char *request_id, struct err *err)
{
    return err_set(err, ERR_IDEMPOTENCY_GONE, "Idempotency-Key",
                   "The call with this Idempotency-Key was made and charged (%s), but there is no "
                   "whole answer to give again: its client left, it was larger than %d MiB, or the "
                   "program died at its end. This request was not charged. Use a new key to make "
                   "the call again.",
                   request_id, IDEMPOTENCY_BODY_MAX / (1024 * 1024));
}

/* The stored answer in base64, unsealed and taken apart. */
static int open_answer(struct idempotency_answer *out, const struct idempotency_call *call,
                       const struct idempotency_claim *claim, const struct idempotency_row *row,
                       struct err *err)
{
    struct buf sealed;
    struct buf plain;
    int rc = -1;

    buf_init(&sealed, SIZE_MAX / 2);
    buf_init(&plain, SIZE_MAX / 2);
    if (row->answer != NULL && secret_unbase64_lines(&sealed, row->answer) == 0 &&
        secret_open(&plain, call->app->conf->secret_key, PURPOSE,
                    place_of(call->arena, claim, row->request_id), buf_span(&sealed)) == 0) {
        const char *copy = arena_strndup(call->arena, plain.data, plain.len);
        const char *end = strstr(copy, HEAD_END);
        if (end != NULL) {
            size_t head = (size_t)(end - copy) + strlen(BLANK_LINE);
            size_t body = head + strlen(BLANK_LINE);
            *out = (struct idempotency_answer){
                .request_id = row->request_id,
                .status = row->http_status,
                .head = {copy, head},
                .body = {copy + body, plain.len - body},
            };
            rc = 0;
        }
    }
    buf_fini(&sealed);
    buf_fini(&plain);
    return rc == 0 ? 0 : gone(row->request_id, err);
}

static struct idempotency *new_call(const struct idempotency_call *call,
                                    const struct idempotency_claim *claim,
                                    const struct idempotency_row *row)
{
    struct idempotency *it = arena_zalloc(call->arena, sizeof *it);

    it->app = call->app;
    it->arena = call->arena;
    it->claim = *claim;
    it->claim.owner = arena_strdup(call->arena, claim->owner);
    it->key_id = row->key_id;
    it->request_id = row->request_id;
    it->beat_ms = timing_mono_ms();
    return it;
}

/* What is wrong with the API key. */
static int refuse_key(const struct idempotency_call *call, struct err *err)
{
    struct apikey_principal principal;

    if (apikey_find(&principal, &call->app->store, call->arena, call->key_hash, err) != 0)
        return -1;
    /* Enabled in this very moment. */
    return err_set(err, ERR_AUTH_DISABLED, NULL, "This API key was disabled. Try again.");
}

int idempotency_begin(struct idempotency **out, struct idempotency_answer *replay,
                      const struct idempotency_call *call, struct err *err)
{
    struct idempotency_claim claim;
    struct idempotency_row row;

    *out = NULL;
    if (check_name(call->name, err) != 0)
        return -1;
    if (call->app->conf->secret_key == NULL)
        return err_set(err, ERR_NOT_IMPLEMENTED, "Idempotency-Key",
                       "Idempotency-Key is not offered here: the operator has not set secret_key. "
                       "Nothing was charged; leave the header out to make the call.");
    make_claim(&claim, call);
    if (idempotency_row_begin(&row, &call->app->store, call->arena, &claim, err) != 0)
        return -1;
    switch (row.outcome) {
    case IDEMPOTENCY_RUN:
        *out = new_call(call, &claim, &row);
        return 0;
    case IDEMPOTENCY_DONE:
        return open_answer(replay, call, &claim, &row, err);
    case IDEMPOTENCY_GONE:
        return gone(row.request_id, err);
    case IDEMPOTENCY_IN_FLIGHT:
        err_set(err, ERR_IDEMPOTENCY_BUSY, "Idempotency-Key",
                "Another request with this Idempotency-Key is under way. Nothing was charged for "
                "this one; repeat it to get the answer of that one.");
        err->retry_after_s = row.retry_after_s;
        return -1;
    case IDEMPOTENCY_MISMATCH:
        return err_set(err, ERR_IDEMPOTENCY_REUSED, "Idempotency-Key",
                       "This Idempotency-Key was used for a request with another path or body. Use "
                       "a new key for each call.");
    case IDEMPOTENCY_NO_KEY:
        return refuse_key(call, err);
    }
    return -1;
}

const char *idempotency_request_id(const struct idempotency *it)
{
    return it->request_id;
}

void idempotency_beat(struct idempotency *it)
{
    int64_t now = timing_mono_ms();
    bool lost = false;
    struct err err;

    if (now - it->beat_ms < BEAT_MS)
        return;
    it->beat_ms = now;
    if (idempotency_row_beat(&lost, &it->app->store, it->arena, &it->claim, it->key_id, &err) != 0)
        log_write(LOG_LEVEL_WARN, it->request_id, "idempotency lease not renewed: %s", err.detail);
    else if (lost)
        log_write(LOG_LEVEL_WARN, it->request_id,
                  "another request has taken over the call of this Idempotency-Key");
}

/* Appends the sealed answer; nothing if it is too large to be kept. */
static void seal_answer(struct buf *out, const struct idempotency *it,
                        const struct idempotency_answer *answer)
{
    struct buf plain;

    if (answer->body.ptr == NULL || answer->head.len > IDEMPOTENCY_HEAD_MAX ||
        answer->body.len > IDEMPOTENCY_BODY_MAX)
        return;
    buf_init(&plain, SIZE_MAX / 2);
    buf_append(&plain, answer->head.ptr, answer->head.len);
    buf_append_str(&plain, BLANK_LINE);
    buf_append(&plain, answer->body.ptr, answer->body.len);
    if (!buf_failed(&plain))
        secret_seal(out, it->app->conf->secret_key, PURPOSE,
                    place_of(it->arena, &it->claim, it->request_id), buf_span(&plain));
    buf_fini(&plain);
}

void idempotency_end(struct idempotency *it, const struct idempotency_answer *answer)
{
    struct span kept = {NULL, 0};
    struct buf sealed;
    struct err err;

    buf_init(&sealed, SIZE_MAX / 2);
    if (answer != NULL)
        seal_answer(&sealed, it, answer);
    if (sealed.len > 0 && !buf_failed(&sealed))
        kept = buf_span(&sealed);
    if (idempotency_row_end(&it->app->store, it->arena, &it->claim, it->key_id,
                            answer != NULL ? answer->status : 0, kept, &err) != 0)
        log_write(LOG_LEVEL_WARN, it->request_id, "answer not kept for a repeat: %s", err.detail);
    buf_fini(&sealed);
}

bool idempotency_lasting(int status)
{
    static const int passing[] = {401, 402, 408, 409, 425, 429, 499};

    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        if (status == passing[i])
            return false;
    return (status >= 200 && status < 300) || (status >= 400 && status < 500);
}
