/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "db/stmt.h"
#include "dbserver.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

struct fixture {
    struct dbserver server;
    struct db_pool *pool;
    struct db_conn *conn;
    struct arena *arena;
    struct db_rows rows;
    struct err err;
};

static struct dbserver server;

static const char SCHEMA[] =
    "CREATE TABLE t (id INT PRIMARY KEY, amount DECIMAL(18,9), at DATETIME(6), note LONGTEXT,"
    "    raw VARBINARY(64), small TINYINT UNSIGNED);\n"
    "INSERT INTO t VALUES (1, 10, '2026-11-23 10:00:00.000123', 'one', x'00ff41', 255),"
    "    (2, -0.000000001, NULL, NULL, NULL, NULL);\n"
    "DELIMITER //\n"
    "CREATE PROCEDURE p_one(IN a BIGINT, IN b VARCHAR(20))\n"
    "BEGIN\n"
    "    DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; RESIGNAL; END;\n"
    "    START TRANSACTION; UPDATE t SET amount = amount + a WHERE id = 1; COMMIT;\n"
    "    SELECT a AS a, b AS b, CAST(1.5 AS DECIMAL(18,9)) AS c, NULL AS d;\n"
    "END //\n"
    "CREATE PROCEDURE p_two() BEGIN SELECT 1 AS a, 2 AS b; SELECT 3 AS c; SELECT id FROM t; END "
    "//\n"
    "CREATE PROCEDURE p_late() BEGIN SELECT 1 AS a; "
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'late'; END //\n"
    "CREATE PROCEDURE p_none() BEGIN DO 1; END //\n"
    "DELIMITER ;\n";

