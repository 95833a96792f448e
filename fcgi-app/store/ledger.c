/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/ledger.h"

#include "base/buf.h"
#include "base/timing.h"
#include "db/combine.h"
#include "db/stmt.h"
#include "db/txn.h"
#include "store/apikey.h"

#include <limits.h>
#include <string.h>

static const char SQL_AUTHORIZE[] = "CALL ledger_authorize(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_AUTHORIZE_TOOLS[] =
    "CALL ledger_authorize_tools(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_AUTHORIZE_MANY[] = "CALL ledger_authorize_many(?)";
static const char SQL_SETTLE_MANY[] = "CALL ledger_settle_many(?)";
static const char SQL_EXTEND[] = "CALL ledger_extend(?, ?, ?, ?, ?, ?)";
static const char SQL_SETTLE[] =
    "CALL ledger_settle(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_SETTLE_TOOLS[] =
    "CALL ledger_settle_tools(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_RELEASE[] = "CALL ledger_release(?, ?, ?, ?, ?, ?)";
static const char SQL_RENEW[] = "CALL ledger_renew(?, ?)";
static const char SQL_EXPIRE[] = "CALL ledger_expire(?)";
static const char SQL_EXPIRED[] =
    "SELECT id FROM hold WHERE state = 'open' AND expires_at < UTC_TIMESTAMP(6) "
    "ORDER BY expires_at LIMIT ?";
static const char SQL_PURGE[] = "CALL hold_purge(?)";
static const char SQL_PARTITIONS[] = "CALL usage_partition_ahead(?)";
static const char SQL_VERIFY[] =
    "SELECT check_name, subject, expected_usd, actual_usd FROM v_ledger_check LIMIT ?";

/* Columns of the outcomes, in the order of the procedures' SELECT. */
enum {
    AUTHORIZE_OUTCOME,
    AUTHORIZE_SCOPE,
    AUTHORIZE_KEY_ID,
    AUTHORIZE_ACCOUNT_ID,
    AUTHORIZE_HOLD_USD,
    AUTHORIZE_OUTPUT_LIMIT,
    AUTHORIZE_LIMIT_USD,
    AUTHORIZE_SPENT_USD,
    AUTHORIZE_HELD_USD,
    AUTHORIZE_NEED_USD,
    AUTHORIZE_FIT_TOKENS,
    AUTHORIZE_RESETS_AT,
};
enum { EXTEND_OUTCOME, EXTEND_HOLD_USD };
enum { SETTLE_OUTCOME, SETTLE_CHARGE_USD, SETTLE_ABSORBED_USD, SETTLE_BALANCE_USD };

enum {
    TOOL_PARAMS = 2,     /* of a step with tools, after those of the ordinary step */
    COUNT_PARAMS = 5,    /* likewise */
    COST_DIGITS_MAX = 6, /* no call costs a million dollars; sums of such figures would not fit */
    TEXT_STATUS_MAX = 16,
    TEXT_PROVIDER_MAX = 32,
    TEXT_MODEL_MAX = 128,
    PARTITION_MONTHS_AHEAD = 3,
    HOUSEKEEP_LIMIT_MS = 60 * 60 * 1000,
};

static bool is(const char *outcome, const char *name)
{
    return outcome != NULL && strcmp(outcome, name) == 0;
}

/* One CALL with one row; *outcome is its first cell. */
static int call(struct db_rows *rows, const char **outcome, struct store *s, struct arena *arena,
                const char *sql, const struct db_param *params, size_t param_count, struct err *err)
{
    if (db_run(rows, s->pool, arena, sql, params, param_count, 1, 0, err) != 0)
        return -1;
    *outcome = rows->row_count == 1 ? db_cell(rows, 0, 0) : NULL;
    return 0;
}

