/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/worker.h"

#include "base/log.h"
#include "base/timing.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* Enough for the deepest handler (a struct err is 2 KB, nothing puts more than a few of them on the
 * stack). */
enum { WORKER_STACK_BYTES = 256 * 1024 };

struct worker_pool {
    const struct worker_ops *ops;
    void *arg;
    int threads;
    int model_max;
    atomic_int model_calls;
    atomic_int running;
    pthread_t *ids;
    int started;
};

struct worker_pool *worker_pool_new(const struct worker_ops *ops, void *arg, int threads,
                                    int reserved)
{
    assert(threads >= 1 && reserved >= 0);
    struct worker_pool *pool = mem_zalloc(sizeof *pool);
    pool->ops = ops;
    pool->arg = arg;
    pool->threads = threads;
    pool->model_max = threads > reserved ? threads - reserved : 1;
    pool->ids = mem_zalloc(sizeof *pool->ids * (size_t)threads);
    return pool;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    mem_free(pool->ids);
    mem_free(pool);
}

bool worker_pool_enter(struct worker_pool *pool)
{
    if (atomic_fetch_add(&pool->model_calls, 1) < pool->model_max)
        return true;
    atomic_fetch_sub(&pool->model_calls, 1);
    return false;
}

void worker_pool_leave(struct worker_pool *pool)
{
    int before = atomic_fetch_sub(&pool->model_calls, 1);
    assert(before > 0);
    (void)before;
}

static void *worker_main(void *arg)
{
    struct worker_pool *pool = arg;
    struct arena *arena = arena_new();
    void *local = pool->ops->thread_open(pool->arg);
    struct exchange *x = exchange_new();

    while (exchange_accept(x) == 0) {
        pool->ops->handle(local, x, arena);
        exchange_finish(x);
        arena_reset(arena);
    }
    exchange_free(x);
    pool->ops->thread_close(local);
    arena_free(arena);
    atomic_fetch_sub(&pool->running, 1);
    return NULL;
}

static void on_stop(int sig)
{
    (void)sig;
    exchange_stop_accepting();
}

static void on_wake(int sig)
{
    (void)sig; /* only to interrupt accept(2) */
}

static void set_handler(int sig, void (*fn)(int))
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa);
    sa.sa_handler = fn;
    sigemptyset(&sa.sa_mask);
    sigaction(sig, &sa, NULL);
}

static int start_threads(struct worker_pool *pool, struct err *err)
{
    pthread_attr_t attr;
    int rc = 0;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, WORKER_STACK_BYTES);
    for (int i = 0; i < pool->threads; i++) {
        atomic_fetch_add(&pool->running, 1);
        rc = pthread_create(&pool->ids[i], &attr, worker_main, pool);
        if (rc != 0) {
            atomic_fetch_sub(&pool->running, 1);
            log_write(LOG_LEVEL_ERROR, NULL, "started %d of %d worker threads: %s", i,
                      pool->threads, strerror(rc));
            break;
        }
        pool->started++;
    }
    pthread_attr_destroy(&attr);
    if (pool->started == 0)
        return err_set(err, ERR_INTERNAL, NULL, "no worker thread could be started: %s",
                       strerror(rc));
    return 0;
}

/* Waits for a signal, then wakes the threads out of accept until all have ended or the time is
 * over. */
static void wait_and_drain(struct worker_pool *pool, const sigset_t *stop_signals, int64_t drain_ms)
{
    int sig = 0;

    while (sigwait(stop_signals, &sig) != 0)
        ;
    exchange_stop_accepting();
    int64_t deadline = timing_mono_ms() + drain_ms;
    while (atomic_load(&pool->running) > 0 && !timing_passed(deadline)) {
        for (int i = 0; i < pool->started; i++)
            pthread_kill(pool->ids[i], SIGUSR1);
        poll(NULL, 0, 20);
    }
    int left = atomic_load(&pool->running);
    if (left > 0)
        log_write(LOG_LEVEL_WARN, NULL, "stopping with %d requests under way", left);
}

static int run_threaded(struct worker_pool *pool, int64_t drain_ms, struct err *err)
{
    sigset_t stop_signals;

    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
    set_handler(SIGUSR1, on_wake);
    if (start_threads(pool, err) != 0)
        return -1;
    wait_and_drain(pool, &stop_signals, drain_ms);
    if (atomic_load(&pool->running) > 0)
        return 1;
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->ids[i], NULL);
    return 0;
}

int worker_pool_run(struct worker_pool *pool, int64_t drain_ms, struct err *err)
{
    set_handler(SIGPIPE, SIG_IGN);
    if (pool->threads > 1 && !exchange_is_cgi()) {
        if (FCGX_Init() != 0)
            return err_set(err, ERR_INTERNAL, NULL, "libfcgi cannot be initialised");
        return run_threaded(pool, drain_ms, err);
    }
    if (!exchange_is_cgi() && FCGX_Init() != 0)
        return err_set(err, ERR_INTERNAL, NULL, "libfcgi cannot be initialised");
    set_handler(SIGTERM, on_stop);
    set_handler(SIGINT, on_stop);
    set_handler(SIGUSR1, on_stop);
    atomic_fetch_add(&pool->running, 1);
    (void)worker_main(pool);
    return 0;
}
