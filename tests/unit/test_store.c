/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "unit.h"

#include <string.h>

static struct moneyfix fix;

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

static void test_check(void **state)
{
    (void)state;
    int64_t version = -1;

    assert_int_equal(store_check(&version, &fix.store, fix.arena, &fix.err), 0);
    assert_true(version >= STORE_SCHEMA_VERSION);
    assert_int_equal(store_check(NULL, &fix.store, fix.arena, &fix.err), 0);

    dbserver_sql(&fix.server, "CREATE TABLE keep AS SELECT * FROM schema_version; "
                              "DELETE FROM schema_version");
    assert_int_equal(store_check(&version, &fix.store, fix.arena, &fix.err), -1);
    dbserver_sql(&fix.server, "INSERT INTO schema_version SELECT * FROM keep; DROP TABLE keep");
    assert_int_equal(version, 0);
    assert_int_equal(fix.err.code, ERR_DATABASE);
    assert_non_null(strstr(fix.err.message, "schema version 0"));
}

static void test_from_conf(void **state)
{
    (void)state;
    struct conf conf = {.db_hosts = {"127.0.0.1"},
                        .db_host_count = 1,
                        .db_port = (int)fix.server.port,
                        .db_user = "root",
                        .db_name = "aig",
                        .db_pool = 2};
    struct store store;

    conf.db_socket = fix.server.socket;
    store_init(&store, &conf);
    assert_int_equal(store_check(NULL, &store, fix.arena, &fix.err), 0);
    store_fini(&store);
    store_fini(&store);

    conf.db_socket = NULL;
    store_init_batch(&store, &conf);
    assert_int_equal(store_check(NULL, &store, fix.arena, &fix.err), 0);
    store_fini(&store);

    conf.db_name = "elsewhere";
    store_init_batch(&store, &conf);
    assert_int_equal(store_check(NULL, &store, fix.arena, &fix.err), -1);
    assert_non_null(strstr(fix.err.detail, "elsewhere"));
    store_fini(&store);
}

static void test_lock(void **state)
{
    (void)state;
    struct store_lock *mine = NULL;
    struct store_lock *yours = NULL;
    struct store_lock *other = NULL;

    assert_int_equal(store_lock(&mine, &fix.store, fix.arena, "program", &fix.err), 0);
    assert_non_null(mine);
    assert_int_equal(store_lock(&yours, &fix.store, fix.arena, "program", &fix.err), 0);
    assert_null(yours);
    assert_int_equal(store_lock(&other, &fix.store, fix.arena, "another", &fix.err), 0);
    assert_non_null(other);
    store_unlock(mine, &fix.store);
    assert_int_equal(store_lock(&yours, &fix.store, fix.arena, "program", &fix.err), 0);
    assert_non_null(yours);
    store_unlock(yours, &fix.store);
    store_unlock(other, &fix.store);
    store_unlock(NULL, &fix.store);
}

/* The lock goes with its connection. */
static void test_lock_of_the_dead(void **state)
{
    (void)state;
    struct store_lock *lock = NULL;
    struct store dead = {.pool = db_pool_new(&fix.server.config)};

    assert_int_equal(store_lock(&lock, &dead, fix.arena, "program", &fix.err), 0);
    assert_non_null(lock);
    dbserver_kill(&fix.server);
    dbserver_again(&fix.server);
    struct store_lock *mine = NULL;
    assert_int_equal(store_lock(&mine, &fix.store, fix.arena, "program", &fix.err), 0);
    assert_non_null(mine);
    store_unlock(mine, &fix.store);
    store_unlock(lock, &dead);
    store_fini(&dead);
}

static void test_decimal(void **state)
{
    (void)state;
    assert_string_equal(store_decimal(fix.arena, "1.500000000"), "1.5");
    assert_null(store_decimal(fix.arena, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),   cmocka_unit_test(test_from_conf),
        cmocka_unit_test(test_lock),    cmocka_unit_test(test_lock_of_the_dead),
        cmocka_unit_test(test_decimal),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
