/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/upstream.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/timing.h"
#include "store/ledger.h"

#include <poll.h>
#include <string.h>

enum {
    HEADERS_MAX = 4,
    RETRY_BASE_MS = 50, /* to 100 ms */
    /* The first byte of a plain answer comes when all of it has been thought out; the SDKs wait for
       ten minutes. */
    PLAIN_PATIENCE = 5,
};

static const char *key_header(const struct upstream_call *call)
{
    static const char *const names[] = {
        [FORMAT_AUTH_BEARER] = "Authorization: Bearer ",
        [FORMAT_AUTH_X_API_KEY] = "x-api-key: ",
        [FORMAT_AUTH_GOOG] = "x-goog-api-key: ",
    };

    return arena_printf(call->arena, "%s%s", names[call->auth], call->key);
}

static const char *url_of(const struct upstream_call *call)
{
    static const char model[] = "{model}";
    const char *at = strstr(call->path, model);

    if (at == NULL)
        return arena_printf(call->arena, "%s%s", call->base_url, call->path);
    return arena_printf(call->arena, "%s%.*s%s%s", call->base_url, (int)(at - call->path),
                        call->path, call->model, at + sizeof model - 1);
}

void upstream_run(struct transfer_result *result, struct transfer *t,
                  const struct upstream_call *call, const struct transfer_callbacks *callbacks,
                  void *arg)
{
    const struct conf *conf = call->conf;
    const char *headers[HEADERS_MAX];
    size_t n = 0;

    headers[n++] = "Content-Type: application/json";
    headers[n++] = call->stream ? "Accept: text/event-stream" : "Accept: application/json";
    headers[n++] = key_header(call);
    if (call->extra_header != NULL)
        headers[n++] = call->extra_header;
    struct transfer_request request = {
        .url = url_of(call),
        .headers = headers,
        .header_count = n,
        .body = call->body,
        .connect_timeout_ms = conf->connect_timeout_ms,
        .first_byte_timeout_ms = call->stream ? conf->first_byte_timeout_ms
                                              : PLAIN_PATIENCE * conf->first_byte_timeout_ms,
        .idle_timeout_ms = conf->idle_timeout_ms,
        .deadline_ms = call->start_ms + conf->max_call_time_ms,
        .tick_ms = UPSTREAM_TICK_MS,
        .watch_fd = call->watch_fd,
    };
    transfer_run(result, t, &request, callbacks, arg);
    if (result->end != TRANSFER_UNREACHABLE)
        return;
    /* Other clients of a provider that restarts come back, too: not all in the same moment. */
    unsigned char jitter = 0;
    secret_random(&jitter, sizeof jitter);
    poll(NULL, 0, RETRY_BASE_MS + jitter % RETRY_BASE_MS);
    transfer_run(result, t, &request, callbacks, arg);
}

const char *upstream_broken(struct err *err, enum err_code code, const char *status,
                            const struct transfer_result *result, const char *message)
{
    err_set(err, code, NULL, "%s You were not charged; please try again.", message);
    err_detail(err, "%s", result->detail);
    err->retryable = true;
    return status;
}

const char *upstream_unanswered(struct err *err, const struct transfer_result *result)
{
    if (result->end == TRANSFER_TIMEOUT)
        return upstream_broken(err, ERR_TIMEOUT, "timeout", result,
                               "The provider was silent for too long.");
    return upstream_broken(err, ERR_UPSTREAM, "upstream_error", result,
                           "The provider cannot be reached or broke off its answer.");
}

void upstream_renew(struct app *app, struct arena *arena, const char *request_id,
                    int64_t *renewed_ms)
{
    int64_t now = timing_mono_ms();
    struct err err;

    if (now - *renewed_ms < LEDGER_RENEW_EVERY_S * 1000)
        return;
    *renewed_ms = now;
    if (ledger_renew(&app->store, arena, request_id, &err) != 0)
        log_write(LOG_LEVEL_WARN, request_id, "hold not renewed: %s", err.detail);
}
