/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "db/txn.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/timing.h"

#include <errno.h>
#include <time.h>

enum {
    TXN_LIMIT_MS = 10 * 1000,  /* when the caller names no deadline */
    TXN_CONFLICT_TRIES = 10,   /* runs of one step that may end in a conflict */
    TXN_LOST_TRIES = 2,        /* runs that may lose their connection */
    TXN_PAUSE_FIRST_US = 2000, /* upper end of the first pause; doubles each time */
    TXN_PAUSE_MAX_US = 200000,
};

/* Random, so that those who met once do not meet again. */
static void pause_for(unsigned conflicts)
{
    uint32_t random;
    uint32_t limit_us = TXN_PAUSE_MAX_US;

    secret_random(&random, sizeof(random));
    if (conflicts <= 6)
        limit_us = (uint32_t)TXN_PAUSE_FIRST_US << conflicts;
    struct timespec pause = {.tv_nsec = (long)(random % limit_us) * 1000L};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
        ;
}

int db_run(struct db_rows *out, struct db_pool *pool, struct arena *arena, const char *sql,
           const struct db_param *params, size_t param_count, size_t row_max, int64_t deadline_ms,
           struct err *err)
{
    unsigned conflicts = 0;
    unsigned losses = 0;

    *out = (struct db_rows){0};
    if (deadline_ms == 0)
        deadline_ms = timing_mono_ms() + TXN_LIMIT_MS;
    for (;;) {
        struct db_conn *conn = NULL;
        if (db_pool_take(&conn, pool, deadline_ms, err) != 0)
            return -1;
        int rc = db_exec(out, conn, arena, sql, params, param_count, row_max, err);
        enum db_fault fault = db_conn_fault(conn);
        db_pool_give(pool, conn);
        if (rc == 0)
            return 0;

        if (timing_passed(deadline_ms))
            return -1;
        if (fault == DB_FAULT_CONFLICT && ++conflicts < TXN_CONFLICT_TRIES) {
            log_write(LOG_LEVEL_DEBUG, NULL, "database step runs again: %s", err->detail);
            pause_for(conflicts - 1);
        } else if (fault == DB_FAULT_LOST && ++losses < TXN_LOST_TRIES) {
            log_write(LOG_LEVEL_WARN, NULL, "database step runs again: %s", err->detail);
        } else {
            return -1;
        }
    }
}
