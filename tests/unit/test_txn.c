/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/log.h"
#include "base/timing.h"
#include "db/txn.h"
#include "dbserver.h"
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 25 };

static struct dbserver server;
static struct dbserver other; /* same port, another address */
static struct db_pool *pool;
static struct arena *arena;
static struct db_rows rows;
static struct err err;

static const char SCHEMA[] =
    "CREATE TABLE r (id INT PRIMARY KEY, n INT NOT NULL);\n"
    "INSERT INTO r VALUES (1, 0), (2, 0);\n"
    "CREATE TABLE done (id INT PRIMARY KEY, times INT NOT NULL);\n"
    "CREATE USER tcp@'127.0.0.1', tcp@'127.0.0.2';\n"
    "GRANT ALL ON aig.* TO tcp@'127.0.0.1', tcp@'127.0.0.2';\n"
    "DELIMITER //\n"
    /* Locks two rows in the order given, slowly: made to meet. */
    "CREATE PROCEDURE p_pair(IN a INT, IN b INT)\n"
    "BEGIN\n"
    "    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;\n"
    "    START TRANSACTION;\n"
    "    UPDATE r SET n = n + 1 WHERE id = a; DO SLEEP(0.002);\n"
    "    UPDATE r SET n = n + 1 WHERE id = b;\n"
    "    COMMIT;\n"
    "    SELECT 'done' AS outcome;\n"
    "END //\n"
    "CREATE PROCEDURE p_conflict() "
    "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'always' //\n"
    /* A step with an id of its caller: the second run has no second effect. Its first run loses the
     * connection after the commit. */
    "CREATE PROCEDURE p_cut(IN a INT)\n"
    "BEGIN\n"
    "    DECLARE fresh INT;\n"
    "    INSERT IGNORE INTO done VALUES (a, 0);\n"
    "    SET fresh = ROW_COUNT();\n"
    "    IF fresh THEN UPDATE done SET times = times + 1 WHERE id = a;\n"
    "        KILL CONNECTION_ID(); END IF;\n"
    "    SELECT times FROM done WHERE id = a;\n"
    "END //\n"
    "DELIMITER ;\n";

static int group_start(void **state)
{
    (void)state;
    dbserver_start(&server);
    dbserver_sql(&server, SCHEMA);
    dbserver_sql(&server,
                 "CREATE PROCEDURE p_node() SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, "
                 "MESSAGE_TEXT = 'WSREP has not yet prepared node for application use'");
    other = (struct dbserver){.address = "127.0.0.2", .port = server.port};
    dbserver_start(&other);
    dbserver_sql(&other, SCHEMA);
    dbserver_sql(&other, "CREATE PROCEDURE p_node() SELECT 2 AS server");
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    dbserver_stop(&server);
    dbserver_stop(&other);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    pool = db_pool_new(&server.config);
    arena = arena_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    db_pool_free(pool);
    arena_free(arena);
    return 0;
}

static int run(const char *sql)
{
    return db_run(&rows, pool, arena, sql, NULL, 0, 1, 0, &err);
}

