/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/smtp.h"

#include "base/mem.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    ADDRESS_SIZE = 260, /* in angle brackets */
    REPLY_SIZE = 160,
};

struct sending {
    struct span rest;
    char reply[REPLY_SIZE]; /* the server's last refusal */
    char curl_error[CURL_ERROR_SIZE];
};

bool smtp_is_loopback(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    bool loopback = false;

    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == 0 &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == 0)
        loopback = strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
                   (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
    curl_free(host);
    curl_url_cleanup(parts);
    return loopback;
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    size_t len = size * count < s->rest.len ? size * count : s->rest.len;

    memcpy(to, s->rest.ptr, len);
    s->rest.ptr += len;
    s->rest.len -= len;
    return len;
}

/* Lines of the server; the last refusal is kept (RFC 5321 4.2.1: 4yz and 5yz). */
static size_t on_reply(char *data, size_t size, size_t count, void *arg)
{
    struct sending *s = arg;
    size_t len = size * count;
    size_t kept = len < sizeof s->reply - 1 ? len : sizeof s->reply - 1;

    if (len == 0 || (data[0] != '4' && data[0] != '5'))
        return len;
    memcpy(s->reply, data, kept);
    while (kept > 0 && (s->reply[kept - 1] == '\r' || s->reply[kept - 1] == '\n'))
        kept--;
    s->reply[kept] = '\0';
    for (size_t i = 0; i < kept; i++)
        if (s->reply[i] < ' ' || s->reply[i] > '~')
            s->reply[i] = '?';
    return len;
}

/* -1: an option that safety needs is not there. */
static int set_options(CURL *easy, struct sending *s, const char *url, const char *from,
                       const struct curl_slist *to, int64_t connect_timeout_ms)
{
    const char *ca = getenv("SSL_CERT_FILE");
    int bad = 0;

#define SET(option, value) bad |= curl_easy_setopt(easy, option, value) != CURLE_OK
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_USE_SSL, (long)(smtp_is_loopback(url) ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (ca != NULL && ca[0] != '\0')
        SET(CURLOPT_CAINFO, ca);
    SET(CURLOPT_MAIL_FROM, from);
    SET(CURLOPT_MAIL_RCPT, to);
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, s);
    SET(CURLOPT_HEADERFUNCTION, on_reply);
    SET(CURLOPT_HEADERDATA, s);
    SET(CURLOPT_WRITEFUNCTION, on_reply);
    SET(CURLOPT_WRITEDATA, s);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms);
    SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(SMTP_TIMEOUT_MS / 1000));
    SET(CURLOPT_TIMEOUT_MS, (long)SMTP_TIMEOUT_MS);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, s->curl_error);
#undef SET
    return bad != 0 ? -1 : 0;
}

/* What concerns the server, not this mail. */
static bool is_of_server(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_LOGIN_DENIED:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return true;
    default:
        return false;
    }
}

static int failed(const struct sending *s, CURLcode code, struct err *err)
{
    err_set(err, ERR_UPSTREAM, NULL, "The mail could not be sent.");
    err->retryable = is_of_server(code);
    return err_detail(err, "%s%s%s",
                      s->curl_error[0] != '\0' ? s->curl_error : curl_easy_strerror(code),
                      s->reply[0] != '\0' ? ": " : "", s->reply);
}

int smtp_send(const char *url, struct span from, struct span to, struct span message,
              int64_t connect_timeout_ms, struct err *err)
{
    struct sending s = {.rest = message};
    char sender[ADDRESS_SIZE];
    char recipient[ADDRESS_SIZE];
    struct curl_slist *recipients = NULL;
    int rc = -1;

    snprintf(sender, sizeof sender, "<%.*s>", (int)from.len, from.ptr);
    snprintf(recipient, sizeof recipient, "<%.*s>", (int)to.len, to.ptr);
    CURL *easy = curl_easy_init();
    recipients = curl_slist_append(NULL, recipient);
    if (easy == NULL || recipients == NULL ||
        set_options(easy, &s, url, sender, recipients, connect_timeout_ms) != 0) {
        err_set(err, ERR_INTERNAL, NULL, "The mail could not be prepared.");
        goto out;
    }
    CURLcode code = curl_easy_perform(easy);
    rc = code == CURLE_OK ? 0 : failed(&s, code, err);
out:
    curl_slist_free_all(recipients);
    curl_easy_cleanup(easy);
    return rc;
}
