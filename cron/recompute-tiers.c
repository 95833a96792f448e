/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts every account into the tier that its spend of 30 days has earned, some thousands at a time.
 */
#include "base/base.h"

#include "base/decimal.h"
#include "base/timing.h"
#include "cronmain.h"
#include "store/tiers.h"

#include <stdio.h>

enum {
    BATCH = 10000, /* numbers of accounts; the procedure locks far fewer at once */
    LIMIT_S = 3600,
};

static void print_changes(const struct table *changes, bool dry_run)
{
    for (size_t i = 0; i < changes->row_count; i++) {
        char spend[DECIMAL_SIZE];
        decimal_trim(spend, table_cell(changes, i, "spend_usd"));
        printf("recompute-tiers: account %s %s from %s to %s ($%s in 30 days)\n",
               table_cell(changes, i, "account_id"), dry_run ? "would move" : "moved",
               table_cell(changes, i, "from"), table_cell(changes, i, "to"), spend);
    }
}

static int run(struct cron *cron, struct err *err)
{
    struct arena *work = arena_new();
    int64_t last = 0;
    size_t changed = 0;

    int rc = tiers_last_account(&last, cron->store, work, err);
    for (int64_t first = 1; rc == 0 && first <= last; first += BATCH) {
        struct table changes = {0};
        arena_reset(work);
        if (timing_passed(cron->deadline_ms)) {
            fprintf(stderr, "recompute-tiers: out of time at account %lld of %lld\n",
                    (long long)first, (long long)last);
            rc = -1;
        } else {
            rc = tiers_recompute(&changes, cron->store, work, first, first + BATCH - 1,
                                 cron->dry_run, err);
        }
        changed += changes.row_count;
        if (cron->verbose)
            print_changes(&changes, cron->dry_run);
    }
    if (rc == 0 && (cron->verbose || cron->dry_run))
        printf("recompute-tiers: %s %zu accounts\n", cron->dry_run ? "would move" : "moved",
               changed);
    arena_free(work);
    return rc == 0 ? CRON_OK : CRON_FAILED;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "recompute-tiers",
        .summary = "Moves accounts to the tier that their charged spend of the last 30 days has "
                   "earned: up\nat once, down one step a run. Each change is a row in tier_change.",
        .exclusive = true,
        .limit_s = LIMIT_S,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
