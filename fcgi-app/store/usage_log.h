/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage rows, read side.
 */
#ifndef AIG_USAGE_LOG_H
#define AIG_USAGE_LOG_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

/* One kind of token in the arithmetic of a charge: tokens x price / 1,000,000. */
struct usage_line {
    const char *kind; /* input, cached_input, cache_write_5m, cache_write_1h, output, reasoning */
    int64_t tokens;
    const char *usd_per_mtok;
    const char *subtotal_usd; /* before markup, not rounded to 9 places */
};

/* A tool that the provider ran: count x price. */
struct usage_tool {
    const char *kind; /* web_search, web_search_preview, file_search, code_interpreter */
    int64_t count;    /* calls; of code_interpreter, containers */
    const char *usd;
    const char *subtotal_usd; /* before markup */
};

enum { USAGE_LINE_MAX = 6, USAGE_TOOL_MAX = 4 };

struct usage_entry {
    const char *request_id;
    const char *created_at; /* ISO 8601 UTC */
    const char *model;
    const char *provider;       /* NULL: none was asked */
    const char *upstream_model; /* NULL: none */
    const char *hedged_from;    /* NULL: not hedged */
    const char *status;
    int64_t http_status; /* 0: not known (the process died) */
    bool stream;
    bool estimated;
    int64_t price_id;
    bool above_tier;               /* the dearer price for long prompts applied */
    const char *upstream_cost_usd; /* NULL: priced by tokens */
    /* Kinds with tokens, at the prices of price_id. Reasoning is part of output unless it has a
     * price of its own. */
    struct usage_line lines[USAGE_LINE_MAX];
    size_t line_count;
    struct usage_tool tools[USAGE_TOOL_MAX]; /* those that were charged */
    size_t tool_count;
    int64_t container_gb; /* memory of each container; 0: there was none */
    /* Of what is not priced by tokens; unit is NULL otherwise. */
    const char *unit; /* second, image, ... */
    const char *variant;
    const char *quantity; /* NULL: not known */
    const char *unit_usd;
    /* upstream_cost_usd if the provider named it, else quantity x unit_usd or the sum of lines and
     * tools. */
    const char *subtotal_usd;
    const char *markup;
    const char *hold_usd;
    const char *charge_usd;
    const char *absorbed_usd;
    int64_t first_byte_ms; /* -1: none */
    int64_t duration_ms;   /* 0: not known */
};

/* All amounts are trimmed decimal text. Only calls that the key made; with key_id 0, those that
 * account_id paid for or one of its keys made. 404 otherwise. */
int usage_find(struct usage_entry *out, struct store *s, struct arena *arena, int64_t account_id,
               int64_t key_id, const char *request_id, struct err *err) AIG_MUST_USE;

#endif
