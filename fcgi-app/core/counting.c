/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/counting.h"

#include "base/log.h"
#include "core/bound.h"
#include "core/route.h"
#include "net/transfer.h"
#include "wire/messages_pass.h"

enum { ANSWER_MAX = 64 * 1024, REQUEST_MAX = 64 * 1024 * 1024, HEADERS_MAX = 5, TICK_MS = 1000 };

/* One call of the provider. */
struct asking {
    const struct counting_call *call;
    struct buf body;
    struct buf answer;
    bool gone;
};

static int on_head(const struct transfer_head *head, void *arg)
{
    (void)head;
    (void)arg;
    return 0;
}

static int on_data(const char *data, size_t len, void *arg)
{
    struct asking *a = arg;

    buf_append(&a->answer, data, len);
    return buf_failed(&a->answer) ? -1 : 0;
}

static int on_tick(bool watched, void *arg)
{
    struct asking *a = arg;

    (void)watched;
    a->gone = a->call->gone(a->call->arg);
    return a->gone ? -1 : 0;
}

static void ask(struct transfer_result *result, struct asking *a, const struct route *route)
{
    static const struct transfer_callbacks callbacks = {
        .head = on_head, .data = on_data, .tick = on_tick};
    const struct counting_call *call = a->call;
    const struct conf *conf = call->app->conf;
    const char *headers[HEADERS_MAX];
    size_t n = 0;

    headers[n++] = "Content-Type: application/json";
    headers[n++] = "Accept: application/json";
    headers[n++] = arena_printf(call->arena, "x-api-key: %s", route->key);
    headers[n++] = route->format->extra_header;
    if (call->passed_header != NULL)
        headers[n++] = call->passed_header;
    struct transfer_request request = {
        .url = arena_printf(call->arena, "%s%s/count_tokens", route->base_url, route->format->path),
        .headers = headers,
        .header_count = n,
        .body = buf_span(&a->body),
        .connect_timeout_ms = conf->connect_timeout_ms,
        .first_byte_timeout_ms = conf->first_byte_timeout_ms < COUNTING_FIRST_BYTE_MAX_MS
                                     ? conf->first_byte_timeout_ms
                                     : COUNTING_FIRST_BYTE_MAX_MS,
        .idle_timeout_ms = conf->idle_timeout_ms,
        .tick_ms = TICK_MS,
        .watch_fd = call->watch_fd(call->arg),
    };
    transfer_run(result, relay_transfer(call->relay), &request, &callbacks, a);
}

/* What is about the request is the client's to know; for all else an estimate will do. */
static int judge(struct counting *out, struct asking *a, const struct transfer_result *result,
                 const struct route *route, struct err *err)
{
    int status = result->head.status;
    struct span answer = buf_span(&a->answer);

    if (a->gone)
        return err_set(err, ERR_CLIENT_GONE, NULL, "The client left.");
    if (result->end == TRANSFER_DONE && status == 200 &&
        messages_pass_count_answer(&out->tokens, answer) == 0) {
        out->estimate = false;
        return 0;
    }
    if (result->end != TRANSFER_DONE || (status != 400 && status != 413)) {
        log_write(LOG_LEVEL_INFO, a->call->request_id, "tokens estimated: %s answered %d %s",
                  route->format->name, status, result->detail);
        return 0;
    }
    route->format->read_failure(err, status, result->head.retry_after_s, answer);
    format_conceal(err, route->key);
    return -1;
}

static int ask_provider(struct counting *out, const struct counting_call *call,
                        const struct route *route, struct err *err)
{
    struct asking a = {.call = call};
    struct transfer_result result;

    buf_init(&a.body, REQUEST_MAX);
    buf_init(&a.answer, ANSWER_MAX);
    messages_pass_count(&a.body, call->request, route->upstream_model);
    ask(&result, &a, route);
    int rc = judge(out, &a, &result, route, err);
    buf_fini(&a.body);
    buf_fini(&a.answer);
    return rc;
}

int counting_run(struct counting *out, const struct counting_call *call, struct err *err)
{
    const struct models_copy *models = NULL;
    const struct catalog_model *model = NULL;
    struct route_list routes;
    struct bound bound;

    if (models_take(&models, call->app->models, err) != 0)
        return -1;
    int rc = models_find(&model, &out->substituted, models, call->request->model, err);
    if (rc == 0)
        rc = route_choose(&routes, model, KIND_CHAT, call->app->conf, err);
    if (rc == 0) {
        bound_prompt(&bound, &call->request->size, model);
        out->tokens = bound.likely;
        out->bound = bound.prompt;
        out->estimate = true;
        if (format_passes(routes.routes[0].format, call->request))
            rc = ask_provider(out, call, &routes.routes[0], err);
    }
    if (out->substituted != NULL)
        out->substituted = arena_strdup(call->arena, out->substituted);
    models_give(call->app->models, models);
    return rc;
}
