/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks to customers: the rows of webhook_delivery and the secrets that sign them. Whoever makes
 * an attempt claims the row first and says afterwards how it ended; a claim ends by itself after
 * HOOK_LEASE_S, so a process that dies loses nothing. Any thread; rows are in the caller's arena.
 */
#ifndef AIG_HOOK_H
#define AIG_HOOK_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

enum {
    HOOK_ID_LEN = 30,
    HOOK_ID_SIZE = HOOK_ID_LEN + 1,
    HOOK_CLAIM_LEN = 16,
    HOOK_CLAIM_SIZE = HOOK_CLAIM_LEN + 1,
    HOOK_LEASE_S = 60,
    HOOK_CLAIM_MAX = 256,    /* rows of one claim */
    HOOK_SECRETS_MAX = 2,    /* valid at one time */
    HOOK_ERROR_MAX = 255,    /* characters */
    HOOK_EXCERPT_MAX = 1024, /* characters */
};

/* "whd_..." by its form. */
bool hook_id_valid(const char *text);

/* --- Attempts ----------------------------------------------------------------------------------
 */

struct hook_job {
    const char *id;
    const char *claim;
    int64_t account_id;
    const char *task_id;
    const char *url;
    int64_t host_key;    /* the same for all URLs of a host */
    int64_t step;        /* attempts that have failed */
    const char *body;    /* NULL: too long to be sent */
    const char *secrets; /* sealed, in hex, newest first, with commas between; NULL: none yet */
};

/* Claims up to limit (1..HOOK_CLAIM_MAX) due rows, the longest due first, but none of the hosts and
 * accounts in the two lists (numbers with commas between, "" for none). */
int hook_claim(struct hook_job **out, size_t *count, struct store *s, struct arena *arena,
               size_t limit, const char *hosts, const char *accounts, struct err *err) AIG_MUST_USE;

/* Claims this one if it is due; *out is NULL if not. */
int hook_claim_one(struct hook_job **out, struct store *s, struct arena *arena, const char *id,
                   struct err *err) AIG_MUST_USE;

enum hook_outcome {
    HOOK_DELIVERED,
    HOOK_RETRY, /* in delay_ms */
    HOOK_DEAD,  /* given up */
    HOOK_BACK,  /* no attempt was made: due at once */
};

struct hook_result {
    const char *id;
    const char *claim;
    enum hook_outcome outcome;
    int status;          /* 0: none */
    const char *error;   /* NULL: none; at most HOOK_ERROR_MAX characters */
    const char *excerpt; /* UTF-8, at most HOOK_EXCERPT_MAX characters; NULL: none */
    int64_t delay_ms;
};

/* Results are collected as text and written down together: buf_init(b, ...), then
 * hook_result_add for each, then hook_finish, which empties it if it answers 0. Writing the same
 * down twice has no second effect. */
void hook_result_add(struct buf *b, const struct hook_result *result);
int hook_finish(struct buf *b, struct store *s, struct arena *arena, struct err *err) AIG_MUST_USE;

/* What is due now: at most max rows (id and URL only) for a dry run. */
int hook_list_due(struct hook_job **out, size_t *count, struct store *s, struct arena *arena,
                  size_t max, struct err *err) AIG_MUST_USE;

/* --- For the customer --------------------------------------------------------------------------
 */

/* Times are ISO 8601 UTC. */
struct hook_entry {
    const char *id;
    const char *event;
    const char *task_id;
    const char *url;
    const char *state;
    int64_t attempts;
    const char *next_attempt_at; /* NULL: none */
    int64_t last_status;         /* 0: none */
    const char *last_error;
    const char *response_excerpt;
    const char *created_at;
    const char *delivered_at;
};

/* Newest first, at most limit (>= 1), those before the id `after` (NULL: from the newest), of one
 * state (NULL: any). *more: there are older ones. */
int hook_list(struct hook_entry **out, size_t *count, bool *more, struct store *s,
              struct arena *arena, int64_t account_id, const char *state, const char *after,
              size_t limit, struct err *err) AIG_MUST_USE;

/* 404 unless the account has it. */
int hook_find(struct hook_entry *out, struct store *s, struct arena *arena, int64_t account_id,
              const char *id, struct err *err) AIG_MUST_USE;

/* Makes it due at once, whatever became of it; an attempt that is under way is left alone. 404
 * unless the account has it. */
int hook_redeliver(struct store *s, struct arena *arena, int64_t account_id, const char *id,
                   struct err *err) AIG_MUST_USE;

/* --- Secrets -----------------------------------------------------------------------------------
 */

struct hook_secret {
    int64_t id;
    const char *sealed_hex;
    const char *last4;
    const char *created_at;
    const char *expires_at; /* NULL: the present one */
};

/* The valid ones, newest first. */
int hook_secret_list(struct hook_secret **out, size_t *count, struct store *s, struct arena *arena,
                     int64_t account_id, struct err *err) AIG_MUST_USE;
/* Keeps this one if the account has none; *sealed_hex: as hook_job.secrets. */
int hook_secret_first(const char **sealed_hex, struct store *s, struct arena *arena,
                      int64_t account_id, struct span sealed, const char *last4,
                      struct err *err) AIG_MUST_USE;
/* The present one stays valid for overlap_h hours, older ones end. */
int hook_secret_rotate(struct hook_secret **out, size_t *count, struct store *s,
                       struct arena *arena, int64_t account_id, struct span sealed,
                       const char *last4, int64_t overlap_h, struct err *err) AIG_MUST_USE;

/* --- Cron --------------------------------------------------------------------------------------
 */

/* Deletes what was delivered or given up more than so many days ago, and secrets that have ended.
 */
int hook_housekeep(struct store *s, struct arena *arena, int delivered_days, int dead_days,
                   struct err *err) AIG_MUST_USE;

#endif
