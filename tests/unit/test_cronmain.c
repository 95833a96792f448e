/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cron programs as cron runs them: what they do, print and exit with. They are looked for in
 * $top_builddir.
 */
#include "base/base.h"

#include "core/spool.h"
#include "moneyfix.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct moneyfix fix;
static char conf[160];
static char spool_dir[160];

static void write_conf(const char *socket)
{
    FILE *f = fopen(conf, "w");
    assert_non_null(f);
    fprintf(f, "db_socket = %s\ndb_user = root\ndb_name = aig\nspool_dir = %s\n", socket,
            spool_dir);
    assert_int_equal(fclose(f), 0);
}

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    snprintf(conf, sizeof(conf), "%s/conf", fix.server.dir);
    snprintf(spool_dir, sizeof(spool_dir), "%s/spool", fix.server.dir);
    write_conf(fix.server.socket);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

/* What a program left behind. */
struct result {
    int code;
    char out[8192];
    char err[8192];
};

static void read_text(char *out, size_t size, const char *path)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;

    assert_true(n >= 0);
    out[n] = '\0';
    close(fd);
}

static pid_t start(const char *program, const char *const *options, const char *out,
                   const char *err)
{
    const char *top = getenv("top_builddir");
    const char *argv[8] = {program};
    char path[512];

    for (size_t i = 0; options != NULL && options[i] != NULL && i < 6; i++)
        argv[i + 1] = options[i];
    snprintf(path, sizeof(path), "%s/%s", top != NULL ? top : ".", program);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    setenv("AIG_CONFIG", conf, 1);
    int out_fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int err_fd = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (dup2(out_fd, 1) == 1 && dup2(err_fd, 2) == 2)
        execv(path, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int end_of(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run(struct result *r, const char *program, const char *option)
{
    const char *options[] = {"--once", option, NULL};
    char out[160];
    char err[160];

    snprintf(out, sizeof(out), "%s/out", fix.server.dir);
    snprintf(err, sizeof(err), "%s/err", fix.server.dir);
    r->code = end_of(start(program, options, out, err));
    read_text(r->out, sizeof(r->out), out);
    read_text(r->err, sizeof(r->err), err);
}

static void spool(const char *id)
{
    struct ledger_usage usage = {.input = 200, .output = 50};
    struct ledger_outcome how = moneyfix_ok();

    assert_int_equal(spool_write(spool_dir, id, &usage, &how, &fix.err), 0);
}

static void test_options(void **state)
{
    static const char *const PROGRAMS[] = {"release-holds", "replay-spool", "send-mail",
                                           "verify-ledger", "drain-webhooks"};
    (void)state;
    struct result r;

    for (size_t i = 0; i < ARRAY_LEN(PROGRAMS); i++) {
        run(&r, PROGRAMS[i], "--help");
        assert_int_equal(r.code, 0);
        assert_non_null(strstr(r.out, PROGRAMS[i]));
        assert_non_null(strstr(r.out, "--dry-run"));
        assert_string_equal(r.err, "");
        run(&r, PROGRAMS[i], "--version");
        assert_int_equal(r.code, 0);
        assert_non_null(strstr(r.out, PROGRAMS[i]));
        run(&r, PROGRAMS[i], "--frobnicate");
        assert_int_equal(r.code, 2);
        assert_non_null(strstr(r.err, "--help"));
        run(&r, PROGRAMS[i], "argument");
        assert_int_equal(r.code, 2);
        assert_non_null(strstr(r.err, "'argument'"));
        /* With nothing to do and nothing wrong: silent. */
        run(&r, PROGRAMS[i], NULL);
        assert_int_equal(r.code, 0);
        assert_string_equal(r.out, "");
        assert_string_equal(r.err, "");
    }
}

/* Only a program that can look again has --watch. */
static void test_watch(void **state)
{
    (void)state;
    struct result r;

    run(&r, "verify-ledger", "--watch");
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "has no --watch"));
    run(&r, "verify-ledger", "--help");
    assert_null(strstr(r.out, "--watch"));
    run(&r, "send-mail", "--help");
    assert_non_null(strstr(r.out, "--watch"));
    /* Without mail there is nothing to watch. */
    run(&r, "send-mail", "--watch");
    assert_int_equal(r.code, 0);
}

static void test_bad_conf(void **state)
{
    (void)state;
    struct result r;
    FILE *f = fopen(conf, "w");

    assert_non_null(f);
    fputs("db_user = root\nfrobnicate = 1\n", f);
    fclose(f);
    run(&r, "verify-ledger", NULL);
    write_conf(fix.server.socket);
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "frobnicate"));
    assert_string_equal(r.out, "");
}

