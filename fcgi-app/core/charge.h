/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a hold: charged, or released. A charge that the database does not take goes to the
 * spool; a release that it does not take is the sweeper's, once the hold has expired. Any thread
 * may call these.
 */
#ifndef AIG_CHARGE_H
#define AIG_CHARGE_H

#include "base/base.h"
#include "base/mem.h"
#include "core/app.h"
#include "store/ledger.h"
#include "wire/usage.h"

struct charge_call {
    struct app *app;
    struct arena *arena;
    const char *request_id;
};

/* Charges a call. Where the provider told no counts (usage->known false), `usage` is first filled
 * with the estimates, in tokens. The amount in US dollars, in the arena; NULL when it is not known
 * yet because the database is away. */
const char *charge_settle(const struct charge_call *call, struct usage *usage,
                          int64_t prompt_estimate, int64_t completion_estimate,
                          const struct ledger_outcome *how);

/* Nothing is charged. */
void charge_release(const struct charge_call *call, const struct ledger_outcome *how);

#endif
