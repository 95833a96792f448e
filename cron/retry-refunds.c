/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks Stripe once more for refunds that it could not be asked for at the time: the credit is out
 * of the balance, the money has not gone back. Stripe knows them by our number, so asking twice
 * pays once.
 */
#include "base/base.h"

#include "core/stripe.h"
#include "cronmain.h"

#include <stdio.h>

enum { LIMIT_S = 240 };

static int run(struct cron *cron, struct err *err)
{
    struct stripe_call call = {.conf = cron->conf, .store = cron->store, .arena = cron->arena};
    struct stripe_retry retry;

    if (stripe_refund_retry(&retry, &call, cron->deadline_ms, cron->dry_run, err) != 0)
        return CRON_FAILED;
    if (cron->dry_run) {
        printf("retry-refunds: would ask for %zu refunds\n", retry.open);
        return CRON_OK;
    }
    if (cron->verbose)
        printf("retry-refunds: %zu paid back, %zu refused, %zu are left\n", retry.done,
               retry.failed, retry.open);
    if (retry.open > 0)
        fprintf(stderr, "retry-refunds: %zu refunds are still not paid back; see v_checkout\n",
                retry.open);
    return retry.open > 0 ? CRON_FAILED : CRON_OK;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "retry-refunds",
        .summary = "Asks Stripe again for the refunds that it has not confirmed.",
        .exclusive = true,
        .limit_s = LIMIT_S,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