static void test_database_away(void **state)
{
    static const char *const PROGRAMS[] = {"release-holds", "replay-spool", "send-mail",
                                           "verify-ledger", "drain-webhooks"};
    (void)state;
    struct result r;

    write_conf("/nonexistent/socket");
    for (size_t i = 0; i < ARRAY_LEN(PROGRAMS); i++) {
        run(&r, PROGRAMS[i], "-v");
        assert_int_equal(r.code, 1);
        assert_string_equal(r.out, "");
        assert_non_null(strstr(r.err, "database is not available"));
        assert_non_null(strstr(r.err, "/nonexistent/socket"));
    }
    write_conf(fix.server.socket);
}

static void test_old_schema(void **state)
{
    (void)state;
    struct result r;

    dbserver_sql(&fix.server, "CREATE TABLE keep AS SELECT * FROM schema_version; "
                              "DELETE FROM schema_version");
    run(&r, "release-holds", NULL);
    dbserver_sql(&fix.server, "INSERT INTO schema_version SELECT * FROM keep; DROP TABLE keep");
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.err, "migrate.sh"));
}

static void test_release_holds(void **state)
{
    (void)state;
    char live[IDENT_REQUEST_SIZE];
    char dead[2][IDENT_REQUEST_SIZE];
    struct ledger_outcome how = moneyfix_ok();
    struct result r;

    for (size_t i = 0; i < 2; i++)
        moneyfix_hold(&fix, dead[i]);
    dbserver_sql(&fix.server, "UPDATE hold SET expires_at = '2021-01-01'");
    moneyfix_hold(&fix, live);

    run(&r, "release-holds", "--dry-run");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "release-holds: would release 2 expired holds\n");
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM hold WHERE state = 'open'"), "3");

    run(&r, "release-holds", "-v");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "release-holds: released 2 expired holds\n");
    assert_string_equal(r.err, "");
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM hold WHERE state = 'open' "), "1");
    run(&r, "release-holds", "-v");
    assert_string_equal(r.out, "release-holds: released 0 expired holds\n");
    moneyfix_verify(&fix);
    assert_int_equal(ledger_release(&fix.store, fix.arena, live, &how, &fix.err), 0);
}

/* More than one batch, and two runs at the same time: each hold is released once. */
static void test_two_runs(void **state)
{
    enum { HOLDS = 450 };
    static const char *const OPTIONS[] = {"-v", NULL};
    (void)state;
    char out[2][160];
    char err[160];
    char text[2][256];
    pid_t pid[2];

    for (int i = 0; i < HOLDS; i++) {
        char id[IDENT_REQUEST_SIZE];
        moneyfix_hold(&fix, id);
    }
    dbserver_sql(&fix.server, "UPDATE hold SET expires_at = '2021-01-01' WHERE state = 'open'");
    snprintf(err, sizeof(err), "%s/err", fix.server.dir);
    for (int i = 0; i < 2; i++) {
        snprintf(out[i], sizeof(out[i]), "%s/out%d", fix.server.dir, i);
        pid[i] = start("release-holds", OPTIONS, out[i], err);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(end_of(pid[i]), 0);
        read_text(text[i], sizeof(text[i]), out[i]);
    }
    int busy = strstr(text[0], "another run") != NULL ? 0 : 1;
    /* The second may also have come after the first had ended. */
    if (strstr(text[busy], "another run") != NULL)
        assert_non_null(strstr(text[1 - busy], "released 450"));
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM hold WHERE state = 'expired' "
                                           "AND expires_at = '2021-01-01'"),
                        "452");
    assert_string_equal(moneyfix_ask(&fix, "SELECT held_usd FROM account WHERE id = 1"),
                        "0.000000000");
    moneyfix_verify(&fix);
}

static void test_replay_spool(void **state)
{
    (void)state;
    char id[2][IDENT_REQUEST_SIZE];
    char stray[IDENT_REQUEST_SIZE];
    struct result r;

    for (size_t i = 0; i < 2; i++) {
        moneyfix_hold(&fix, id[i]);
        spool(id[i]);
    }
    run(&r, "replay-spool", "--dry-run");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out,
                        "replay-spool: would settle 2 calls, 0 files cannot be understood\n");
    run(&r, "replay-spool", "-v");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out,
                        "replay-spool: settled 2 calls, 0 are left, 0 files were set aside\n");
    run(&r, "replay-spool", NULL);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "");
    assert_string_equal(moneyfix_ask(&fix, "SELECT COUNT(*) FROM ledger WHERE kind = 'charge' AND "
                                           "amount_usd = -0.00098"),
                        "2");

    ident_request(stray);
    spool(stray);
    run(&r, "replay-spool", NULL);
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.err, "1 files in"));
    assert_non_null(strstr(r.err, stray));
    run(&r, "replay-spool", NULL);
    assert_int_equal(r.code, 0);
}

