/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What strangers write when they sign up: addresses, cookies, subjects. An address that is accepted
 * has nothing in it that could end a line or an SMTP command, two forms of a mailbox fold to one,
 * and a mail's head stays a head whatever its subject is.
 */
#include "base/base.h"

#include "base/mailaddr.h"
#include "base/mem.h"
#include "base/subnet.h"
#include "core/cookie.h"
#include "fuzz.h"
#include "wire/mime.h"

#include <string.h>

enum { MAIL_MAX = 16 * 1024 * 1024 };

static void check_address(struct span text)
{
    char normal[MAILADDR_SIZE];
    char mailbox[MAILADDR_SIZE];
    char again[MAILADDR_SIZE];

    if (!mailaddr_valid(text))
        return;
    for (size_t i = 0; i < text.len; i++)
        FUZZ_REQUIRE(text.ptr[i] > ' ' && text.ptr[i] <= '~' &&
                     strchr("<>()[],;:\\\"", text.ptr[i]) == NULL);
    mailaddr_normal(normal, text);
    FUZZ_REQUIRE(strlen(normal) == text.len && mailaddr_valid(span_of(normal)));
    mailaddr_mailbox(mailbox, normal);
    mailaddr_mailbox(again, mailbox);
    FUZZ_REQUIRE(strcmp(mailbox, again) == 0);
}

static void check_sender(const char *text)
{
    struct span name;
    struct span address;

    if (mailaddr_parse_from(&name, &address, text) != 0)
        return;
    FUZZ_REQUIRE(mailaddr_valid(address) && memchr(name.ptr, '\n', name.len) == NULL);
    FUZZ_REQUIRE(name.ptr >= text && address.ptr + address.len <= text + strlen(text));
}

static void check_cookie(const char *text)
{
    char token[COOKIE_TOKEN_SIZE];
    char network[SUBNET_SIZE];
    struct err err;

    if (cookie_token(token, text, &err) == 0)
        FUZZ_REQUIRE(cookie_present(text) && cookie_token_valid(token));
    subnet_of(network, text);
    FUZZ_REQUIRE(strlen(network) > 0);
}

/* Every line ends with CRLF and is short enough; the head is those ten lines and their folds. */
static void check_mail(const char *text)
{
    const struct mime_mail mail = {
        .from_name = span_of("Name"),
        .from = span_of("a@example.org"),
        .to = span_of("b@example.org"),
        .subject = text,
        .body = text,
        .id = 1,
    };
    struct buf out;
    size_t fields = 0;
    size_t line = 0;

    buf_init(&out, MAIL_MAX);
    mime_write(&out, &mail);
    FUZZ_REQUIRE(!buf_failed(&out));
    const char *end = strstr(out.data, "\r\n\r\n");
    FUZZ_REQUIRE(end != NULL);
    for (const char *p = out.data; p < end + 2; p = strstr(p, "\r\n") + 2)
        fields += *p != ' ';
    FUZZ_REQUIRE(fields == 9);
    for (size_t i = 0; i < out.len; i++) {
        char c = out.data[i];
        FUZZ_REQUIRE(c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c <= '~'));
        FUZZ_REQUIRE((c == '\n') == (i > 0 && out.data[i - 1] == '\r'));
        line = c == '\n' ? 0 : line + 1;
        FUZZ_REQUIRE(line <= 999);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_alloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    check_address((struct span){text, size});
    check_sender(text);
    check_cookie(text);
    check_mail(text);
    mem_free(text);
    return 0;
}
