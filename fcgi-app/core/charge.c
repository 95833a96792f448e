/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/charge.h"

#include "base/log.h"
#include "core/spool.h"

#include <string.h>

void charge_release(const struct charge_call *call, const struct ledger_outcome *how)
{
    struct err err;

    if (ledger_release(&call->app->store, call->arena, call->request_id, how, &err) != 0)
        log_write(LOG_LEVEL_WARN, call->request_id,
                  "hold not released, it will expire by itself: %s", err.detail);
}

static int64_t at_least_zero(int64_t v)
{
    return v > 0 ? v : 0;
}

/* Prompt kinds are taken apart so that none is billed twice. */
static struct ledger_usage invoice_of(const struct usage *u)
{
    struct ledger_usage invoice = {
        .cached = at_least_zero(u->cached),
        .cache_write_5m = at_least_zero(u->cache_write_5m),
        .cache_write_1h = at_least_zero(u->cache_write_1h),
        .output = at_least_zero(u->completion),
        .reasoning = at_least_zero(u->reasoning),
        .web_searches = u->tools.web_searches,
        .preview_searches = u->tools.preview_searches,
        .file_searches = u->tools.file_searches,
        .containers = u->tools.containers,
        .container_gb = u->tools.container_gb,
        .estimated = !u->known,
    };

    invoice.input =
        at_least_zero(u->prompt - invoice.cached - invoice.cache_write_5m - invoice.cache_write_1h);
    if (invoice.reasoning > invoice.output)
        invoice.reasoning = invoice.output;
    memcpy(invoice.upstream_cost_usd, u->cost_usd, sizeof invoice.upstream_cost_usd);
    return invoice;
}

/* A charge that can be lost neither to the database nor to this process: the last resort is the
 * log, with counts only. Not inlined: its error must not lie on the stack of every call. */
__attribute__((noinline)) static void spool(const struct charge_call *call,
                                            const struct ledger_usage *invoice,
                                            const struct ledger_outcome *how)
{
    struct err err;

    if (spool_write(call->app->conf->spool_dir, call->request_id, invoice, how, &err) == 0)
        return;
    log_write(LOG_LEVEL_ERROR, call->request_id,
              "SETTLEMENT LOST, enter it by hand: input %lld cached %lld write5m %lld write1h %lld "
              "output %lld reasoning %lld web searches %lld preview %lld file searches %lld "
              "containers %lld of %lld GB cost '%s' (%s %s)",
              (long long)invoice->input, (long long)invoice->cached,
              (long long)invoice->cache_write_5m, (long long)invoice->cache_write_1h,
              (long long)invoice->output, (long long)invoice->reasoning,
              (long long)invoice->web_searches, (long long)invoice->preview_searches,
              (long long)invoice->file_searches, (long long)invoice->containers,
              (long long)invoice->container_gb, invoice->upstream_cost_usd, err.message,
              err.detail);
}

const char *charge_settle(const struct charge_call *call, struct usage *usage,
                          int64_t prompt_estimate, int64_t completion_estimate,
                          const struct ledger_outcome *how)
{
    struct ledger_charge *charge = arena_zalloc(call->arena, sizeof *charge);
    struct err err;

    if (!usage->known) {
        /* Some providers tell the prompt's count at the beginning of a stream already. */
        usage->prompt = usage->prompt > 0 ? usage->prompt : prompt_estimate;
        if (usage->completion < completion_estimate)
            usage->completion = completion_estimate;
    }
    struct ledger_usage invoice = invoice_of(usage);
    if (ledger_settle(charge, &call->app->store, call->arena, call->request_id, &invoice, how,
                      &err) == 0)
        return charge->charge_usd;
    log_write(LOG_LEVEL_WARN, call->request_id, "settled later, from the spool: %s", err.detail);
    spool(call, &invoice, how);
    return NULL;
}
