/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "db/pool.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/timing.h"
#include "db/conn.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
    POOL_HOST_MAX = 16,
    POOL_WAIT_MS = 10 * 1000, /* when the caller names no deadline */
    POOL_PING_AFTER_MS = 30 * 1000,
    POOL_HOST_SKIP_MS = 10 * 1000,
    /* A connection to another host than the first is not kept longer, so that writes gather on the
     * first one again once it is back. */
    POOL_FALLBACK_MAX_MS = 30 * 1000,
    /* For how long a limit that the server set (max_user_connections) is believed. */
    POOL_CROWDED_MS = 30 * 1000,
};

/* A thread that waits; lives on its stack. It is granted either a connection or the right to open
 * one (conn == NULL). */
struct waiter {
    struct waiter *next;
    pthread_cond_t cond;
    struct db_conn *conn;
    bool granted;
};

struct db_pool {
    struct db_config config;
    size_t host_count;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_condattr_t cond_attr;
    struct db_conn *idle; /* the last one given is the first one taken; empty while anyone waits */
    struct waiter *first;
    struct waiter **last;
    size_t open;       /* connections that exist or are being opened */
    size_t crowded_at; /* the server allows no more than this... */
    int64_t crowded_until_ms;
    int64_t skip_until_ms[POOL_HOST_MAX];
};

/* Connector/C wants a call at the end of each thread that used it. */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;

static void thread_leave(void *unused)
{
    (void)unused;
    mysql_thread_end();
}

static void library_start(void)
{
    if (mysql_library_init(0, NULL, NULL) != 0 ||
        pthread_key_create(&thread_key, thread_leave) != 0) {
        log_write(LOG_LEVEL_ERROR, NULL, "the MariaDB client library does not start");
        abort();
    }
}

static void thread_enter(void)
{
    if (pthread_getspecific(thread_key) != NULL)
        return;
    mysql_thread_init();
    pthread_setspecific(thread_key, &thread_key);
}

struct db_pool *db_pool_new(const struct db_config *config)
{
    pthread_once(&library_once, library_start);
    struct db_pool *pool = mem_zalloc(sizeof(*pool));
    pool->config = *config;
    pool->host_count = config->socket != NULL ? 1 : config->host_count;
    assert(pool->host_count > 0 && pool->host_count <= POOL_HOST_MAX && config->max > 0);
    pool->crowded_at = config->max;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&pool->cond_attr);
    pthread_condattr_setclock(&pool->cond_attr, CLOCK_MONOTONIC);
    return pool;
}

static size_t close_list(struct db_conn *list)
{
    size_t count = 0;

    for (struct db_conn *next; list != NULL; list = next, count++) {
        next = list->next;
        conn_close(list);
    }
    return count;
}

void db_pool_free(struct db_pool *pool)
{
    if (pool == NULL)
        return;
    assert(pool->first == NULL);
    size_t idle = close_list(pool->idle);
    assert(idle == pool->open);
    (void)idle;
    pthread_condattr_destroy(&pool->cond_attr);
    pthread_mutex_destroy(&pool->mutex);
    mem_free(pool);
}

/* --- Slots and waiters: with the mutex held -----------------------------------------------------
 */

static bool may_open(const struct db_pool *pool)
{
    if (pool->open >= pool->config.max)
        return false;
    return pool->open < pool->crowded_at || timing_passed(pool->crowded_until_ms);
}

static void grant_first(struct db_pool *pool, struct db_conn *conn)
{
    struct waiter *w = pool->first;
    pool->first = w->next;
    if (pool->first == NULL)
        pool->last = &pool->first;
    w->conn = conn;
    w->granted = true;
    pthread_cond_signal(&w->cond);
}

/* A connection is no more: whoever waits longest may open one in its place. */
static void slot_free(struct db_pool *pool)
{
    pool->open--;
    if (pool->first != NULL && may_open(pool)) {
        pool->open++;
        grant_first(pool, NULL);
    }
}

