/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every kind of call to a provider has in common while its hold is open: address, headers,
 * limits of time, the one retry where no connection can be made, and the renewal of the hold.
 * Belongs to the caller's thread.
 */
#ifndef AIG_UPSTREAM_H
#define AIG_UPSTREAM_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "net/transfer.h"
#include "wire/format.h"

enum { UPSTREAM_TICK_MS = 1000 };

struct upstream_call {
    const struct conf *conf;
    struct arena *arena;
    const char *base_url;
    const char *path;  /* after the base URL; "{model}" stands for the model */
    const char *model; /* the upstream's name of it */
    enum format_auth auth;
    const char *key;
    const char *extra_header; /* NULL: none */
    bool stream;
    struct span body;
    int64_t start_ms; /* monotonic: when the client's call began */
    int watch_fd;     /* -1: none */
};

/* Runs one call to its end; a connection that cannot be made is tried once more, after a moment.
 * The callbacks get a tick about every UPSTREAM_TICK_MS. */
void upstream_run(struct transfer_result *result, struct transfer *t,
                  const struct upstream_call *call, const struct transfer_callbacks *callbacks,
                  void *arg);

/* The provider failed: sets err (retryable) and answers what the usage row calls it ("timeout",
 * "upstream_error"). */
const char *upstream_broken(struct err *err, enum err_code code, const char *status,
                            const struct transfer_result *result, const char *message);

/* The same for a plain answer that did not come whole. */
const char *upstream_unanswered(struct err *err, const struct transfer_result *result);

/* At every tick: keeps the hold of a long call from expiring. *renewed_ms is when the call began or
 * was last renewed here. */
void upstream_renew(struct app *app, struct arena *arena, const char *request_id,
                    int64_t *renewed_ms);

#endif