static void enqueue(const char *task, const char *url)
{
    char sql[256];

    snprintf(sql, sizeof(sql), "CALL webhook_enqueue_inner(1, 'job', '%s', '%s', '{}', @id)", task,
             url);
    dbserver_sql(&fix.server, sql);
}

/* Nothing listens on port 1. */
static void test_drain_webhooks(void **state)
{
    (void)state;
    static const char ask[] = "SELECT GROUP_CONCAT(state, ' ', attempts, ' ', COALESCE(last_error, "
                              "'-') ORDER BY task_id) FROM webhook_delivery";
    struct result r;

    run(&r, "drain-webhooks", "-v");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "drain-webhooks: delivered 0, 0 attempts failed, gave up 0\n");
    enqueue("a", "http://127.0.0.1:1/a");
    enqueue("b", "http://no-such-host.invalid/b");
    run(&r, "drain-webhooks", "--dry-run");
    assert_string_equal(r.out, "drain-webhooks: would send 2 webhooks\n");
    run(&r, "drain-webhooks", "-v"); /* the configuration has no secret_key */
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.err, "secret_key is not set"));
    assert_string_equal(moneyfix_ask(&fix, ask), "pending 0 -,pending 0 -");

    setenv("AIG_SECRET_KEY", "0123456789abcdef0123456789abcdef", 1);
    run(&r, "drain-webhooks", "-v");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "drain-webhooks: delivered 0, 2 attempts failed, gave up 0\n");
    assert_string_equal(moneyfix_ask(&fix, ask),
                        "pending 1 The URL leads to an address that is not public.,"
                        "pending 1 The host name cannot be resolved.");
    dbserver_sql(&fix.server, "UPDATE webhook_delivery SET due = UTC_TIMESTAMP(6), step = 8");
    run(&r, "drain-webhooks", "-v");
    assert_string_equal(r.out, "drain-webhooks: delivered 0, 0 attempts failed, gave up 2\n");
    run(&r, "drain-webhooks", "--watch=1");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "");
    run(&r, "drain-webhooks", "--watch=x");
    assert_int_equal(r.code, 2);
    run(&r, "release-holds", "--watch");
    assert_int_equal(r.code, 2);
    unsetenv("AIG_SECRET_KEY");
}

/* SIGTERM ends a watch. */
static void test_watch_ends(void **state)
{
    (void)state;
    static const char *const options[] = {"--watch", "-v", NULL};
    char out[160];
    char err[160];
    char text[256];

    snprintf(out, sizeof(out), "%s/out", fix.server.dir);
    snprintf(err, sizeof(err), "%s/err", fix.server.dir);
    setenv("AIG_SECRET_KEY", "0123456789abcdef0123456789abcdef", 1);
    dbserver_sql(&fix.server, "DELETE FROM webhook_delivery");
    pid_t pid = start("drain-webhooks", options, out, err);
    enqueue("c", "http://127.0.0.1:1/c");
    while (strcmp(moneyfix_ask(&fix, "SELECT SUM(attempts) FROM webhook_delivery"), "0") == 0)
        usleep(10000);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(end_of(pid), 0);
    read_text(text, sizeof(text), out);
    assert_string_equal(text, "drain-webhooks: delivered 0, 1 attempts failed, gave up 0\n");
    unsetenv("AIG_SECRET_KEY");
}

static void test_verify_ledger(void **state)
{
    (void)state;
    struct result r;

    run(&r, "verify-ledger", "-v");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "ledger ok\n");
    dbserver_sql(&fix.server, "UPDATE account SET balance_usd = balance_usd + 1 WHERE id = 1");
    run(&r, "verify-ledger", NULL);
    dbserver_sql(&fix.server, "UPDATE account SET balance_usd = balance_usd - 1 WHERE id = 1");
    assert_int_equal(r.code, 1);
    assert_non_null(strstr(r.out, "balance: account 1: expected $9."));
    assert_string_equal(r.err, "");
    run(&r, "verify-ledger", "--dry-run");
    assert_int_equal(r.code, 0);
    assert_string_equal(r.out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_bad_conf),       cmocka_unit_test(test_database_away),
        cmocka_unit_test(test_old_schema),     cmocka_unit_test(test_release_holds),
        cmocka_unit_test(test_two_runs),       cmocka_unit_test(test_replay_spool),
        cmocka_unit_test(test_drain_webhooks), cmocka_unit_test(test_watch_ends),
        cmocka_unit_test(test_verify_ledger),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
