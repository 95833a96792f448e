/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media jobs in the database: the steps of p_job.sql, one CALL each, and what customers and
 * poll-jobs read. Every step can be repeated.
 */
#ifndef AIG_TASK_H
#define AIG_TASK_H

#include "base/base.h"
#include "base/err.h"
#include "base/ident.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

enum {
    TASK_ID_LEN = IDENT_REQUEST_LEN,
    TASK_ID_SIZE = TASK_ID_LEN + 1,
    TASK_HOLD_TTL_S = 15 * 24 * 3600, /* longer than any job: the sweeper comes only then */
    TASK_EXPIRE_S = 14 * 24 * 3600,   /* then a provider has forgotten its files, too */
    TASK_ORPHAN_S = 3600, /* a job that no provider has confirmed by then is not made any more */
    TASK_FIRST_LOOK_S = 5,
    TASK_LIST_MAX = 200,
};

/* "tsk_" and the ULID of the request, so that each is found from the other. */
void task_id(char out[TASK_ID_SIZE], const char *request_id);
bool task_id_valid(const char *text);

struct task_want {
    const char *id;
    const char *request_id;
    uint64_t nonce; /* one an attempt */
    const unsigned char *key_hash;
    int64_t model_id;
    int64_t price_model_id;
    const char *unit;
    const char *variant;
    int64_t quantity_milli;
    bool metered;
    const char *provider;
    const char *api;
    const char *shape;
    const char *upstream_model;
    const char *param;        /* JSON text */
    const char *callback_url; /* may be NULL */
};

/* Holds its price and notes it. *known: another attempt of the same request has done that, and
 * sends it to the provider. -1: 401, 402, or ERR_UNSUPPORTED_VALUE where this variant has no price
 * (the message says which have one); nothing is held then. */
int task_create(bool *known, struct store *s, struct arena *arena, const struct task_want *want,
                struct err *err) AIG_MUST_USE;

/* The provider has it. *ours is false when it is too late or that task is another job's. */
int task_started(bool *ours, struct store *s, struct arena *arena, const char *id,
                 const char *upstream_id, struct err *err) AIG_MUST_USE;

int task_progress(struct store *s, struct arena *arena, const char *id, const char *state,
                  struct err *err) AIG_MUST_USE;

/* *fresh is false for a repeated (or older) callback. */
int task_callback(bool *fresh, struct store *s, struct arena *arena, const char *id, int64_t ts,
                  struct err *err) AIG_MUST_USE;

struct task_end {
    const char *upstream_id; /* what the news is about; NULL: none was ever known */
    bool ok;
    const char *result; /* ok: JSON text */
    const char *fail_code;
    const char *fail_msg;
    const char *status; /* not ok, for the usage row: "upstream_error", "timeout", "error" */
    int http_status;    /* 0: none */
    const char *took;   /* decimal text or NULL */
    const char *cost;   /* likewise, in credits of cost_rate US dollars */
    const char *cost_rate;
    const char *body; /* of the customer's webhook; NULL: none is sent */
};

struct task_ended {
    bool first;              /* this call ended it */
    const char *charge_usd;  /* NULL: not ended */
    const char *delivery_id; /* of the webhook; NULL: none */
};

/* Ends it, once, whoever comes first. */
int task_finish(struct task_ended *out, struct store *s, struct arena *arena, const char *id,
                const struct task_end *end, struct err *err) AIG_MUST_USE;

/* A job as it stands. Texts in the arena. */
struct task {
    const char *id;
    const char *model;
    const char *provider;
    const char *api;
    const char *shape;
    const char *upstream_id; /* NULL: not known */
    const char *state;
    const char *param;
    const char *callback_url; /* NULL: none */
    const char *result;       /* NULL: none */
    const char *fail_code;
    const char *fail_msg;
    const char *charge_usd; /* NULL: open */
    int64_t created_ms;
    int64_t updated_ms;
    int64_t completed_ms; /* 0: open */
    int64_t age_s;
};

/* owner_id 0: anybody's. 404 when there is none. */
int task_find(struct task *out, struct store *s, struct arena *arena, int64_t owner_id,
              const char *id, struct err *err) AIG_MUST_USE;

/* Newest first: those of an owner, of one key only unless key_id is 0, in one state unless it is
 * NULL ("open": that have not ended), older than `after` unless that is NULL. At most `limit` + 1,
 * so that the caller sees whether there are more. Results are left out of param. */
int task_list(struct task **out, size_t *count, struct store *s, struct arena *arena,
              int64_t owner_id, int64_t key_id, const char *state, const char *after, int64_t limit,
              struct err *err) AIG_MUST_USE;

/* Jobs that are due, for poll-jobs; each comes due again by itself. At most `limit`. */
int task_claim(struct task **out, size_t *count, struct store *s, struct arena *arena,
               int64_t limit, struct err *err) AIG_MUST_USE;
/* The same without taking them. */
int task_due(struct task **out, size_t *count, struct store *s, struct arena *arena, int64_t limit,
             struct err *err) AIG_MUST_USE;

/* Deletes those that ended more than `days` days ago. */
int task_purge(struct store *s, struct arena *arena, int days, struct err *err) AIG_MUST_USE;

#endif
