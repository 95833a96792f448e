/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads: each accepts for itself (no lock around accept: a silent connection would stop
 * them all), has its own exchange and arena, carries one request to its end and goes on. With one
 * thread, or under plain CGI, the calling thread is the worker.
 */
#ifndef AIG_WORKER_H
#define AIG_WORKER_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/fcgi.h"

struct worker_ops {
    /* Once a thread; NULL is an allowed answer. */
    void *(*thread_open)(void *arg);
    void (*thread_close)(void *local);
    /* One request; must answer it. The arena is reset afterwards. */
    void (*handle)(void *local, struct exchange *x, struct arena *arena);
};

struct worker_pool;

struct worker_pool *worker_pool_new(const struct worker_ops *ops, void *arg, int threads,
                                    int reserved) AIG_MUST_USE;
void worker_pool_free(struct worker_pool *pool);

/* Runs until SIGTERM or SIGINT (or, in plain CGI, for one request): then no new request is
 * accepted, those under way are finished within drain_ms, and it returns. -1 with err when no
 * thread could be started. */
int worker_pool_run(struct worker_pool *pool, int64_t drain_ms, struct err *err) AIG_MUST_USE;

/* Admission of model calls: false when all workers but the reserved ones carry one. Each true needs
 * one worker_pool_leave. Any worker may call these. */
bool worker_pool_enter(struct worker_pool *pool) AIG_MUST_USE;
void worker_pool_leave(struct worker_pool *pool);

#endif
