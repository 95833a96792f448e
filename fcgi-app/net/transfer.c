/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/transfer.h"

#include "base/mem.h"
#include "base/timing.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    READ_BUFFER_BYTES = 4 * 1024, /* memory of a worker counts: a thousand streams have one each */
    UPLOAD_BUFFER_BYTES = 16 * 1024, /* the smallest that libcurl takes */
    CONNECTIONS_KEPT = 4,            /* a thread: one for each provider that it talked to last */
    RETRY_AFTER_MAX_S = 3600,
};

static CURLSH *share;
static pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];

struct transfer {
    CURLM *multi;
    CURL *easy;
};

/* State of the call under way. */
struct run {
    struct transfer_result *result;
    const struct transfer_request *request;
    const struct transfer_callbacks *callbacks;
    void *arg;
    int64_t start_ms;
    int64_t last_read_ms;
    int64_t next_tick_ms;
    size_t header_bytes;
    size_t header_count;
    bool head_told;
    bool watching;
    char curl_error[CURL_ERROR_SIZE];
};

static void lock_share(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
    (void)easy;
    (void)access;
    (void)arg;
    pthread_mutex_lock(&share_locks[data]);
}

static void unlock_share(CURL *easy, curl_lock_data data, void *arg)
{
    (void)easy;
    (void)arg;
    pthread_mutex_unlock(&share_locks[data]);
}

int transfer_global_init(struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, NULL, "libcurl cannot be initialised");
    share = curl_share_init();
    if (share == NULL)
        return err_set(err, ERR_INTERNAL, NULL, "libcurl cannot share DNS and TLS sessions");
    for (size_t i = 0; i < ARRAY_LEN(share_locks); i++)
        pthread_mutex_init(&share_locks[i], NULL);
    curl_share_setopt(share, CURLSHOPT_LOCKFUNC, lock_share);
    curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, unlock_share);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return 0;
}

void transfer_global_fini(void)
{
    if (share != NULL) {
        curl_share_cleanup(share);
        share = NULL;
        for (size_t i = 0; i < ARRAY_LEN(share_locks); i++)
            pthread_mutex_destroy(&share_locks[i]);
    }
    curl_global_cleanup();
}

struct transfer *transfer_new(void)
{
    struct transfer *t = mem_zalloc(sizeof *t);
    t->multi = curl_multi_init();
    t->easy = curl_easy_init();
    if (t->multi == NULL || t->easy == NULL)
        abort();
    curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    return t;
}

void transfer_free(struct transfer *t)
{
    if (t == NULL)
        return;
    curl_easy_cleanup(t->easy);
    curl_multi_cleanup(t->multi);
    mem_free(t);
}

static int stop(struct run *run, enum transfer_end end)
{
    run->result->end = end;
    return -1;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct run *run = arg;
    struct transfer_head *head = &run->result->head;
    size_t len = size * count;

    run->last_read_ms = timing_mono_ms();
    run->header_bytes += len;
    if (run->header_bytes > TRANSFER_HEADER_BYTES_MAX ||
        ++run->header_count > TRANSFER_HEADER_COUNT_MAX) {
        stop(run, TRANSFER_TOO_LARGE);
        return 0;
    }
    if (len >= 12 && strncasecmp(data, "HTTP/", 5) == 0) {
        head->content_type[0] = '\0'; /* a new head: the one before was a 1xx */
        head->retry_after_s = 0;
    } else if (len > 13 && strncasecmp(data, "Content-Type:", 13) == 0) {
        const char *v = data + 13;
        const char *end = data + len;
        while (v < end && *v == ' ')
            v++;
        while (end > v && (unsigned char)end[-1] <= ' ')
            end--;
        snprintf(head->content_type, sizeof head->content_type, "%.*s", (int)(end - v), v);
    }
    return len;
}

/* Tells the head to the caller once, as soon as it is whole. */
static int tell_head(struct run *run, CURL *easy)
{
    struct transfer_head *head = &run->result->head;
    long status = 0;
    curl_off_t retry_after = 0;

    if (run->head_told)
        return 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200)
        return 0;
    run->head_told = true;
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    head->status = (int)status;
    if (retry_after > 0) /* a date may have passed */
        head->retry_after_s =
            retry_after > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)retry_after;
    run->result->first_byte_ms = timing_mono_ms() - run->start_ms;
    if (run->callbacks->head(head, run->arg) != 0)
        return stop(run, TRANSFER_STOPPED);
    return 0;
}

struct body_context {
    struct run *run;
    CURL *easy;
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    const struct body_context *context = arg;
    struct run *run = context->run;
    size_t len = size * count;

    run->last_read_ms = timing_mono_ms();
    if (tell_head(run, context->easy) != 0)
        return 0;
    if (len > 0 && run->callbacks->data(data, len, run->arg) != 0) {
        stop(run, TRANSFER_STOPPED);
        return 0;
    }
    return len;
}

static struct curl_slist *header_list(const struct transfer_request *r)
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

/* -1: an option that the bounds need is not there, or the URL is beyond libcurl's. */
static int set_options(CURL *easy, struct run *run, struct body_context *body,
                       struct curl_slist *headers)
{
    const struct transfer_request *r = run->request;
    int bad = 0;

    curl_easy_reset(easy); /* keeps connections, sessions and DNS */
#define SET(option, value) bad |= curl_easy_setopt(easy, option, value) != CURLE_OK
    SET(CURLOPT_SHARE, share);
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, r->body.ptr);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_NOPROXY, "*"); /* the environment of a web server decides nothing here */
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_BUFFERSIZE, (long)READ_BUFFER_BYTES);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
    SET(CURLOPT_USERAGENT, PACKAGE_TARNAME "/" PACKAGE_VERSION);
    SET(CURLOPT_ERRORBUFFER, run->curl_error);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, run);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, body);
