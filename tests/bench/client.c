/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 16 * 1024,
    HEAD_MAX = 64 * 1024, /* also the longest that is kept between two reads */
};

int client_open(struct client *c, const struct sockaddr_in *to)
{
    int on = 1;

    memset(c, 0, sizeof *c);
    buf_init(&c->in, HEAD_MAX);
    c->state = CLIENT_CLOSED;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    if (connect(c->fd, (const struct sockaddr *)to, sizeof *to) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0) {
        client_close(c);
        return -1;
    }
    c->state = CLIENT_IDLE;
    return 0;
}

void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->state = CLIENT_CLOSED;
    buf_fini(&c->in);
}

int client_send(struct client *c, struct span request)
{
    assert(c->state == CLIENT_IDLE);
    if (send(c->fd, request.ptr, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        return -1;
    c->state = CLIENT_HEAD;
    return 0;
}

static bool header_is(const char *line, const char *name)
{
    return strncasecmp(line, name, strlen(name)) == 0;
}

/* One head, NUL-terminated in front of its empty line. */
static int read_head(struct client *c, const char *head)
{
    c->left = -1;
    c->closing = false;
    if (strncmp(head, "HTTP/1.1 ", 9) != 0)
        return -1;
    c->status = (int)strtol(head + 9, NULL, 10);
    c->state = CLIENT_LENGTH;
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (header_is(line, "Content-Length:"))
            c->left = strtoll(line + strlen("Content-Length:"), NULL, 10);
        else if (header_is(line, "Transfer-Encoding: chunked"))
            c->state = CLIENT_CHUNK_SIZE;
        else if (header_is(line, "Connection: close"))
            c->closing = true;
    }
    return c->state == CLIENT_LENGTH && c->left < 0 ? -1 : 0;
}

static int finish(struct client *c)
{
    c->state = c->closing ? CLIENT_CLOSED : CLIENT_IDLE;
    return 1;
}

/* Each step takes from data[*at..len) what it needs: 1 when it did something, 0 when it needs more
 * bytes, -1 for nonsense. */

static int step_head(struct client *c, char *data, size_t len, size_t *at)
{
    char *end = memmem(data + *at, len - *at, "\r\n\r\n", 4);

    if (end == NULL)
        return 0;
    *end = '\0';
    const char *head = data + *at;
    *at = (size_t)(end - data) + 4;
    return read_head(c, head) != 0 ? -1 : 1;
}

static int step_line(struct client *c, const char *data, size_t len, size_t *at)
{
    const char *line = data + *at;
    const char *end = memmem(line, len - *at, "\r\n", 2);

    if (end == NULL)
        return 0;
    *at = (size_t)(end - data) + 2;
    if (c->state == CLIENT_CHUNK_END) {
        c->state = CLIENT_CHUNK_SIZE;
        return end == line ? 1 : -1;
    }
    if (c->state == CLIENT_TRAILER) {
        if (end == line)
            (void)finish(c);
        return 1;
    }
    c->left = strtoll(line, NULL, 16);
    c->state = c->left > 0 ? CLIENT_CHUNK : CLIENT_TRAILER;
    return end > line && c->left >= 0 ? 1 : -1;
}

static int step_body(struct client *c, const char *data, size_t len, size_t *at,
                     client_body_fn *body, void *arg)
{
    size_t n = len - *at;

    if (n == 0 && c->left > 0)
        return 0;
    if ((int64_t)n > c->left)
        n = (size_t)c->left;
    if (n > 0)
        body(data + *at, n, arg);
    *at += n;
    c->left -= (int64_t)n;
    if (c->left == 0) {
        if (c->state == CLIENT_CHUNK)
            c->state = CLIENT_CHUNK_END;
        else
            (void)finish(c);
    }
    return 1;
}

static int step(struct client *c, char *data, size_t len, size_t *at, client_body_fn *body,
                void *arg)
{
    switch (c->state) {
    case CLIENT_HEAD:
        return step_head(c, data, len, at);
    case CLIENT_LENGTH:
    case CLIENT_CHUNK:
        return step_body(c, data, len, at, body, arg);
    case CLIENT_CHUNK_SIZE:
    case CLIENT_CHUNK_END:
    case CLIENT_TRAILER:
        return step_line(c, data, len, at);
    case CLIENT_IDLE:
    case CLIENT_CLOSED:
        break;
    }
    return -1; /* bytes that nobody asked for */
}

static bool answered(const struct client *c)
{
    return c->state == CLIENT_IDLE || c->state == CLIENT_CLOSED;
}

/* Takes data apart; what is left of it, an incomplete line or head, stays in c->in. */
static int take(struct client *c, char *data, size_t len, client_body_fn *body, void *arg)
{
    size_t at = 0;
    int rc = 1;

    while (rc == 1 && !answered(c))
        rc = step(c, data, len, &at, body, arg);
    if (rc < 0 || (answered(c) && at < len))
        return -1;
    if (data == c->in.data)
        buf_consume(&c->in, at);
    else
        buf_append(&c->in, data + at, len - at);
    if (buf_failed(&c->in))
        return -1;
    return answered(c) ? 1 : 0;
}

int client_read(struct client *c, client_body_fn *body, void *arg)
{
    char data[READ_BYTES + 1];
    ssize_t n = recv(c->fd, data, READ_BYTES, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0 || answered(c))
        return -1;
    data[n] = '\0';
    if (c->in.len == 0)
        return take(c, data, (size_t)n, body, arg);
    buf_append(&c->in, data, (size_t)n);
    return take(c, c->in.data, c->in.len, body, arg);
}
