/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FastCGI program that reads the request and answers with a small constant JSON object, on the
 * project's own http layer: what is left of a call when nothing is done for it. The cost of all
 * above that layer is measured against it.
 *
 *   null [THREADS] <listening socket
 */
#include "base/base.h"

#include "base/buf.h"
#include "http/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS = 256,
    THREADS_MAX = 4096,
    BODY_MAX = 1024 * 1024,
    DRAIN_MS = 1000,
};

static const char answer[] = "{\"object\":\"null\",\"choices\":[]}\n";

static void *thread_open(void *arg)
{
    struct buf *body = mem_zalloc(sizeof *body);

    (void)arg;
    buf_init(body, BODY_MAX);
    return body;
}

static void thread_close(void *local)
{
    struct buf *body = local;

    buf_fini(body);
    mem_free(body);
}

static void handle(void *local, struct exchange *x, struct arena *arena)
{
    struct buf *body = local;
    struct err err;

    (void)arena;
    buf_clear(body);
    int status = exchange_read_body(body, x, BODY_MAX, &err) == 0 ? 200 : err.status;
    exchange_header(x, "x-request-id", "%s", exchange_request_id(x));
    exchange_header(x, "Content-Type", "application/json");
    exchange_header(x, "Content-Length", "%zu", strlen(answer));
    exchange_begin(x, status);
    (void)exchange_write(x, answer, strlen(answer));
}

int main(int argc, char **argv)
{
    static const struct worker_ops ops = {
        .thread_open = thread_open,
        .thread_close = thread_close,
        .handle = handle,
    };
    long threads = argc > 1 ? strtol(argv[1], NULL, 10) : THREADS;
    struct err err;

    if (threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "null: between 1 and %d threads\n", THREADS_MAX);
        return EXIT_FAILURE;
    }
    err_clear(&err);
    struct worker_pool *pool = worker_pool_new(&ops, NULL, (int)threads, 0);
    int rc = worker_pool_run(pool, DRAIN_MS, &err);
    if (rc > 0)
        _Exit(EXIT_SUCCESS); /* some threads still use what would be freed */
    if (rc < 0)
        fprintf(stderr, "null: %s\n", err.message);
    worker_pool_free(pool);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
