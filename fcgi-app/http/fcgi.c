/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/fcgi.h"

#include "base/log.h"
#include "base/timing.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

enum {
    HEAD_MAX = 32 * 1024,
    READ_STEP = 4 * 1024,        /* on the stack */
    DROP_MAX = 64 * 1024 * 1024, /* of a body that nobody wanted */
    DROP_WAIT_MS = 200,
    FCGI_RECORD_TYPE_AT = 1, /* FastCGI specification 3.3: byte 1 of a record is its type */
    FCGI_TYPE_ABORT = 2,
};

struct exchange {
    bool cgi;
    bool cgi_done;
    FCGX_Request fcgx;
    char **envp;
    struct buf head;
    struct buf cgi_out;
    bool began;
    bool broken;
    bool body_read;
    struct exchange_tap *tap; /* or NULL */
    char request_id[IDENT_REQUEST_SIZE];
    int64_t start_ms;
};

static atomic_bool stop_accepting; /* lock-free, so a signal handler may set it */

bool exchange_is_cgi(void)
{
    return FCGX_IsCGI() != 0;
}

void exchange_stop_accepting(void)
{
    atomic_store(&stop_accepting, true);
    FCGX_ShutdownPending();
}

struct exchange *exchange_new(void)
{
    struct exchange *x = mem_zalloc(sizeof *x);
    x->cgi = exchange_is_cgi();
    buf_init(&x->head, HEAD_MAX);
    buf_init(&x->cgi_out, SIZE_MAX / 2);
    if (!x->cgi)
        FCGX_InitRequest(&x->fcgx, 0, 0);
    return x;
}

void exchange_free(struct exchange *x)
{
    if (x == NULL)
        return;
    if (!x->cgi)
        FCGX_Free(&x->fcgx, 1);
    buf_fini(&x->head);
    buf_fini(&x->cgi_out);
    mem_free(x);
}

static void set_socket_timeouts(int fd)
{
    struct timeval tv = {.tv_sec = EXCHANGE_SOCKET_TIMEOUT_S};

    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) != 0)
        log_write(LOG_LEVEL_DEBUG, NULL, "no timeout on the FastCGI socket: %s", strerror(errno));
}

/* FCGX_Accept_r fails with the negative errno of accept(2); most of them pass. */
static int accept_fcgi(struct exchange *x)
{
    for (;;) {
        int rc = FCGX_Accept_r(&x->fcgx);
        if (atomic_load(&stop_accepting)) {
            if (rc == 0)
                return 0;
            return -1;
        }
        if (rc == 0)
            return 0;
        if (rc == -EBADF || rc == -EINVAL || rc == -ENOTSOCK)
            return -1;
        log_write(LOG_LEVEL_WARN, NULL, "accept: %s", strerror(-rc));
        poll(NULL, 0, 50);
    }
}

int exchange_accept(struct exchange *x)
{
    if (x->cgi) {
        if (x->cgi_done)
            return -1;
        x->cgi_done = true;
        x->envp = environ;
    } else {
        if (accept_fcgi(x) != 0)
            return -1;
        x->envp = x->fcgx.envp;
        set_socket_timeouts(x->fcgx.ipcFd);
    }
    buf_clear(&x->head);
    buf_clear(&x->cgi_out);
    x->began = false;
    x->broken = false;
    x->body_read = false;
    x->tap = NULL;
    x->start_ms = timing_mono_ms();
    ident_request(x->request_id);
    return 0;
}

/* A process that ends with unread bytes on its standard input has the kernel reset that connection,
 * and the web server would lose the answer. */
static void drop_body(struct exchange *x)
{
    char chunk[READ_STEP];
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

    for (size_t dropped = 0; !x->body_read && dropped < DROP_MAX; dropped += sizeof chunk)
        if (poll(&p, 1, DROP_WAIT_MS) <= 0 || read(STDIN_FILENO, chunk, sizeof chunk) <= 0)
            return;
}

void exchange_finish(struct exchange *x)
{
    if (x->cgi) {
        (void)exchange_flush(x);
        drop_body(x);
        return;
    }
    FCGX_Finish_r(&x->fcgx);
    x->envp = NULL;
}

const char *exchange_param(const struct exchange *x, const char *name)
{
    return FCGX_GetParam(name, x->envp);
}

