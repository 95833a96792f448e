/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's steps: one CALL each, money as decimal text, US dollars.
 * sql/procedures/p_ledger_*.sql does the arithmetic and holds the invariants (design section 5);
 * every step can be repeated with the same request id without a second effect.
 */
#ifndef AIG_LEDGER_H
#define AIG_LEDGER_H

#include "base/base.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/ident.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

/* Seconds until the sweeper may release a hold that nobody renews, and how often a running call
 * renews it. */
enum { LEDGER_HOLD_TTL_S = 900, LEDGER_RENEW_EVERY_S = 300 };

/* Of the store: makes and frees what lets steps share a transaction. */
void ledger_open(struct store *s);
void ledger_close(struct store *s);

struct ledger_want {
    const char *request_id;
    unsigned char key_hash[SECRET_SHA256_SIZE];
    int64_t model_id;
    int64_t price_model_id; /* the catalog model whose price applies to the route that will serve */
    int64_t prompt_bound;   /* provable upper bound of prompt tokens */
    int64_t prompt_likely;  /* bytes / 3 */
    int64_t output_limit;   /* tokens a choice; 0: the client gave none */
    int64_t output_max;     /* the model's maximum a choice; 0: no output (embeddings) */
    int64_t choices;
    /* Tools that the provider runs itself: those with a price, as in ledger_authorize_tools; NULL:
     * none. At most tool_calls calls. */
    const char *tools;
    int64_t tool_calls;
};

struct ledger_hold {
    char request_id[IDENT_REQUEST_SIZE];
    int64_t key_id;
    int64_t account_id;   /* the payer */
    int64_t output_limit; /* tokens a choice that the hold covers; to be sent upstream */
    char hold_usd[DECIMAL_SIZE];
};

/* Holds the worst case. On refusal -1 with 401 or 402 (limit, spent, held, need, what fits, when it
 * resets), 400 for a tool without a price, and nothing held. */
int ledger_authorize(struct ledger_hold *out, struct store *s, struct arena *arena,
                     const struct ledger_want *want, struct err *err) AIG_MUST_USE;

struct db_rows;

/* store/task's: the refusal in a row that has the columns of ledger_authorize. Returns -1. */
int ledger_refuse_job(struct arena *arena, const struct db_rows *rows, const char *request_id,
                      const char *sql, struct err *err);

/* Makes the hold large enough for another model to serve; 402 when it cannot (the old hold stays).
 */
int ledger_extend(struct ledger_hold *hold, struct store *s, struct arena *arena,
                  const struct ledger_want *want, struct err *err) AIG_MUST_USE;

/* Token counts of an invoice; kinds do not overlap, except that output includes reasoning. */
struct ledger_usage {
    int64_t input; /* neither cached nor written to a cache */
    int64_t cached;
    int64_t cache_write_5m;
    int64_t cache_write_1h;
    int64_t output;
    int64_t reasoning;
    /* What the provider's own tools did. */
    int64_t web_searches;
    int64_t preview_searches;
    int64_t file_searches;
    int64_t containers;
    int64_t container_gb;                 /* of each */
    char upstream_cost_usd[DECIMAL_SIZE]; /* "": the provider reported none */
    bool estimated;                       /* counts are ours, not the provider's */
};

/* How a call went: for the usage row. */
struct ledger_outcome {
    const char *status;         /* settle: "ok", "client_gone"; release: "error", "upstream_error",
                                   "timeout", "client_gone" */
    const char *provider;       /* "openai", ...; NULL if none was asked */
    const char *upstream_model; /* may be NULL */
    const char *hedged_from;    /* provider that failed, or NULL */
    bool stream;
    int http_status;
    int64_t first_byte_ms; /* -1: none */
    int64_t duration_ms;
};

struct ledger_charge {
    char charge_usd[DECIMAL_SIZE];
    char balance_usd[DECIMAL_SIZE];
};

/* Charges a finished call. -1 with ERR_DATABASE: the caller spools it. */
int ledger_settle(struct ledger_charge *out, struct store *s, struct arena *arena,
                  const char *request_id, const struct ledger_usage *usage,
                  const struct ledger_outcome *how, struct err *err) AIG_MUST_USE;

/* Drops the hold of a call that is not charged. */
int ledger_release(struct store *s, struct arena *arena, const char *request_id,
                   const struct ledger_outcome *how, struct err *err) AIG_MUST_USE;

/* Moves the hold's expiry LEDGER_HOLD_TTL_S ahead. */
int ledger_renew(struct store *s, struct arena *arena, const char *request_id,
                 struct err *err) AIG_MUST_USE;

/* Sweeper. Lists up to `max` open holds whose expiry has passed: ids in the arena. */
int ledger_list_expired(const char ***ids, size_t *count, struct store *s, struct arena *arena,
                        size_t max, struct err *err) AIG_MUST_USE;
/* Releases one of them; *expired is false if it was renewed or resolved meanwhile. */
int ledger_expire(bool *expired, struct store *s, struct arena *arena, const char *request_id,
                  struct err *err) AIG_MUST_USE;
/* Housekeeping: deletes resolved holds older than `days` in small chunks, adds partitions of
 * usage_log ahead. */
int ledger_housekeep(struct store *s, struct arena *arena, int days, struct err *err) AIG_MUST_USE;

/* One broken invariant. */
struct ledger_breach {
    const char *rule;
    const char *subject; /* "account 7", "req_01..." */
    const char *detail;
};
/* Reads v_ledger_check; at most `max` rows, *count of them. */
int ledger_verify(struct ledger_breach **out, size_t *count, struct store *s, struct arena *arena,
                  size_t max, struct err *err) AIG_MUST_USE;

#endif