static void unlink_waiter(struct db_pool *pool, struct waiter *w)
{
    struct waiter **at = &pool->first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (pool->last == &w->next)
        pool->last = at;
}

/* True when granted, false at the deadline. */
static bool wait_turn(struct db_pool *pool, struct waiter *w, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000L};
    *w = (struct waiter){0};
    pthread_cond_init(&w->cond, &pool->cond_attr);
    *pool->last = w;
    pool->last = &w->next;
    int rc = 0;
    while (!w->granted && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&w->cond, &pool->mutex, &until);
    if (!w->granted)
        unlink_waiter(pool, w);
    pthread_cond_destroy(&w->cond);
    return w->granted;
}

/* --- Opening ------------------------------------------------------------------------------------
 */

/* False: it failed a short while ago. Once that time is over one thread finds out, while the others
 * still keep away. */
static bool host_is_due(struct db_pool *pool, size_t host)
{
    bool due = true;

    pthread_mutex_lock(&pool->mutex);
    if (pool->skip_until_ms[host] != 0) {
        due = timing_passed(pool->skip_until_ms[host]);
        if (due)
            pool->skip_until_ms[host] = timing_mono_ms() + POOL_HOST_SKIP_MS;
    }
    pthread_mutex_unlock(&pool->mutex);
    return due;
}

static void mark_host(struct db_pool *pool, size_t host, bool failed)
{
    pthread_mutex_lock(&pool->mutex);
    pool->skip_until_ms[host] = failed ? timing_mono_ms() + POOL_HOST_SKIP_MS : 0;
    pthread_mutex_unlock(&pool->mutex);
}

static unsigned connect_seconds(int64_t deadline_ms)
{
    unsigned left_s = (unsigned)timing_left_ms(deadline_ms) / 1000 + 1;
    return left_s < CONN_CONNECT_TIMEOUT_S ? left_s : CONN_CONNECT_TIMEOUT_S;
}

static int try_host(struct db_conn **out, struct db_pool *pool, size_t host, int64_t deadline_ms,
                    enum conn_refusal *refusal, struct err *err)
{
    if (timing_passed(deadline_ms))
        return err->code != ERR_NONE ? -1 : err_set(err, ERR_DATABASE, NULL, DB_AWAY_MESSAGE);
    int rc = conn_open(out, &pool->config, host, connect_seconds(deadline_ms), refusal, err);
    mark_host(pool, host, rc != 0);
    if (rc != 0 && pool->host_count > 1)
        log_write(LOG_LEVEL_WARN, NULL, "database host not usable: %s", err->detail);
    return rc;
}

/* The hosts in their order, those that failed a short while ago last. */
static int open_any(struct db_conn **out, struct db_pool *pool, int64_t deadline_ms,
                    enum conn_refusal *refusal, struct err *err)
{
    bool later[POOL_HOST_MAX] = {false};

    err_clear(err);
    for (size_t i = 0; i < pool->host_count; i++) {
        later[i] = !host_is_due(pool, i);
        if (!later[i] && try_host(out, pool, i, deadline_ms, refusal, err) == 0)
            return 0;
    }
    for (size_t i = 0; i < pool->host_count; i++)
        if (later[i] && try_host(out, pool, i, deadline_ms, refusal, err) == 0)
            return 0;
    return -1;
}

/* --- Take and give ------------------------------------------------------------------------------
 */

static bool is_outdated(const struct db_conn *conn, int64_t now_ms)
{
    return conn->host > 0 && now_ms - conn->opened_ms > POOL_FALLBACK_MAX_MS;
}

/* An idle connection that still lives, or NULL: then the caller may open one in its place. */
static struct db_conn *check_idle(struct db_conn *conn)
{
    int64_t now_ms = timing_mono_ms();
    if (!is_outdated(conn, now_ms) &&
        (now_ms - conn->given_ms <= POOL_PING_AFTER_MS || conn_alive(conn)))
        return conn;
    conn_close(conn);
    return NULL;
}

