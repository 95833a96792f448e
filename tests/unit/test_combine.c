/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/log.h"
#include "base/timing.h"
#include "db/combine.h"
#include "db/txn.h"
#include "dbserver.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    STRESS_THREADS = 64,
    STRESS_ROUNDS = 25,
    GATHER_US = 200 * 1000, /* for threads that have started to reach the queue */
    /* What a step may need: 10 s and, if it began in the last moment, one more answer. */
    STEP_MAX_MS = 20 * 1000,
};

/* What the parameter n tells the test's procedures. */
enum {
    LEFT_OUT = -1,     /* the shared one does not answer for this step */
    FAILS = -2,        /* the shared one fails */
    CONFLICTS = -3,    /* the shared one always ends in a deadlock */
    STRANGERS = -4,    /* the shared one answers for somebody else, too */
    LASTS = -5,        /* the shared one takes long */
    LASTS_SINGLE = -6, /* the single one takes longer than a step may wait */
    FAILS_SINGLE = -7, /* both fail */
    LOCKED = -8,       /* the shared one waits for a row until it may no longer */
};

static const char SQL[] =
    "CREATE TABLE batch (id INT AUTO_INCREMENT PRIMARY KEY, steps INT) ENGINE=InnoDB;\n"
    "DELIMITER //\n"
    "CREATE PROCEDURE one(p_id VARCHAR(64) CHARACTER SET utf8mb4, p_n BIGINT,\n"
    "    p_text LONGTEXT CHARACTER SET utf8mb4, p_bytes VARBINARY(32))\n"
    "BEGIN\n"
    "    IF p_id = 'gate' THEN DO GET_LOCK('gate', 20); DO RELEASE_LOCK('gate'); END IF;\n"
    "    IF p_n = -6 THEN DO SLEEP(13); END IF;\n"
    "    IF p_n = -7 THEN SIGNAL SQLSTATE '45000'; END IF;\n"
    "    SELECT 'one' AS way, p_n, p_text, HEX(p_bytes);\n"
    "END //\n"
    "CREATE PROCEDURE many(p_steps LONGTEXT CHARACTER SET utf8mb4)\n"
    "BEGIN\n"
    "    DECLARE v_least BIGINT;\n"
    "    SELECT MIN(n) INTO v_least FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (n BIGINT PATH "
    "'$[1]')) s\n"
    "        WHERE n BETWEEN -9 AND -2;\n"
    "    INSERT INTO batch (steps) VALUES (JSON_LENGTH(p_steps));\n"
    "    IF v_least IN (-2, -7) THEN SIGNAL SQLSTATE '45000'; END IF;\n"
    "    IF v_least = -3 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF;\n"
    "    IF v_least = -8 THEN DO SLEEP(1.2);\n"
    "        SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205; END IF;\n"
    "    IF v_least = -5 THEN DO SLEEP(5); END IF;\n"
    "    SELECT s.id, 'many', s.n, s.t, s.h FROM JSON_TABLE(p_steps, '$[*]' COLUMNS (\n"
    "        id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$[0]', n BIGINT PATH '$[1]',\n"
    "        t LONGTEXT CHARACTER SET utf8mb4 PATH '$[2]', h VARCHAR(64) PATH '$[3]')) s\n"
    "    WHERE s.n <> -1 OR s.n IS NULL\n"
    "    UNION ALL SELECT * FROM (SELECT 'nobody', 'many', 1, 'not yours', NULL UNION ALL\n"
    "        SELECT NULL, 'many', 1, 'not yours', NULL) x WHERE v_least = -4;\n"
    "END //\n";

static const char SQL_ONE[] = "CALL one(?, ?, ?, ?)";
static const char SQL_MANY[] = "CALL many(?)";

static struct dbserver server;

static int group_start(void **state)
{
    (void)state;
    dbserver_start(&server);
    dbserver_sql(&server, SQL);
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    dbserver_stop(&server);
    return 0;
}

/* --- One step -----------------------------------------------------------------------------------
 */

