/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/log.h"
#include "base/timing.h"
#include "core/spool.h"
#include "core/spool_entry.h"
#include "db/stmt.h"
#include "moneyfix.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct moneyfix fix;
static char dir[160];

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    snprintf(dir, sizeof(dir), "%s/spool", fix.server.dir);
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

/* Counts the names that end like this, hidden ones included. */
static int count_files(const char *end)
{
    int count = 0;
    DIR *d = opendir(dir);

    if (d == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len >= strlen(end) && strcmp(e->d_name + len - strlen(end), end) == 0 &&
            strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            count++;
    }
    closedir(d);
    return count;
}

static int teardown(void **state)
{
    char command[200];
    (void)state;

    moneyfix_verify(&fix);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
    arena_reset(fix.arena);
    return 0;
}

static void put(const char *name, const char *text, size_t len)
{
    char path[256];

    mkdir(dir, 0700);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static size_t get(char *out, size_t size, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, out, size - 1);
    assert_true(n >= 0);
    close(fd);
    out[n] = '\0';
    return (size_t)n;
}

static int replay(struct spool_report *report, bool dry_run)
{
    return spool_replay(report, dir, &fix.store, fix.arena, 0, dry_run, &fix.err);
}

static void spool(const char *id, const struct ledger_usage *usage)
{
    struct ledger_outcome how = moneyfix_ok();

    assert_int_equal(spool_write(dir, id, usage, &how, &fix.err), 0);
}

static const char *charge_of(const char *id)
{
    static char sql[128];

    snprintf(sql, sizeof(sql), "SELECT charge_usd FROM usage_log WHERE request_id = '%s'", id);
    struct db_conn *conn = NULL;
    struct db_rows rows;
    assert_int_equal(db_pool_take(&conn, fix.store.pool, 0, &fix.err), 0);
    /* A text of its own each time: the statement is not to be kept. */
    int rc = db_exec(&rows, conn, fix.arena, arena_strdup(fix.arena, sql), NULL, 0, 1, &fix.err);
    db_pool_give(fix.store.pool, conn);
    assert_int_equal(rc, 0);
    return rows.row_count > 0 ? db_cell(&rows, 0, 0) : "none";
}