static void test_plain(void **state)
{
    (void)state;
    assert_int_equal(run("SELECT 5"), 0);
    assert_int_equal(db_cell_i64(&rows, 0, 0, 0), 5);
    assert_int_equal(run("SELECT nonsense"), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_int_equal(rows.row_count, 0);
}

struct pair {
    int64_t a;
    int64_t b;
    int failed;
};

static void *run_pairs(void *arg)
{
    static const char SQL[] = "CALL p_pair(?, ?)";
    struct pair *p = arg;
    struct arena *own = arena_new();

    for (int i = 0; i < ROUNDS; i++) {
        const struct db_param params[] = {db_i64(p->a), db_i64(p->b)};
        struct db_rows out;
        struct err e;
        if (db_run(&out, pool, own, SQL, params, 2, 1, timing_mono_ms() + 30000, &e) != 0) {
            fprintf(stderr, "%s\n", e.detail);
            p->failed++;
        }
        arena_reset(own);
    }
    arena_free(own);
    return NULL;
}

static int64_t deadlocks(void)
{
    assert_int_equal(run("SELECT CAST(VARIABLE_VALUE AS INT) FROM "
                         "information_schema.GLOBAL_STATUS "
                         "WHERE VARIABLE_NAME = 'INNODB_DEADLOCKS'"),
                     0);
    return db_cell_i64(&rows, 0, 0, 0);
}

/* Two orders of locking: deadlocks happen, every step is done in the end, none twice. */
static void test_deadlocks(void **state)
{
    (void)state;
    struct pair args[THREADS];
    pthread_t threads[THREADS];
    int64_t before = deadlocks();

    for (int i = 0; i < THREADS; i++) {
        args[i] = (struct pair){i % 2 ? 1 : 2, i % 2 ? 2 : 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, run_pairs, &args[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(args[i].failed, 0);
    }
    assert_true(deadlocks() > before);
    assert_int_equal(run("SELECT n FROM r WHERE id = 1"), 0);
    assert_int_equal(db_cell_i64(&rows, 0, 0, 0), THREADS * ROUNDS);
}

static void test_endless_conflict(void **state)
{
    (void)state;
    int64_t start_ms = timing_mono_ms();

    assert_int_equal(run("CALL p_conflict()"), -1);
    assert_int_equal(err.code, ERR_DATABASE);
    assert_int_equal(err.status, 503);
    assert_true(timing_mono_ms() - start_ms < 3000);

    start_ms = timing_mono_ms();
    assert_int_equal(
        db_run(&rows, pool, arena, "CALL p_conflict()", NULL, 0, 1, start_ms + 5, &err), -1);
    assert_true(timing_mono_ms() - start_ms < 1000);
}

/* A lock that is held longer than the server waits (1205). */
static void test_lock_wait(void **state)
{
    (void)state;
    struct db_config config = server.config;
    config.max = 1;
    struct db_pool *waiting = db_pool_new(&config);
    struct db_conn *holder = NULL;

    assert_int_equal(
        db_run(&rows, waiting, arena, "SET innodb_lock_wait_timeout = 0", NULL, 0, 0, 0, &err), 0);
    assert_int_equal(db_pool_take(&holder, pool, 0, &err), 0);
    assert_int_equal(db_exec(&rows, holder, arena, "BEGIN", NULL, 0, 0, &err), 0);
    assert_int_equal(
        db_exec(&rows, holder, arena, "SELECT n FROM r WHERE id = 1 FOR UPDATE", NULL, 0, 1, &err),
        0);
    assert_int_equal(
        db_run(&rows, waiting, arena, "UPDATE r SET n = n WHERE id = 1", NULL, 0, 0, 0, &err), -1);
    assert_non_null(strstr(err.detail, "1205"));
    assert_int_equal(err.code, ERR_DATABASE);
    assert_int_equal(db_exec(&rows, holder, arena, "COMMIT", NULL, 0, 0, &err), 0);
    assert_int_equal(
        db_run(&rows, waiting, arena, "UPDATE r SET n = n WHERE id = 1", NULL, 0, 0, 0, &err), 0);
    db_pool_give(pool, holder);
    db_pool_free(waiting);
}

/* The server dies between two calls: the caller does not notice if it is back. */
static void test_restart_between_calls(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run("SELECT 5"), 0);
        dbserver_kill(&server);
        dbserver_again(&server);
        assert_int_equal(run("SELECT 6"), 0);
        assert_int_equal(db_cell_i64(&rows, 0, 0, 0), 6);
    }
}

static void test_away(void **state)
{
    (void)state;
    assert_int_equal(run("SELECT 5"), 0);
    dbserver_kill(&server);
    int64_t start_ms = timing_mono_ms();
    assert_int_equal(run("SELECT 6"), -1);
    assert_int_equal(err.code, ERR_DATABASE);
    assert_int_equal(run("SELECT 6"), -1);
    assert_true(timing_mono_ms() - start_ms < 1000);
    dbserver_again(&server);
    assert_int_equal(run("SELECT 6"), 0);
}

static void test_lost_after_commit(void **state)
{
    (void)state;
    static const char SQL[] = "CALL p_cut(?)";

    for (int i = 0; i < 5; i++) {
        const struct db_param params[] = {db_i64(i)};
        assert_int_equal(db_run(&rows, pool, arena, SQL, params, 1, 1, 0, &err), 0);
        assert_int_equal(db_cell_i64(&rows, 0, 0, 0), 1);
    }
}

static void test_other_host(void **state)
{
    static const char *const HOSTS[] = {"127.0.0.1", "127.0.0.2"};
    (void)state;
    struct db_config config = {.hosts = HOSTS,
                               .host_count = 2,
                               .port = server.port,
                               .user = "tcp",
                               .name = "aig",
                               .max = 4};
    struct db_pool *both = db_pool_new(&config);

    /* A Galera node that is not ready answers 1047: the step runs on the other one. */
    assert_int_equal(db_run(&rows, both, arena, "CALL p_node()", NULL, 0, 1, 0, &err), 0);
    assert_int_equal(db_cell_i64(&rows, 0, 0, 0), 2);
    db_pool_free(both);

    both = db_pool_new(&config);
    assert_int_equal(db_run(&rows, both, arena, "SELECT 5", NULL, 0, 1, 0, &err), 0);
    dbserver_kill(&server);
    assert_int_equal(db_run(&rows, both, arena, "CALL p_node()", NULL, 0, 1, 0, &err), 0);
    dbserver_again(&server);
    db_pool_free(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deadlocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_conflict, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_between_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_away, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_after_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_host, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