struct job {
    struct db_combiner *combiner;
    atomic_int *started; /* may be NULL */
    char id[32];
    struct db_param n;
    struct db_param text;
    struct db_param bytes;

    pthread_t thread;
    struct arena *arena;
    struct db_rows rows;
    struct err err;
    int rc;
    int64_t took_ms;
};

static struct job job_new(struct db_combiner *c, const char *id, int64_t n)
{
    struct job job = {.combiner = c, .n = db_i64(n), .text = db_null(), .bytes = db_null()};

    snprintf(job.id, sizeof(job.id), "%s", id);
    job.arena = arena_new();
    return job;
}

static void *run(void *arg)
{
    struct job *job = arg;
    const struct db_param params[] = {db_text(job->id), job->n, job->text, job->bytes};
    int64_t start_ms = timing_mono_ms();

    if (job->started != NULL)
        atomic_fetch_add(job->started, 1);
    job->rc =
        db_combine(&job->rows, job->combiner, job->arena, params, ARRAY_LEN(params), &job->err);
    job->took_ms = timing_mono_ms() - start_ms;
    return NULL;
}

/* True if the answer is the step's own; says why not. */
static bool is_right(const struct job *job, const char *way)
{
    char n[24] = "";
    char hex[65] = "";

    if (job->rc != 0) {
        print_error("%s: %s (%s)\n", job->id, job->err.message, job->err.detail);
        return false;
    }
    if (job->rows.row_count != 1 || job->rows.column_count != 4)
        return false;
    snprintf(n, sizeof(n), "%lld", (long long)job->n.i64);
    for (size_t i = 0; job->bytes.type == DB_BYTES && i < job->bytes.bytes.len; i++)
        snprintf(hex + 2 * i, 3, "%02X", (unsigned)(unsigned char)job->bytes.bytes.ptr[i]);
    const char *got_way = db_cell(&job->rows, 0, 0);
    const char *got_n = db_cell(&job->rows, 0, 1);
    const char *got_text = db_cell(&job->rows, 0, 2);
    const char *got_hex = db_cell(&job->rows, 0, 3);
    bool ok = way == NULL || (got_way != NULL && strcmp(got_way, way) == 0);
    ok = ok && (job->n.type == DB_NULL ? got_n == NULL : got_n != NULL && strcmp(got_n, n) == 0);
    ok = ok &&
         (job->text.type == DB_NULL ? got_text == NULL
                                    : got_text != NULL && span_equals(job->text.bytes, got_text));
    ok = ok && (job->bytes.type == DB_NULL ? got_hex == NULL
                                           : got_hex != NULL && strcasecmp(got_hex, hex) == 0);
    if (!ok)
        print_error("%s: %s %s %.60s %s\n", job->id, got_way, got_n, got_text, got_hex);
    return ok;
}

/* --- Steps that run together --------------------------------------------------------------------
 */

/* A step that runs by itself until the gate opens, and steps that come meanwhile. */
struct crowd {
    struct db_pool *pool;
    struct db_conn *keeper;
    struct db_combiner *combiner;
    struct arena *arena;
    struct job gate;
    struct job *jobs;
    size_t count;
    atomic_int started;
};

static void ask(struct crowd *c, const char *sql)
{
    struct db_rows rows;
    struct err err;

    if (db_exec(&rows, c->keeper, c->arena, sql, NULL, 0, 1, &err) != 0)
        fail_msg("%s (%s)", err.message, err.detail);
}

static int64_t count_batches(struct crowd *c, const char *sql)
{
    struct db_rows rows;
    struct err err;

    assert_int_equal(db_run(&rows, c->pool, c->arena, sql, NULL, 0, 1, 0, &err), 0);
    return db_cell_i64(&rows, 0, 0, -1);
}

static void wait_started(struct crowd *c, int count)
{
    while (atomic_load(&c->started) < count)
        usleep(1000);
    usleep(GATHER_US);
}

