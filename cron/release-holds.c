/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Releases the holds of calls whose process died (nobody has renewed them), and does the ledger's
 * housekeeping.
 */
#include "base/base.h"

#include "base/timing.h"
#include "cronmain.h"
#include "store/carry.h"
#include "store/idempotency_row.h"
#include "store/ledger.h"

#include <stdio.h>

enum {
    BATCH = 200,
    KEEP_RESOLVED_DAYS = 30,
    LIMIT_S = 240,
};

static int list_only(struct cron *cron, const char *const *ids, size_t count)
{
    if (cron->verbose)
        for (size_t i = 0; i < count; i++)
            printf("release-holds: would release %s\n", ids[i]);
    printf("release-holds: would release %zu%s expired holds\n", count,
           count == BATCH ? " or more" : "");
    return CRON_OK;
}

struct sweep {
    size_t released;
    size_t failed;
};

/* -1: the database is away. One hold that cannot be released does not keep the others. */
static int release_batch(struct sweep *sweep, struct cron *cron, const char *const *ids,
                         size_t count, struct arena *work, struct err *err)
{
    for (size_t i = 0; i < count && !timing_passed(cron->deadline_ms); i++) {
        bool expired = false;
        if (ledger_expire(&expired, cron->store, work, ids[i], err) == 0) {
            sweep->released += expired;
        } else if (err->code == ERR_DATABASE) {
            return -1;
        } else {
            fprintf(stderr, "release-holds: %s: %s\n", ids[i], err->detail);
            err_clear(err);
            sweep->failed++;
        }
    }
    return 0;
}

static int sweep_all(struct sweep *sweep, struct cron *cron, struct arena *work, struct err *err)
{
    size_t before;
    size_t count;

    do {
        const char **ids = NULL;
        before = sweep->released;
        arena_reset(work);
        if (ledger_list_expired(&ids, &count, cron->store, work, BATCH, err) != 0)
            return CRON_FAILED;
        if (cron->dry_run)
            return list_only(cron, ids, count);
        if (release_batch(sweep, cron, ids, count, work, err) != 0)
            return CRON_FAILED;
    } while (count == BATCH && sweep->released > before && !timing_passed(cron->deadline_ms));
    return sweep->failed > 0 ? CRON_FAILED : CRON_OK;
}

static int run(struct cron *cron, struct err *err)
{
    struct arena *work = arena_new();
    struct sweep sweep = {0};

    int code = sweep_all(&sweep, cron, work, err);
    if (code == CRON_OK && !cron->dry_run &&
        (ledger_housekeep(cron->store, work, KEEP_RESOLVED_DAYS, err) != 0 ||
         carry_purge(cron->store, work, cron->deadline_ms, err) != 0))
        code = CRON_FAILED;
    int64_t deleted = 0;
    if (code == CRON_OK && !cron->dry_run &&
        idempotency_row_purge(&deleted, cron->store, work, err) != 0)
        code = CRON_FAILED;
    if (cron->verbose && !cron->dry_run)
        printf("release-holds: released %zu expired holds\n", sweep.released);
    if (cron->verbose && deleted > 0)
        printf("release-holds: deleted %lld expired idempotency keys\n", (long long)deleted);
    arena_free(work);
    return code;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "release-holds",
        .summary =
            "Releases the holds of calls whose process died, deletes old resolved holds and\n"
            "expired idempotency keys and reasoning state, and adds the coming months' partitions\n"
            "of usage_log.",
        .exclusive = true,
        .limit_s = LIMIT_S,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
