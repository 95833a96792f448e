/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the invariants of the ledger and reports each breach.
 */
#include "base/base.h"

#include "cronmain.h"
#include "store/ledger.h"

#include <stdio.h>

enum { BREACHES_MAX = 1000 };

static int run(struct cron *cron, struct err *err)
{
    struct ledger_breach *breaches = NULL;
    size_t count = 0;

    if (ledger_verify(&breaches, &count, cron->store, cron->arena, BREACHES_MAX, err) != 0)
        return CRON_FAILED;
    for (size_t i = 0; i < count; i++)
        printf("%s: %s: %s\n", breaches[i].rule, breaches[i].subject, breaches[i].detail);
    if (count == BREACHES_MAX)
        printf("there may be more: only the first %d are shown\n", BREACHES_MAX);
    if (count == 0 && cron->verbose)
        printf("ledger ok\n");
    return count > 0 ? CRON_FAILED : CRON_OK;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "verify-ledger",
        .summary =
            "Checks the invariants of the ledger; each breach is a line on stdout, and the exit\n"
            "status is 1. It changes nothing.",
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