static void start(struct job *job, atomic_int *started)
{
    job->started = started;
    assert_int_equal(pthread_create(&job->thread, NULL, run, job), 0);
}

static void crowd_init(struct crowd *c, struct job *jobs, size_t count, unsigned read_timeout_s)
{
    struct db_config config = server.config;
    struct err err;

    *c = (struct crowd){.jobs = jobs, .count = count, .arena = arena_new()};
    config.max = 8;
    config.read_timeout_s = read_timeout_s;
    c->pool = db_pool_new(&config);
    c->combiner = db_combiner_new(c->pool, SQL_ONE, SQL_MANY);
    assert_int_equal(db_pool_take(&c->keeper, c->pool, 0, &err), 0);
    ask(c, "TRUNCATE TABLE batch");
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof(id), "step %zu", i);
        jobs[i] = job_new(c->combiner, id, (int64_t)i);
    }
    c->gate = job_new(c->combiner, "gate", 1);
}

/* All jobs wait behind the gate. */
static void crowd_gather(struct crowd *c)
{
    ask(c, "DO GET_LOCK('gate', 5)");
    start(&c->gate, &c->started);
    wait_started(c, 1);
    for (size_t i = 0; i < c->count; i++)
        start(&c->jobs[i], &c->started);
    wait_started(c, (int)c->count + 1);
    ask(c, "DO RELEASE_LOCK('gate')");
}

static void crowd_join(struct crowd *c)
{
    pthread_join(c->gate.thread, NULL);
    for (size_t i = 0; i < c->count; i++)
        pthread_join(c->jobs[i].thread, NULL);
}

static void crowd_run(struct crowd *c)
{
    crowd_gather(c);
    crowd_join(c);
    assert_true(is_right(&c->gate, "one"));
}

/* Later steps work: alone, and the combiner is not stuck. */
static void crowd_fini(struct crowd *c)
{
    struct job last = job_new(c->combiner, "last", 7);

    run(&last);
    assert_true(is_right(&last, "one"));
    arena_free(last.arena);
    for (size_t i = 0; i < c->count; i++)
        arena_free(c->jobs[i].arena);
    arena_free(c->gate.arena);
    db_pool_give(c->pool, c->keeper);
    db_combiner_free(c->combiner);
    db_pool_free(c->pool);
    arena_free(c->arena);
}

static void all_went(const struct crowd *c, const char *way)
{
    for (size_t i = 0; i < c->count; i++)
        assert_true(is_right(&c->jobs[i], way));
}

static void test_alone(void **state)
{
    (void)state;
    struct crowd c;

    crowd_init(&c, NULL, 0, 0);
    for (int i = 0; i < 5; i++) {
        struct job job = job_new(c.combiner, "alone", i);
        run(&job);
        assert_true(is_right(&job, "one"));
        arena_free(job.arena);
    }
    assert_int_equal(count_batches(&c, "SELECT COUNT(*) FROM batch"), 0);
    crowd_fini(&c);
    db_combiner_free(NULL);
}

static void test_together(void **state)
{
    (void)state;
    struct job jobs[20];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    crowd_run(&c);
    all_went(&c, "many");
    assert_int_equal(count_batches(&c, "SELECT COUNT(*) FROM batch"), 1);
    assert_int_equal(count_batches(&c, "SELECT SUM(steps) FROM batch"), 20);
    crowd_fini(&c);
}

static void test_more_than_one_batch(void **state)
{
    (void)state;
    struct job jobs[2 * DB_COMBINE_MAX + 5];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    crowd_run(&c);
    all_went(&c, "many");
    assert_int_equal(count_batches(&c, "SELECT MAX(steps) FROM batch"), DB_COMBINE_MAX);
    assert_int_equal(count_batches(&c, "SELECT COUNT(*) FROM batch"), 3);
    crowd_fini(&c);
}