/* A connection, or NULL and 0: the right to open one. -1: the deadline has passed. */
static int take_turn(struct db_conn **out, struct db_pool *pool, int64_t deadline_ms)
{
    struct waiter w;
    int rc = 0;

    *out = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (pool->idle != NULL) {
        *out = pool->idle;
        pool->idle = pool->idle->next;
    } else if (may_open(pool)) {
        pool->open++;
    } else if (wait_turn(pool, &w, deadline_ms)) {
        *out = w.conn;
    } else {
        rc = -1;
    }
    pthread_mutex_unlock(&pool->mutex);
    return rc;
}

/* After a refused connection. True: wait for one of the others instead of failing. */
static bool slot_back(struct db_pool *pool, enum conn_refusal refusal)
{
    pthread_mutex_lock(&pool->mutex);
    bool wait = refusal == CONN_REFUSAL_CROWDED && pool->open > 1;
    if (wait) {
        pool->crowded_at = pool->open - 1;
        pool->crowded_until_ms = timing_mono_ms() + POOL_CROWDED_MS;
    }
    slot_free(pool);
    pthread_mutex_unlock(&pool->mutex);
    return wait;
}

int db_pool_take(struct db_conn **out, struct db_pool *pool, int64_t deadline_ms, struct err *err)
{
    struct db_conn *conn = NULL;
    enum conn_refusal refusal = CONN_REFUSAL_OTHER;

    *out = NULL;
    thread_enter();
    if (deadline_ms == 0)
        deadline_ms = timing_mono_ms() + POOL_WAIT_MS;
    for (;;) {
        if (take_turn(&conn, pool, deadline_ms) != 0) {
            err_set(err, ERR_DATABASE, NULL, DB_AWAY_MESSAGE);
            return err_detail(err, "all %zu database connections are in use", pool->config.max);
        }
        if (conn != NULL)
            conn = check_idle(conn);
        if (conn != NULL || open_any(&conn, pool, deadline_ms, &refusal, err) == 0)
            break;
        if (!slot_back(pool, refusal))
            return -1;
    }
    conn->next = NULL;
    conn->fault = DB_FAULT_NONE;
    *out = conn;
    return 0;
}

/* Takes the idle connections to one host out of the list. */
static struct db_conn *remove_idle(struct db_pool *pool, size_t host)
{
    struct db_conn *removed = NULL;
    struct db_conn **at = &pool->idle;

    while (*at != NULL) {
        struct db_conn *c = *at;
        if (c->host == host) {
            *at = c->next;
            c->next = removed;
            removed = c;
        } else {
            at = &c->next;
        }
    }
    return removed;
}

/* Closes a connection that is not kept, and after a loss its idle companions. */
static void drop(struct db_pool *pool, struct db_conn *conn)
{
    conn->next = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (conn->fault == DB_FAULT_LOST)
        conn->next = remove_idle(pool, conn->host);
    pthread_mutex_unlock(&pool->mutex);

    /* First close, then let others open: the server never sees more than the maximum. */
    size_t count = close_list(conn);

    pthread_mutex_lock(&pool->mutex);
    for (size_t i = 0; i < count; i++)
        slot_free(pool);
    pthread_mutex_unlock(&pool->mutex);
}

void db_pool_give(struct db_pool *pool, struct db_conn *conn)
{
    if (conn == NULL)
        return;
    if (conn->host_unfit)
        mark_host(pool, conn->host, true);
    conn->given_ms = timing_mono_ms();
    if (conn->fault == DB_FAULT_LOST || is_outdated(conn, conn->given_ms)) {
        drop(pool, conn);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    if (pool->first != NULL) {
        grant_first(pool, conn);
    } else {
        conn->next = pool->idle;
        pool->idle = conn;
    }
    pthread_mutex_unlock(&pool->mutex);
}

enum db_fault db_conn_fault(const struct db_conn *conn)
{
    return conn->fault;
}