static void test_text(void **state)
{
    (void)state;
    static const char ID[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    struct ledger_usage usage = {.input = 1,
                                 .cached = 2,
                                 .cache_write_5m = 3,
                                 .cache_write_1h = 4,
                                 .output = 5,
                                 .reasoning = 6,
                                 .upstream_cost_usd = "0.00120",
                                 .estimated = true};
    struct ledger_outcome how = moneyfix_ok();
    char text[SPOOL_FILE_MAX];

    how.upstream_model = "a\nb\x7f";
    assert_int_equal(spool_write(dir, ID, &usage, &how, &fix.err), 0);
    get(text, sizeof(text), "req_01ARZ3NDEKTSV4RRFFQ69G5FAV.settle");
    assert_string_equal(text, "aig-spool 1\n"
                              "request_id req_01ARZ3NDEKTSV4RRFFQ69G5FAV\n"
                              "input 1\n"
                              "cached 2\n"
                              "cache_write_5m 3\n"
                              "cache_write_1h 4\n"
                              "output 5\n"
                              "reasoning 6\n"
                              "upstream_cost_usd 0.0012\n"
                              "estimated 1\n"
                              "status ok\n"
                              "provider openai\n"
                              "upstream_model a?b?\n"
                              "hedged_from\n"
                              "stream 1\n"
                              "http_status 200\n"
                              "first_byte_ms 12\n"
                              "duration_ms 345\n"
                              "end\n");
    assert_int_equal(count_files(""), 1);
}

/* Reading back what was written; then with each byte cut off or replaced. */
static void test_parse(void **state)
{
    (void)state;
    struct ledger_usage usage = {.input = INT64_MAX, .output = INT64_MIN, .upstream_cost_usd = "x"};
    struct ledger_outcome how = moneyfix_ok();
    struct spool_entry in;
    struct spool_entry out;
    struct buf text;
    char copy[SPOOL_FILE_MAX];
    char id[IDENT_REQUEST_SIZE];

    how.hedged_from = "openai";
    how.http_status = -1;
    how.first_byte_ms = -1;
    ident_request(id);
    buf_init(&text, SPOOL_FILE_MAX);
    spool_entry_fill(&in, id, &usage, &how);
    spool_entry_print(&text, &in);
    assert_false(buf_failed(&text));
    memcpy(copy, text.data, text.len + 1);
    assert_int_equal(spool_entry_parse(&out, copy), 0);
    assert_memory_equal(&in, &out, sizeof(in));
    assert_string_equal(out.upstream_cost_usd, "");
    assert_string_equal(out.hedged_from, "openai");

    for (size_t len = 0; len < text.len; len++) {
        memcpy(copy, text.data, len);
        copy[len] = '\0';
        assert_int_equal(spool_entry_parse(&out, copy), -1);
    }
    for (size_t i = 0; i < text.len; i++) {
        memcpy(copy, text.data, text.len + 1);
        copy[i] = '\n';
        assert_true(copy[i] == text.data[i] || spool_entry_parse(&out, copy) == -1);
    }
    buf_fini(&text);
}

/* Tools stand after all that a version without them wrote, and only where there were any. */
static void test_tools(void **state)
{
    (void)state;
    struct ledger_usage usage = {
        .output = 50, .web_searches = 2, .file_searches = 1, .containers = 3, .container_gb = 4};
    struct ledger_outcome how = moneyfix_ok();
    struct spool_report report;
    struct spool_entry in;
    struct spool_entry out;
    struct buf text;
    char copy[SPOOL_FILE_MAX];
    char id[IDENT_REQUEST_SIZE];

    dbserver_sql(&fix.server, "UPDATE price SET web_search_usd = 0.01, file_search_usd = 0.0025, "
                              "container_4g_usd = 0.12 WHERE id = 90011");
    struct ledger_want want = moneyfix_want(id, MONEY_ALICE);
    struct ledger_hold hold;
    want.tools = "web_search,file_search,container_4g";
    want.tool_calls = 8;
    if (ledger_authorize(&hold, &fix.store, fix.arena, &want, &fix.err) != 0)
        fail_msg("%s (%s)", fix.err.message, fix.err.detail);
    buf_init(&text, SPOOL_FILE_MAX);
    spool_entry_fill(&in, id, &usage, &how);
    spool_entry_print(&text, &in);
    assert_non_null(strstr(text.data, "duration_ms 345\nweb_searches 2\nfile_searches 1\n"
                                      "containers 3\ncontainer_gb 4\nend\n"));
    memcpy(copy, text.data, text.len + 1);
    assert_int_equal(spool_entry_parse(&out, copy), 0);
    assert_memory_equal(&in, &out, sizeof(in));
    for (size_t i = 0; i < text.len; i++) {
        memcpy(copy, text.data, text.len + 1);
        copy[i] = '\n';
        assert_true(copy[i] == text.data[i] || spool_entry_parse(&out, copy) == -1);
    }
    buf_fini(&text);

    /* (50 x 10 / 1e6 + 2 x 0.01 + 0.0025 + 3 x 0.12) x 1.4, twice no more than once. */
    for (int i = 0; i < 2; i++) {
        spool(id, &usage);
        assert_int_equal(replay(&report, false), 0);
        assert_int_equal(report.settled, 1);
        assert_string_equal(charge_of(id), "0.536200000");
    }
    moneyfix_verify(&fix);
}

static void test_replay(void **state)
{
    (void)state;
    char id[3][IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 200, .output = 50};
    struct spool_report report;

    for (size_t i = 0; i < 3; i++) {
        moneyfix_hold(&fix, id[i]);
        spool(id[i], &usage);
    }
    assert_int_equal(replay(&report, true), 0);
    assert_int_equal(report.settled, 0);
    assert_int_equal(report.left, 3);
    assert_int_equal(count_files(".settle"), 3);
    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.settled, 3);
    assert_int_equal(report.left, 0);
    assert_int_equal(report.bad, 0);
    assert_int_equal(count_files(""), 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(charge_of(id[i]), "0.000980000");
    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.settled, 0);
}

/* The database had settled although the program saw an error; the sweeper was faster than the
 * replay; a file was replayed but not deleted. */
static void test_once_only(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 200, .output = 50};
    struct ledger_outcome how = moneyfix_ok();
    struct ledger_charge charge;
    struct spool_report report;
    bool expired = false;

    moneyfix_hold(&fix, id);
    spool(id, &usage);
    assert_int_equal(ledger_settle(&charge, &fix.store, fix.arena, id, &usage, &how, &fix.err), 0);
    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.settled, 1);
    assert_string_equal(charge_of(id), "0.000980000");

    moneyfix_hold(&fix, id);
    spool(id, &usage);
    dbserver_sql(&fix.server, "UPDATE hold SET expires_at = '2021-01-01' WHERE state = 'open'");
    assert_int_equal(ledger_expire(&expired, &fix.store, fix.arena, id, &fix.err), 0);
    assert_true(expired);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(replay(&report, false), 0);
        assert_int_equal(report.settled, 1);
        assert_string_equal(charge_of(id), "0.000980000");
        spool(id, &usage);
    }
}

static void test_away(void **state)
{
    (void)state;
    char id[2][IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 200, .output = 50};
    struct spool_report report;

    for (size_t i = 0; i < 2; i++) {
        moneyfix_hold(&fix, id[i]);
        spool(id[i], &usage);
    }
    dbserver_kill(&fix.server);
    assert_int_equal(replay(&report, false), -1);
    assert_int_equal(fix.err.code, ERR_DATABASE);
    assert_int_equal(report.settled, 0);
    assert_int_equal(report.left, 2);
    assert_int_equal(report.bad, 0);
    assert_int_equal(count_files(".settle"), 2);
    dbserver_again(&fix.server);
    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.settled, 2);
}

