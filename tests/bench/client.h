/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kept HTTP/1.1 connection of a load program: sends a request, reads the answer as it comes
 * (Content-Length or chunked). Just enough of the protocol for servers that keep to it; whatever
 * else comes is a failure.
 */
#ifndef AIG_BENCH_CLIENT_H
#define AIG_BENCH_CLIENT_H

#include "base/base.h"
#include "base/buf.h"

#include <netinet/in.h>

enum client_state {
    CLIENT_IDLE, /* connected, nothing asked */
    CLIENT_HEAD,
    CLIENT_LENGTH,     /* body with a Content-Length */
    CLIENT_CHUNK_SIZE, /* in front of a chunk's size line */
    CLIENT_CHUNK,
    CLIENT_CHUNK_END, /* in front of the line end after a chunk */
    CLIENT_TRAILER,   /* after the last chunk */
    CLIENT_CLOSED,
};

struct client {
    int fd;
    enum client_state state;
    int status;
    bool closing; /* the server announced that it closes the connection */
    int64_t left; /* bytes of the body or chunk */
    struct buf in;
};

/* Bytes of the body; valid during the call only. */
typedef void client_body_fn(const char *data, size_t len, void *arg);

/* Connects (blocking), then the socket is non-blocking. -1 with errno. */
int client_open(struct client *c, const struct sockaddr_in *to) AIG_MUST_USE;
void client_close(struct client *c);
/* The whole request at once. -1 when it could not be sent. */
int client_send(struct client *c, struct span request) AIG_MUST_USE;
/* Reads what is there: 1 when the answer is whole (state IDLE, or CLOSED if the server closes), 0
 * when more must come, -1 when the connection broke or what came is no HTTP. */
int client_read(struct client *c, client_body_fn *body, void *arg) AIG_MUST_USE;

#endif
