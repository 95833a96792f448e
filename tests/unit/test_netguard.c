/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/netguard.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static const struct {
    const char *text;
    bool public;
} cases[] = {
    /* Public, and the neighbours of each refused range. */
    {"1.1.1.1", true},
    {"8.8.8.8", true},
    {"1.0.0.0", true},
    {"9.255.255.255", true},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.128.0.0", true},
    {"126.255.255.255", true},
    {"128.0.0.0", true},
    {"169.253.255.255", true},
    {"169.255.0.0", true},
    {"172.15.255.255", true},
    {"172.32.0.0", true},
    {"192.0.1.0", true},
    {"192.167.255.255", true},
    {"192.169.0.0", true},
    {"198.17.255.255", true},
    {"198.20.0.0", true},
    {"203.0.112.255", true},
    {"203.0.114.0", true},
    {"223.255.255.255", true},
    {"2606:4700:4700::1111", true},
    {"2a00:1450:4001:81b::200e", true},
    {"2001:200::1", true},
    {"2001:db7:ffff::1", true},
    {"2001:db9::1", true},
    {"3ffe:ffff::1", true},
    {"3fff:1000::1", true},
    /* Unspecified, loopback. */
    {"0.0.0.0", false},
    {"0.1.2.3", false},
    {"127.0.0.1", false},
    {"127.255.255.254", false},
    {"::", false},
    {"::1", false},
    /* Private, carrier-grade NAT, link-local. */
    {"10.0.0.1", false},
    {"10.255.255.255", false},
    {"172.16.0.1", false},
    {"172.31.255.255", false},
    {"192.168.0.1", false},
    {"192.168.255.255", false},
    {"100.64.0.0", false},
    {"100.100.100.200", false},
    {"100.127.255.255", false},
    {"169.254.169.254", false},
    {"168.63.129.16", false},
    {"fc00::1", false},
    {"fd00:ec2::254", false},
    {"fdff:ffff::1", false},
    {"fe80::1", false},
    {"febf::1", false},
    {"fec0::1", false},
    /* Documentation, benchmarks, assignments, multicast, reserved. */
    {"192.0.0.1", false},
    {"192.0.2.1", false},
    {"192.88.99.1", false},
    {"198.18.0.1", false},
    {"198.19.255.255", false},
    {"198.51.100.1", false},
    {"203.0.113.1", false},
    {"224.0.0.1", false},
    {"239.255.255.255", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"2001:db8::1", false},
    {"2001:db8:ffff:ffff::1", false},
    {"3fff::1", false},
    {"3fff:fff::1", false},
    {"2001:2::1", false},
    {"2001:10::1", false},
    {"100::1", false},
    {"5f00::1", false},
    {"4000::1", false},
    {"ff02::1", false},
    {"ff0e::1", false},
    {"64:ff9b:1::a00:1", false},
    /* IPv4 within IPv6. */
    {"::ffff:8.8.8.8", true},
    {"::ffff:127.0.0.1", false},
    {"::ffff:10.0.0.1", false},
    {"::ffff:169.254.169.254", false},
    {"::ffff:0:127.0.0.1", false},
    {"::8.8.8.8", false},
    {"::127.0.0.1", false},
    {"64:ff9b::808:808", true},
    {"64:ff9b::7f00:1", false},
    {"64:ff9b::a9fe:a9fe", false},
    {"2002:808:808::1", true},
    {"2002:7f00:1::1", false},
    {"2002:c0a8:1::1", false},
    {"2001:0:808:808::1", false}, /* Teredo */
};

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool found;
        if (inet_pton(AF_INET, cases[i].text, &v4.sin_addr) == 1) {
            found = netguard_is_public((const struct sockaddr *)&v4, sizeof v4);
        } else {
            assert_int_equal(inet_pton(AF_INET6, cases[i].text, &v6.sin6_addr), 1);
            found = netguard_is_public((const struct sockaddr *)&v6, sizeof v6);
        }
        if (found != cases[i].public)
            fail_msg("%s: %s", cases[i].text, found ? "let through" : "refused");
    }
}

/* What is no whole IP address is not public. */
static void test_others(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    (void)state;
    assert_int_equal(inet_pton(AF_INET, "8.8.8.8", &v4.sin_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "2606:4700::1", &v6.sin6_addr), 1);
    assert_false(netguard_is_public((const struct sockaddr *)&local, sizeof local));
    assert_false(netguard_is_public((const struct sockaddr *)&v4, sizeof v4 - 1));
    assert_false(netguard_is_public((const struct sockaddr *)&v6, sizeof v6 - 1));
    assert_false(netguard_is_public((const struct sockaddr *)&v4, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
