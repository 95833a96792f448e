/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/deliver.h"

#include "base/mem.h"
#include "base/timing.h"
#include "net/netguard.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_AFTER_MAX_S = 24 * 3600 };

struct post {
    CURL *easy;
    struct netguard guard;
    struct curl_slist *headers;
    struct post *next; /* all that there are */
    struct post *free; /* in the list of those not in use */
    void *tag;
    int64_t start_ms;
    bool head_done;
    bool too_much; /* of headers */
    size_t header_bytes;
    size_t body_bytes;
    size_t excerpt_len;
    char excerpt[DELIVER_EXCERPT_MAX];
    char curl_error[CURL_ERROR_SIZE];
};

struct deliver {
    CURLM *multi;
    struct post *posts;
    struct post *free;
    size_t active;
    bool allow_private;
};

struct deliver *deliver_new(bool allow_private)
{
    struct deliver *d = mem_zalloc(sizeof *d);

    d->multi = curl_multi_init();
    if (d->multi == NULL)
        abort();
    d->allow_private = allow_private;
    curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, (long)DELIVER_CONNECTIONS_KEPT);
    return d;
}

void deliver_free(struct deliver *d)
{
    if (d == NULL)
        return;
    while (d->posts != NULL) {
        struct post *p = d->posts;
        d->posts = p->next;
        curl_multi_remove_handle(d->multi, p->easy); /* no harm if it is not in it */
        curl_easy_cleanup(p->easy);
        curl_slist_free_all(p->headers);
        mem_free(p);
    }
    curl_multi_cleanup(d->multi);
    mem_free(d);
}

size_t deliver_active(const struct deliver *d)
{
    return d->active;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct post *p = arg;
    size_t len = size * count;
    long status = 0;

    p->header_bytes += len;
    if (p->header_bytes > DELIVER_HEADER_BYTES_MAX) {
        p->too_much = true;
        return 0;
    }
    if ((len == 2 && memcmp(data, "\r\n", 2) == 0) || (len == 1 && memcmp(data, "\n", 1) == 0)) {
        curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
        p->head_done = status >= 200; /* else another one follows */
    }
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct post *p = arg;
    size_t len = size * count;
    size_t room = sizeof p->excerpt - p->excerpt_len;
    size_t kept = len < room ? len : room;

    memcpy(p->excerpt + p->excerpt_len, data, kept);
    p->excerpt_len += kept;
    p->body_bytes += len;
    return p->body_bytes > DELIVER_BODY_MAX ? 0 : len;
}

static struct post *take_post(struct deliver *d)
{
    struct post *p = d->free;

    if (p != NULL) {
        d->free = p->free;
        return p;
    }
    p = mem_zalloc(sizeof *p);
    p->easy = curl_easy_init();
    if (p->easy == NULL)
        abort();
    p->next = d->posts;
    d->posts = p;
    return p;
}

static void give_post(struct deliver *d, struct post *p)
{
    curl_slist_free_all(p->headers);
    p->headers = NULL;
    p->free = d->free;
    d->free = p;
}

static struct curl_slist *header_list(const struct deliver_request *r)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (size_t i = 0; i < r->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(list, r->headers[i]);
        if (longer == NULL)
            abort();
        list = longer;
    }
    return list;
}

/* -1: an option that the guard or the bounds need is not there. */
static int set_options(struct post *p, const struct deliver_request *r)
{
    CURL *easy = p->easy;

    curl_easy_reset(easy);
    int bad = netguard_install(&p->guard, easy);
#define SET(option, value) bad |= curl_easy_setopt(easy, option, value) != CURLE_OK
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, r->body.ptr);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    SET(CURLOPT_HTTPHEADER, p->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_USERAGENT, PACKAGE_TARNAME "/" PACKAGE_VERSION);
    SET(CURLOPT_ERRORBUFFER, p->curl_error);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, p);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, p);
    SET(CURLOPT_PRIVATE, p);
#undef SET
    return bad != 0 ? -1 : 0;
}

void deliver_start(struct deliver *d, const struct deliver_request *request)
{
    struct post *p = take_post(d);

    p->guard = (struct netguard){.allow_private = d->allow_private};
    p->tag = request->tag;
    p->start_ms = timing_mono_ms();
    p->head_done = false;
    p->too_much = false;
    p->header_bytes = 0;
    p->body_bytes = 0;
    p->excerpt_len = 0;
    p->curl_error[0] = '\0';
    p->headers = header_list(request);
    /* Either can only fail for a libcurl without what this is built on. */
    if (set_options(p, request) != 0 || curl_multi_add_handle(d->multi, p->easy) != CURLM_OK)
        abort();
    d->active++;
}

void deliver_run(struct deliver *d, int wait_ms)
{
    int running;

    curl_multi_poll(d->multi, NULL, 0, wait_ms, NULL);
    curl_multi_perform(d->multi, &running);
}

/* libcurl has one word for a scheme that it may not speak and for an answer that is no HTTP. */
static bool was_sent(const struct post *p)
{
    curl_off_t connected = 0;

    curl_easy_getinfo(p->easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    return connected > 0;
}

static const char *failure_of(const struct post *p, CURLcode code)
{
    if (p->too_much)
        return "The answer has too many headers.";
    switch ((int)code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return was_sent(p) ? "The answer is no HTTP." : "This is no valid http or https URL.";
    case CURLE_LOGIN_DENIED:
        return "A URL with a user name or password is not called.";
    case CURLE_COULDNT_RESOLVE_HOST:
        return "The host name cannot be resolved.";
    case CURLE_COULDNT_CONNECT:
        return p->guard.refused ? "The URL leads to an address that is not public."
                                : "No connection can be made.";
    case CURLE_OPERATION_TIMEDOUT:
        return "There was no answer in time.";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
        return "The TLS connection failed: the certificate is not valid, or the server speaks no "
               "TLS.";
    default:
        return "The connection broke off before there was an answer.";
    }
}

static void conclude(struct deliver_result *out, struct post *p, CURLcode code)
{
    curl_off_t retry_after = 0;
    long status = 0;

    out->tag = p->tag;
    out->elapsed_ms = timing_mono_ms() - p->start_ms;
    out->status = 0;
    out->retry_after_s = 0;
    out->failure = NULL;
    if (p->head_done) {
        curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &retry_after);
        out->status = (int)status;
        if (retry_after > 0) /* a date may have passed */
            out->retry_after_s =
                retry_after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)retry_after;
    } else {
        out->failure = failure_of(p, code);
    }
    out->excerpt_len = p->head_done ? p->excerpt_len : 0;
    memcpy(out->excerpt, p->excerpt, out->excerpt_len);
    const char *words = p->curl_error[0] != '\0' ? p->curl_error : curl_easy_strerror(code);
    snprintf(out->detail, sizeof out->detail, "%s", code == CURLE_OK ? "" : words);
}

bool deliver_take(struct deliver_result *out, struct deliver *d)
{
    CURLMsg *msg;
    int queued;

    while ((msg = curl_multi_info_read(d->multi, &queued)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        CURL *easy = msg->easy_handle;
        CURLcode code = msg->data.result;
        struct post *p = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&p);
        conclude(out, p, code);
        curl_multi_remove_handle(d->multi, easy);
        give_post(d, p);
        d->active--;
        return true;
    }
    return false;
}