/* The same, together with other threads' steps of this kind. */
static int call_combined(struct db_rows *rows, const char **outcome, struct db_combiner *c,
                         struct arena *arena, const struct db_param *params, size_t param_count,
                         struct err *err)
{
    if (db_combine(rows, c, arena, params, param_count, err) != 0)
        return -1;
    *outcome = rows->row_count == 1 ? db_cell(rows, 0, 0) : NULL;
    return 0;
}

void ledger_open(struct store *s)
{
    s->authorize = db_combiner_new(s->pool, SQL_AUTHORIZE, SQL_AUTHORIZE_MANY);
    s->settle = db_combiner_new(s->pool, SQL_SETTLE, SQL_SETTLE_MANY);
}

void ledger_close(struct store *s)
{
    db_combiner_free(s->authorize);
    db_combiner_free(s->settle);
    s->authorize = NULL;
    s->settle = NULL;
}

static int unexpected(const char *outcome, const char *request_id, const char *sql, struct err *err)
{
    err_set(err, ERR_INTERNAL, NULL, "The server had an internal error.");
    return err_detail(err, "outcome %s of %s in: %s", outcome != NULL ? outcome : "NULL",
                      request_id, sql);
}

/* An unknown hold: nothing that could be charged or released. */
static int unknown(const char *request_id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, NULL, "There is no hold for request %s.", request_id);
}

/* --- Refusals -----------------------------------------------------------------------------------
 */

static const struct {
    const char *outcome;
    enum err_code code;
    const char *param;
    const char *message; /* NULL: composed from the figures */
} REFUSALS[] = {
    {"unknown_key", ERR_AUTH_INVALID, NULL,
     "The API key is not known. Check that it was copied whole and belongs to this service."},
    {"key_disabled", ERR_AUTH_DISABLED, NULL, "This API key is disabled. Use another one."},
    {"key_expired", ERR_AUTH_EXPIRED, NULL, "This API key has expired. Use another one."},
    {"account_disabled", ERR_ACCOUNT_DISABLED, NULL,
     "The account of this API key is disabled. Ask the operator of this service."},
    {"no_price", ERR_MODEL_NOT_FOUND, "model",
     "This model has no price at present and cannot be called. GET /v1/models lists those that "
     "can."},
    {"model_not_allowed", ERR_MODEL_NOT_ALLOWED, "model",
     "The model that would stand in is not on the list of models of this key."},
    {"key_cap_exceeded", ERR_KEY_CAP, NULL, NULL},
    {"account_cap_exceeded", ERR_ACCOUNT_CAP, NULL, NULL},
    {"team_cap_exceeded", ERR_TEAM_CAP, NULL, NULL},
    {"insufficient_credits", ERR_NO_CREDIT, NULL, NULL},
};

/* What was refused. */
enum refused { REFUSED_CALL, REFUSED_TOOLS, REFUSED_JOB };

static const struct {
    const char *scope;
    const char *owner;
} SCOPES[] = {
    {"key", "this key's cap"},
    {"member", "your cap as a member of the team"},
    {"team", "the team's cap"},
    {"account", "the account's cap"},
};

static const char *cap_of(const char *scope)
{
    for (size_t i = 0; i < ARRAY_LEN(SCOPES); i++)
        if (is(scope, SCOPES[i].scope))
            return SCOPES[i].owner;
    return "the cap";
}

/* "$0.98" */
static const char *dollars(struct arena *arena, const char *amount)
{
    char text[DECIMAL_SIZE];

    decimal_trim(text, amount != NULL ? amount : "0");
    return text[0] == '-' ? arena_printf(arena, "-$%s", text + 1)
                          : arena_printf(arena, "$%s", text);
}

/* "2026-11-24 00:00:00" as ISO 8601. */
static const char *iso(struct arena *arena, const char *sql_time)
{
    char *text = arena_printf(arena, "%.19sZ", sql_time);
    char *blank = strchr(text, ' ');

    if (blank != NULL)
        *blank = 'T';
    return text;
}

