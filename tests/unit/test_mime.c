/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/secret.h"
#include "unit.h"
#include "wire/mime.h"

#include <stdio.h>
#include <string.h>

static struct buf out;

static const char *written(const char *name, const char *subject, const char *body)
{
    const struct mime_mail mail = {
        .from_name = span_of(name),
        .from = span_of("no-reply@aig.example"),
        .to = span_of("ann@example.org"),
        .subject = subject,
        .body = body,
        .id = 7,
        .date_s = 1764093174, /* 2025-11-25 17:52:54, a Tuesday */
    };

    buf_clear(&out);
    mime_write(&out, &mail);
    assert_false(buf_failed(&out));
    return out.data;
}

static void test_plain(void **state)
{
    (void)state;
    assert_string_equal(written("AI Generate", "Hello", "One.\n.\nTwo.\n"),
                        "Date: Tue, 25 Nov 2025 17:52:54 +0000\r\n"
                        "From: \"AI Generate\" <no-reply@aig.example>\r\n"
                        "To: <ann@example.org>\r\n"
                        "Subject: Hello\r\n"
                        "Message-ID: <aig.7.1764093174@aig.example>\r\n"
                        "Auto-Submitted: auto-generated\r\n"
                        "MIME-Version: 1.0\r\n"
                        "Content-Type: text/plain; charset=us-ascii\r\n"
                        "Content-Transfer-Encoding: 7bit\r\n"
                        "\r\n"
                        "One.\r\n.\r\nTwo.\r\n");
    assert_non_null(strstr(written("", "x", "x"), "\r\nFrom: <no-reply@aig.example>\r\n"));
    assert_non_null(strstr(written("a\"b\\c", "x", "x"), "\r\nFrom: \"a\\\"b\\\\c\" <"));
}

static void test_encoded(void **state)
{
    (void)state;
    const char *text = written("B\xc3\xbcro",
                               "Gr\xc3\xbc\xc3\x9f"
                               "e",
                               "Gr\xc3\xbc\xc3\x9f"
                               "e = \n \n\ttab\n");
    assert_non_null(strstr(text, "\r\nFrom: =?UTF-8?B?QsO8cm8=?= <no-reply@aig.example>\r\n"));
    assert_non_null(strstr(text, "\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"));
    assert_non_null(strstr(text, "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
                                 "\r\nGr=C3=BC=C3=9Fe =3D=20\r\n=20\r\n=09tab\r\n"));
    /* What would be taken for encoded, and what would end the header. */
    text = written("", "=?UTF-8?B?eA==?=", "x");
    assert_non_null(strstr(text, "\r\nSubject: =?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?=\r\n"));
    text = written("", "a\r\nBcc: b@example.org", "x");
    assert_non_null(strstr(text, "\r\nSubject: =?UTF-8?B?YSAgQmNjOiBiQGV4YW1wbGUub3Jn?=\r\n"));
    assert_null(strstr(text, "\nBcc"));
}

/* No line too long, no character cut in two. */
static void test_long_lines(void **state)
{
    char subject[1 + 100 * 3 + 1] = "x";
    char body[5001];
    (void)state;

    for (size_t i = 0; i < 100; i++)
        memcpy(subject + 1 + 3 * i, "\xe2\x82\xac", 4);
    memset(body, 'y', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    const char *text = written("", subject, body);
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\r");
        assert_true(len <= 76 || strncmp(line, "Subject: ", 9) == 0);
        assert_true(len <= 9 + 75);
        line += len;
        assert_int_equal(strncmp(line, "\r\n", line[0] != '\0' ? 2 : 0), 0);
        line += line[0] != '\0' ? 2 : 0;
    }
    size_t words = 0;
    for (const char *at = strstr(text, "=?UTF-8?B?"); at != NULL;
         at = strstr(at + 1, "=?UTF-8?B?")) {
        struct buf word;
        buf_init(&word, 100);
        size_t len = strcspn(at + 10, "?");
        assert_int_equal(secret_unbase64(&word, (struct span){at + 10, len}), 0);
        assert_int_equal(((unsigned char)word.data[0] & 0xC0) == 0x80, 0);
        assert_int_equal((word.len - (words == 0 ? 1 : 0)) % 3, 0);
        words++;
        buf_fini(&word);
    }
    assert_int_equal(words, 7);
}

static void test_dates(void **state)
{
    (void)state;
    struct mime_mail mail = {
        .from = span_of("a@b.cd"),
        .to = span_of("a@b.cd"),
        .subject = "",
        .body = "",
    };
    static const struct {
        int64_t s;
        const char *text;
    } dates[] = {
        {0, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"},
        {951782400, "Date: Tue, 29 Feb 2000 00:00:00 +0000\r\n"},
        {4102444799, "Date: Thu, 31 Dec 2099 23:59:59 +0000\r\n"},
        {-5, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"},
    };

    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        mail.date_s = dates[i].s;
        buf_clear(&out);
        mime_write(&out, &mail);
        assert_int_equal(strncmp(out.data, dates[i].text, strlen(dates[i].text)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_dates),
    };
    buf_init(&out, 64 * 1024);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_fini(&out);
    return failed;
}
