/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/mailaddr.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16
#define L63 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_valid(void **state)
{
    static const char *const good[] = {
        "a@b.co",
        "ann@example.org",
        "Ann.Other+tag@Mail.Example.ORG",
        "!#$%&'*+-/=?^_`{|}~@example.org",
        "1@2.example",
        "a@xn--bcher-kva.example",
        "a@3com.com",
        "a@a-b.c-d.org",
        A64 "@example.org",
        "a@" L63 "." L63 ".org",
        A64 "@" L63 "." L63 ".bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!mailaddr_valid(span_of(good[i])))
            fail_msg("%s", good[i]);
}

static void test_not_valid(void **state)
{
    static const char *const bad[] = {
        "",
        "@",
        "a",
        "a@",
        "@example.org",
        "a@b",
        "a@b.1",
        "a@1.2.3.4",
        "a@[1.2.3.4]",
        "a@b..org",
        "a@.b.org",
        "a@b.org.",
        "a@-b.org",
        "a@b-.org",
        "a@b_c.org",
        "a@b@c.org",
        ".a@b.org",
        "a.@b.org",
        "a..b@c.org",
        "a b@c.org",
        " a@c.org",
        "a@c.org ",
        "\"a\"@c.org",
        "a(b)@c.org",
        "a,b@c.org",
        "<a@c.org>",
        "a:b@c.org",
        "a;b@c.org",
        "a\\b@c.org",
        "a\r\n@c.org",
        "a@c.org\r\n",
        "a@c.org\nRCPT",
        "a\t@c.org",
        "a\x7f@c.org",
        "\xc3\xa4@c.org",
        "a@\xc3\xa4.org",
        A64 "a@example.org",
        "a@" L63 "b.org",
        "a@" L63 "." L63 "." L63 "." L63 ".org",
        A64 "@" L63 "." L63 "." L63,
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (mailaddr_valid(span_of(bad[i])))
            fail_msg("%s", bad[i]);
    assert_false(mailaddr_valid((struct span){"a\0b@c.org", 9}));
    assert_false(mailaddr_valid((struct span){"a@c.o\0rg", 8}));
}

static void test_normal(void **state)
{
    char out[MAILADDR_SIZE];
    (void)state;

    mailaddr_normal(out, span_of("Ann.B@Example.ORG"));
    assert_string_equal(out, "Ann.B@example.org");
}

static void test_mailbox(void **state)
{
    static const char *const pairs[][2] = {
        {"Ann.Other+x+y@Gmail.com", "annother@gmail.com"},
        {"annother@googlemail.com", "annother@gmail.com"},
        {"a.n.n@googlemail.com", "ann@gmail.com"},
        {"Ann.B+x@outlook.com", "ann.b@outlook.com"},
        {"ann+x@hotmail.com", "ann@hotmail.com"},
        {"ann+x@me.com", "ann@icloud.com"},
        {"a.nn@icloud.com", "a.nn@icloud.com"},
        {"a.nn+1@pm.me", "ann@proton.me"},
        {"ann@protonmail.com", "ann@proton.me"},
        {"ann+x@fastmail.com", "ann@fastmail.com"},
        {"Ann.B+x@Example.org", "ann.b+x@example.org"},
        {"ann+x@gmail.com.example.org", "ann+x@gmail.com.example.org"},
        {"ann+x@mail.gmail.com", "ann+x@mail.gmail.com"},
        {"+x@gmail.com", "+x@gmail.com"},
        {"+@gmail.com", "+@gmail.com"},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char out[MAILADDR_SIZE];
        char again[MAILADDR_SIZE];
        mailaddr_mailbox(out, pairs[i][0]);
        assert_string_equal(out, pairs[i][1]);
        mailaddr_mailbox(again, out);
        assert_string_equal(again, out);
    }
}

/* The longest address stays within its bound when its domain's other name is longer. */
static void test_longest_mailbox(void **state)
{
    char out[MAILADDR_SIZE];
    (void)state;

    mailaddr_mailbox(out, A64 "@pm.me");
    assert_string_equal(out, A64 "@proton.me");
}

static void check_from(const char *text, const char *name, const char *address)
{
    struct span n;
    struct span a;

    assert_int_equal(mailaddr_parse_from(&n, &a, text), 0);
    assert_true(span_equals(n, name));
    assert_true(span_equals(a, address));
}

static void test_from(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "<",
        ">",
        "<>",
        "x",
        "Ann",
        "Ann <ann>",
        "Ann <ann@example.org",
        "Ann ann@example.org>",
        "Ann <ann@example.org> x",
        "Ann <ann@example.org>\r\nBcc: b@example.org",
        "A\"n\"n <ann@example.org>",
        "A\\nn <ann@example.org>",
        "A\nnn <ann@example.org>",
        "Ann <<ann@example.org>>",
        "a@example.org, b@example.org",
    };
    (void)state;
    struct span n;
    struct span a;

    check_from("ann@example.org", "", "ann@example.org");
    check_from(" <ann@example.org> ", "", "ann@example.org");
    check_from("Ann <ann@example.org>", "Ann", "ann@example.org");
    check_from("\"Ann, Inc.\"  <ann@example.org>", "Ann, Inc.", "ann@example.org");
    check_from("Bj\xc3\xb6rn <b@example.org>", "Bj\xc3\xb6rn", "b@example.org");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (mailaddr_parse_from(&n, &a, bad[i]) != -1)
            fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),           cmocka_unit_test(test_not_valid),
        cmocka_unit_test(test_normal),          cmocka_unit_test(test_mailbox),
        cmocka_unit_test(test_longest_mailbox), cmocka_unit_test(test_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