/* What would let the call through. Jobs have no length that could be cut. */
static const char *advice(struct arena *arena, const struct db_rows *rows, const char *scope,
                          enum refused what)
{
    static const char *const nothing[] = {
        [REFUSED_CALL] = " Nothing of this prompt's length fits.",
        [REFUSED_TOOLS] = " A lower max_tool_calls needs less.",
        [REFUSED_JOB] = "",
    };
    int64_t fit = db_cell_i64(rows, 0, AUTHORIZE_FIT_TOKENS, 0);
    const char *resets_at = db_cell(rows, 0, AUTHORIZE_RESETS_AT);
    const char *first = nothing[what];
    const char *second = " This cap does not reset by itself.";

    if (fit > 0)
        first = arena_printf(arena, " A max_tokens of at most %lld would fit.", (long long)fit);
    if (is(scope, "balance"))
        second = " Add credit to the account to continue.";
    else if (resets_at != NULL)
        second = arena_printf(arena, " The window resets at %s.", iso(arena, resets_at));
    return arena_printf(arena, "%s%s", first, second);
}

static int refuse_money(enum err_code code, struct arena *arena, const struct db_rows *rows,
                        enum refused kind, struct err *err)
{
    const char *scope = db_cell(rows, 0, AUTHORIZE_SCOPE);
    const char *limit = dollars(arena, db_cell(rows, 0, AUTHORIZE_LIMIT_USD));
    const char *spent = dollars(arena, db_cell(rows, 0, AUTHORIZE_SPENT_USD));
    const char *held = dollars(arena, db_cell(rows, 0, AUTHORIZE_HELD_USD));
    const char *need = dollars(arena, db_cell(rows, 0, AUTHORIZE_NEED_USD));
    const char *more = advice(arena, rows, scope, kind);
    const char *what = kind == REFUSED_JOB ? "This job costs" : "This call may need";

    if (is(scope, "balance"))
        return err_set(err, code, scope,
                       "%s %s, but the credit left is %s, of which %s is held by running "
                       "calls.%s",
                       what, need, limit, held, more);
    return err_set(err, code, scope,
                   "%s %s, but %s of %s does not leave that: %s is spent and %s is held by running "
                   "calls.%s",
                   what, need, cap_of(scope), limit, spent, held, more);
}

/* The model's price version has none for the tool. */
static int refuse_tool(const char *tool, struct err *err)
{
    static const char container[] = "container_";
    size_t len = sizeof container - 1;
    bool runs_code = strncmp(tool, container, len) == 0;

    return err_set(err, ERR_UNSUPPORTED_VALUE, "tools",
                   "'tools': this model does not offer %s%s here: it has no price. "
                   "GET /v1/models/{id} shows the prices of the tools that it offers.",
                   runs_code ? "code_interpreter with a memory_limit of " : "",
                   runs_code ? tool + len : tool);
}

/* Rows NULL: without figures. */
static int refuse_as(const char *outcome, struct arena *arena, const struct db_rows *rows,
                     enum refused kind, const char *request_id, const char *sql, struct err *err)
{
    static const char no_price[] = "no_price_";

    if (outcome != NULL && strncmp(outcome, no_price, sizeof no_price - 1) == 0)
        return refuse_tool(outcome + sizeof no_price - 1, err);
    for (size_t i = 0; i < ARRAY_LEN(REFUSALS); i++) {
        if (!is(outcome, REFUSALS[i].outcome))
            continue;
        if (REFUSALS[i].message != NULL)
            return err_set(err, REFUSALS[i].code, REFUSALS[i].param, "%s", REFUSALS[i].message);
        if (rows != NULL)
            return refuse_money(REFUSALS[i].code, arena, rows, kind, err);
        return err_set(err, REFUSALS[i].code, NULL,
                       "The credit left does not cover this call at the price of another model.");
    }
    return unexpected(outcome, request_id, sql, err);
}

int ledger_refuse_job(struct arena *arena, const struct db_rows *rows, const char *request_id,
                      const char *sql, struct err *err)
{
    const char *outcome = rows->row_count == 1 ? db_cell(rows, 0, AUTHORIZE_OUTCOME) : NULL;

    return refuse_as(outcome, arena, rows, REFUSED_JOB, request_id, sql, err);
}

