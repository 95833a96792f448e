/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/batch.h"

#include "base/mem.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS = 1000 };

/* One call under way. */
struct call {
    CURL *easy;
    struct curl_slist *headers;
    struct batch_result *result;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct call *call = arg;

    buf_append(&call->result->body, data, size * count);
    call->too_large = buf_failed(&call->result->body);
    return call->too_large ? 0 : size * count;
}

static struct curl_slist *header_list(const struct batch_request *r)
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

static void start(struct call *call, CURLM *multi, struct batch_result *result,
                  const struct batch_request *r, const struct batch_limits *limits)
{
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        abort();
    *call = (struct call){.easy = easy, .headers = header_list(r), .result = result};
    curl_easy_setopt(easy, CURLOPT_URL, r->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    if (r->body.ptr != NULL) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body.ptr);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    }
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)limits->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)limits->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, PACKAGE_TARNAME "/" PACKAGE_VERSION);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        abort();
}

static enum transfer_end end_of(const struct call *call, CURLcode code)
{
    long sent = 0;

    if (code == CURLE_OK)
        return TRANSFER_DONE;
    if (call->too_large)
        return TRANSFER_TOO_LARGE;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    if (sent == 0)
        return code == CURLE_URL_MALFORMAT ? TRANSFER_FAILED : TRANSFER_UNREACHABLE;
    return code == CURLE_OPERATION_TIMEDOUT ? TRANSFER_TIMEOUT : TRANSFER_CUT;
}

static void finish(CURLM *multi, CURL *easy, CURLcode code)
{
    struct call *call = NULL;
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    call->result->status = (int)status;
    call->result->end = end_of(call, code);
    if (code != CURLE_OK)
        snprintf(call->result->detail, sizeof call->result->detail, "%.200s",
                 call->error[0] != '\0' ? call->error : curl_easy_strerror(code));
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_slist_free_all(call->headers);
    call->easy = NULL;
}

/* Ends those that have ended; how many. */
static size_t reap(CURLM *multi)
{
    size_t ended = 0;
    int queued = 0;
    CURLMsg *msg;

    while ((msg = curl_multi_info_read(multi, &queued)) != NULL) {
        if (msg->msg == CURLMSG_DONE) {
            finish(multi, msg->easy_handle, msg->data.result);
            ended++;
        }
    }
    return ended;
}

void batch_run(struct batch_result *results, const struct batch_request *requests, size_t count,
               const struct batch_limits *limits)
{
    CURLM *multi = curl_multi_init();
    struct call *calls = mem_zalloc((count + 1) * sizeof *calls);
    size_t started = 0;
    size_t ended = 0;
    int running = 0;

    if (multi == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        results[i] = (struct batch_result){.end = TRANSFER_FAILED};
        buf_init(&results[i].body, limits->body_max);
    }
    while (ended < count) {
        for (; started < count && started - ended < limits->at_once; started++)
            start(&calls[started], multi, &results[started], &requests[started], limits);
        curl_multi_perform(multi, &running);
        size_t now = reap(multi);
        ended += now;
        if (now == 0)
            curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    mem_free(calls);
    curl_multi_cleanup(multi);
}

void batch_free(struct batch_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_fini(&results[i].body);
}
