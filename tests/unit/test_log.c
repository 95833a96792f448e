/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/log.h"
#include "base/timing.h"
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPTURE_SIZE = 1 << 20 };

static FILE *capture_file;
static int saved_stderr;
static char captured[CAPTURE_SIZE];

static void capture_begin(void)
{
    capture_file = tmpfile();
    assert_non_null(capture_file);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_true(dup2(fileno(capture_file), STDERR_FILENO) >= 0);
}

/* What was written to stderr since capture_begin. */
static const char *capture_end(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    close(saved_stderr);
    rewind(capture_file);
    size_t n = fread(captured, 1, sizeof(captured) - 1, capture_file);
    captured[n] = '\0';
    fclose(capture_file);
    return captured;
}

static void one_line_with_stamp_level_and_id(void **state)
{
    (void)state;
    capture_begin();
    errno = ENOENT;
    log_write(LOG_LEVEL_INFO, "req_01ARYZ6S41TSV4RRFFQ69G5FAV", "charged %s of %d", "0.0014", 3);
    assert_int_equal(errno, ENOENT); /* a log line in an error path must not change it */
    log_write(LOG_LEVEL_ERROR, NULL, "no request");
    const char *text = capture_end();

    assert_int_equal(text[4], '-');
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[23], 'Z');
    const char *first = " info req_01ARYZ6S41TSV4RRFFQ69G5FAV charged 0.0014 of 3\n";
    assert_memory_equal(text + 24, first, strlen(first));
    const char *second = text + 24 + strlen(first);
    assert_string_equal(second + 24, " error - no request\n");
}

static void levels_filter(void **state)
{
    (void)state;
    capture_begin();
    log_set_level(LOG_LEVEL_WARN);
    log_write(LOG_LEVEL_INFO, NULL, "hidden");
    log_write(LOG_LEVEL_DEBUG, NULL, "hidden");
    log_write(LOG_LEVEL_WARN, NULL, "shown");
    log_set_level(LOG_LEVEL_DEBUG);
    log_write(LOG_LEVEL_DEBUG, NULL, "details");
    log_set_level(LOG_LEVEL_INFO);
    const char *text = capture_end();
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, " warn - shown\n"));
    assert_non_null(strstr(text, " debug - details\n"));

    enum log_level level = LOG_LEVEL_ERROR;
    assert_int_equal(log_level_parse(&level, "debug"), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse(&level, "Debug"), -1);
    assert_int_equal(log_level_parse(&level, ""), -1);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void control_characters_are_escaped(void **state)
{
    (void)state;
    capture_begin();
    log_write(LOG_LEVEL_INFO, NULL, "a\nb\r\tc\x01\x1b[31m\x7f \xC2\x9B \xC3\xA9 \xE2\x82\xAC");
    const char *text = capture_end() + 24;
    assert_string_equal(
        text, " info - a\\nb\\r\\tc\\x01\\x1b[31m\\x7f \\xc2\x9B \xC3\xA9 \xE2\x82\xAC\n");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    char text[3 * LOG_LINE_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    capture_begin();
    log_write(LOG_LEVEL_INFO, NULL, "%s", text);
    const char *line = capture_end();
    size_t len = strlen(line);
    assert_true(len <= LOG_LINE_MAX && len > LOG_LINE_MAX - 8);
    assert_string_equal(line + len - 4, "...\n");

    /* Escapes make it longer than it was. */
    memset(text, '\n', 1500);
    text[1500] = '\0';
    capture_begin();
    log_write(LOG_LEVEL_INFO, NULL, "%s", text);
    line = capture_end();
    assert_true(strlen(line) <= LOG_LINE_MAX);
    assert_string_equal(line + strlen(line) - 6, "\\n...\n");
}

static void lines_mask_secrets(void **state)
{
    (void)state;
    capture_begin();
    log_write(LOG_LEVEL_INFO, NULL, "key %s refused", "sk-aig-0123456789abcdef");
    const char *text = capture_end();
    assert_null(strstr(text, "0123"));
    assert_non_null(strstr(text, "key sk-******************** refused\n"));
}

static void masks(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"sk-proj-AbC_1", "sk-**********"},
        {"sk-x", "sk-*"},
        {"(sk-ant-api03-abc)", "(sk-*************)"},
        {"Authorization: Bearer abc.def-1", "Authorization: Bearer *********"},
        {"authorization: bearer abc", "authorization: bearer ***"},
        {"key=AIzaSyA1234567", "key=AIza**********"},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_********************************"},
        {"r8_abcDEF123", "r8_*********"},
        {"key-3ax6xnjp29jd6fds4gc373sgvjxteol0", "key-********************************"},
        {"organization org-AbCdEfGh12", "organization org-**********"},
        {"proj_a1b2c3d4e5", "proj_**********"},
        {"user-a1B2c3D4", "user-********"},
        {"user_2abcdefghijk", "user_************"},
        {"acct_1AbCdEfGh", "acct_*********"},
        {"org-abcdefghijklmnop", "org-****************"},
        /* in the middle of a word, as in text that was escaped once */
        {"\\nsk-abcdefghij0123456789", "\\nsk-********************"},
        /* ordinary words stay */
        {"user-defined", "user-defined"},
        {"user_id", "user_id"},
        {"key-value store", "key-value store"},
        {"a risk-free disk-drive task-list", "a risk-free disk-drive task-list"},
        {"org-wide", "org-wide"},
        {"sk-", "sk-"},
        {"Bearer", "Bearer"},
        {"Bearer ", "Bearer "},
        {"", ""},
        {"two sk-abc and sk-def", "two sk-*** and sk-***"},
        {"sk-abc\"}", "sk-***\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s", cases[i][0]);
        log_mask(text, strlen(text));
        assert_string_equal(text, cases[i][1]);
    }
    /* Only len bytes are looked at and changed. */
    char text[] = "sk-abcdef";
    log_mask(text, 5);
    assert_string_equal(text, "sk-**cdef");
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++) {
        log_write(LOG_LEVEL_INFO, arg, "begin %d middle middle middle middle end", i);
    }
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char ids[THREADS][8];
    capture_begin();
    /* As the web server's log is: appended to. */
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(capture_file));
    FILE *append = fopen(path, "a");
    assert_non_null(append);
    dup2(fileno(append), STDERR_FILENO);
    fclose(append);
    for (size_t i = 0; i < THREADS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "t%zu", i);
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, ids[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    const char *line = capture_end();
    int count = 0;
    while (*line != '\0') {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_memory_equal(line + 24, " info t", 7);
        assert_memory_equal(end - 4, " end", 4);
        assert_int_equal(line[32], ' ');
        assert_memory_equal(line + 33, "begin ", 6);
        line = end + 1;
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_with_stamp_level_and_id),
        cmocka_unit_test(levels_filter),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(lines_mask_secrets),
        cmocka_unit_test(masks),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