/* --- Values that come from providers ------------------------------------------------------------
 */

/* A provider's figure must not make a charge fail: the charge is clamped to the hold anyway. */
static struct db_param count_of(int64_t tokens)
{
    return db_i64(tokens < 0 ? 0 : tokens > INT_MAX ? INT_MAX : tokens);
}

static struct db_param ms_of(int64_t ms)
{
    return ms < 0 ? db_null() : count_of(ms);
}

static struct db_param gb_of(int64_t gb)
{
    return gb > 0 && gb <= UINT8_MAX ? db_i64(gb) : db_null();
}

static struct db_param status_of(int http_status)
{
    return http_status > 0 && http_status < 1000 ? db_i64(http_status) : db_null();
}

/* A column of ASCII: cuts, and replaces other characters. NULL stays NULL. */
static struct db_param ascii_of(struct arena *arena, const char *text, size_t max)
{
    if (text == NULL)
        return db_null();
    char *copy = arena_strndup(arena, text, strnlen(text, max));
    for (char *p = copy; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    return db_text(copy);
}

/* A column that is not nullable. */
static struct db_param ascii_or_empty(struct arena *arena, const char *text, size_t max)
{
    return ascii_of(arena, text != NULL ? text : "", max);
}

/* NULL unless the provider named a cost that can be one. */
static struct db_param cost_of(struct arena *arena, const char *cost_usd)
{
    char text[DECIMAL_SIZE];