static int group_start(void **state)
{
    (void)state;
    dbserver_start(&server);
    dbserver_sql(&server, SCHEMA);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    dbserver_stop(&server);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    f->pool = db_pool_new(&server.config);
    f->arena = arena_new();
    assert_int_equal(db_pool_take(&f->conn, f->pool, 0, &f->err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    db_pool_give(f->pool, f->conn);
    db_pool_free(f->pool);
    arena_free(f->arena);
    mem_free(f);
    return 0;
}

#define EXEC(f, sql, params, count, row_max)                                                       \
    db_exec(&(f)->rows, (f)->conn, (f)->arena, sql, params, count, row_max, &(f)->err)

static void test_types(void **state)
{
    static const char SQL[] = "SELECT ?, ?, ?, ?, HEX(?), 18446744073709551615, 12.5";
    struct fixture *f = *state;
    const struct db_param params[] = {
        db_i64(INT64_MIN), db_i64(INT64_MAX),         db_text("na\xc3\xafve"),
        db_text(NULL),     db_bytes("\0\x01\xff", 3),
    };

    assert_int_equal(EXEC(f, SQL, params, ARRAY_LEN(params), 1), 0);
    assert_int_equal(f->rows.row_count, 1);
    assert_int_equal(f->rows.column_count, 7);
    assert_string_equal(db_cell(&f->rows, 0, 0), "-9223372036854775808");
    assert_true(db_cell_i64(&f->rows, 0, 0, 0) == INT64_MIN);
    assert_true(db_cell_i64(&f->rows, 0, 1, 0) == INT64_MAX);
    assert_string_equal(db_cell(&f->rows, 0, 2), "na\xc3\xafve");
    assert_null(db_cell(&f->rows, 0, 3));
    assert_int_equal(db_cell_i64(&f->rows, 0, 3, -7), -7);
    assert_string_equal(db_cell(&f->rows, 0, 4), "0001FF");
    assert_string_equal(db_cell(&f->rows, 0, 5), "18446744073709551615");
    assert_string_equal(db_cell(&f->rows, 0, 6), "12.5");
    assert_int_equal(db_conn_fault(f->conn), DB_FAULT_NONE);
}

static void test_empty_parameters(void **state)
{
    static const char SQL[] = "SELECT ? IS NULL, ? IS NULL, ? IS NULL, ?";
    struct fixture *f = *state;
    const struct db_param params[] = {db_bytes(NULL, 0), db_text(""), db_null(), db_text("")};

    assert_int_equal(EXEC(f, SQL, params, ARRAY_LEN(params), 1), 0);
    assert_string_equal(db_cell(&f->rows, 0, 0), "0");
    assert_string_equal(db_cell(&f->rows, 0, 1), "0");
    assert_string_equal(db_cell(&f->rows, 0, 2), "1");
    assert_string_equal(db_cell(&f->rows, 0, 3), "");
}

static void test_columns(void **state)
{
    static const char SQL[] = "SELECT id, amount, at, note, HEX(raw), small FROM t ORDER BY id";
    struct fixture *f = *state;

    assert_int_equal(EXEC(f, SQL, NULL, 0, 10), 0);
    assert_int_equal(f->rows.row_count, 2);
    assert_string_equal(db_cell(&f->rows, 0, 1), "10.000000000");
    assert_string_equal(db_cell(&f->rows, 0, 2), "2026-11-23 10:00:00.000123");
    assert_string_equal(db_cell(&f->rows, 0, 3), "one");
    assert_string_equal(db_cell(&f->rows, 0, 4), "00FF41");
    assert_int_equal(db_cell_i64(&f->rows, 0, 5, 0), 255);
    assert_string_equal(db_cell(&f->rows, 1, 1), "-0.000000001");
    for (size_t i = 2; i < 6; i++)
        assert_null(db_cell(&f->rows, 1, i));
}

static void test_no_rows(void **state)
{
    static const char SELECT[] = "SELECT id FROM t WHERE id = ?";
    static const char UPDATE[] = "UPDATE t SET small = ? WHERE id IN (1, 2)";
    static const char RESTORE[] = "UPDATE t SET small = IF(id = 1, 255, NULL)";
    struct fixture *f = *state;

    assert_int_equal(EXEC(f, SELECT, (struct db_param[]){db_i64(99)}, 1, 1), 0);
    assert_int_equal(f->rows.row_count, 0);
    assert_int_equal(f->rows.column_count, 1);
    assert_int_equal(EXEC(f, UPDATE, (struct db_param[]){db_i64(7)}, 1, 0), 0);
    assert_int_equal(f->rows.affected, 2);
    assert_int_equal(f->rows.row_count, 0);
    assert_int_equal(EXEC(f, RESTORE, NULL, 0, 0), 0);
}

/* Lengths around the size of the fixed cells, and far beyond. */
static void test_long_cells(void **state)
{
    static const char SQL[] = "SELECT REPEAT('x', ?), 'after', REPEAT('y', ?), NULL";
    static const size_t LENGTHS[] = {0, 1, 255, 256, 257, 4096, 70000, 1024 * 1024};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(LENGTHS); i++) {
        const struct db_param params[] = {db_i64((int64_t)LENGTHS[i]),
                                          db_i64((int64_t)LENGTHS[ARRAY_LEN(LENGTHS) - 1 - i])};
        assert_int_equal(EXEC(f, SQL, params, 2, 1), 0);
        const char *x = db_cell(&f->rows, 0, 0);
        assert_int_equal(strlen(x), LENGTHS[i]);
        assert_int_equal(strspn(x, "x"), LENGTHS[i]);
        assert_string_equal(db_cell(&f->rows, 0, 1), "after");
        assert_int_equal(strspn(db_cell(&f->rows, 0, 2), "y"), params[1].i64);
        assert_null(db_cell(&f->rows, 0, 3));
    }
}

static void test_long_parameter(void **state)
{
    static const char SQL[] = "SELECT LENGTH(?), ?";
    struct fixture *f = *state;
    size_t len = 3 * 1024 * 1024;
    char *text = mem_alloc(len + 1);

    memset(text, 'z', len);
    text[len] = '\0';
    const struct db_param params[] = {db_text(text), db_text(text)};
    assert_int_equal(EXEC(f, SQL, params, 2, 1), 0);
    assert_int_equal(db_cell_i64(&f->rows, 0, 0, 0), len);
    assert_string_equal(db_cell(&f->rows, 0, 1), text);
    mem_free(text);
}

static void test_many_rows(void **state)
{
    static const char SQL[] = "SELECT seq, REPEAT('r', seq % 300) FROM seq_1_to_5000";
    struct fixture *f = *state;

    assert_int_equal(EXEC(f, SQL, NULL, 0, 5000), 0);
    assert_int_equal(f->rows.row_count, 5000);
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(db_cell_i64(&f->rows, i, 0, 0), i + 1);
        assert_int_equal(strlen(db_cell(&f->rows, i, 1)), (i + 1) % 300);
    }
}

