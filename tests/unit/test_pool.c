/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "db/pool.h"
#include "db/stmt.h"
#include "dbserver.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 12, ROUNDS = 150 };

static struct dbserver first;
static struct dbserver second; /* same port, another address */

static const char USERS[] = "CREATE USER tcp@'127.0.0.1', tcp@'127.0.0.2';\n"
                            "GRANT ALL ON aig.* TO tcp@'127.0.0.1', tcp@'127.0.0.2';\n"
                            "CREATE USER few@localhost WITH MAX_USER_CONNECTIONS 2;\n"
                            "GRANT ALL ON aig.* TO few@localhost;\n"
                            "GRANT CONNECTION ADMIN ON *.* TO tcp@'127.0.0.1';\n";

static int group_start(void **state)
{
    (void)state;
    dbserver_start(&first);
    dbserver_sql(&first, USERS);
    dbserver_sql(&first, "CREATE TABLE which AS SELECT 1 AS server");
    second = (struct dbserver){.address = "127.0.0.2", .port = first.port};
    dbserver_start(&second);
    dbserver_sql(&second, USERS);
    dbserver_sql(&second, "CREATE TABLE which AS SELECT 2 AS server");
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    dbserver_stop(&first);
    dbserver_stop(&second);
    return 0;
}

/* First column of the first row, as a number. */
static int64_t ask(struct db_conn *conn, const char *sql)
{
    struct arena *arena = arena_new();
    struct db_rows rows;
    struct err err;
    int64_t answer = -1;

    if (db_exec(&rows, conn, arena, sql, NULL, 0, 1, &err) == 0)
        answer = rows.row_count > 0 ? db_cell_i64(&rows, 0, 0, -2) : 0;
    arena_free(arena);
    return answer;
}

static int64_t connection_id(struct db_conn *conn)
{
    return ask(conn, "SELECT CONNECTION_ID()");
}

static struct db_conn *take(struct db_pool *pool)
{
    struct db_conn *conn = NULL;
    struct err err;

