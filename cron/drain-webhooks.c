/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers the webhooks that are due. Rows are claimed, so any number of these may run at once.
 */
#include "base/base.h"

#include "core/webhook_drain.h"
#include "cronmain.h"
#include "store/hook.h"

#include <stdio.h>

enum {
    LIMIT_S = 50,
    SHOWN_MAX = 1000, /* by a dry run */
};

static int list_only(struct cron *cron, struct err *err)
{
    struct hook_job *jobs = NULL;
    size_t count = 0;

    if (hook_list_due(&jobs, &count, cron->store, cron->arena, SHOWN_MAX, err) != 0)
        return CRON_FAILED;
    if (cron->verbose)
        for (size_t i = 0; i < count; i++)
            printf("drain-webhooks: would send %s to %s\n", jobs[i].id, jobs[i].url);
    printf("drain-webhooks: would send %zu%s webhooks\n", count,
           count == SHOWN_MAX ? " or more" : "");
    return CRON_OK;
}

static int run(struct cron *cron, struct err *err)
{
    struct webhook_drain_options options = {
        .conf = cron->conf,
        .store = cron->store,
        .watch = cron->watch,
        .deadline_ms = cron->deadline_ms,
    };
    struct webhook_drain_report report;

    if (cron->dry_run)
        return list_only(cron, err);
    options.stop = cron_catch_stop();
    int rc = webhook_drain(&report, &options, err);
    if (cron->verbose)
        printf("drain-webhooks: delivered %llu, %llu attempts failed, gave up %llu\n",
               (unsigned long long)report.delivered, (unsigned long long)report.retried,
               (unsigned long long)report.dead);
    return rc == 0 ? CRON_OK : CRON_FAILED;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "drain-webhooks",
        .summary = "Delivers the webhooks to customers that are due.",
        .limit_s = LIMIT_S,
        .can_watch = true,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
