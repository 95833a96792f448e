/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/fetch.h"

#include "base/timing.h"
#include "net/netguard.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAGIC_SIZE = 12 };

/* The types by their header, and how such a file begins. */
enum look { LOOK_PNG, LOOK_JPEG, LOOK_WEBP, LOOK_GIF, LOOK_HEIF, LOOK_PDF, LOOK_NONE };

static const struct {
    const char *header;
    const char *media_type;
    enum look look;
} types[] = {
    {"image/png", "image/png", LOOK_PNG},    {"image/jpeg", "image/jpeg", LOOK_JPEG},
    {"image/jpg", "image/jpeg", LOOK_JPEG},  {"image/webp", "image/webp", LOOK_WEBP},
    {"image/gif", "image/gif", LOOK_GIF},    {"image/heic", "image/heic", LOOK_HEIF},
    {"image/heif", "image/heif", LOOK_HEIF}, {"application/pdf", "application/pdf", LOOK_PDF},
};

static const char accepted[] = "image/png,image/jpeg,image/webp,image/gif,image/heic,image/heif,"
                               "application/pdf";

/* Why we have stopped libcurl. */
enum stop { STOP_NONE, STOP_STATUS, STOP_TYPE, STOP_MAGIC, STOP_SIZE, STOP_HEADERS, STOP_GONE };

struct fetching {
    const struct fetch_request *request;
    CURL *easy;
    struct buf *out;
    struct netguard guard;
    enum stop stop;
    long status;
    size_t type; /* index in types */
    size_t header_bytes;
    bool head_seen;
    char curl_error[CURL_ERROR_SIZE];
};

static bool is_heif(const char *data)
{
    static const char *const brands[] = {"heic", "heix", "hevc", "hevx", "heim",
                                         "heis", "hevm", "hevs", "mif1", "msf1"};

    if (memcmp(data + 4, "ftyp", 4) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(brands); i++)
        if (memcmp(data + 8, brands[i], 4) == 0)
            return true;
    return false;
}

static enum look look_at(const struct buf *b)
{
    const char *data = b->data;

    if (b->len < MAGIC_SIZE)
        return LOOK_NONE;
    if (memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0)
        return LOOK_PNG;
    if (memcmp(data, "\xff\xd8\xff", 3) == 0)
        return LOOK_JPEG;
    if (memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0)
        return LOOK_WEBP;
    if (memcmp(data, "GIF87a", 6) == 0 || memcmp(data, "GIF89a", 6) == 0)
        return LOOK_GIF;
    if (is_heif(data))
        return LOOK_HEIF;
    if (memcmp(data, "%PDF-", 5) == 0)
        return LOOK_PDF;
    return LOOK_NONE;
}

static int stop(struct fetching *f, enum stop why)
{
    f->stop = why;
    return -1;
}

/* The head of the answer that is no redirect: before its first byte. */
static int check_head(struct fetching *f)
{
    char *type = NULL;

    f->head_seen = true;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &f->status);
    if (f->status != 200)
        return stop(f, STOP_STATUS);
    curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type);
    size_t len = type != NULL ? strcspn(type, "; \t") : 0;
    for (f->type = 0; f->type < ARRAY_LEN(types); f->type++)
        if (strlen(types[f->type].header) == len &&
            strncasecmp(types[f->type].header, type, len) == 0)
            return 0;
    return stop(f, STOP_TYPE);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct fetching *f = arg;
    size_t len = size * count;

    if (!f->head_seen && check_head(f) != 0)
        return 0;
    if (len > f->request->bytes_max - f->out->len) {
        stop(f, STOP_SIZE);
        return 0;
    }
    bool early = f->out->len < MAGIC_SIZE;
    buf_append(f->out, data, len);
    if (buf_failed(f->out)) {
        stop(f, STOP_SIZE);
        return 0;
    }
    if (early && f->out->len >= MAGIC_SIZE && look_at(f->out) != types[f->type].look) {
        stop(f, STOP_MAGIC);
        return 0;
    }
    return len;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct fetching *f = arg;
    size_t len = size * count;

    (void)data;
    f->header_bytes += len;
    if (f->header_bytes > FETCH_HEADER_BYTES_MAX) {
        stop(f, STOP_HEADERS);
        return 0;
    }
    return len;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct fetching *f = arg;
    const struct fetch_request *r = f->request;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return r->gone != NULL && r->gone(r->gone_arg) ? stop(f, STOP_GONE) : 0;
}

/* -1: an option that the guard or the bounds need is not there. */
static int set_options(struct fetching *f, int64_t left_ms)
{
    const struct fetch_request *r = f->request;
    CURL *easy = f->easy;
    int bad = netguard_install(&f->guard, easy);

#define SET(option, value) bad |= curl_easy_setopt(easy, option, value) != CURLE_OK
    SET(CURLOPT_URL, r->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L); /* also in a redirect */
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, (long)FETCH_REDIRECTS_MAX);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->bytes_max);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)r->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)left_ms);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* else the end waits for a resolver that is slower than us */
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, f);
    SET(CURLOPT_USERAGENT, PACKAGE_TARNAME "/" PACKAGE_VERSION);
    SET(CURLOPT_ERRORBUFFER, f->curl_error);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, f);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, f);
