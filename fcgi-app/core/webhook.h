/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Webhooks to customers: how one is signed, when it is tried again, and the attempt that the
 * process makes that learns of a completion. What it does not deliver, drain-webhooks does
 * (core/webhook_drain).
 *
 * Signed twice: as Standard Webhooks says (github.com/standard-webhooks/standard-webhooks, at
 * b2fa7b8), with every valid secret of the account, and as kie.ai does (docs.kie.ai, "Webhook
 * verification"): only the task's id and the time, so it does not protect the body. The key of the
 * latter is the newest secret as the customer has it, "whsec_" included.
 */
#ifndef AIG_WEBHOOK_H
#define AIG_WEBHOOK_H

#include "base/base.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "core/app.h"
#include "net/deliver.h"
#include "store/hook.h"

enum {
    WEBHOOK_TIMEOUT_MS = 15 * 1000,
    WEBHOOK_ATTEMPTS = 9, /* then it is given up */
    WEBHOOK_SECRET_BYTES = 32,
    WEBHOOK_SECRET_LEN = 6 + 44, /* "whsec_" and base64 */
    WEBHOOK_SECRET_SIZE = WEBHOOK_SECRET_LEN + 1,
    WEBHOOK_HEADER_MAX = 256,
    WEBHOOK_HEADER_COUNT = 6,
    WEBHOOK_HERE_MAX = 8, /* attempts at one time by webhook_deliver_now in one process */
};

/* -1: the configuration has no secret_key to keep the customers' secrets under. */
int webhook_can_sign(const struct conf *conf, struct err *err) AIG_MUST_USE;

/* One attempt at one due delivery, with at most WEBHOOK_TIMEOUT_MS; the answer to whoever told of
 * the completion should have been sent before. Nothing if the row is not due, is claimed by
 * somebody else or too many attempts are under way here: drain-webhooks takes it then. NULL is
 * allowed. Any thread; app needs conf and store. */
void webhook_deliver_now(struct app *app, const char *id);

/* --- Secrets -------------------------------------------------------------------------------- */

struct webhook_secret {
    unsigned char bytes[WEBHOOK_SECRET_BYTES];
    char text[WEBHOOK_SECRET_SIZE]; /* "whsec_..." as the customer has it */
};

/* A new one, and how it is stored: appended to sealed. */
void webhook_secret_make(struct webhook_secret *out, struct buf *sealed, const char *secret_key,
                         int64_t account_id);
/* The last four characters of its text. */
void webhook_secret_last4(char out[5], const struct webhook_secret *secret);

/* --- Attempts (also for core/webhook_drain) -------------------------------------------------- */

/* When it is tried again after `failed` attempts (1..WEBHOOK_ATTEMPTS - 1): milliseconds, with up
 * to a fifth more by `random`; later if the server asked for it. -1: never again. */
int64_t webhook_delay_ms(int64_t failed, uint32_t random, int retry_after_s);

/* A claimed row on its way. What it holds is its own, so the claim's arena may go. */
struct webhook_attempt {
    char id[HOOK_ID_SIZE];
    char claim[HOOK_CLAIM_SIZE];
    int64_t account_id;
    int64_t host_key;
    int64_t step;
    char task_id[65];
    char *url;
    bool has_body;
    struct buf content;  /* what is signed: id, time, body, with dots between */
    size_t secret_count; /* 0: none of the account's could be opened */
    struct webhook_secret secrets[HOOK_SECRETS_MAX]; /* newest first */
    char headers[WEBHOOK_HEADER_COUNT][WEBHOOK_HEADER_MAX];
};

void webhook_attempt_init(struct webhook_attempt *a);
void webhook_attempt_fini(struct webhook_attempt *a);

/* Takes the row over and opens the account's secrets; makes the first one if there is none. -1: the
 * database is away. */
int webhook_attempt_load(struct webhook_attempt *a, const struct hook_job *job, struct store *s,
                         struct arena *arena, const struct conf *conf,
                         struct err *err) AIG_MUST_USE;

/* Signs it for this second and starts it. -1 if it cannot be sent at all (too long, no secret to
 * open): *error is a sentence for the customer. */
int webhook_attempt_start(const char **error, struct webhook_attempt *a, struct deliver *d,
                          int64_t now_s) AIG_MUST_USE;

/* Adds what became of it to the results for hook_finish. */
enum hook_outcome webhook_attempt_conclude(struct buf *results, const struct webhook_attempt *a,
                                           const struct deliver_result *answer);
/* The same for one that webhook_attempt_start did not take: the attempt has failed. */
enum hook_outcome webhook_attempt_fail(struct buf *results, const struct webhook_attempt *a,
                                       const char *error);
/* The same for one that nothing was done with: it is due again. */
void webhook_attempt_back(struct buf *results, const struct webhook_attempt *a);

/* Appends "v1," and the signature of Standard Webhooks: content is id, time and body with dots
 * between, key is the decoded secret. */
void webhook_append_signature(struct buf *out, const void *key, size_t key_len,
                              struct span content);

/* Writes the headers of an attempt at this time, in Unix seconds: webhook-id, webhook-timestamp,
 * webhook-signature, X-Webhook-Timestamp, X-Webhook-Signature, Content-Type. */
void webhook_sign(struct webhook_attempt *a, int64_t now_s);

/* The body within content. */
struct span webhook_attempt_body(const struct webhook_attempt *a);

/* Appends valid UTF-8 made of what an answer began with: what is no character, and control
 * characters but tab and line ends, become U+FFFD; a character that was cut at the end is left
 * out. */
void webhook_excerpt(struct buf *out, const char *data, size_t len);

#endif
