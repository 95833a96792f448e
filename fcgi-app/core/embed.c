/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/embed.h"

#include "base/log.h"
#include "base/timing.h"
#include "core/bound.h"
#include "core/charge.h"
#include "core/route.h"
#include "core/upstream.h"

#include <string.h>

enum { FAILURE_MAX = 64 * 1024 }; /* bytes that are read of a provider's error */

/* One call under way. */
struct run {
    const struct embed_call *call;
    const struct models_copy *models;
    const struct catalog_model *model;
    const struct route *route;
    struct route_list routes;
    struct bound bound;
    struct embeddings_answer *answer;
    struct buf request; /* of the part under way, and what came back */
    struct buf body;
    struct transfer_result result;
    int64_t start_ms;
    int64_t renewed_ms;
    int64_t first_byte_ms; /* of the first part */
    bool ok;               /* the part was answered with a 2xx */
    bool gone;             /* the client left */
    const char *status;    /* of a failure, for the usage row */
};

static int fail_as(struct run *run, const char *status)
{
    run->status = status;
    return -1;
}

static int on_head(const struct transfer_head *head, void *arg)
{
    struct run *run = arg;

    run->ok = head->status >= 200 && head->status < 300;
    return 0;
}

static int on_data(const char *data, size_t len, void *arg)
{
    struct run *run = arg;

    if (!run->ok && len > FAILURE_MAX - run->body.len)
        len = FAILURE_MAX - run->body.len;
    buf_append(&run->body, data, len);
    return buf_failed(&run->body) ? -1 : 0;
}

static int on_tick(bool watched, void *arg)
{
    struct run *run = arg;
    const struct embed_call *call = run->call;

    (void)watched;
    run->gone = run->gone || call->gone(call->gone_arg);
    if (run->gone)
        return -1;
    upstream_renew(call->app, call->arena, call->request_id, &run->renewed_ms);
    return 0;
}

static void call_upstream(struct run *run)
{
    static const struct transfer_callbacks callbacks = {
        .head = on_head, .data = on_data, .tick = on_tick};
    const struct embeddings_format *f = run->route->embeddings;
    struct upstream_call call = {
        .conf = run->call->app->conf,
        .arena = run->call->arena,
        .base_url = run->route->base_url,
        .path = f->path,
        .model = run->route->upstream_model,
        .auth = f->auth,
        .key = run->route->key,
        .body = buf_span(&run->request),
        .start_ms = run->start_ms,
        .watch_fd = run->call->watch_fd,
    };

    upstream_run(&run->result, relay_transfer(run->call->relay), &call, &callbacks, run);
    if (run->first_byte_ms < 0)
        run->first_byte_ms = run->result.first_byte_ms;
}

/* What came back for `count` inputs. */
static int judge(struct run *run, size_t count, struct err *err)
{
    const struct embeddings_format *f = run->route->embeddings;

    if (run->gone) {
        err_set(err, ERR_CLIENT_GONE, NULL, "The client left.");
        return fail_as(run, "client_gone");
    }
    if (buf_failed(&run->body)) {
        format_nonsense(err, "the answer is too large");
        return fail_as(run, "upstream_error");
    }
    if (run->result.end != TRANSFER_DONE)
        return fail_as(run, upstream_unanswered(err, &run->result));
    if (!run->ok) {
        f->read_failure(err, run->result.head.status, run->result.head.retry_after_s,
                        buf_span(&run->body));
        return fail_as(run, "upstream_error");
    }
    if (f->read_answer(run->answer, run->call->request, count, buf_span(&run->body), err) != 0)
        return fail_as(run, "upstream_error");
    return 0;
}

