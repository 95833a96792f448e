/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/hook.h"

#include "base/jsonx.h"
#include "base/timing.h"
#include "db/stmt.h"
#include "db/txn.h"

#include <string.h>

#define ISO(x) "CONCAT(LEFT(DATE_FORMAT(" x ", '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')"

static const char SQL_CLAIM[] = "CALL webhook_claim(?, ?, ?, ?)";
static const char SQL_CLAIM_ONE[] = "CALL webhook_claim_one(?, ?)";
static const char SQL_FINISH[] = "CALL webhook_finish(?)";
static const char SQL_DUE[] =
    "SELECT id, url FROM webhook_delivery FORCE INDEX (state_due_id) "
    "WHERE state = 'pending' AND due <= UTC_TIMESTAMP(6) ORDER BY due, id LIMIT ?";

#define ENTRY                                                                                      \
    "SELECT id, event, task_id, url, state, attempts,"                                             \
    "    IF(state = 'pending', " ISO("due") ", NULL), COALESCE(last_status, 0), last_error,"       \
                                            "    response_excerpt, " ISO("created_at") ", " ISO(   \
                                                "delivered_at") " FROM webhook_delivery "
#define BEFORE "(? IS NULL OR id < ?) ORDER BY id DESC LIMIT ?"

static const char SQL_LIST[] = ENTRY "FORCE INDEX (account_id) WHERE account_id = ? AND " BEFORE;
static const char SQL_LIST_STATE[] =
    ENTRY "FORCE INDEX (account_state) WHERE account_id = ? AND state = ? AND " BEFORE;
static const char SQL_FIND[] = ENTRY "WHERE id = ? AND account_id = ?";
static const char SQL_REDELIVER[] = "CALL webhook_redeliver(?, ?)";

static const char SQL_SECRETS[] = "SELECT id, NULL, last4, " ISO("created_at") ", " ISO(
    "expires_at") " FROM webhook_secret "
                  "WHERE account_id = ? AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6)) "
                  "ORDER BY id DESC";
static const char SQL_SECRET_FIRST[] = "CALL webhook_secret_first(?, ?, ?)";
static const char SQL_SECRET_ROTATE[] = "CALL webhook_secret_rotate(?, ?, ?, ?)";
static const char SQL_PURGE[] = "CALL webhook_purge(?, ?)";

enum {
    SECRET_ROWS_MAX = 64, /* older ones end at once, but a clock may have been put back */
    HOUSEKEEP_LIMIT_MS = 120 * 1000,
};

static const char id_prefix[] = "whd_";

bool hook_id_valid(const char *text)
{
    size_t prefix = sizeof id_prefix - 1;

    return strncmp(text, id_prefix, prefix) == 0 && strlen(text) == HOOK_ID_LEN &&
           strspn(text + prefix, "0123456789ABCDEFGHIJKLMNOPQRSTUV") == HOOK_ID_LEN - prefix;
}

/* --- Attempts -----------------------------------------------------------------------------------
 */

static struct hook_job *read_jobs(const struct db_rows *rows, struct arena *arena)
{
    struct hook_job *jobs = arena_zalloc(arena, (rows->row_count + 1) * sizeof *jobs);

    for (size_t i = 0; i < rows->row_count; i++) {
        struct db_cursor c = {.rows = rows, .row = i};
        jobs[i].id = db_next(&c);
        jobs[i].claim = db_next(&c);
        jobs[i].account_id = db_next_i64(&c, 0);
        jobs[i].task_id = db_next(&c);
        jobs[i].url = db_next(&c);
        jobs[i].host_key = db_next_i64(&c, 0);
        jobs[i].step = db_next_i64(&c, 0);
        jobs[i].body = db_next(&c);
        jobs[i].secrets = db_next(&c);
    }
    return jobs;
}

int hook_claim(struct hook_job **out, size_t *count, struct store *s, struct arena *arena,
               size_t limit, const char *hosts, const char *accounts, struct err *err)
{
    const struct db_param params[] = {db_i64((int64_t)limit), db_i64(HOOK_LEASE_S), db_text(hosts),
                                      db_text(accounts)};
    struct db_rows rows;

    assert(limit >= 1 && limit <= HOOK_CLAIM_MAX);
    *out = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_CLAIM, params, ARRAY_LEN(params), HOOK_CLAIM_MAX, 0,
               err) != 0)
        return -1;
    *out = read_jobs(&rows, arena);
    *count = rows.row_count;
    return 0;
}

