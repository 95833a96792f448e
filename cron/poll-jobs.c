/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the media providers how the open jobs are that are due, ends those that have ended, and gives
 * up those that nobody confirmed or that are too old. Rows are claimed, so any number of these may
 * run at once, beside the callbacks.
 */
#include "base/base.h"

#include "base/timing.h"
#include "core/media.h"
#include "core/webhook.h"
#include "cronmain.h"
#include "net/transfer.h"
#include "store/task.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    BATCH = 40,
    AT_ONCE = 20,
    LIMIT_S = 50,
    SHOWN_MAX = 1000, /* by a dry run */
    KEEP_DAYS = 60,
};

static volatile sig_atomic_t stop;

static void on_stop(int sig)
{
    (void)sig;
    stop = 1;
}

static void catch_signals(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_stop;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
}

static int list_only(struct cron *cron, struct err *err)
{
    struct task *tasks = NULL;
    size_t count = 0;

    if (task_due(&tasks, &count, cron->store, cron->arena, SHOWN_MAX, err) != 0)
        return CRON_FAILED;
    if (cron->verbose)
        for (size_t i = 0; i < count; i++)
            printf("poll-jobs: would ask %s for %s (%s, %s)\n", tasks[i].provider, tasks[i].id,
                   tasks[i].model, tasks[i].state);
    printf("poll-jobs: would ask for %zu%s jobs\n", count, count == SHOWN_MAX ? " or more" : "");
    return CRON_OK;
}

static int poll_all(struct media_polled *sum, struct cron *cron, struct err *err)
{
    struct app app = {.conf = cron->conf, .store = *cron->store};
    struct arena *work = arena_new();
    size_t count = 0;
    int rc = 0;

    do {
        struct task *tasks = NULL;
        struct media_polled polled;
        arena_reset(work);
        rc = task_claim(&tasks, &count, cron->store, work, BATCH, err);
        if (rc == 0 && count > 0) {
            rc = media_poll(&polled, &app, work, tasks, count, AT_ONCE, err);
            sum->asked += polled.asked;
            sum->ended += polled.ended;
            sum->failed += polled.failed;
            for (size_t i = 0; i < polled.delivery_count && stop == 0; i++)
                webhook_deliver_now(&app, polled.delivery_ids[i]);
        }
    } while (rc == 0 && count == BATCH && stop == 0 && !timing_passed(cron->deadline_ms));
    if (rc == 0)
        rc = task_purge(cron->store, work, KEEP_DAYS, err);
    arena_free(work);
    return rc;
}

static int run(struct cron *cron, struct err *err)
{
    struct media_polled sum = {0};

    if (cron->dry_run)
        return list_only(cron, err);
    catch_signals();
    if (transfer_global_init(err) != 0)
        return CRON_FAILED;
    int rc = poll_all(&sum, cron, err);
    transfer_global_fini();
    if (cron->verbose)
        printf("poll-jobs: asked for %zu jobs, %zu have ended, %zu without an answer\n", sum.asked,
               sum.ended, sum.failed);
    return rc == 0 ? CRON_OK : CRON_FAILED;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "poll-jobs",
        .summary = "Asks the media providers how the open jobs are.",
        .limit_s = LIMIT_S,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
