/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers webhooks that are due, many at once: claims rows in batches, sends them under the bounds
 * of core/lanes, writes down how they ended. Any number of these may run, on any number of hosts.
 * Killed at any moment it loses nothing: rows whose outcome had not been written down become due
 * again when their claim ends.
 */
#ifndef AIG_WEBHOOK_DRAIN_H
#define AIG_WEBHOOK_DRAIN_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "store/store.h"

#include <signal.h>

enum {
    WEBHOOK_DRAIN_RUNNING_MAX = 256, /* attempts on their way */
    WEBHOOK_DRAIN_HELD_MAX = 512,    /* with those that wait */
};

struct webhook_drain_options {
    const struct conf *conf;
    struct store *store;
    bool watch;                        /* goes on when nothing is due, until stop or the deadline */
    const volatile sig_atomic_t *stop; /* not 0: finish what is on its way and return; or NULL */
    int64_t deadline_ms;               /* monotonic: the same; 0: none */
};

struct webhook_drain_report {
    uint64_t delivered;
    uint64_t retried; /* failed, will be tried again */
    uint64_t dead;
};

/* -1: the database was away (the report is filled as far as it went; with watch it waits for the
 * database instead). */
int webhook_drain(struct webhook_drain_report *out, const struct webhook_drain_options *options,
                  struct err *err) AIG_MUST_USE;

#endif
