/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "db/combine.h"

#include "base/jsonx.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/timing.h"
#include "db/conn.h"
#include "db/txn.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum {
    JSON_MAX = 1024 * 1024,
    STEP_LIMIT_MS = 10 * 1000, /* for one step, its waiting included */
    MANY_TRIES = 3,
    /* A conflict that took longer was a row that somebody keeps locked: it is not waited for again
     * where all others wait along. */
    MANY_LOCKED_MS = 1000,
};

enum step_state {
    STEP_WAITING,
    STEP_LEADS,  /* its thread is to run the next batch */
    STEP_TAKEN,  /* another thread runs it */
    STEP_DONE,   /* rows are in its arena */
    STEP_FAILED, /* err is set */
    STEP_SINGLE, /* its thread is to run it by itself */
};

/* On the stack of its thread, which waits; so the leading thread may use the step's arena. */
struct step {
    const struct db_param *params;
    size_t param_count;
    struct arena *arena;
    struct db_rows *out;
    struct err *err;
    int64_t deadline_ms;
    enum step_state state; /* guarded by the combiner's lock, as is what follows */
    pthread_cond_t changed;
    struct step *next;
};

struct db_combiner {
    struct db_pool *pool;
    const char *single;
    const char *many;
    pthread_mutex_t lock; /* guards what is below */
    bool led;             /* a batch is under way */
    struct step *first;
    struct step **last;
};

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct db_combiner *db_combiner_new(struct db_pool *pool, const char *single, const char *many)
{
    struct db_combiner *c = mem_zalloc(sizeof *c);
    c->pool = pool;
    c->single = single;
    c->many = many;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void db_combiner_free(struct db_combiner *c)
{
    if (c == NULL)
        return;
    assert(c->first == NULL && !c->led);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

/* The queue's head and who follows it, at most DB_COMBINE_MAX; they leave the queue. */
static size_t take_batch(struct step *batch[DB_COMBINE_MAX], struct db_combiner *c)
{
    size_t count = 0;

    while (c->first != NULL && count < DB_COMBINE_MAX) {
        batch[count] = c->first;
        batch[count++]->state = STEP_TAKEN;
        c->first = c->first->next;
    }
    if (c->first == NULL)
        c->last = &c->first;
    return count;
}

static void write_param(struct buf *json, const struct db_param *p)
{
    char hex[2 * SECRET_SHA256_SIZE + 1];

    switch (p->type) {
    case DB_NULL:
        buf_append_str(json, "null");
        break;
    case DB_I64:
        buf_printf(json, "%lld", (long long)p->i64);
        break;
    case DB_TEXT:
        jsonx_write_string(json, p->bytes.ptr, p->bytes.len);
        break;
    case DB_BYTES:
        assert(p->bytes.len <= SECRET_SHA256_SIZE);
        secret_hex(hex, p->bytes.ptr, p->bytes.len);
        jsonx_write_string(json, hex, 2 * p->bytes.len);
        break;
    }
}

static void write_batch(struct buf *json, struct step *const batch[], size_t count)
{
    buf_append_char(json, '[');
    for (size_t i = 0; i < count; i++) {
        buf_append_str(json, i == 0 ? "[" : ",[");
        for (size_t k = 0; k < batch[i]->param_count; k++) {
            if (k > 0)
                buf_append_char(json, ',');
            write_param(json, &batch[i]->params[k]);
        }
        buf_append_char(json, ']');
    }
    buf_append_char(json, ']');
}

/* Gives a step its row, without the id in front. */
static void hand_out(const struct step *step, const struct db_rows *rows, size_t row)
{
    size_t columns = rows->column_count - 1;
    const char **cells = arena_alloc(step->arena, columns * sizeof *cells);

    for (size_t i = 0; i < columns; i++) {
        const char *cell = db_cell(rows, row, i + 1);
        cells[i] = cell != NULL ? arena_strdup(step->arena, cell) : NULL;
    }
    *step->out = (struct db_rows){.row_count = 1, .column_count = columns, .cells = cells};
}

static bool is_row_of(const struct step *step, const struct db_rows *rows, size_t row)
{
    const char *id = db_cell(rows, row, 0);
    struct span want = step->params[0].bytes;

    return id != NULL && strlen(id) == want.len && memcmp(id, want.ptr, want.len) == 0;
}

static void hand_out_all(struct step *const batch[], size_t count, enum step_state states[],
                         const struct db_rows *rows)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < rows->row_count && states[i] != STEP_DONE; row++) {
            if (!is_row_of(batch[i], rows, row))
                continue;
            hand_out(batch[i], rows, row);
            states[i] = STEP_DONE;
        }
    }
}

/* DB_FAULT_NONE: it has answered. Like db_run, but gives up earlier on conflicts, as there is
 * another way. */
static enum db_fault call_many(struct db_rows *rows, const struct db_combiner *c,
                               struct arena *arena, const struct db_param *param, size_t count,
                               int64_t deadline_ms, struct err *err)
{
    enum db_fault fault = DB_FAULT_LOST;
    unsigned losses = 0;

    for (unsigned tries = 0; tries < MANY_TRIES; tries++) {
        struct db_conn *conn = NULL;
        if (db_pool_take(&conn, c->pool, deadline_ms, err) != 0)
            return DB_FAULT_LOST;
        int64_t start_ms = timing_mono_ms();
        int rc = db_exec(rows, conn, arena, c->many, param, 1, count, err);
        fault = rc == 0 ? DB_FAULT_NONE : db_conn_fault(conn);
        db_pool_give(c->pool, conn);
        if (fault == DB_FAULT_NONE || fault == DB_FAULT_OTHER || timing_passed(deadline_ms))
            break;
        if (fault == DB_FAULT_CONFLICT && timing_mono_ms() - start_ms > MANY_LOCKED_MS)
            break;
        if (fault == DB_FAULT_LOST && ++losses == 2)
            break;
    }
    return fault;
}