#undef SET
    return bad != 0 ? -1 : 0;
}

/* libcurl keeps the read buffer of a call that failed before it had a connection. The reset forgets
 * its size, which then cannot be set (seen with 7.88.1): it would read more into it than it holds.
 * A new handle has none; connections belong to the multi handle and stay. */
static int prepare(struct transfer *t, struct run *run, struct body_context *body,
                   struct curl_slist *headers)
{
    if (set_options(t->easy, run, body, headers) == 0)
        return 0;
    curl_easy_cleanup(t->easy);
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        abort();
    body->easy = t->easy;
    return set_options(t->easy, run, body, headers);
}

/* Our own limits; libcurl keeps the connect timeout. */
static int check_limits(struct run *run, int64_t now)
{
    const struct transfer_request *r = run->request;
    bool head = run->head_told;
    int64_t since = head ? run->last_read_ms : run->start_ms;
    int64_t limit = head ? r->idle_timeout_ms : r->first_byte_timeout_ms;

    if (now - since >= limit) {
        snprintf(run->curl_error, sizeof run->curl_error, "silent for %lld ms",
                 (long long)(now - since));
        return stop(run, TRANSFER_TIMEOUT);
    }
    if (timing_passed(r->deadline_ms)) {
        snprintf(run->curl_error, sizeof run->curl_error, "the call took too long");
        return stop(run, TRANSFER_TIMEOUT);
    }
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Milliseconds until something of ours is due. */
static int wait_ms(const struct run *run, int64_t now)
{
    const struct transfer_request *r = run->request;
    int64_t due = run->next_tick_ms;

    due = least(due, run->head_told ? run->last_read_ms + r->idle_timeout_ms
                                    : run->start_ms + r->first_byte_timeout_ms);
    if (r->deadline_ms != 0)
        due = least(due, r->deadline_ms);
    int64_t left = due - now;
    return left < 0 ? 0 : (int)least(left, 60000);
}

/* Waits for the upstream, the client or the next tick. */
static int wait_and_tick(struct run *run, CURLM *multi)
{
    struct curl_waitfd watch = {.fd = run->request->watch_fd, .events = CURL_WAIT_POLLIN};
    unsigned extra = run->watching ? 1 : 0;
    int64_t now = timing_mono_ms();

    curl_multi_poll(multi, &watch, extra, wait_ms(run, now), NULL);
    now = timing_mono_ms();
    bool watched = extra != 0 && watch.revents != 0;
    bool due = now >= run->next_tick_ms;
    if (watched || due) {
        if (due)
            run->next_tick_ms = now + run->request->tick_ms;
        if (run->callbacks->tick(watched, run->arg) != 0)
            return stop(run, TRANSFER_STOPPED);
        run->watching = run->watching && !watched; /* seen once; it would stay readable */
    }
    return check_limits(run, now);
}

static enum transfer_end end_of(CURLcode code, const struct run *run)
{
    switch ((int)code) {
    case CURLE_OK:
        return TRANSFER_DONE;
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        return TRANSFER_UNREACHABLE;
    case CURLE_OPERATION_TIMEDOUT:
        return TRANSFER_UNREACHABLE; /* only the connect timeout is libcurl's */
    case CURLE_OUT_OF_MEMORY:
    case CURLE_URL_MALFORMAT:
        return TRANSFER_FAILED;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
        return TRANSFER_UNREACHABLE;
    case CURLE_WRITE_ERROR:
        return run->result->end; /* a callback stopped it and said why */
    default:
        return TRANSFER_CUT;
    }
}

/* Drives libcurl until the call has ended or one of our limits or callbacks ends it. */
static void drive(struct run *run, struct transfer *t)
{
    int active = 1;

    for (;;) {
        if (curl_multi_perform(t->multi, &active) != CURLM_OK) {
            stop(run, TRANSFER_FAILED);
            return;
        }
        if (active == 0)
            break;
        if (wait_and_tick(run, t->multi) != 0)
            return;
    }
    int queued = 0;
    CURLMsg *msg = curl_multi_info_read(t->multi, &queued);
    CURLcode code = msg != NULL && msg->msg == CURLMSG_DONE ? msg->data.result : CURLE_RECV_ERROR;
    run->result->end = end_of(code, run);
    if (code != CURLE_OK && run->curl_error[0] == '\0')
        snprintf(run->curl_error, sizeof run->curl_error, "%s", curl_easy_strerror(code));
    if (code == CURLE_OK)
        (void)tell_head(run, t->easy);
}

void transfer_run(struct transfer_result *result, struct transfer *t,
                  const struct transfer_request *request,
                  const struct transfer_callbacks *callbacks, void *arg)
{
    struct run run = {.result = result, .request = request, .callbacks = callbacks, .arg = arg};
    struct body_context body = {.run = &run, .easy = t->easy};
    struct curl_slist *headers = header_list(request);

    memset(result, 0, sizeof *result);
    result->first_byte_ms = -1;
    run.start_ms = timing_mono_ms();
    run.last_read_ms = run.start_ms;
    run.next_tick_ms = run.start_ms + request->tick_ms;
    run.watching = request->watch_fd >= 0;
    if (prepare(t, &run, &body, headers) == 0 &&
        curl_multi_add_handle(t->multi, t->easy) == CURLM_OK) {
        drive(&run, t);
        curl_multi_remove_handle(t->multi,
                                 t->easy); /* closes the connection of an unfinished call */
    } else {
        result->end = TRANSFER_FAILED;
        snprintf(run.curl_error, sizeof run.curl_error, "libcurl took not every option");
    }
    snprintf(result->detail, sizeof result->detail, "%.255s", run.curl_error);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
}