static void test_deadline(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {.input = 200};
    struct spool_report report;

    moneyfix_hold(&fix, id);
    spool(id, &usage);
    assert_int_equal(
        spool_replay(&report, dir, &fix.store, fix.arena, timing_mono_ms() - 1, false, &fix.err),
        0);
    assert_int_equal(report.settled, 0);
    assert_int_equal(report.left, 1);
    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.settled, 1);
}

/* What is not a spool file is left alone or set aside; the good one is settled all the same. */
static void test_bad_files(void **state)
{
    (void)state;
    static const char EMPTY[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FA0.settle";
    static const char BINARY[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FA1.settle";
    static const char HUGE[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FA2.settle";
    static const char FOREIGN[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FA3.settle";
    static const char LINK[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FA4.settle";
    static const char RENAMED[] = "req_01ARZ3NDEKTSV4RRFFQ69G5FA5.settle";
    char id[IDENT_REQUEST_SIZE];
    char name[64];
    char path[256];
    char text[8192];
    struct ledger_usage usage = {.input = 200};
    struct spool_report report;

    moneyfix_hold(&fix, id);
    spool(id, &usage);
    snprintf(name, sizeof(name), "%s.settle", id);
    size_t len = get(text, sizeof(text), name);
    put(RENAMED, text, len);
    put(EMPTY, "", 0);
    put(BINARY, "aig-spool 1\n\0\xff", 14);
    memset(text, 'x', sizeof(text));
    put(HUGE, text, sizeof(text));
    memcpy(path, FOREIGN, IDENT_REQUEST_LEN);
    path[IDENT_REQUEST_LEN] = '\0';
    spool(path, &usage); /* no such hold */
    snprintf(path, sizeof(path), "%s/%s", dir, LINK);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    put("README", "x", 1);
    put("req_short.settle", "x", 1);
    put(".req_01ARZ3NDEKTSV4RRFFQ69G5FA6.tmp", "x", 1);

    assert_int_equal(replay(&report, true), 0);
    assert_int_equal(report.bad, 5);
    assert_int_equal(report.left, 2);
    assert_int_equal(count_files(".bad"), 0);

    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.settled, 1);
    assert_int_equal(report.bad, 6);
    assert_int_equal(report.left, 0);
    assert_int_equal(count_files(".bad"), 6);
    assert_int_equal(count_files("README"), 1);
    assert_int_equal(count_files(".tmp"), 1);
    assert_int_equal(replay(&report, false), 0);
    assert_int_equal(report.bad, 0);

    /* An unfinished file of yesterday goes. */
    timing_shift_wall_ms(25 * INT64_C(3600000));
    assert_int_equal(replay(&report, false), 0);
    timing_shift_wall_ms(0);
    assert_int_equal(count_files(".tmp"), 0);
}

static void test_folders(void **state)
{
    (void)state;
    char id[IDENT_REQUEST_SIZE];
    struct ledger_usage usage = {0};
    struct ledger_outcome how = moneyfix_ok();
    struct spool_report report;

    ident_request(id);
    assert_int_equal(spool_write("/nonexistent/folder/spool", id, &usage, &how, &fix.err), -1);
    assert_int_equal(fix.err.code, ERR_INTERNAL);
    assert_non_null(strstr(fix.err.detail, "/nonexistent/folder/spool"));
    assert_int_equal(
        spool_replay(&report, "/nonexistent/folder", &fix.store, fix.arena, 0, false, &fix.err), 0);
    assert_int_equal(
        spool_replay(&report, "/etc/passwd", &fix.store, fix.arena, 0, false, &fix.err), -1);
}

/* Killed at any moment, a writer leaves whole files or none. */
static void test_killed_writers(void **state)
{
    (void)state;
    struct spool_report report;

    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            for (;;) {
                char id[IDENT_REQUEST_SIZE];
                struct ledger_usage usage = {.input = 200};
                struct ledger_outcome how = moneyfix_ok();
                struct err err;
                ident_request(id);
                if (spool_write(dir, id, &usage, &how, &err) != 0)
                    _exit(1);
            }
        }
        usleep((useconds_t)(2000 + 700 * i));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    int whole = count_files(".settle");
    assert_true(whole > 0);
    assert_int_equal(replay(&report, true), 0);
    assert_int_equal(report.left, whole);
    assert_int_equal(report.bad, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text),      TEST(test_parse),          TEST(test_tools),    TEST(test_replay),
        TEST(test_once_only), TEST(test_away),           TEST(test_deadline), TEST(test_bad_files),
        TEST(test_folders),   TEST(test_killed_writers),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
