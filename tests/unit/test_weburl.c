/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/weburl.h"
#include "unit.h"

#include <string.h>

static void check(const char *url, bool allow_private, bool good)
{
    struct err err;

    err_clear(&err);
    if ((weburl_check(url, "callBackUrl", allow_private, &err) == 0) != good)
        fail_msg("%s: %s", url, err.message);
    if (!good) {
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, "callBackUrl");
    }
}

static void test_good(void **state)
{
    (void)state;
    check("https://example.org/hook?a=b", false, true);
    check("http://example.org:8080", false, true);
    check("HTTPS://EXAMPLE.ORG/", false, true);
    check("https://8.8.8.8/", false, true);
    check("https://[2001:4860:4860::8888]/", false, true);
}

static void test_no_urls(void **state)
{
    (void)state;
    static const char *const urls[] = {"",
                                       "example.org",
                                       "ftp://example.org/",
                                       "file:///etc/passwd",
                                       "https://",
                                       "https:///a.org/path",
                                       "https:/a.org/",
                                       "http://?a.org",
                                       "https://:pw@a.org/",
                                       "https://a.org/\r\nX: y",
                                       "https://u@example.org",
                                       "https://u:p@a.org/",
                                       "https://:p@a.org/",
                                       "https:///a.org/",
                                       "https:/a.org/",
                                       "https:a.org/",
                                       "https://a.org/ b",
                                       "https://a.org/\n",
                                       "https://\xc3\xa4.org/",
                                       "javascript:x",
                                       "https://a.org:99999/"};

    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        check(urls[i], true, false);
    char longest[WEBURL_MAX + 2];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "https://a.org/", 14);
    longest[WEBURL_MAX + 1] = '\0';
    check(longest, true, false);
    longest[WEBURL_MAX] = '\0';
    check(longest, true, true);
}

static void test_private(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "http://127.0.0.1/",         "http://10.0.0.1/",  "http://192.168.1.1/",
        "http://169.254.169.254/",   "http://[::1]/",     "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/", "http://localhost/", "http://a.localhost./",
        "http://db.internal/",       "http://intranet/",  "http://0x7f000001/",
        "http://2130706433/"};

    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        check(urls[i], false, false);
        check(urls[i], true, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_no_urls),
        cmocka_unit_test(test_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
