/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every cron program shares: options (--once --dry-run -v --help --version), configuration, an
 * advisory lock in the database (so that two runs, also from several hosts, do not do the same work
 * twice), a deadline and the exit codes.
 */
#ifndef AIG_CRONMAIN_H
#define AIG_CRONMAIN_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

#include <signal.h>

enum { CRON_OK = 0, CRON_FAILED = 1, CRON_USAGE = 2 };

struct cron {
    const struct conf *conf;
    struct store *store;
    struct arena *arena;
    bool dry_run;
    bool verbose;
    bool watch;          /* --watch: go on looking for work until the deadline or a signal */
    int64_t watch_s;     /* for so long; 0: until a signal */
    int64_t deadline_ms; /* monotonic: stop starting new work after it; 0: none */
};

struct cron_program {
    const char *name;
    const char *summary; /* for --help */
    bool exclusive; /* runs under the advisory lock; a second run exits 0 and says so with -v */
    bool can_watch; /* has --watch */
    int limit_s;    /* time for one run; 0: no limit */
    int watch_s;    /* how long --watch goes on without a number; 0: until a signal */
    /* Returns an exit code; on CRON_FAILED err may say why (then it is printed on stderr). Reports
     * go to stdout. */
    int (*run)(struct cron *cron, struct err *err);
};

/* From now on SIGTERM and SIGINT set what is returned, so that what is under way can end, and
 * SIGPIPE is ignored. */
const volatile sig_atomic_t *cron_catch_stop(void);

int cron_main(const struct cron_program *program, int argc, char **argv);

#endif