int exchange_check_params(const struct exchange *x, struct err *err)
{
    size_t count = 0;
    size_t bytes = 0;

    for (char **e = x->envp; e != NULL && *e != NULL; e++) {
        count++;
        bytes += strlen(*e);
    }
    if (count > EXCHANGE_PARAM_COUNT_MAX || bytes > EXCHANGE_PARAM_BYTES_MAX)
        return err_set(err, ERR_HEADERS_TOO_LARGE, NULL,
                       "The request has too many or too long headers: at most about %d headers and "
                       "%d KiB together are accepted.",
                       EXCHANGE_PARAM_COUNT_MAX, EXCHANGE_PARAM_BYTES_MAX / 1024);
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool has_dot_segment(const char *path)
{
    const char *s = path;

    while (*s != '\0') {
        size_t len = strcspn(s, "/");
        if ((len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.'))
            return true;
        s += len;
        s += *s == '/' ? 1 : 0;
    }
    return false;
}

int exchange_path(char **out, const struct exchange *x, struct arena *arena, struct err *err)
{
    const char *uri = exchange_param(x, "REQUEST_URI");
    if (uri == NULL)
        uri = exchange_param(x, "PATH_INFO");
    if (uri == NULL)
        uri = "/";

    size_t len = strcspn(uri, "?#");
    if (len > EXCHANGE_PATH_MAX)
        return err_set(err, ERR_BAD_REQUEST, NULL, "The path is longer than %d bytes.",
                       EXCHANGE_PATH_MAX);
    char *path = arena_alloc(arena, len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = uri[i];
        if (c == '%') {
            int hi = i + 2 < len ? hex_digit(uri[i + 1]) : -1;
            int lo = hi >= 0 ? hex_digit(uri[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return err_set(err, ERR_BAD_REQUEST, NULL, "The path has a broken %% escape.");
            c = (char)(hi * 16 + lo);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7f)
            return err_set(err, ERR_BAD_REQUEST, NULL,
                           "The path has a control character, which no path of this API has.");
        path[n++] = c;
    }
    path[n] = '\0';
    if (has_dot_segment(path))
        return err_set(err, ERR_NOT_FOUND, NULL, "A path with '.' or '..' segments is not served.");
    *out = path;
    return 0;
}

/* Content-Length as announced: -1 if absent, 400 if it is no number. */
static int announced_length(int64_t *out, const struct exchange *x, struct err *err)
{
    const char *text = exchange_param(x, "CONTENT_LENGTH");

    *out = -1;
    if (text == NULL || text[0] == '\0')
        return 0;
    char *end = NULL;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || v < 0)
        return err_set(err, ERR_BAD_REQUEST, NULL, "The Content-Length header is not a number.");
    *out = v;
    return 0;
}

/* Up to len bytes; 0 at the end; -1 on an error or a timeout. */
static ssize_t read_some(struct exchange *x, char *to, size_t len)
{
    if (!x->cgi) {
        int n = FCGX_GetStr(to, (int)len, x->fcgx.in);
        return n == 0 && FCGX_GetError(x->fcgx.in) != 0 ? -1 : n;
    }
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&p, 1, EXCHANGE_SOCKET_TIMEOUT_S * 1000) <= 0)
        return -1;
    return read(STDIN_FILENO, to, len);
}

static int too_large(struct err *err, size_t max)
{
    return err_set(err, ERR_TOO_LARGE, NULL,
                   "The request body is larger than the %zu bytes that are accepted.", max);
}

int exchange_read_body(struct buf *out, struct exchange *x, size_t max, struct err *err)
{
    int64_t announced = 0;
    if (announced_length(&announced, x, err) != 0)
        return -1;
    if (announced > (int64_t)max)
        return too_large(err, max);

    char chunk[READ_STEP];
    int rc = 0;
    ssize_t n = 0;
    /* A plain CGI server may leave stdin open: its end is where Content-Length says. */
    while (rc == 0 && !(x->cgi && announced >= 0 && out->len >= (size_t)announced)) {
        n = read_some(x, chunk, sizeof chunk);
        if (n <= 0)
            break;
        if (out->len + (size_t)n > max) {
            rc = too_large(err, max);
            break;
        }
        buf_append(out, chunk, (size_t)n);
        if (buf_failed(out))
            rc = err_set(err, ERR_INTERNAL, NULL, "Memory is short; try again later.");
    }
    if (rc != 0)
        return rc;
    x->body_read = true;
    if (n < 0 || (announced >= 0 && (int64_t)out->len < announced))
        return err_set(err, ERR_BAD_REQUEST, NULL,
                       "The request body ended after %zu bytes, but its Content-Length announced "
                       "%lld.",
                       out->len, (long long)announced);
    return 0;
}

const char *exchange_request_id(const struct exchange *x)
{
    return x->request_id;
}

void exchange_adopt_id(struct exchange *x, const char *request_id)
{
    assert(ident_request_valid(request_id));
    memcpy(x->request_id, request_id, sizeof x->request_id);
}

int64_t exchange_elapsed_ms(const struct exchange *x)
{
    return timing_mono_ms() - x->start_ms;
}

void exchange_header(struct exchange *x, const char *name, const char *fmt, ...)
{
    assert(!x->began);
    buf_append_str(&x->head, name);
    buf_append_str(&x->head, ": ");
    size_t value_at = x->head.len;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&x->head, fmt, ap);
    va_end(ap);
    for (size_t i = value_at; i < x->head.len; i++)
        if ((unsigned char)x->head.data[i] < 0x20 || x->head.data[i] == 0x7f)
            x->head.data[i] = ' ';
    buf_append_str(&x->head, "\r\n");
}

void exchange_clear_headers(struct exchange *x)
{
    assert(!x->began);
    buf_clear(&x->head);
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return status < 500 ? "Error" : "Server Error";
}

static int put(struct exchange *x, const void *data, size_t len)
{
    if (x->broken)
        return -1;
    if (x->cgi) {
        buf_append(&x->cgi_out, data, len);
        return buf_failed(&x->cgi_out) ? -1 : 0;
    }
    while (len > 0) {
        int step = len > INT32_MAX ? INT32_MAX : (int)len;
        if (FCGX_PutStr(data, step, x->fcgx.out) != step || FCGX_GetError(x->fcgx.out) != 0) {
            x->broken = true;
            return -1;
        }
        data = (const char *)data + step;
        len -= (size_t)step;
    }
    return 0;
}

void exchange_begin(struct exchange *x, int status)
{
    assert(!x->began);
    x->began = true;
    if (x->tap != NULL) {
        x->tap->status = status;
        buf_append(&x->tap->head, x->head.data, x->head.len);
    }
    char line[64];
    int n = snprintf(line, sizeof line, "Status: %d %s\r\n", status, reason(status));
    (void)put(x, line, (size_t)n);
    (void)put(x, x->head.data, x->head.len);
    (void)put(x, "\r\n", 2);
}

bool exchange_began(const struct exchange *x)
{
    return x->began;
}

int exchange_write(struct exchange *x, const void *data, size_t len)
{
    assert(x->began);
    if (x->tap != NULL)
        buf_append(&x->tap->body, data, len);
    return put(x, data, len);
}

void exchange_set_tap(struct exchange *x, struct exchange_tap *tap)
{
    assert(tap == NULL || !x->began);
    x->tap = tap;
}

void exchange_spoil(struct exchange *x)
{
    if (x->tap != NULL)
        x->tap->spoilt = true;
}

static int flush_cgi(struct exchange *x)
{
    size_t done = 0;

    while (done < x->cgi_out.len) {
        ssize_t n = write(STDOUT_FILENO, x->cgi_out.data + done, x->cgi_out.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            x->broken = true;
            return -1;
        }
        done += (size_t)n;
    }
    buf_clear(&x->cgi_out);
    return 0;
}

int exchange_flush(struct exchange *x)
{
    if (x->broken)
        return -1;
    if (x->cgi)
        return flush_cgi(x);
    /* After a failed flush FCGX_FFlush answers 0 again: the error flag is what counts. */
    if (FCGX_FFlush(x->fcgx.out) != 0 || FCGX_GetError(x->fcgx.out) != 0) {
        x->broken = true;
        return -1;
    }
    return 0;
}

bool exchange_gone(struct exchange *x)
{
    if (x->tap != NULL && x->tap->polled != NULL)
        x->tap->polled(x->tap->arg);
    /* A CGI server that gives up on its client sends SIGTERM. */
    if (x->cgi && atomic_load(&stop_accepting))
        x->broken = true;
    if (x->broken)
        return true;
    int fd = exchange_watch_fd(x);
    if (fd < 0)
        return false;
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
    if (poll(&p, 1, 0) <= 0)
        return false;
    if ((p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0)
        x->broken = true;
    unsigned char record[8];
    ssize_t n = recv(fd, record, sizeof record, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n == (ssize_t)sizeof record && record[FCGI_RECORD_TYPE_AT] == FCGI_TYPE_ABORT))
        x->broken = true;
    return x->broken;
}

int exchange_watch_fd(const struct exchange *x)
{
    return x->cgi || !x->body_read ? -1 : x->fcgx.ipcFd;
}
