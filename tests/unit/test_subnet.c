/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/subnet.h"
#include "unit.h"

#include <string.h>

static void test_networks(void **state)
{
    static const char *const pairs[][2] = {
        {"203.0.113.77", "203.0.113.0/24"},
        {"255.255.255.255", "255.255.255.0/24"},
        {"0.0.0.0", "0.0.0.0/24"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"},
        {"2001:DB8:0001::1", "2001:db8:1::/48"},
        {"::1", "::/48"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff::/48"},
        {"::ffff:203.0.113.77", "203.0.113.0/24"},
        {"::ffff:cb00:714d", "203.0.113.0/24"},
        {"", "unknown"},
        {"localhost", "unknown"},
        {"203.0.113", "unknown"},
        {"203.0.113.77:80", "unknown"},
        {"[::1]", "unknown"},
        {"fe80::1%eth0", "unknown"},
        {"203.0.113.77 ", "unknown"},
    };
    (void)state;
    char out[SUBNET_SIZE];

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        subnet_of(out, pairs[i][0]);
        assert_string_equal(out, pairs[i][1]);
    }
    subnet_of(out, NULL);
    assert_string_equal(out, "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