/* One CALL for all; states[i] says what became of each step. */
static void run_many(enum step_state states[], const struct db_combiner *c,
                     struct step *const batch[], size_t count)
{
    struct arena *arena = arena_new();
    struct db_rows rows;
    struct buf json;
    struct err err;

    buf_init(&json, JSON_MAX);
    write_batch(&json, batch, count);
    const struct db_param param = db_text(json.data);
    if (buf_failed(&json)) {
        log_write(LOG_LEVEL_ERROR, NULL, "a step of the database is too large to be combined");
        goto out;
    }
    switch (call_many(&rows, c, arena, &param, count, batch[0]->deadline_ms, &err)) {
    case DB_FAULT_NONE:
        hand_out_all(batch, count, states, &rows);
        break;
    case DB_FAULT_LOST:
        /* It is away: that every step finds that out by itself would only take longer. */
        for (size_t i = 0; i < count; i++) {
            *batch[i]->err = err;
            states[i] = STEP_FAILED;
        }
        break;
    case DB_FAULT_CONFLICT:
    case DB_FAULT_OTHER:
        log_write(LOG_LEVEL_DEBUG, NULL, "%zu steps run one by one: %s", count, err.detail);
        break;
    }
out:
    buf_fini(&json);
    arena_free(arena);
}

/* Runs a batch that begins with the caller's own step. Called and left with the lock held. */
static void lead(struct db_combiner *c)
{
    struct step *batch[DB_COMBINE_MAX];
    enum step_state states[DB_COMBINE_MAX];
    size_t count = take_batch(batch, c);

    for (size_t i = 0; i < count; i++)
        states[i] = STEP_SINGLE;
    if (count >= DB_COMBINE_MIN) {
        pthread_mutex_unlock(&c->lock);
        run_many(states, c, batch, count);
        pthread_mutex_lock(&c->lock);
    }
    for (size_t i = 0; i < count; i++) {
        batch[i]->state = states[i];
        if (i > 0)
            pthread_cond_signal(&batch[i]->changed);
    }
}

static void pass_lead(struct db_combiner *c)
{
    if (c->first == NULL) {
        c->led = false;
        return;
    }
    c->first->state = STEP_LEADS;
    pthread_cond_signal(&c->first->changed);
}

static void enqueue(struct db_combiner *c, struct step *step)
{
    *c->last = step;
    c->last = &step->next;
    if (!c->led) {
        c->led = true;
        step->state = STEP_LEADS;
    }
}

static void leave_queue(struct db_combiner *c, const struct step *step)
{
    struct step **at = &c->first;

    while (*at != step)
        at = &(*at)->next;
    *at = step->next;
    if (c->last == &step->next)
        c->last = at;
}

/* Until somebody has run the step, or its thread is to do so, or its time is over while nobody has
 * begun with it. */
static void wait_turn(struct db_combiner *c, struct step *step)
{
    struct timespec until = {.tv_sec = step->deadline_ms / 1000,
                             .tv_nsec = step->deadline_ms % 1000 * 1000000};

    while (step->state == STEP_WAITING || step->state == STEP_TAKEN) {
        int rc = step->state == STEP_WAITING
                     ? pthread_cond_timedwait(&step->changed, &c->lock, &until)
                     : pthread_cond_wait(&step->changed, &c->lock);
        if (rc == ETIMEDOUT && step->state == STEP_WAITING) {
            leave_queue(c, step);
            step->state = STEP_FAILED;
            err_set(step->err, ERR_DATABASE, NULL, DB_AWAY_MESSAGE);
            err_detail(step->err, "a step waited too long for its turn");
        }
    }
}

/* The leader's part; true if its step is still to be run by itself. Called and left with the lock
 * held. */
static bool run_as_leader(struct db_combiner *c, struct step *step)
{
    lead(c);
    if (step->state == STEP_SINGLE)
        return true; /* it keeps the lead meanwhile, so that others gather behind it */
    pass_lead(c);
    return false;
}

int db_combine(struct db_rows *out, struct db_combiner *c, struct arena *arena,
               const struct db_param *params, size_t param_count, struct err *err)
{
    struct step step = {.params = params,
                        .param_count = param_count,
                        .arena = arena,
                        .out = out,
                        .err = err,
                        .deadline_ms = timing_mono_ms() + STEP_LIMIT_MS};
    int rc = 0;

    assert(param_count > 0 && params[0].type == DB_TEXT);
    cond_init(&step.changed);
    pthread_mutex_lock(&c->lock);
    enqueue(c, &step);
    wait_turn(c, &step);
    bool leads = step.state == STEP_LEADS && run_as_leader(c, &step);
    enum step_state state = step.state;
    pthread_mutex_unlock(&c->lock);
    if (state == STEP_SINGLE)
        rc = db_run(out, c->pool, arena, c->single, params, param_count, 1, step.deadline_ms, err);
    else if (state == STEP_FAILED)
        rc = -1;
    if (leads) {
        pthread_mutex_lock(&c->lock);
        pass_lead(c);
        pthread_mutex_unlock(&c->lock);
    }
    pthread_cond_destroy(&step.changed);
    return rc;
}