    if (cost_usd[0] == '\0' || decimal_normalise(text, cost_usd) != 0 ||
        decimal_is_negative(text) || strcspn(text, ".") > COST_DIGITS_MAX)
        return db_null();
    return db_text(arena_strdup(arena, text));
}

/* --- Steps --------------------------------------------------------------------------------------
 */

int ledger_authorize(struct ledger_hold *out, struct store *s, struct arena *arena,
                     const struct ledger_want *want, struct err *err)
{
    const struct db_param params[] = {
        db_text(want->request_id),  db_bytes(want->key_hash, sizeof(want->key_hash)),
        db_i64(want->model_id),     db_i64(want->price_model_id),
        db_i64(want->prompt_bound), db_i64(want->prompt_likely),
        db_i64(want->output_limit), db_i64(want->output_max),
        db_i64(want->choices),      db_i64(LEDGER_HOLD_TTL_S),
        db_text(want->tools),       db_i64(want->tool_calls),
    };
    bool tools = want->tools != NULL;
    struct db_rows rows;
    const char *outcome;
    int rc;

    assert(ident_request_valid(want->request_id) && want->choices > 0);
    assert(want->prompt_bound >= 0 && want->prompt_likely >= 0 && want->output_limit >= 0 &&
           want->output_max >= 0);
    *out = (struct ledger_hold){0};
    if (tools)
        rc = call(&rows, &outcome, s, arena, SQL_AUTHORIZE_TOOLS, params, ARRAY_LEN(params), err);
    else
        rc = call_combined(&rows, &outcome, s->authorize, arena, params,
                           ARRAY_LEN(params) - TOOL_PARAMS, err);
    if (rc != 0)
        return -1;
    if (is(outcome, "model_not_allowed"))
        return apikey_refuse_model(s, arena, want->key_hash, want->model_id, err);
    if (!is(outcome, "held"))
        return refuse_as(outcome, arena, &rows, tools ? REFUSED_TOOLS : REFUSED_CALL,
                         want->request_id, SQL_AUTHORIZE, err);
    memcpy(out->request_id, want->request_id, sizeof(out->request_id));
    out->key_id = db_cell_i64(&rows, 0, AUTHORIZE_KEY_ID, 0);
    out->account_id = db_cell_i64(&rows, 0, AUTHORIZE_ACCOUNT_ID, 0);
    out->output_limit = db_cell_i64(&rows, 0, AUTHORIZE_OUTPUT_LIMIT, 0);
    decimal_trim(out->hold_usd, db_cell(&rows, 0, AUTHORIZE_HOLD_USD));
    return 0;
}

int ledger_extend(struct ledger_hold *hold, struct store *s, struct arena *arena,
                  const struct ledger_want *want, struct err *err)
{
    /* Never more than was asked for first, never more than the other model can answer. */
    int64_t output_limit = hold->output_limit;
    if (want->output_max < output_limit)
        output_limit = want->output_max;
    const struct db_param params[] = {
        db_text(hold->request_id),   db_i64(want->price_model_id), db_i64(want->prompt_bound),
        db_i64(want->prompt_likely), db_i64(output_limit),         db_i64(want->choices),
    };
    struct db_rows rows;
    const char *outcome;

    assert(ident_request_valid(hold->request_id) && want->choices > 0);
    if (call(&rows, &outcome, s, arena, SQL_EXTEND, params, ARRAY_LEN(params), err) != 0)
        return -1;
    if (is(outcome, "unknown_hold"))
        return unknown(hold->request_id, err);
    if (!is(outcome, "held"))
        return refuse_as(outcome, arena, NULL, REFUSED_CALL, hold->request_id, SQL_EXTEND, err);
    hold->output_limit = output_limit;
    decimal_trim(hold->hold_usd, db_cell(&rows, 0, EXTEND_HOLD_USD));
    return 0;
}

static bool used_tools(const struct ledger_usage *usage)
{
    return usage->web_searches > 0 || usage->preview_searches > 0 || usage->file_searches > 0 ||
           usage->containers > 0;
}

static void trim_cell(char out[DECIMAL_SIZE], const struct db_rows *rows, size_t column)
{
    const char *text = db_cell(rows, 0, column);
    decimal_trim(out, text != NULL ? text : "0");
}

int ledger_settle(struct ledger_charge *out, struct store *s, struct arena *arena,
                  const char *request_id, const struct ledger_usage *usage,
                  const struct ledger_outcome *how, struct err *err)
{
    const struct db_param params[] = {
        db_text(request_id),
        count_of(usage->input),
        count_of(usage->cached),
        count_of(usage->cache_write_5m),
        count_of(usage->cache_write_1h),
        count_of(usage->output),
        count_of(usage->reasoning),
        cost_of(arena, usage->upstream_cost_usd),
        db_i64(usage->estimated),
        ascii_or_empty(arena, how->status, TEXT_STATUS_MAX),
        ascii_or_empty(arena, how->provider, TEXT_PROVIDER_MAX),
        ascii_or_empty(arena, how->upstream_model, TEXT_MODEL_MAX),
        ascii_of(arena, how->hedged_from, TEXT_PROVIDER_MAX),
        db_i64(how->stream),
        status_of(how->http_status),
        ms_of(how->first_byte_ms),
        ms_of(how->duration_ms),
        count_of(usage->web_searches),
        count_of(usage->preview_searches),
        count_of(usage->file_searches),
        count_of(usage->containers),
        gb_of(usage->container_gb),
    };
    struct db_rows rows;
    const char *outcome;
    int rc;

    *out = (struct ledger_charge){0};
    if (used_tools(usage))
        rc = call(&rows, &outcome, s, arena, SQL_SETTLE_TOOLS, params, ARRAY_LEN(params), err);
    else
        rc = call_combined(&rows, &outcome, s->settle, arena, params,
                           ARRAY_LEN(params) - COUNT_PARAMS, err);
    if (rc != 0)
        return -1;
    if (is(outcome, "unknown_hold"))
        return unknown(request_id, err);
    if (!is(outcome, "settled") && !is(outcome, "replayed") && !is(outcome, "released"))
        return unexpected(outcome, request_id, SQL_SETTLE, err);
    trim_cell(out->charge_usd, &rows, SETTLE_CHARGE_USD);
    trim_cell(out->balance_usd, &rows, SETTLE_BALANCE_USD);
    return 0;
}

int ledger_release(struct store *s, struct arena *arena, const char *request_id,
                   const struct ledger_outcome *how, struct err *err)
{
    const struct db_param params[] = {
        db_text(request_id),
        ascii_or_empty(arena, how->status, TEXT_STATUS_MAX),
        ascii_of(arena, how->provider, TEXT_PROVIDER_MAX),
        status_of(how->http_status),
        ms_of(how->first_byte_ms),
        ms_of(how->duration_ms),
    };
    struct db_rows rows;
    const char *outcome;

    if (call(&rows, &outcome, s, arena, SQL_RELEASE, params, ARRAY_LEN(params), err) != 0)
        return -1;
    if (is(outcome, "released") || is(outcome, "replayed"))
        return 0;
    return is(outcome, "unknown_hold") ? unknown(request_id, err)
                                       : unexpected(outcome, request_id, SQL_RELEASE, err);
}

int ledger_renew(struct store *s, struct arena *arena, const char *request_id, struct err *err)
{
    const struct db_param params[] = {db_text(request_id), db_i64(LEDGER_HOLD_TTL_S)};
    struct db_rows rows;
    const char *outcome;

    if (call(&rows, &outcome, s, arena, SQL_RENEW, params, ARRAY_LEN(params), err) != 0)
        return -1;
    if (is(outcome, "renewed"))
        return 0;
    return is(outcome, "unknown_hold") ? unknown(request_id, err)
                                       : unexpected(outcome, request_id, SQL_RENEW, err);
}

/* --- Cron ---------------------------------------------------------------------------------------
 */

int ledger_list_expired(const char ***ids, size_t *count, struct store *s, struct arena *arena,
                        size_t max, struct err *err)
{
    const struct db_param params[] = {db_i64((int64_t)max)};
    struct db_rows rows;

    *ids = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_EXPIRED, params, 1, max, 0, err) != 0)
        return -1;
    *ids = rows.cells; /* one column */
    *count = rows.row_count;
    return 0;
}

