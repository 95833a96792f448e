/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the media providers how the open jobs are that are due, ends those that have ended, and
 * gives up those that nobody confirmed or that are too old. Rows are claimed, so any number of
 * these may run at once, beside the callbacks.
 */
#include "base/base.h"

#include "core/media_poll.h"
#include "cronmain.h"
#include "store/task.h"

#include <stdio.h>

enum {
    LIMIT_S = 50,
    SHOWN_MAX = 1000, /* by a dry run */
    KEEP_DAYS = 60,
};

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

static int run(struct cron *cron, struct err *err)
{
    struct media_report report;

    if (cron->dry_run)
        return list_only(cron, err);
    int rc =
        media_poll_due(&report, cron->conf, cron->store, cron_catch_stop(), cron->deadline_ms, err);
    if (rc == 0)
        rc = task_purge(cron->store, cron->arena, KEEP_DAYS, err);
    if (cron->verbose)
        printf("poll-jobs: asked for %zu jobs, %zu have ended, %zu without an answer\n",
               report.asked, report.ended, report.failed);
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
