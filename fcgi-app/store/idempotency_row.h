/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the table idempotency: one CALL a step, each can be repeated. What the outcomes mean is
 * said in sql/procedures/p_idempotency.sql. Any thread may call these.
 */
#ifndef AIG_IDEMPOTENCY_ROW_H
#define AIG_IDEMPOTENCY_ROW_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

enum {
    IDEMPOTENCY_LEASE_S = 30, /* a call whose process has been silent for so long counts as dead */
    IDEMPOTENCY_KEEP_S = 24 * 60 * 60,
};

enum idempotency_outcome {
    IDEMPOTENCY_RUN,
    IDEMPOTENCY_DONE,
    IDEMPOTENCY_GONE,
    IDEMPOTENCY_IN_FLIGHT,
    IDEMPOTENCY_MISMATCH,
    IDEMPOTENCY_NO_KEY,
};

/* What names a row, and whose turn it is. */
struct idempotency_claim {
    unsigned char key_hash[SECRET_SHA256_SIZE];  /* of the API key */
    unsigned char name_hash[SECRET_SHA256_SIZE]; /* of the Idempotency-Key */
    unsigned char fingerprint[SECRET_SHA256_SIZE];
    const char *owner; /* the request's own id */
};

struct idempotency_row {
    enum idempotency_outcome outcome;
    int64_t key_id;
    const char
        *request_id;    /* RUN: to be used for the call; DONE, GONE: of the call that was made */
    int http_status;    /* DONE */
    int retry_after_s;  /* IN_FLIGHT */
    const char *answer; /* DONE: what idempotency_row_end was given, in lines of base64 */
};

/* Texts in the arena. */
int idempotency_row_begin(struct idempotency_row *out, struct store *s, struct arena *arena,
                          const struct idempotency_claim *claim, struct err *err) AIG_MUST_USE;

/* *lost: another request has taken the call over. */
int idempotency_row_beat(bool *lost, struct store *s, struct arena *arena,
                         const struct idempotency_claim *claim, int64_t key_id,
                         struct err *err) AIG_MUST_USE;

/* http_status 0: there is no answer that a repeat could be given; answer.ptr NULL: there is one,
 * but it is not kept. */
int idempotency_row_end(struct store *s, struct arena *arena, const struct idempotency_claim *claim,
                        int64_t key_id, int http_status, struct span answer,
                        struct err *err) AIG_MUST_USE;

/* Housekeeping: rows whose time is over. */
int idempotency_row_purge(int64_t *deleted, struct store *s, struct arena *arena,
                          struct err *err) AIG_MUST_USE;

#endif
