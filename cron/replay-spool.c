/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settles the calls that finished while the database was away. Every host has a spool of its own
 * and settling twice has no second effect, so it needs no lock.
 */
#include "base/base.h"

#include "core/spool.h"
#include "cronmain.h"

#include <stdio.h>

enum { LIMIT_S = 50 };

static int run(struct cron *cron, struct err *err)
{
    struct spool_report report;
    const char *dir = cron->conf->spool_dir;

    int rc =
        spool_replay(&report, dir, cron->store, cron->arena, cron->deadline_ms, cron->dry_run, err);
    if (cron->dry_run)
        printf("replay-spool: would settle %zu calls, %zu files cannot be understood\n",
               report.left, report.bad);
    else if (cron->verbose)
        printf("replay-spool: settled %zu calls, %zu are left, %zu files were set aside\n",
               report.settled, report.left, report.bad);
    if (report.bad > 0 && !cron->dry_run)
        fprintf(stderr, "replay-spool: %zu files in %s were set aside as *.bad; look at them\n",
                report.bad, dir);
    return rc != 0 || report.bad > 0 ? CRON_FAILED : CRON_OK;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "replay-spool",
        .summary = "Settles the calls that finished while the database was away (spool_dir).",
        .limit_s = LIMIT_S,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
