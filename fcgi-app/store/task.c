/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/task.h"

#include "base/decimal.h"
#include "base/jsontext.h"
#include "db/stmt.h"
#include "db/txn.h"
#include "store/apikey.h"
#include "store/ledger.h"

#include <string.h>

static const char SQL_CREATE[] =
    "CALL job_create(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_STARTED[] = "CALL job_started(?, ?, ?)";
static const char SQL_PROGRESS[] = "CALL job_progress(?, ?)";
static const char SQL_CALLBACK[] = "CALL job_callback(?, ?)";
static const char SQL_FINISH[] = "CALL job_finish(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
static const char SQL_CLAIM[] = "CALL job_claim(?)";
static const char SQL_PURGE[] = "CALL job_purge(?)";

#define MS(column) "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', " column ") DIV 1000"
#define JOB_COLUMNS                                                                                \
    "SELECT j.id, m.name, j.provider, j.api, j.shape, j.upstream_id, j.state, j.param,"            \
    "    j.callback_url, j.result, j.fail_code, j.fail_msg, j.charge_usd,"                         \
    "    " MS("j.created_at") ", " MS("j.updated_at") ", " MS(                                     \
        "j.completed_at") ","                                                                      \
                          "    TIMESTAMPDIFF(SECOND, j.created_at, UTC_TIMESTAMP()) "              \
                          "FROM job j JOIN model m ON m.id = j.model_id "

static const char SQL_FIND[] = JOB_COLUMNS "WHERE j.id = ? AND (j.owner_id = ? OR ? = 0)";
static const char SQL_LIST[] =
    JOB_COLUMNS "WHERE j.owner_id = ? AND (j.key_id = ? OR ? = 0) AND (? IS NULL OR j.state = ?"
                "    OR (? = 'open' AND j.completed_at IS NULL)) AND (? IS NULL OR j.id < ?) "
                "ORDER BY j.id DESC LIMIT ?";
static const char SQL_DUE[] = JOB_COLUMNS "WHERE j.due <= UTC_TIMESTAMP(6) ORDER BY j.due LIMIT ?";

/* What a model's combinations are called that have a price now. */
static const char SQL_VARIANTS[] =
    "SELECT GROUP_CONCAT(DISTINCT variant ORDER BY id SEPARATOR '; ') FROM price "
    "WHERE model_id = ? AND variant <> '' AND valid_from <= UTC_TIMESTAMP(6)";

enum {
    LOOK_AFTER_STARTED_S = TASK_FIRST_LOOK_S,
    UPSTREAM_MODEL_MAX = 128,
    CODE_MAX = 32,
    MSG_MAX = 500,
    COST_DIGITS_MAX = 9,
    PURGE_LIMIT_ROWS = 1,
};

static const char prefix[] = "tsk_";
static const char event[] = "job.completed";

void task_id(char out[TASK_ID_SIZE], const char *request_id)
{
    assert(ident_request_valid(request_id));
    memcpy(out, request_id, TASK_ID_SIZE);
    memcpy(out, prefix, sizeof prefix - 1);
}

bool task_id_valid(const char *text)
{
    char as_request[TASK_ID_SIZE];

    if (strlen(text) != TASK_ID_LEN || strncmp(text, prefix, sizeof prefix - 1) != 0)
        return false;
    memcpy(as_request, text, sizeof as_request);
    memcpy(as_request, "req_", 4);
    return ident_request_valid(as_request);
}

static bool is(const char *outcome, const char *name)
{
    return outcome != NULL && strcmp(outcome, name) == 0;
}

static int unexpected(const char *id, const char *sql, const char *outcome, struct err *err)
{
    err_set(err, ERR_INTERNAL, NULL, "The server had an internal error.");
    return err_detail(err, "outcome %s of %s in: %s", outcome != NULL ? outcome : "NULL", id, sql);
}

/* 400 that names what can be had. */
static int no_price(struct store *s, struct arena *arena, const struct task_want *want,
                    struct err *err)
{
    const struct db_param params[] = {db_i64(want->price_model_id)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_VARIANTS, params, 1, 1, 0, err) != 0)
        return -1;
    const char *variants = rows.row_count == 1 ? db_cell(&rows, 0, 0) : NULL;
    if (variants == NULL)
        return err_set(err, ERR_MODEL_NOT_FOUND, "model",
                       "This model has no price at present and cannot be called. GET /v1/models "
                       "lists those that can.");
    return err_set(err, ERR_UNSUPPORTED_VALUE, "input",
                   "There is no price for this model with %s, so it cannot be made. There are "
                   "prices for: %.600s.",
                   want->variant[0] != '\0' ? want->variant : "these parameters", variants);
}