static void test_left_out(void **state)
{
    (void)state;
    struct job jobs[12];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    for (size_t i = 0; i < c.count; i += 3) /* the one that leads is among them */
        jobs[i].n = db_i64(LEFT_OUT);
    crowd_run(&c);
    for (size_t i = 0; i < c.count; i++)
        assert_true(is_right(&jobs[i], i % 3 == 0 ? "one" : "many"));
    crowd_fini(&c);

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    for (size_t i = 0; i < c.count; i++)
        jobs[i].n = db_i64(LEFT_OUT);
    crowd_run(&c);
    all_went(&c, "one");
    crowd_fini(&c);
}

/* The last of 8 makes the shared procedure fail in some way; all run singly. */
static void run_failing(int64_t n, int64_t batches)
{
    struct job jobs[8];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    jobs[7].n = db_i64(n);
    crowd_run(&c);
    if (n == FAILS_SINGLE) {
        assert_int_equal(jobs[7].rc, -1);
        assert_int_equal(jobs[7].err.code, ERR_INTERNAL);
        jobs[7].rc = 0;
        arena_free(jobs[7].arena);
        c.count--;
    }
    all_went(&c, "one");
    assert_int_equal(count_batches(&c, "SELECT COUNT(*) FROM batch"), batches);
    crowd_fini(&c);
}

static void test_shared_fails(void **state)
{
    (void)state;
    run_failing(FAILS, 1);
    run_failing(FAILS_SINGLE, 1);
    run_failing(CONFLICTS, 3);
    run_failing(LOCKED, 1);
    run_failing(STRANGERS, 1);
}

/* One id twice: the procedure answers twice, both get an answer. */
static void test_same_id(void **state)
{
    (void)state;
    struct job jobs[4];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    for (size_t i = 0; i < c.count; i++) {
        snprintf(jobs[i].id, sizeof(jobs[i].id), "same");
        jobs[i].n = db_i64(4);
    }
    crowd_run(&c);
    all_went(&c, NULL);
    crowd_fini(&c);
}

static void test_values(void **state)
{
    (void)state;
    static const char *const texts[] = {
        NULL,
        "",
        "\"quoted\" and 'quoted'",
        "back\\slash \\u0041 \\",
        "line\nfeed\ttab\x01\x1f",
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
        "[1,\"x\"],[2]",
        "null",
        "</script>%s%n",
        "a\x7f b",
    };
    unsigned char bytes[32];
    char *large = mem_alloc(300001);
    char *too_large = mem_alloc(1100001);
    struct job jobs[ARRAY_LEN(texts) + 4];
    struct crowd c;

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 37);
    memset(large, 'x', 300000);
    memset(large, '"', 100);
    large[300000] = '\0';
    memset(too_large, 'y', 1100000);
    too_large[1100000] = '\0';
    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        jobs[i].text = db_text(texts[i]);
        jobs[i].bytes = db_bytes(bytes, i * 3);
    }
    size_t n = ARRAY_LEN(texts);
    snprintf(jobs[n].id, sizeof(jobs[n].id), "\"\\\xc3\xa4'");
    jobs[n].n = db_null();
    jobs[n + 1].n = db_i64(INT64_MAX);
    jobs[n + 2].n = db_i64(INT64_MIN);
    jobs[n + 2].bytes = db_bytes(bytes, sizeof(bytes));
    jobs[n + 3].text = db_text(large);
    crowd_run(&c);
    all_went(&c, "many");
    crowd_fini(&c);

    /* Together more than the array may have: singly. */
    crowd_init(&c, jobs, 3, 0);
    jobs[1].text = db_text(too_large);
    crowd_run(&c);
    all_went(&c, "one");
    crowd_fini(&c);
    mem_free(large);
    mem_free(too_large);
}

/* --- Without a database -------------------------------------------------------------------------
 */

static void all_failed(const struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct job *job = &c->jobs[i];
        assert_int_equal(job->rc, -1);
        assert_int_equal(job->err.code, ERR_DATABASE);
        assert_int_equal(job->err.status, 503);
        assert_true(job->took_ms < STEP_MAX_MS);
    }
}

