/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/mem.h"
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void alloc_gives_memory(void **state)
{
    (void)state;
    char *p = mem_alloc(100);
    memset(p, 'x', 100);
    mem_free(p);

    unsigned char *z = mem_zalloc(1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(z[i], 0);
    }
    mem_free(z);

    void *nothing = mem_alloc(0);
    assert_non_null(nothing);
    mem_free(nothing);
    nothing = mem_zalloc(0);
    assert_non_null(nothing);
    mem_free(nothing);
    mem_free(NULL);
}

static void strdup_copies(void **state)
{
    (void)state;
    const char *text = "a text";
    char *copy = mem_strdup(text);
    assert_string_equal(copy, text);
    assert_ptr_not_equal(copy, text);
    mem_free(copy);
    copy = mem_strdup("");
    assert_string_equal(copy, "");
    mem_free(copy);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* In a child process: malloc must fail for real, and the process must end by abort(). */
static void alloc_aborts_when_memory_is_out(void **state)
{
    (void)state;
    if (SANITIZED) {
        skip(); /* a sanitizer replaces malloc and needs its address space */
    }
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit small = {256 * 1024 * 1024, 256 * 1024 * 1024};
        const struct rlimit no_core = {0, 0};
        signal(SIGABRT, SIG_DFL); /* cmocka's handler would go on */
        close(STDERR_FILENO);
        if (setrlimit(RLIMIT_AS, &small) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0) {
            _exit(1);
        }
        void *p = mem_alloc((size_t)1024 * 1024 * 1024);
        _exit(p != NULL ? 2 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void try_realloc_grows_and_keeps(void **state)
{
    (void)state;
    char *p = mem_try_realloc(NULL, 4);
    assert_non_null(p);
    memcpy(p, "abc", 4);
    char *q = mem_try_realloc(p, 100000);
    assert_non_null(q);
    assert_string_equal(q, "abc");
    q = mem_try_realloc(q, 0);
    assert_non_null(q);
    mem_free(q);
}

static void fail_after_counts(void **state)
{
    (void)state;
    char *p = mem_try_realloc(NULL, 4);
    assert_non_null(p);
    memcpy(p, "abc", 4);

    mem_fail_after(3);
    char *q = mem_try_realloc(p, 8);
    assert_non_null(q);
    q = mem_try_realloc(q, 16);
    assert_non_null(q);
    assert_null(mem_try_realloc(q, 32));
    assert_null(mem_try_realloc(q, 32)); /* all later ones, too */
    assert_string_equal(q, "abc");       /* still valid */

    mem_fail_after(1);
    assert_null(mem_try_realloc(q, 32));
    mem_fail_after(-1);
    q = mem_try_realloc(q, 32);
    assert_non_null(q);
    mem_free(q);
}

static void arena_aligns_and_does_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct arena *a = arena_new();
    unsigned char *at[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        at[i] = arena_alloc(a, i % 97);
        assert_int_equal((uintptr_t)at[i] % _Alignof(max_align_t), 0);
        memset(at[i], (int)(i % 251), i % 97);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < i % 97; j++) {
            assert_int_equal(at[i][j], i % 251);
        }
    }
    arena_free(a);
}

static void arena_takes_large_ones(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    char *small = arena_strdup(a, "small");
    char *large = arena_alloc(a, 5 * 1024 * 1024);
    memset(large, 'x', 5 * 1024 * 1024);
    char *middle = arena_alloc(a, 12 * 1024);
    memset(middle, 'y', 12 * 1024);
    char *more = arena_strdup(a, "more");
    assert_string_equal(small, "small");
    assert_string_equal(more, "more");
    assert_int_equal(large[5 * 1024 * 1024 - 1], 'x');

    arena_reset(a);
    large = arena_alloc(a, 100 * 1024); /* the first one after a reset is large */
    memset(large, 'z', 100 * 1024);
    small = arena_strdup(a, "again");
    assert_string_equal(small, "again");
    arena_free(a);
    arena_free(NULL);
}

static void arena_reset_can_be_repeated(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    arena_reset(a);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 50; i++) {
            char *p = arena_zalloc(a, 1000);
            for (size_t j = 0; j < 1000; j++) {
                assert_int_equal(p[j], 0);
            }
            memset(p, 0xFF, 1000); /* the next round must see zeros again */
        }
        arena_reset(a);
    }
    arena_free(a);
}

static void arena_texts(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(a, NULL, 0), "");
    assert_memory_equal(arena_strndup(a, "a\0b", 3), "a\0b", 4);
    assert_string_equal(arena_printf(a, "%s-%d", "x", 42), "x-42");
    assert_string_equal(arena_printf(a, "%s", ""), "");
    char *wide = arena_printf(a, "%30000d", 7);
    assert_int_equal(strlen(wide), 30000);
    assert_int_equal(wide[29999], '7');
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alloc_gives_memory),
        cmocka_unit_test(strdup_copies),
        cmocka_unit_test(alloc_aborts_when_memory_is_out),
        cmocka_unit_test(try_realloc_grows_and_keeps),
        cmocka_unit_test(fail_after_counts),
        cmocka_unit_test(arena_aligns_and_does_not_overlap),
        cmocka_unit_test(arena_takes_large_ones),
        cmocka_unit_test(arena_reset_can_be_repeated),
        cmocka_unit_test(arena_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
