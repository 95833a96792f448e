/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, read side: who calls, and the figures of /v1/me.
 */
#ifndef AIG_APIKEY_H
#define AIG_APIKEY_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

/* Text cells as the database prints them; amounts in US dollars. */
struct apikey_cap {
    const char *cap_usd;   /* NULL: no cap */
    const char *period;    /* none, daily, weekly, monthly */
    const char *spent_usd; /* in the current window */
    const char *held_usd;
    const char *resets_at; /* ISO 8601 UTC, NULL: never */
};

struct apikey_me {
    int64_t key_id;     /* 0: none; then what is of the key and the team is unused */
    int64_t account_id; /* the payer */
    const char *email;  /* both only of apikey_me_account */
    const char *name;
    const char *key_name;
    const char *key_prefix;
    const char *key_last4;
    const char *key_expires_at; /* NULL: never */
    const char *tier;
    const char *markup;        /* fraction: "0.4" */
    const char *next_tier;     /* NULL at the top */
    const char *next_tier_usd; /* 30-day spend that reaches it */
    const char *next_tier_missing_usd;
    const char *spend_30d_usd;
    const char *balance_usd;
    const char *held_usd;
    const char *available_usd; /* balance - held */
    struct apikey_cap key;
    struct apikey_cap account;
    int64_t team_id; /* 0: none; then the two below are unused */
    const char *team_name;
    struct apikey_cap team;
    struct apikey_cap member;
};

struct apikey_principal {
    bool models_limited; /* the key may call the models of its list only */
    int64_t key_id;
    int64_t account_id; /* the payer */
    int64_t owner_id;   /* account that owns the key; another than the payer's in a team */
    const char *markup; /* fraction as decimal text */
};

/* -1: 401 for an unknown, disabled or expired key or a disabled account, 503 without database. */
int apikey_find(struct apikey_principal *out, struct store *s, struct arena *arena,
                const unsigned char hash[SECRET_SHA256_SIZE], struct err *err) AIG_MUST_USE;

/* Everything about a key that apikey_find has accepted. */
int apikey_me(struct apikey_me *out, struct store *s, struct arena *arena, int64_t key_id,
              struct err *err) AIG_MUST_USE;

/* The same of an account whose owner is signed in. */
int apikey_me_account(struct apikey_me *out, struct store *s, struct arena *arena,
                      int64_t account_id, struct err *err) AIG_MUST_USE;

/* Ids of the models that a key with models_limited may call. */
int apikey_models(int64_t **ids, size_t *count, struct store *s, struct arena *arena,
                  int64_t key_id, struct err *err) AIG_MUST_USE;
/* The 403 for a model that is not on the key's list; names both. Always -1. */
int apikey_refuse_model(struct store *s, struct arena *arena,
                        const unsigned char hash[SECRET_SHA256_SIZE], int64_t model_id,
                        struct err *err);

/* Prices as a customer at this markup pays them are computed by SQL: for each model id of the
 * catalog the kinds of struct catalog_price times (1 + markup). Rows in the arena, by model id. */
enum { APIKEY_TOOL_MAX = 7 };
struct apikey_price {
    int64_t model_id;
    const char *input;
    const char *cached_input;
    const char *cache_write_5m;
    const char *cache_write_1h;
    const char *output;
    const char *reasoning;
    const char *above_tokens;
    const char *above_input;
    const char *above_output;
    const char *unit;
    const char *unit_usd;
    /* A call of web search, its preview, file search; a container of 1, 4, 16, 64 GB. */
    const char *tools[APIKEY_TOOL_MAX];
};
/* model_id 0: all. */
int apikey_prices(struct apikey_price **out, size_t *count, struct store *s, struct arena *arena,
                  const char *markup, int64_t model_id, struct err *err) AIG_MUST_USE;

#endif