/* The next inputs, as many as the provider takes at once. */
static int ask_part(struct run *run, struct err *err)
{
    const struct embeddings_format *f = run->route->embeddings;
    const struct embeddings_request *request = run->call->request;
    struct neutral_target target = {
        .upstream_model = run->route->upstream_model,
        .dialect = run->model->dialect,
        .model = run->model->name,
    };
    size_t first = run->answer->count;
    size_t left = request->count - first;
    size_t count = left < f->batch_max ? left : f->batch_max;

    buf_clear(&run->request);
    buf_clear(&run->body);
    run->ok = false;
    if (f->write_request(&run->request, request, &target, first, count, err) != 0)
        return fail_as(run, "error");
    call_upstream(run);
    int rc = judge(run, count, err);
    if (rc != 0)
        format_conceal(err, run->route->key);
    return rc;
}

static struct ledger_outcome outcome_of(const struct run *run, const char *status)
{
    return (struct ledger_outcome){
        .status = status,
        .provider = run->route->embeddings->name,
        .upstream_model = run->route->upstream_model,
        .http_status = run->result.head.status,
        .first_byte_ms = run->first_byte_ms,
        .duration_ms = timing_mono_ms() - run->start_ms,
    };
}

/* With the hold taken. */
static int run_held(struct embed_result *out, struct run *run, struct err *err)
{
    const struct embed_call *call = run->call;
    struct charge_call money = {
        .app = call->app, .arena = call->arena, .request_id = call->request_id};
    int rc = 0;

    while (rc == 0 && run->answer->count < call->request->count)
        rc = ask_part(run, err);
    struct ledger_outcome how = outcome_of(run, rc == 0 ? "ok" : run->status);
    if (rc == 0) {
        out->charge_usd =
            charge_settle(&money, &run->answer->usage, run->answer->usage.prompt, 0, &how);
        return 0;
    }
    charge_release(&money, &how);
    if (!run->gone)
        log_write(LOG_LEVEL_WARN, call->request_id, "%s %s: %s: %s", how.provider,
                  how.upstream_model, err_name(err->code),
                  err->detail[0] != '\0' ? err->detail : err->message);
    return -1;
}

static int authorize(const struct run *run, struct err *err)
{
    const struct embed_call *call = run->call;
    struct ledger_hold hold;
    struct ledger_want want = {
        .request_id = call->request_id,
        .model_id = run->model->id,
        .price_model_id = run->route->price_model_id,
        .prompt_bound = run->bound.prompt,
        .prompt_likely = run->bound.likely,
        .choices = 1,
    };

    memcpy(want.key_hash, call->key_hash, sizeof want.key_hash);
    return ledger_authorize(&hold, &call->app->store, call->arena, &want, err);
}

static int run_model(struct embed_result *out, struct run *run, struct err *err)
{
    const struct embed_call *call = run->call;
    const char *substituted = NULL;

    if (models_find(&run->model, &substituted, run->models, call->request->neutral.model, err) !=
            0 ||
        route_choose(&run->routes, run->model, KIND_EMBEDDING, call->app->conf, err) != 0)
        return -1;
    run->route = &run->routes.routes[0];
    out->provider = run->route->embeddings->name;
    out->substituted = substituted != NULL ? arena_strdup(call->arena, substituted) : NULL;
    bound_inputs(&run->bound, &call->request->neutral.size, run->model);
    if (authorize(run, err) != 0)
        return -1;
    return run_held(out, run, err);
}

int embed_run(struct embed_result *out, const struct embed_call *call, struct err *err)
{
    struct run *run = arena_zalloc(call->arena, sizeof *run);

    memset(out, 0, sizeof *out);
    run->call = call;
    run->answer = &out->answer;
    run->start_ms = timing_mono_ms();
    run->renewed_ms = run->start_ms;
    run->first_byte_ms = -1;
    if (models_take(&run->models, call->app->models, err) != 0)
        return -1;
    embeddings_answer_init(&out->answer);
    buf_init(&run->request, SIZE_MAX / 2);
    buf_init(&run->body, EMBEDDINGS_ANSWER_MAX);
    int rc = run_model(out, run, err);
    buf_fini(&run->request);
    buf_fini(&run->body);
    if (rc != 0)
        embeddings_answer_fini(&out->answer);
    models_give(call->app->models, run->models);
    return rc;
}