int hook_claim_one(struct hook_job **out, struct store *s, struct arena *arena, const char *id,
                   struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(HOOK_LEASE_S)};
    struct db_rows rows;

    *out = NULL;
    if (db_run(&rows, s->pool, arena, SQL_CLAIM_ONE, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 1)
        *out = read_jobs(&rows, arena);
    return 0;
}

static void add_text(struct buf *b, const char *text)
{
    buf_append_char(b, ',');
    if (text != NULL)
        jsonx_write_string(b, text, strlen(text));
    else
        buf_append_str(b, "null");
}

void hook_result_add(struct buf *b, const struct hook_result *result)
{
    static const char *const outcomes[] = {[HOOK_DELIVERED] = "delivered",
                                           [HOOK_RETRY] = "retry",
                                           [HOOK_DEAD] = "dead",
                                           [HOOK_BACK] = "back"};

    /* Ids and claims are of plain characters. */
    buf_printf(b, "%s[\"%s\",\"%s\",\"%s\",", b->len == 0 ? "[" : ",", result->id, result->claim,
               outcomes[result->outcome]);
    if (result->status > 0)
        buf_printf(b, "%d", result->status);
    else
        buf_append_str(b, "null");
    add_text(b, result->error);
    add_text(b, result->excerpt);
    buf_printf(b, ",%lld]", (long long)result->delay_ms);
}

int hook_finish(struct buf *b, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (b->len == 0)
        return 0;
    size_t len = b->len;
    buf_append_char(b, ']');
    if (buf_failed(b))
        return err_set(err, ERR_INTERNAL, NULL, "Too many results of webhooks at once.");
    const struct db_param params[] = {{.type = DB_TEXT, .bytes = buf_span(b)}};
    if (db_run(&rows, s->pool, arena, SQL_FINISH, params, 1, 1, 0, err) != 0) {
        b->len = len; /* more may be added before the next try */
        b->data[len] = '\0';
        return -1;
    }
    buf_clear(b);
    return 0;
}

int hook_list_due(struct hook_job **out, size_t *count, struct store *s, struct arena *arena,
                  size_t max, struct err *err)
{
    const struct db_param params[] = {db_i64((int64_t)max)};
    struct db_rows rows;

    *out = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_DUE, params, 1, max, 0, err) != 0)
        return -1;
    *out = arena_zalloc(arena, (rows.row_count + 1) * sizeof **out);
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++) {
        (*out)[i].id = db_cell(&rows, i, 0);
        (*out)[i].url = db_cell(&rows, i, 1);
    }
    return 0;
}

/* --- For the customer ---------------------------------------------------------------------------
 */

static void read_entry(struct hook_entry *out, const struct db_rows *rows, size_t row)
{
    struct db_cursor c = {.rows = rows, .row = row};

    out->id = db_next(&c);
    out->event = db_next(&c);
    out->task_id = db_next(&c);
    out->url = db_next(&c);
    out->state = db_next(&c);
    out->attempts = db_next_i64(&c, 0);
    out->next_attempt_at = db_next(&c);
    out->last_status = db_next_i64(&c, 0);
    out->last_error = db_next(&c);
    out->response_excerpt = db_next(&c);
    out->created_at = db_next(&c);
    out->delivered_at = db_next(&c);
}

int hook_list(struct hook_entry **out, size_t *count, bool *more, struct store *s,
              struct arena *arena, int64_t account_id, const char *state, const char *after,
              size_t limit, struct err *err)
{
    struct db_param params[5];
    size_t n = 0;
    struct db_rows rows;

    assert(limit >= 1);
    *out = NULL;
    *count = 0;
    params[n++] = db_i64(account_id);
    if (state != NULL)
        params[n++] = db_text(state);
    params[n++] = db_text(after);
    params[n++] = db_text(after);
    params[n++] = db_i64((int64_t)limit + 1);
    if (db_run(&rows, s->pool, arena, state != NULL ? SQL_LIST_STATE : SQL_LIST, params, n,
               limit + 1, 0, err) != 0)
        return -1;
    *more = rows.row_count > limit;
    *count = *more ? limit : rows.row_count;
    *out = arena_zalloc(arena, (*count + 1) * sizeof **out);
    for (size_t i = 0; i < *count; i++)
        read_entry(&(*out)[i], &rows, i);
    return 0;
}