/* One row too many is an error, and the connection stays usable. */
static void test_row_max(void **state)
{
    static const char SQL[] = "SELECT seq FROM seq_1_to_100";
    struct fixture *f = *state;

    assert_int_equal(EXEC(f, SQL, NULL, 0, 99), -1);
    assert_int_equal(f->err.code, ERR_INTERNAL);
    assert_int_equal(db_conn_fault(f->conn), DB_FAULT_OTHER);
    assert_int_equal(f->rows.row_count, 0);
    assert_int_equal(EXEC(f, SQL, NULL, 0, 100), 0);
    assert_int_equal(f->rows.row_count, 100);
}

static void test_call(void **state)
{
    static const char SQL[] = "CALL p_one(?, ?)";
    struct fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        const struct db_param params[] = {db_i64(i % 2 ? 1 : -1), db_text(i % 3 ? "b" : NULL)};
        assert_int_equal(EXEC(f, SQL, params, 2, 1), 0);
        assert_int_equal(f->rows.row_count, 1);
        assert_int_equal(f->rows.column_count, 4);
        assert_int_equal(db_cell_i64(&f->rows, 0, 0, 0), params[0].i64);
        if (i % 3)
            assert_string_equal(db_cell(&f->rows, 0, 1), "b");
        else
            assert_null(db_cell(&f->rows, 0, 1));
        assert_string_equal(db_cell(&f->rows, 0, 2), "1.500000000");
        assert_null(db_cell(&f->rows, 0, 3));
    }
}

static void test_call_shapes(void **state)
{
    static const char TWO[] = "CALL p_two()";
    static const char NONE[] = "CALL p_none()";
    struct fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(EXEC(f, TWO, NULL, 0, 1), 0);
        assert_int_equal(f->rows.row_count, 1);
        assert_int_equal(f->rows.column_count, 2);
        assert_string_equal(db_cell(&f->rows, 0, 1), "2");
        assert_int_equal(EXEC(f, NONE, NULL, 0, 1), 0);
        assert_int_equal(f->rows.row_count, 0);
    }
}

/* A row that was followed by an error is not handed out. */
static void test_call_fails_late(void **state)
{
    static const char SQL[] = "CALL p_late()";
    static const char ONE[] = "CALL p_one(?, ?)";
    struct fixture *f = *state;
    const struct db_param params[] = {db_i64(0), db_text("x")};

    for (int i = 0; i < 3; i++) {
        assert_int_equal(EXEC(f, SQL, NULL, 0, 1), -1);
        assert_int_equal(f->rows.row_count, 0);
        assert_int_equal(f->err.code, ERR_INTERNAL);
        assert_non_null(strstr(f->err.detail, "1644 late in: CALL p_late()"));
        assert_null(strstr(f->err.message, "late"));
        assert_int_equal(EXEC(f, ONE, params, 2, 1), 0);
        assert_int_equal(f->rows.row_count, 1);
    }
}

static void test_mistakes(void **state)
{
    static const char SYNTAX[] = "SELEKT 1";
    static const char DUPLICATE[] = "INSERT INTO t (id) VALUES (?)";
    static const char STRICT[] = "INSERT INTO t (id, small) VALUES (3, 256)";
    struct fixture *f = *state;

    assert_int_equal(EXEC(f, SYNTAX, NULL, 0, 1), -1);
    assert_int_equal(f->err.code, ERR_INTERNAL);
    assert_int_equal(db_conn_fault(f->conn), DB_FAULT_OTHER);
    assert_int_equal(EXEC(f, DUPLICATE, (struct db_param[]){db_i64(1)}, 1, 0), -1);
    assert_non_null(strstr(f->err.detail, "1062"));
    assert_int_equal(EXEC(f, DUPLICATE, NULL, 0, 0), -1);
    assert_non_null(strstr(f->err.detail, "wrong number of parameters"));
    assert_int_equal(EXEC(f, STRICT, NULL, 0, 0), -1);
    assert_int_equal(db_conn_fault(f->conn), DB_FAULT_OTHER);
}