    if (db_pool_take(&conn, pool, 0, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
    return conn;
}

static void test_opens_lazily(void **state)
{
    (void)state;
    struct db_config config = first.config;
    config.socket = "/nonexistent/socket";
    struct db_pool *pool = db_pool_new(&config);
    struct db_conn *conn = NULL;
    struct err err;

    assert_int_equal(db_pool_take(&conn, pool, 0, &err), -1);
    assert_null(conn);
    assert_int_equal(err.code, ERR_DATABASE);
    assert_int_equal(err.status, 503);
    assert_true(err.retry_after_s > 0);
    assert_non_null(strstr(err.detail, "/nonexistent/socket"));
    assert_null(strstr(err.message, "/nonexistent"));
    db_pool_free(pool);
    db_pool_free(NULL);
    db_pool_give(NULL, NULL);
}

static void test_wrong_password(void **state)
{
    (void)state;
    struct db_config config = first.config;
    config.user = "nobody";
    config.password = "hidden-word";
    struct db_pool *pool = db_pool_new(&config);
    struct db_conn *conn = NULL;
    struct err err;

    assert_int_equal(db_pool_take(&conn, pool, 0, &err), -1);
    assert_int_equal(err.code, ERR_DATABASE);
    assert_non_null(strstr(err.detail, "1045"));
    assert_null(strstr(err.detail, "hidden-word"));
    db_pool_free(pool);
}

static void test_reuses_the_last_given(void **state)
{
    (void)state;
    struct db_pool *pool = db_pool_new(&first.config);
    struct db_conn *a = take(pool);
    struct db_conn *b = take(pool);
    int64_t id_a = connection_id(a);
    int64_t id_b = connection_id(b);

    assert_true(id_a > 0 && id_b > 0 && id_a != id_b);
    db_pool_give(pool, a);
    db_pool_give(pool, b);
    a = take(pool);
    assert_true(connection_id(a) == id_b);
    b = take(pool);
    assert_true(connection_id(b) == id_a);
    db_pool_give(pool, a);
    db_pool_give(pool, b);
    db_pool_free(pool);
}

static void test_deadline(void **state)
{
    (void)state;
    struct db_pool *pool = db_pool_new(&first.config);
    struct db_conn *all[4];
    struct db_conn *more = NULL;
    struct err err;

    for (size_t i = 0; i < 4; i++)
        all[i] = take(pool);
    int64_t start_ms = timing_mono_ms();
    assert_int_equal(db_pool_take(&more, pool, start_ms + 150, &err), -1);
    int64_t waited_ms = timing_mono_ms() - start_ms;
    assert_in_range(waited_ms, 140, 1500);
    assert_int_equal(err.code, ERR_DATABASE);
    assert_non_null(strstr(err.detail, "in use"));
    assert_int_equal(db_pool_take(&more, pool, start_ms, &err), -1);
    for (size_t i = 0; i < 4; i++)
        db_pool_give(pool, all[i]);
    more = take(pool);
    db_pool_give(pool, more);
    db_pool_free(pool);
}

struct queue {
    struct db_pool *pool;
    pthread_mutex_t mutex;
    int next;
    int order[3];
};

struct queue_thread {
    struct queue *queue;
    int number;
};

static void *wait_in_line(void *arg)
{
    struct queue_thread *t = arg;
    struct db_conn *conn = NULL;
    struct err err;

    if (db_pool_take(&conn, t->queue->pool, 0, &err) != 0)
        return NULL;
    pthread_mutex_lock(&t->queue->mutex);
    t->queue->order[t->queue->next++] = t->number;
    pthread_mutex_unlock(&t->queue->mutex);
    db_pool_give(t->queue->pool, conn);
    return NULL;
}

static void test_waiters_in_turn(void **state)
{
    (void)state;
    struct db_config config = first.config;
    config.max = 1;
    struct queue q = {.pool = db_pool_new(&config)};
    struct queue_thread args[3];
    pthread_t threads[3];

    pthread_mutex_init(&q.mutex, NULL);
    struct db_conn *conn = take(q.pool);
    for (int i = 0; i < 3; i++) {
        args[i] = (struct queue_thread){&q, i};
        pthread_create(&threads[i], NULL, wait_in_line, &args[i]);
        usleep(100 * 1000);
    }
    db_pool_give(q.pool, conn);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(q.next, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(q.order[i], i);
    pthread_mutex_destroy(&q.mutex);
    db_pool_free(q.pool);
}

struct hammer {
    struct db_pool *pool;
    int failed;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct db_conn *conn = NULL;
        struct err err;
        if (db_pool_take(&conn, h->pool, 0, &err) != 0 || ask(conn, "SELECT 7") != 7)
            h->failed++;
        db_pool_give(h->pool, conn);
    }
    return NULL;
}

static void hammer_all(struct db_pool *pool)
{
    struct hammer args[THREADS];
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        args[i] = (struct hammer){.pool = pool};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &args[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(args[i].failed, 0);
    }
}

static void test_bound(void **state)
{
    (void)state;
    struct db_pool *pool = db_pool_new(&first.config);

    dbserver_sql(&first, "FLUSH STATUS");
    hammer_all(pool);
    struct db_conn *conn = take(pool);
    int64_t most = ask(conn, "SELECT CAST(VARIABLE_VALUE AS INT) FROM "
                             "information_schema.GLOBAL_STATUS "
                             "WHERE VARIABLE_NAME = 'MAX_USED_CONNECTIONS'");
    /* The one that flushed may still have been there. */
    assert_in_range(most, 1, 5);
    db_pool_give(pool, conn);
    db_pool_free(pool);
}

/* The host allows fewer connections than configured: the pool makes do with them. */
static void test_server_allows_fewer(void **state)
{
    (void)state;
    struct db_config config = first.config;
    config.user = "few";
    config.max = 6;
    struct db_pool *pool = db_pool_new(&config);

    hammer_all(pool);
    db_pool_free(pool);
}

static void test_killed_connection(void **state)
{
    (void)state;
    struct db_pool *pool = db_pool_new(&first.config);
    struct db_conn *a = take(pool);
    struct db_conn *b = take(pool);
    int64_t id_a = connection_id(a);
    int64_t id_b = connection_id(b);
    char sql[64];

    snprintf(sql, sizeof(sql), "KILL %lld", (long long)id_a);
    dbserver_sql(&first, sql);
    db_pool_give(pool, b);
    assert_int_equal(connection_id(a), -1);
    assert_int_equal(db_conn_fault(a), DB_FAULT_LOST);
    db_pool_give(pool, a);
    /* The idle companion went with it. */
    a = take(pool);
    assert_true(connection_id(a) != id_a && connection_id(a) != id_b);
    db_pool_give(pool, a);
    db_pool_free(pool);
}

static void test_server_restarts(void **state)
{
    (void)state;
    struct db_pool *pool = db_pool_new(&first.config);
    struct db_conn *conn[3];
    struct err err;

    for (size_t i = 0; i < 3; i++)
        conn[i] = take(pool);
    for (size_t i = 0; i < 3; i++)
        db_pool_give(pool, conn[i]);
    dbserver_kill(&first);
    conn[0] = take(pool); /* nothing told it yet */
    assert_int_equal(ask(conn[0], "SELECT 1"), -1);
    assert_int_equal(db_conn_fault(conn[0]), DB_FAULT_LOST);
    db_pool_give(pool, conn[0]);
    int64_t start_ms = timing_mono_ms();
    assert_int_equal(db_pool_take(&conn[0], pool, 0, &err), -1);
    assert_true(timing_mono_ms() - start_ms < 1000);
    assert_int_equal(err.code, ERR_DATABASE);
    dbserver_again(&first);
    for (size_t i = 0; i < 3; i++) {
        conn[i] = take(pool);
        assert_int_equal(ask(conn[i], "SELECT 1"), 1);
    }
    for (size_t i = 0; i < 3; i++)
        db_pool_give(pool, conn[i]);
    db_pool_free(pool);
}

static const char *const HOSTS[] = {"127.0.0.1", "127.0.0.2"};

static struct db_config two_hosts(void)
{
    return (struct db_config){.hosts = HOSTS,
                              .host_count = 2,
                              .port = first.port,
                              .user = "tcp",
                              .name = "aig",
                              .max = 4};
}

static int64_t serving(struct db_pool *pool)
{
    struct db_conn *conn = take(pool);
    int64_t server = ask(conn, "SELECT server FROM which");
    db_pool_give(pool, conn);
    return server;
}

static void test_hosts_in_turn(void **state)
{
    (void)state;
    struct db_config config = two_hosts();
    struct db_pool *pool = db_pool_new(&config);

    assert_int_equal(serving(pool), 1);
    dbserver_kill(&first);
    assert_int_equal(serving(pool), -1); /* its connection is lost: a step would be run again */
    assert_int_equal(serving(pool), 2);
    assert_int_equal(serving(pool), 2);
    dbserver_again(&first);
    db_pool_free(pool);
    pool = db_pool_new(&config);
    assert_int_equal(serving(pool), 1);
    db_pool_free(pool);
}

/* Stops the first server's process without ending it. */
static void freeze(void)
{
    assert_int_equal(kill(first.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(first.pid, NULL, WUNTRACED), first.pid);
}

/* The server is there but does not answer. */
static void test_silent_server(void **state)
{
    (void)state;
    struct db_config config = two_hosts();
    config.read_timeout_s = 1;
    struct db_pool *pool = db_pool_new(&config);

    assert_int_equal(serving(pool), 1);
    freeze();
    int64_t start_ms = timing_mono_ms();
    int64_t lost = serving(pool);
    int64_t other = serving(pool);
    int64_t waited_ms = timing_mono_ms() - start_ms;
    kill(first.pid, SIGCONT);
    assert_int_equal(lost, -1);
    assert_int_equal(other, 2);
    assert_in_range(waited_ms, 900, 2500);
    db_pool_free(pool);
}

/* The same for the handshake: the connect timeout covers it. */
static void test_silent_handshake(void **state)
{
    (void)state;
    struct db_config config = two_hosts();
    struct db_pool *pool = db_pool_new(&config);

    freeze();
    int64_t start_ms = timing_mono_ms();
    int64_t other = serving(pool);
    int64_t waited_ms = timing_mono_ms() - start_ms;
    int64_t again_ms = timing_mono_ms();
    struct db_conn *a = take(pool);
    struct db_conn *b = take(pool); /* a new connection: the silent host is left out */
    again_ms = timing_mono_ms() - again_ms;
    kill(first.pid, SIGCONT);
    assert_int_equal(other, 2);
    assert_in_range(waited_ms, 2000, 5000);
    assert_true(again_ms < 1000);
    db_pool_give(pool, a);
    db_pool_give(pool, b);
    db_pool_free(pool);
}

/* Galera's "WSREP has not yet prepared node" and a replica's read-only. */
static void test_unfit_server(void **state)
{
    static const char *const SIGNALS[] = {
        "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = 'not ready'",
        "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1290, MESSAGE_TEXT = 'read only'",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++) {
        struct db_config config = two_hosts();
        struct db_pool *pool = db_pool_new(&config);
        struct db_conn *conn = take(pool);
        assert_int_equal(ask(conn, SIGNALS[i]), -1);
        assert_int_equal(db_conn_fault(conn), DB_FAULT_LOST);
        db_pool_give(pool, conn);
        assert_int_equal(serving(pool), 2);
        db_pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_lazily),     cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_deadline),         cmocka_unit_test(test_reuses_the_last_given),
        cmocka_unit_test(test_waiters_in_turn),  cmocka_unit_test(test_bound),
        cmocka_unit_test(test_server_restarts),  cmocka_unit_test(test_server_allows_fewer),
        cmocka_unit_test(test_hosts_in_turn),    cmocka_unit_test(test_killed_connection),
        cmocka_unit_test(test_silent_server),    cmocka_unit_test(test_unfit_server),
        cmocka_unit_test(test_silent_handshake),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
