/* SPDX-License-Identifier: Apache-2.0 */
/* Sending itself is tested against real servers in tests/e2e/test_send_mail.py. */
#include "base/base.h"

#include "net/smtp.h"
#include "unit.h"

static void test_loopback(void **state)
{
    static const char *const own[] = {
        "smtp://localhost", "smtp://LocalHost:25", "smtp://127.0.0.1:2525",
        "smtp://127.1.2.3", "smtps://[::1]:465",   "smtp://ann:p%40ss@localhost:25/ehlo.example",
    };
    static const char *const others[] = {
        "smtp://mail.example.org",
        "smtp://localhost.example.org",
        "smtp://mail.localhost",
        "smtp://127.0.0.1.example.org",
        "smtp://localhost@mail.example.org",
        "smtp://localhost:x@mail.example.org",
        "smtp://10.0.0.1",
        "smtp://[::2]",
        "smtp://0.0.0.0",
        "",
        "nonsense",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!smtp_is_loopback(own[i]))
            fail_msg("%s", own[i]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (smtp_is_loopback(others[i]))
            fail_msg("%s", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loopback)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