static void test_session(void **state)
{
    static const char SQL[] =
        "SELECT @@time_zone, @@tx_isolation, @@sql_mode LIKE '%STRICT_ALL_TABLES%', "
        "@@innodb_lock_wait_timeout, @@character_set_connection, @@autocommit";
    struct fixture *f = *state;

    assert_int_equal(EXEC(f, SQL, NULL, 0, 1), 0);
    assert_string_equal(db_cell(&f->rows, 0, 0), "+00:00");
    assert_string_equal(db_cell(&f->rows, 0, 1), "READ-COMMITTED");
    assert_string_equal(db_cell(&f->rows, 0, 2), "1");
    assert_string_equal(db_cell(&f->rows, 0, 3), "5");
    assert_string_equal(db_cell(&f->rows, 0, 4), "utf8mb4");
    assert_string_equal(db_cell(&f->rows, 0, 5), "1");
}

static int64_t status_of(struct fixture *f, const char *name)
{
    static const char SQL[] = "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS "
                              "WHERE VARIABLE_NAME = ?";

    assert_int_equal(EXEC(f, SQL, (struct db_param[]){db_text(name)}, 1, 1), 0);
    return db_cell_i64(&f->rows, 0, 0, -1);
}

/* A prepared CALL is one command to the server: nothing prepared again, nothing reset. */
static void test_one_command_a_call(void **state)
{
    static const char SQL[] = "CALL p_one(?, ?)";
    static const char *const COUNTERS[] = {"COM_STMT_PREPARE", "COM_STMT_RESET", "COM_STMT_CLOSE",
                                           "COM_STMT_FETCH"};
    struct fixture *f = *state;
    const struct db_param params[] = {db_i64(0), db_text("x")};
    int64_t before[ARRAY_LEN(COUNTERS)];

    assert_int_equal(EXEC(f, SQL, params, 2, 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(COUNTERS); i++)
        before[i] = status_of(f, COUNTERS[i]);
    int64_t executed = status_of(f, "COM_STMT_EXECUTE");
    for (int i = 0; i < 10; i++)
        assert_int_equal(EXEC(f, SQL, params, 2, 1), 0);
    assert_int_equal(status_of(f, "COM_STMT_EXECUTE") - executed, 11);
    for (size_t i = 0; i < ARRAY_LEN(COUNTERS); i++)
        assert_int_equal(status_of(f, COUNTERS[i]), before[i]);
}

/* More texts than a connection keeps: the oldest go, none leaks on the server. */
static void test_many_statements(void **state)
{
    static char texts[100][32];
    struct fixture *f = *state;

    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            snprintf(texts[i], sizeof(texts[i]), "SELECT %zu", i);
            assert_int_equal(EXEC(f, texts[i], NULL, 0, 1), 0);
            assert_int_equal(db_cell_i64(&f->rows, 0, 0, -1), i);
        }
    }
    assert_true(status_of(f, "PREPARED_STMT_COUNT") <= 64);
}

/* The table changed after the statement was prepared: one failure that is worth another try. */
static void test_altered_table(void **state)
{
    static const char SQL[] = "SELECT * FROM changing";
    struct fixture *f = *state;

    dbserver_sql(&server, "CREATE TABLE changing AS SELECT 1 AS a");
    assert_int_equal(EXEC(f, SQL, NULL, 0, 1), 0);
    assert_int_equal(f->rows.column_count, 1);
    dbserver_sql(&server, "ALTER TABLE changing ADD COLUMN b CHAR(3) DEFAULT 'new'");
    assert_int_equal(EXEC(f, SQL, NULL, 0, 1), -1);
    assert_int_equal(db_conn_fault(f->conn), DB_FAULT_CONFLICT);
    assert_int_equal(EXEC(f, SQL, NULL, 0, 1), 0);
    assert_int_equal(f->rows.column_count, 2);
    assert_string_equal(db_cell(&f->rows, 0, 1), "new");
    assert_string_equal(db_cell(&f->rows, 0, 0), "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_cells, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_parameter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_row_max, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call_shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_call_fails_late, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_command_a_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_statements, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered_table, setup, teardown),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