static int no_such(const char *id, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "id", "There is no webhook delivery %.40s of this account.",
                   id);
}

int hook_find(struct hook_entry *out, struct store *s, struct arena *arena, int64_t account_id,
              const char *id, struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(account_id)};
    struct db_rows rows;

    if (!hook_id_valid(id))
        return no_such(id, err);
    if (db_run(&rows, s->pool, arena, SQL_FIND, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return no_such(id, err);
    read_entry(out, &rows, 0);
    return 0;
}

int hook_redeliver(struct store *s, struct arena *arena, int64_t account_id, const char *id,
                   struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(account_id)};
    struct db_rows rows;

    if (!hook_id_valid(id))
        return no_such(id, err);
    if (db_run(&rows, s->pool, arena, SQL_REDELIVER, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    return strcmp(db_cell(&rows, 0, 0), "unknown") == 0 ? no_such(id, err) : 0;
}

/* --- Secrets ------------------------------------------------------------------------------------
 */

static struct hook_secret *read_secrets(const struct db_rows *rows, struct arena *arena)
{
    struct hook_secret *list = arena_zalloc(arena, (rows->row_count + 1) * sizeof *list);

    for (size_t i = 0; i < rows->row_count; i++) {
        struct db_cursor c = {.rows = rows, .row = i};
        list[i].id = db_next_i64(&c, 0);
        list[i].sealed_hex = db_next(&c);
        list[i].last4 = db_next(&c);
        list[i].created_at = db_next(&c);
        list[i].expires_at = db_next(&c);
    }
    return list;
}

int hook_secret_list(struct hook_secret **out, size_t *count, struct store *s, struct arena *arena,
                     int64_t account_id, struct err *err)
{
    const struct db_param params[] = {db_i64(account_id)};
    struct db_rows rows;

    *out = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_SECRETS, params, 1, SECRET_ROWS_MAX, 0, err) != 0)
        return -1;
    *out = read_secrets(&rows, arena);
    *count = rows.row_count;
    return 0;
}

int hook_secret_first(const char **sealed_hex, struct store *s, struct arena *arena,
                      int64_t account_id, struct span sealed, const char *last4, struct err *err)
{
    const struct db_param params[] = {db_i64(account_id), db_bytes(sealed.ptr, sealed.len),
                                      db_text(last4)};
    struct db_rows rows;

    *sealed_hex = NULL;
    if (db_run(&rows, s->pool, arena, SQL_SECRET_FIRST, params, ARRAY_LEN(params), SECRET_ROWS_MAX,
               0, err) != 0)
        return -1;
    for (size_t i = 0; i < rows.row_count; i++)
        *sealed_hex = *sealed_hex == NULL
                          ? db_cell(&rows, i, 1)
                          : arena_printf(arena, "%s,%s", *sealed_hex, db_cell(&rows, i, 1));
    return 0;
}

int hook_secret_rotate(struct hook_secret **out, size_t *count, struct store *s,
                       struct arena *arena, int64_t account_id, struct span sealed,
                       const char *last4, int64_t overlap_h, struct err *err)
{
    const struct db_param params[] = {db_i64(account_id), db_bytes(sealed.ptr, sealed.len),
                                      db_text(last4), db_i64(overlap_h)};
    struct db_rows rows;

    *out = NULL;
    *count = 0;
    if (db_run(&rows, s->pool, arena, SQL_SECRET_ROTATE, params, ARRAY_LEN(params), SECRET_ROWS_MAX,
               0, err) != 0)
        return -1;
    *out = read_secrets(&rows, arena);
    *count = rows.row_count;
    return 0;
}

/* --- Cron ---------------------------------------------------------------------------------------
 */

int hook_housekeep(struct store *s, struct arena *arena, int delivered_days, int dead_days,
                   struct err *err)
{
    const struct db_param params[] = {db_i64(delivered_days), db_i64(dead_days)};
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_PURGE, params, ARRAY_LEN(params), 1,
                  timing_mono_ms() + HOUSEKEEP_LIMIT_MS, err);
}