int task_create(bool *known, struct store *s, struct arena *arena, const struct task_want *want,
                struct err *err)
{
    const struct db_param params[] = {
        db_text(want->id),
        db_text(want->request_id),
        db_i64((int64_t)(want->nonce >> 1)),
        db_bytes(want->key_hash, SECRET_SHA256_SIZE),
        db_i64(want->model_id),
        db_i64(want->price_model_id),
        db_text(want->unit),
        db_text(want->variant),
        db_i64(want->quantity_milli),
        db_i64(want->metered),
        db_text(want->provider),
        db_text(want->api),
        db_text(want->shape),
        db_text(want->upstream_model),
        db_text(want->param),
        db_text(want->callback_url),
        db_i64(TASK_HOLD_TTL_S),
        db_i64(TASK_ORPHAN_S),
    };
    struct db_rows rows;

    assert(task_id_valid(want->id) && want->quantity_milli > 0);
    if (db_run(&rows, s->pool, arena, SQL_CREATE, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *outcome = rows.row_count == 1 ? db_cell(&rows, 0, 0) : NULL;
    *known = is(outcome, "known");
    if (*known || is(outcome, "held"))
        return 0;
    if (is(outcome, "no_price"))
        return no_price(s, arena, want, err);
    if (is(outcome, "model_not_allowed"))
        return apikey_refuse_model(s, arena, want->key_hash, want->model_id, err);
    return ledger_refuse_job(arena, &rows, want->request_id, SQL_CREATE, err);
}

int task_started(bool *ours, struct store *s, struct arena *arena, const char *id,
                 const char *upstream_id, struct err *err)
{
    const struct db_param params[] = {db_text(id), db_text(upstream_id),
                                      db_i64(LOOK_AFTER_STARTED_S)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_STARTED, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *outcome = rows.row_count == 1 ? db_cell(&rows, 0, 0) : NULL;
    *ours = is(outcome, "started") || is(outcome, "replayed");
    return 0;
}

int task_progress(struct store *s, struct arena *arena, const char *id, const char *state,
                  struct err *err)
{
    const struct db_param params[] = {db_text(id), db_text(state)};
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_PROGRESS, params, ARRAY_LEN(params), 1, 0, err);
}

int task_callback(bool *fresh, struct store *s, struct arena *arena, const char *id, int64_t ts,
                  struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(ts)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_CALLBACK, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    *fresh = rows.row_count == 1 && is(db_cell(&rows, 0, 0), "accepted");
    return 0;
}

/* A provider's figure must not make the end of a job fail: what cannot be one is left out. */
static struct db_param decimal_param(struct arena *arena, const char *text)
{
    char plain[DECIMAL_SIZE];

    if (text == NULL || decimal_normalise(plain, text) != 0 || decimal_is_negative(plain) ||
        strcspn(plain, ".") > COST_DIGITS_MAX)
        return db_null();
    return db_text(arena_strdup(arena, plain));
}

/* For a column of ASCII. */
static struct db_param ascii_param(struct arena *arena, const char *text, size_t max)
{
    if (text == NULL)
        return db_null();
    char *copy = arena_strndup(arena, text, strnlen(text, max));
    for (char *p = copy; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    return db_text(copy);
}

/* Cuts at a character. */
static struct db_param text_param(struct arena *arena, const char *text, size_t max)
{
    if (text == NULL)
        return db_null();
    return db_text(arena_strndup(arena, text, jsontext_cut(text, max)));
}

int task_finish(struct task_ended *out, struct store *s, struct arena *arena, const char *id,
                const struct task_end *end, struct err *err)
{
    const struct db_param params[] = {
        db_text(id),
        db_text(end->upstream_id),
        db_i64(end->ok),
        db_text(end->result),
        ascii_param(arena, end->fail_code, CODE_MAX),
        text_param(arena, end->fail_msg, MSG_MAX),
        db_text(end->status != NULL ? end->status : "error"),
        end->http_status > 0 ? db_i64(end->http_status) : db_null(),
        decimal_param(arena, end->took),
        decimal_param(arena, end->cost),
        db_text(end->cost_rate),
        db_text(end->body),
        db_text(event),
    };
    struct db_rows rows;

    *out = (struct task_ended){0};
    if (db_run(&rows, s->pool, arena, SQL_FINISH, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    const char *outcome = rows.row_count == 1 ? db_cell(&rows, 0, 0) : NULL;
    if (!is(outcome, "finished") && !is(outcome, "replayed") && !is(outcome, "changed"))
        return unexpected(id, SQL_FINISH, outcome, err);
    out->first = is(outcome, "finished");
    out->charge_usd = store_decimal(arena, db_cell(&rows, 0, 1));
    out->delivery_id = db_cell(&rows, 0, 2);
    return 0;
}

static void read_task(struct task *t, const struct db_rows *rows, size_t row, struct arena *arena)
{
    struct db_cursor c = {.rows = rows, .row = row};

    t->id = db_next(&c);
    t->model = db_next(&c);
    t->provider = db_next(&c);
    t->api = db_next(&c);
    t->shape = db_next(&c);
    t->upstream_id = db_next(&c);
    t->state = db_next(&c);
    t->param = db_next(&c);
    t->callback_url = db_next(&c);
    t->result = db_next(&c);
    t->fail_code = db_next(&c);
    t->fail_msg = db_next(&c);
    t->charge_usd = store_decimal(arena, db_next(&c));
    t->created_ms = db_next_i64(&c, 0);
    t->updated_ms = db_next_i64(&c, 0);
    t->completed_ms = db_next_i64(&c, 0);
    t->age_s = db_next_i64(&c, 0);
}

static void read_tasks(struct task **out, size_t *count, const struct db_rows *rows,
                       struct arena *arena)
{
    *out = arena_zalloc(arena, (rows->row_count + 1) * sizeof **out);
    *count = rows->row_count;
    for (size_t i = 0; i < rows->row_count; i++)
        read_task(&(*out)[i], rows, i, arena);
}

int task_find(struct task *out, struct store *s, struct arena *arena, int64_t owner_id,
              const char *id, struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(owner_id), db_i64(owner_id)};
    struct db_rows rows = {0};

    if (task_id_valid(id) &&
        db_run(&rows, s->pool, arena, SQL_FIND, params, ARRAY_LEN(params), 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 0)
        return err_set(err, ERR_NOT_FOUND, "taskId",
                       "There is no task '%.60s'. A task id comes from createTask and begins with "
                       "tsk_.",
                       id);
    read_task(out, &rows, 0, arena);
    return 0;
}

int task_list(struct task **out, size_t *count, struct store *s, struct arena *arena,
              int64_t owner_id, int64_t key_id, const char *state, const char *after, int64_t limit,
              struct err *err)
{
    const struct db_param params[] = {
        db_i64(owner_id), db_i64(key_id), db_i64(key_id), db_text(state),    db_text(state),
        db_text(state),   db_text(after), db_text(after), db_i64(limit + 1),
    };
    struct db_rows rows;

    assert(limit > 0 && limit <= TASK_LIST_MAX);
    if (db_run(&rows, s->pool, arena, SQL_LIST, params, ARRAY_LEN(params), (size_t)limit + 1, 0,
               err) != 0)
        return -1;
    read_tasks(out, count, &rows, arena);
    return 0;
}

int task_due(struct task **out, size_t *count, struct store *s, struct arena *arena, int64_t limit,
             struct err *err)
{
    const struct db_param params[] = {db_i64(limit)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_DUE, params, 1, (size_t)limit, 0, err) != 0)
        return -1;
    read_tasks(out, count, &rows, arena);
    return 0;
}

int task_claim(struct task **out, size_t *count, struct store *s, struct arena *arena,
               int64_t limit, struct err *err)
{
    const struct db_param params[] = {db_i64(limit)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_CLAIM, params, 1, (size_t)limit, 0, err) != 0)
        return -1;
    read_tasks(out, count, &rows, arena);
    return 0;
}

int task_purge(struct store *s, struct arena *arena, int days, struct err *err)
{
    const struct db_param params[] = {db_i64(days)};
    struct db_rows rows;

    return db_run(&rows, s->pool, arena, SQL_PURGE, params, 1, PURGE_LIMIT_ROWS, 0, err);
}
