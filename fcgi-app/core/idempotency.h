/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls with an Idempotency-Key: the first one is made, a repeat gets what was answered. At most
 * one call is charged for a key, whatever dies on the way (sql/procedures/p_idempotency.sql says
 * how). Scoped to the API key; the Idempotency-Key and the request are kept as hashes, the answer
 * is sealed.
 *
 * The way of a call: idempotency_begin; the call, with idempotency_beat about once a second and
 * under the request id that was given; idempotency_end, before the last byte of the answer goes
 * out. One thread.
 */
#ifndef AIG_IDEMPOTENCY_H
#define AIG_IDEMPOTENCY_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"

enum {
    IDEMPOTENCY_NAME_MAX = 255,
    IDEMPOTENCY_BODY_MAX = 4 * 1024 * 1024, /* the largest answer that is kept */
    IDEMPOTENCY_HEAD_MAX = 16 * 1024,
};

struct idempotency_call {
    struct app *app;
    struct arena *arena;
    const unsigned char *key_hash; /* of the API key: SECRET_SHA256_SIZE bytes */
    const char *name;              /* the Idempotency-Key as sent */
    const char *path;
    struct span body;
    const char *request_id; /* of the request at hand */
};

/* An answer that was given. */
struct idempotency_answer {
    const char *request_id;
    int status;
    struct span head; /* header lines, each with "\r\n" */
    struct span body; /* ptr NULL: too large to be kept */
};

/* A call that the caller is to make; lives in the arena. */
struct idempotency;

/* *out is the call to be made, or NULL: then *replay is what was answered to it (in the arena). -1:
 * 400 for a bad Idempotency-Key, 401 as for any call, 409 while another request makes the call, 410
 * when it was charged but its answer was not kept, 422 when the Idempotency-Key belongs to another
 * call, 501 without secret_key, 503. */
int idempotency_begin(struct idempotency **out, struct idempotency_answer *replay,
                      const struct idempotency_call *call, struct err *err) AIG_MUST_USE;

/* The request id that the call, its hold and its usage row must have. */
const char *idempotency_request_id(const struct idempotency *it);

/* The call is alive. */
void idempotency_beat(struct idempotency *it);

/* The call has ended, charged or released. `answer` is a whole answer that a repeat is to get too:
 * a 2xx, or a refusal that would be the same next time; NULL: there is none. Kept only up to the
 * limits above and only if the call had been let in. If the database is away, the next request with
 * this key finds out by the hold how the call has ended. */
void idempotency_end(struct idempotency *it, const struct idempotency_answer *answer);

/* Would the same call end with this HTTP status next time, too? 2xx, and 4xx but 401, 402 and those
 * that ask for another try. */
bool idempotency_lasting(int status);

#endif