static void test_killed_in_batch(void **state)
{
    (void)state;
    struct job jobs[DB_COMBINE_MAX + 8];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 0);
    for (size_t i = 0; i < c.count; i++)
        jobs[i].n = db_i64(LASTS);
    crowd_gather(&c);
    usleep(GATHER_US);
    dbserver_kill(&server);
    int64_t start_ms = timing_mono_ms();
    crowd_join(&c);
    assert_true(timing_mono_ms() - start_ms < 8000);
    all_failed(&c);
    dbserver_again(&server);
    crowd_fini(&c);
}

static void test_silent_database(void **state)
{
    (void)state;
    struct job jobs[12];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 1);
    for (size_t i = 0; i < c.count; i++)
        jobs[i].n = db_i64(LASTS);
    crowd_gather(&c);
    usleep(GATHER_US / 3);
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    crowd_join(&c);
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    all_failed(&c);
    crowd_fini(&c);
}

/* One that takes longer than the others may wait. */
static void test_turn_comes_too_late(void **state)
{
    (void)state;
    struct job jobs[6];
    struct crowd c;

    crowd_init(&c, jobs, ARRAY_LEN(jobs), 20);
    c.gate.n = db_i64(LASTS_SINGLE);
    crowd_run(&c);
    assert_true(c.gate.took_ms >= 13000);
    all_failed(&c);
    for (size_t i = 0; i < c.count; i++)
        assert_in_range(jobs[i].took_ms, 9900, 12900);
    crowd_fini(&c);
}

/* --- Under load ---------------------------------------------------------------------------------
 */

struct stress {
    struct db_combiner *combiner;
    unsigned number;
    pthread_t thread;
    int wrong;
    int shared;
};

static int64_t pick(unsigned number, unsigned round)
{
    unsigned random = (number * 2654435761u) ^ (round * 40503u);

    if (random % 97 == 0)
        return FAILS;
    if (random % 101 == 0)
        return STRANGERS;
    return random % 5 == 0 ? LEFT_OUT : (int64_t)random;
}

static void *run_stress(void *arg)
{
    struct stress *s = arg;
    struct arena *arena = arena_new();

    for (unsigned i = 0; i < STRESS_ROUNDS; i++) {
        struct job job = {.combiner = s->combiner, .n = db_i64(pick(s->number, i)), .arena = arena};
        snprintf(job.id, sizeof(job.id), "%u.%u", s->number, i);
        job.text = db_text(arena_printf(arena, "text \"%s\"", job.id));
        job.bytes = db_bytes(job.id, strlen(job.id));
        run(&job);
        if (!is_right(&job, NULL))
            s->wrong++;
        else if (strcmp(db_cell(&job.rows, 0, 0), "many") == 0)
            s->shared++;
        arena_reset(arena);
    }
    arena_free(arena);
    return NULL;
}

static void test_stress(void **state)
{
    (void)state;
    struct stress all[STRESS_THREADS];
    struct crowd c;
    int shared = 0;

    crowd_init(&c, NULL, 0, 0);
    for (unsigned i = 0; i < STRESS_THREADS; i++) {
        all[i] = (struct stress){.combiner = c.combiner, .number = i};
        assert_int_equal(pthread_create(&all[i].thread, NULL, run_stress, &all[i]), 0);
    }
    for (size_t i = 0; i < STRESS_THREADS; i++) {
        pthread_join(all[i].thread, NULL);
        assert_int_equal(all[i].wrong, 0);
        shared += all[i].shared;
    }
    assert_true(shared > 0);
    assert_true(count_batches(&c, "SELECT MAX(steps) FROM batch") <= DB_COMBINE_MAX);
    crowd_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_more_than_one_batch),
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_shared_fails),
        cmocka_unit_test(test_same_id),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_stress),
        cmocka_unit_test(test_killed_in_batch),
        cmocka_unit_test(test_silent_database),
        cmocka_unit_test(test_turn_comes_too_late),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
