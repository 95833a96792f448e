/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many webhooks may be on the way at one time to one host and for one account, so that nobody
 * who is slow holds up the others. A host's window follows how quickly it answers: from
 * LANES_HOST_FIRST up to LANES_HOST_MAX while it is quick, down to one when it is slow or says that
 * it has too much (then it also gets a pause). An account's window is fixed. Somewhat more than the
 * window may wait. Belongs to one thread; its memory is bounded. Times are monotonic milliseconds.
 */
#ifndef AIG_LANES_H
#define AIG_LANES_H

#include "base/base.h"
#include "base/buf.h"

enum {
    LANES_HOST_FIRST = 4,
    LANES_HOST_MAX = 32,
    LANES_ACCOUNT_MAX = 64,
    LANES_ACCOUNT_HELD_MAX = 256, /* with those that wait */
    LANES_QUICK_MS = 2000,        /* an answer within this lets the window grow */
    LANES_SLOW_MS = 5000,         /* one after this halves it */
    LANES_PAUSE_MIN_MS = 1000,
    LANES_PAUSE_MAX_MS = 60 * 1000,
    LANES_KEPT_MAX = 4096, /* idle ones beyond this are forgotten */
};

struct lanes;

struct lanes *lanes_new(void) AIG_MUST_USE;
/* NULL is allowed. */
void lanes_free(struct lanes *l);

/* Lets one wait; false: as many wait as may. */
bool lanes_enter(struct lanes *l, int64_t host, int64_t account, int64_t now_ms);
/* One that waits starts; false: not now. */
bool lanes_start(struct lanes *l, int64_t host, int64_t account, int64_t now_ms);
/* One that waits leaves without having been started. */
void lanes_leave(struct lanes *l, int64_t host, int64_t account);
/* One that was started has ended after so long. overloaded: the host asked for patience, for
 * pause_ms if it said so (0: it did not). */
void lanes_end(struct lanes *l, int64_t host, int64_t account, int64_t now_ms, int64_t elapsed_ms,
               bool overloaded, int64_t pause_ms);

/* Lists hosts and accounts that can take few more or have a pause, with commas between. */
void lanes_list_busy(struct buf *hosts, struct buf *accounts, struct lanes *l, int64_t now_ms);
/* Has one of those listed got room since (other than by the end of its pause)? Once for each list.
 */
bool lanes_got_room(struct lanes *l);

#endif