#undef SET
    return bad != 0 ? -1 : 0;
}

static int refuse(const struct fetching *f, struct err *err, const char *what)
{
    const char *path = f->request->path;

    err_set(err, ERR_BAD_REQUEST, path, "'%s': %s", path, what);
    return err_detail(err, "%s", f->curl_error);
}

static int refuse_stopped(const struct fetching *f, struct err *err)
{
    char text[160];

    switch (f->stop) {
    case STOP_STATUS:
        snprintf(text, sizeof text, "the server of this URL answered with HTTP %ld.", f->status);
        return refuse(f, err, text);
    case STOP_TYPE:
        return refuse(f, err,
                      "the URL must lead to a PNG, JPEG, WebP, GIF or HEIC image or a PDF, with "
                      "that Content-Type.");
    case STOP_MAGIC:
        return refuse(f, err, "what lies behind the URL is not what its Content-Type says.");
    case STOP_SIZE:
        if (f->request->too_large != NULL)
            return refuse(f, err, f->request->too_large);
        snprintf(text, sizeof text, "what lies behind the URL is larger than %zu bytes.",
                 f->request->bytes_max);
        return refuse(f, err, text);
    case STOP_HEADERS:
        return refuse(f, err, "the server of this URL sends too many headers.");
    case STOP_GONE:
        return err_set(err, ERR_CLIENT_GONE, NULL, "The client has left.");
    case STOP_NONE:
        break;
    }
    return refuse(f, err, "the URL could not be fetched.");
}

/* libcurl has one word for a scheme that it may not speak and for an answer that is no HTTP. */
static bool was_answered_in_garbage(const struct fetching *f)
{
    long connections = 0;
    long status = 0;

    curl_easy_getinfo(f->easy, CURLINFO_NUM_CONNECTS, &connections);
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    return connections > 0 && status == 0;
}

static int refuse_failed(struct fetching *f, CURLcode code, struct err *err)
{
    if (f->stop != STOP_NONE)
        return refuse_stopped(f, err);
    switch ((int)code) {
    case CURLE_FILESIZE_EXCEEDED:
        f->stop = STOP_SIZE;
        return refuse_stopped(f, err);
    case CURLE_LOGIN_DENIED:
        return refuse(f, err, "a URL with a user name or password is not fetched.");
    case CURLE_URL_MALFORMAT:
        return refuse(f, err, "this is no valid URL.");
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (was_answered_in_garbage(f))
            break;
        return refuse(f, err, "only http and https URLs are fetched.");
    case CURLE_TOO_MANY_REDIRECTS:
        return refuse(f, err, "the URL redirects too often.");
    case CURLE_COULDNT_RESOLVE_HOST:
        return refuse(f, err, "the host name of the URL cannot be resolved.");
    case CURLE_PEER_FAILED_VERIFICATION:
        return refuse(f, err, "the certificate of the URL's server is not valid.");
    default:
        break;
    }
    if (f->guard.refused)
        return refuse(f, err, "the URL leads to an address that is not public.");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return refuse(f, err, "the server of this URL took too long to answer.");
    return refuse(f, err, "the server of this URL cannot be reached or broke off.");
}

int fetch_media(struct buf *out, const char **media_type, const struct fetch_request *request,
                struct err *err)
{
    struct fetching f = {.request = request, .out = out};
    int rc = -1;

    assert(request->bytes_max <= FETCH_BYTES_MAX);
    f.guard.allow_private = request->allow_private;
    buf_clear(out);
    if (strlen(request->url) > FETCH_URL_MAX)
        return refuse(&f, err, "the URL is too long to be fetched.");
    int64_t left_ms = request->deadline_ms - timing_mono_ms();
    if (left_ms <= 0)
        return refuse(&f, err, "fetching the URLs of this request took too long.");
    f.easy = curl_easy_init();
    if (f.easy == NULL)
        return err_set(err, ERR_INTERNAL, NULL, "The URL could not be fetched.");
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    char accept[sizeof accepted + 16];
    snprintf(accept, sizeof accept, "Accept: %s", accepted);
    headers = curl_slist_append(headers, accept);
    if (headers == NULL || set_options(&f, left_ms) != 0 ||
        curl_easy_setopt(f.easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK) {
        err_set(err, ERR_INTERNAL, NULL, "The URL could not be fetched.");
        goto out;
    }
    CURLcode code = curl_easy_perform(f.easy);
    if (code == CURLE_OK && !f.head_seen)
        (void)check_head(&f); /* an answer without a body */
    if (code == CURLE_OK && f.stop == STOP_NONE && look_at(out) != types[f.type].look)
        f.stop = STOP_MAGIC; /* too short */
    if (code != CURLE_OK || f.stop != STOP_NONE) {
        (void)refuse_failed(&f, code, err);
        goto out;
    }
    *media_type = types[f.type].media_type;
    rc = 0;
out:
    curl_slist_free_all(headers);
    curl_easy_cleanup(f.easy);
    return rc;
}