int ledger_expire(bool *expired, struct store *s, struct arena *arena, const char *request_id,
                  struct err *err)
{
    const struct db_param params[] = {db_text(request_id)};
    struct db_rows rows;
    const char *outcome;

    *expired = false;
    if (call(&rows, &outcome, s, arena, SQL_EXPIRE, params, 1, err) != 0)
        return -1;
    *expired = is(outcome, "expired");
    return 0;
}

int ledger_housekeep(struct store *s, struct arena *arena, int days, struct err *err)
{
    const struct db_param purge[] = {db_i64(days)};
    const struct db_param ahead[] = {db_i64(PARTITION_MONTHS_AHEAD)};
    int64_t deadline_ms = timing_mono_ms() + HOUSEKEEP_LIMIT_MS;
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_PURGE, purge, 1, 1, deadline_ms, err) != 0)
        return -1;
    return db_run(&rows, s->pool, arena, SQL_PARTITIONS, ahead, 1, 1, deadline_ms, err);
}

int ledger_verify(struct ledger_breach **out, size_t *count, struct store *s, struct arena *arena,
                  size_t max, struct err *err)
{
    const struct db_param params[] = {db_i64((int64_t)max)};
    struct db_rows rows;

    *out = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_VERIFY, params, 1, max, 0, err) != 0)
        return -1;
    *out = arena_alloc(arena, rows.row_count * sizeof(**out));
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++) {
        const char *expected = db_cell(&rows, i, 2);
        const char *actual = db_cell(&rows, i, 3);
        (*out)[i] = (struct ledger_breach){
            .rule = db_cell(&rows, i, 0),
            .subject = db_cell(&rows, i, 1),
            .detail = arena_printf(arena, "expected %s, found %s",
                                   expected != NULL ? dollars(arena, expected) : "none",
                                   actual != NULL ? dollars(arena, actual) : "none"),
        };
    }
    return 0;
}
