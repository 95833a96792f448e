/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/lanes.h"
#include "unit.h"

#include <string.h>

enum { HOST = 7, OTHER = 8, ACCOUNT = 1 };

static struct lanes *lanes;

static int setup(void **state)
{
    (void)state;
    lanes = lanes_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lanes_free(lanes);
    return 0;
}

static unsigned enter_all(int64_t host, int64_t account)
{
    unsigned n = 0;

    while (n < 10000 && lanes_enter(lanes, host, account, 0))
        n++;
    return n;
}

static unsigned start_all(int64_t host, int64_t account, int64_t now)
{
    unsigned n = 0;

    while (n < 10000 && lanes_start(lanes, host, account, now))
        n++;
    return n;
}

static void busy(const char *hosts, const char *accounts, int64_t now)
{
    struct buf h;
    struct buf a;

    buf_init(&h, 1000);
    buf_init(&a, 1000);
    lanes_list_busy(&h, &a, lanes, now);
    assert_string_equal(h.data, hosts);
    assert_string_equal(a.data, accounts);
    buf_fini(&h);
    buf_fini(&a);
}

static void end(int64_t host, int64_t elapsed_ms)
{
    lanes_end(lanes, host, ACCOUNT, 0, elapsed_ms, false, 0);
}

/* What may run at first, what may wait behind it, and what others have of it: nothing. */
static void test_first_window(void **state)
{
    (void)state;
    assert_int_equal(enter_all(HOST, ACCOUNT), 2 * LANES_HOST_FIRST);
    assert_int_equal(start_all(HOST, ACCOUNT, 0), LANES_HOST_FIRST);
    assert_true(lanes_enter(lanes, OTHER, ACCOUNT, 0));
    assert_true(lanes_start(lanes, OTHER, ACCOUNT, 0));
}

/* Lets one after the other pass; the number that then run at most. */
static unsigned window_after(int64_t host, unsigned count, int64_t elapsed_ms)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(lanes_enter(lanes, host, ACCOUNT, 0));
        assert_true(lanes_start(lanes, host, ACCOUNT, 0));
        end(host, elapsed_ms);
    }
    unsigned waiting = enter_all(host, ACCOUNT);
    unsigned window = start_all(host, ACCOUNT, 0);
    for (unsigned i = 0; i < window; i++)
        lanes_end(lanes, host, ACCOUNT, 0, LANES_QUICK_MS + 1, false, 0);
    for (unsigned i = window; i < waiting; i++)
        lanes_leave(lanes, host, ACCOUNT);
    return window;
}

static void test_window_follows_the_answers(void **state)
{
    (void)state;
    assert_int_equal(window_after(HOST, 3, 1), LANES_HOST_FIRST + 3);
    assert_int_equal(window_after(HOST, 100, LANES_QUICK_MS), LANES_HOST_MAX);
    assert_int_equal(window_after(HOST, 1, LANES_QUICK_MS + 1), LANES_HOST_MAX);
    assert_int_equal(window_after(HOST, 1, LANES_SLOW_MS), LANES_HOST_MAX / 2);
    assert_int_equal(window_after(HOST, 10, LANES_SLOW_MS), 1);
    assert_int_equal(window_after(HOST, 1, 10), 2);
    assert_int_equal(window_after(OTHER, 0, 0), LANES_HOST_FIRST);
}

static void test_pause(void **state)
{
    (void)state;
    assert_true(lanes_enter(lanes, HOST, ACCOUNT, 0));
    assert_true(lanes_enter(lanes, HOST, ACCOUNT, 0));
    assert_true(lanes_start(lanes, HOST, ACCOUNT, 0));
    lanes_end(lanes, HOST, ACCOUNT, 1000, 1, true, 5000);
    assert_false(lanes_start(lanes, HOST, ACCOUNT, 1000));
    busy("7", "", 5999);
    assert_false(lanes_start(lanes, HOST, ACCOUNT, 5999));
    busy("", "", 6000);
    assert_true(lanes_start(lanes, HOST, ACCOUNT, 6000));
    /* Bounded both ways, and one at a time afterwards. */
    lanes_end(lanes, HOST, ACCOUNT, 10000, 1, true, 0);
    busy("7", "", 10000 + LANES_PAUSE_MIN_MS - 1);
    busy("", "", 10000 + LANES_PAUSE_MIN_MS);
    assert_true(lanes_enter(lanes, HOST, ACCOUNT, 20000));
    assert_true(lanes_enter(lanes, HOST, ACCOUNT, 20000));
    assert_int_equal(start_all(HOST, ACCOUNT, 20000), 1);
    lanes_end(lanes, HOST, ACCOUNT, 20000, 1, true, INT64_MAX / 2);
    busy("7", "", 20000 + LANES_PAUSE_MAX_MS - 1);
    busy("", "", 20000 + LANES_PAUSE_MAX_MS);
}

/* One customer with many hosts has a bound, too. */
static void test_account(void **state)
{
    unsigned running = 0;
    unsigned held = 0;

    (void)state;
    for (int64_t host = 100; host < 1000; host++) {
        unsigned entered = enter_all(host, ACCOUNT);
        held += entered;
        if (entered > 0)
            running += lanes_start(lanes, host, ACCOUNT, 0) ? 1 : 0;
    }
    assert_int_equal(held, LANES_ACCOUNT_HELD_MAX);
    assert_int_equal(running, LANES_ACCOUNT_HELD_MAX / (2 * LANES_HOST_FIRST));
    for (int64_t host = 100; running < LANES_ACCOUNT_MAX; host++)
        running += start_all(host, ACCOUNT, 0);
    assert_int_equal(running, LANES_ACCOUNT_MAX);
    assert_false(lanes_start(lanes, 131, ACCOUNT, 0));
    assert_false(lanes_enter(lanes, HOST, ACCOUNT, 0));
    assert_true(lanes_enter(lanes, HOST, ACCOUNT + 1, 0));
}

static void test_room_is_told_once(void **state)
{
    (void)state;
    unsigned waiting = enter_all(HOST, ACCOUNT);
    start_all(HOST, ACCOUNT, 0);
    assert_false(lanes_got_room(lanes));
    busy("7", "", 0);
    /* Half of it must be free before claiming for it is worth it. */
    for (unsigned i = 0; i < waiting - LANES_HOST_FIRST - 1; i++) {
        lanes_leave(lanes, HOST, ACCOUNT);
        assert_false(lanes_got_room(lanes));
    }
    lanes_leave(lanes, HOST, ACCOUNT);
    assert_true(lanes_got_room(lanes));
    assert_false(lanes_got_room(lanes));
    busy("", "", 0);
    end(HOST, 1);
    assert_false(lanes_got_room(lanes));
}

/* Hosts that are gone are forgotten, one that is in use never. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(window_after(HOST, 100, 1), LANES_HOST_MAX);
    assert_true(lanes_enter(lanes, HOST, ACCOUNT, 0));
    assert_true(lanes_start(lanes, HOST, ACCOUNT, 0));
    for (int64_t host = 1000; host < 1000 + 3 * LANES_KEPT_MAX; host++) {
        assert_true(lanes_enter(lanes, host, host, 0));
        lanes_leave(lanes, host, host);
    }
    enter_all(HOST, ACCOUNT);
    assert_int_equal(start_all(HOST, ACCOUNT, 0), LANES_HOST_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window_follows_the_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause, setup, teardown),
        cmocka_unit_test_setup_teardown(test_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
