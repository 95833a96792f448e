/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TCP server of one test: a thread that accepts connections and does what a script says, so that
 * any byte and any break of an upstream can be had. A script is a list of steps for each connection
 * in turn; the last list serves all further ones.
 */
#ifndef AIG_TEST_PEER_H
#define AIG_TEST_PEER_H

#include "base/base.h"

#include "base/mem.h"
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum peer_kind {
    PEER_END,     /* nothing more: closes */
    PEER_REQUEST, /* reads one request with its body */
    PEER_SEND,    /* sends `text` */
    PEER_REPEAT,  /* sends `text` `number` times */
    PEER_PAUSE,   /* `number` milliseconds */
    PEER_RESET,   /* closes with RST */
    PEER_WAIT,    /* until the client closes */
};

struct peer_step {
    enum peer_kind kind;
    const char *text;
    int number;
};

enum { PEER_STEPS_MAX = 8, PEER_SCRIPTS_MAX = 4, PEER_REQUEST_MAX = 1024 * 1024 };

struct peer {
    struct peer_step scripts[PEER_SCRIPTS_MAX][PEER_STEPS_MAX];
    int script_count;
    int fd;
    int port;
    pthread_t thread;
    atomic_int connections;
    atomic_int requests;
    atomic_bool closed_by_client; /* seen by PEER_WAIT */
    char *request;                /* the last one */
    size_t request_len;
};

/* False when the client has closed. */
static inline bool peer_read_request(struct peer *p, int fd)
{
    size_t want = 0;
    p->request_len = 0;
    for (;;) {
        ssize_t n = recv(fd, p->request + p->request_len, PEER_REQUEST_MAX - p->request_len, 0);
        if (n <= 0)
            return false;
        p->request_len += (size_t)n;
        p->request[p->request_len] = '\0';
        const char *body = strstr(p->request, "\r\n\r\n");
        if (body == NULL)
            continue;
        const char *length = strstr(p->request, "Content-Length: ");
        want = (size_t)(body + 4 - p->request) +
               (length != NULL ? (size_t)strtol(length + 16, NULL, 10) : 0);
        if (p->request_len >= want)
            break;
    }
    atomic_fetch_add(&p->requests, 1);
    return true;
}

/* False when the connection is over. */
static inline bool peer_step(struct peer *p, int fd, const struct peer_step *s)
{
    char byte;
    struct linger hard = {.l_onoff = 1};

    switch (s->kind) {
    case PEER_END:
        return false;
    case PEER_REQUEST:
        return peer_read_request(p, fd);
    case PEER_SEND:
        return send(fd, s->text, strlen(s->text), MSG_NOSIGNAL) >= 0;
    case PEER_REPEAT:
        for (int i = 0; i < s->number; i++)
            if (send(fd, s->text, strlen(s->text), MSG_NOSIGNAL) < 0)
                return false;
        return true;
    case PEER_PAUSE:
        poll(NULL, 0, s->number);
        return true;
    case PEER_RESET:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        return false;
    case PEER_WAIT:
        while (recv(fd, &byte, 1, 0) > 0)
            ;
        atomic_store(&p->closed_by_client, true);
        return false;
    }
    return false;
}

static inline void *peer_main(void *arg)
{
    struct peer *p = arg;

    for (;;) {
        int fd = accept(p->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        int which = atomic_fetch_add(&p->connections, 1);
        if (which >= p->script_count)
            which = p->script_count - 1;
        for (int i = 0; i < PEER_STEPS_MAX; i++)
            if (!peer_step(p, fd, &p->scripts[which][i]))
                break;
        close(fd);
    }
}

static inline void peer_start(struct peer *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    while (p->script_count < PEER_SCRIPTS_MAX && p->scripts[p->script_count][0].kind != PEER_END)
        p->script_count++;
    p->request = mem_alloc(PEER_REQUEST_MAX + 1);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(p->fd, 64), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&address, &len), 0);
    p->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static inline void peer_stop(struct peer *p)
{
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->fd);
    mem_free(p->request);
}

#endif
