/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/media.h"

#include "base/log.h"
#include "base/secret.h"
#include "base/timing.h"
#include "core/media_provider.h"
#include "core/models.h"
#include "net/weburl.h"
#include "wire/kie.h"
#include "wire/media_models.h"
#include "wire/mureka.h"
#include "wire/recraft.h"
#include "wire/replicate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    REQUEST_MAX = 40 * 1024 * 1024,
    FINISH_TRIES = 5, /* of a result that cannot be had a second time */
    FINISH_PAUSE_S = 2,
    SUCCESSORS_MAX = 5,
};

/* --- An order -----------------------------------------------------------------------------------
 */

/* What is known about an order before anything is held. */
struct plan {
    const struct catalog_model *model;
    const struct catalog_route *route;
    const struct media_model *entry;
    struct media_price price;
    const char *provider_callback; /* NULL: none */
};

/* Models of the same kind that can be had, for those whose own is gone. */
static const char *successors(struct arena *arena, const struct catalog *c,
                              const struct catalog_model *gone)
{
    const char *names = "";
    int found = 0;

    for (size_t i = 0; i < c->model_count && found < SUCCESSORS_MAX; i++) {
        const struct catalog_model *m = &c->models[i];
        if (m->kind != gone->kind || m->route_count == 0 || m->price.id == 0 ||
            m->retires_on_s != 0)
            continue;
        names = arena_printf(arena, "%s%s%s", names, found > 0 ? ", " : "", m->name);
        found++;
    }
    return names;
}

static int check_model(struct plan *plan, const struct models_copy *copy, struct arena *arena,
                       struct err *err)
{
    const struct catalog_model *m = plan->model;
    char day[TIMING_ISO_SIZE];

    if (m->kind == KIND_CHAT || m->kind == KIND_EMBEDDING)
        return err_set(err, ERR_BAD_REQUEST, "model",
                       "The model '%s' makes no media; it is served by POST /v1/%s.", m->name,
                       m->kind == KIND_CHAT ? "chat/completions" : "embeddings");
    if (m->retires_on_s != 0 && m->retires_on_s <= timing_wall_s() && m->successor == NULL) {
        timing_iso(day, m->retires_on_s * 1000);
        return err_set(err, ERR_MODEL_NOT_FOUND, "model",
                       "The model '%s' was withdrawn by its maker on %.10s. Use one of these "
                       "instead: %s.",
                       m->name, day, successors(arena, models_catalog(copy), m));
    }
    if (m->route_count == 0)
        return err_set(err, ERR_MODEL_NOT_FOUND, "model", "The model '%s' has no provider.",
                       m->name);
    return 0;
}

static int check_provider(struct plan *plan, const struct conf *conf,
                          const struct media_order *order, struct arena *arena, struct err *err)
{
    enum media_api api = plan->entry->api;
    enum conf_provider provider = media_provider_of(api);
    bool kie = provider == PROVIDER_KIE;

    if (conf->key[provider] == NULL) {
        err_set(err, ERR_UPSTREAM_AUTH, "model",
                "The model '%s' is not available: the operator has not configured a key for its "
                "provider.",
                plan->model->name);
        return err_detail(err, "%s_key is not set", conf_provider_name(provider));
    }
    if (kie && conf->public_url != NULL && conf->kie_webhook_key != NULL) {
        char id[TASK_ID_SIZE];
        task_id(id, order->request_id);
        plan->provider_callback =
            arena_printf(arena, "%s/api/v1/callbacks/kie/%s", conf->public_url, id);
    }
    if (kie && kie_needs_callback(api) && plan->provider_callback == NULL) {
        err_set(err, ERR_UPSTREAM_AUTH, NULL,
                "This path is not available here; use POST /v1/jobs/createTask with the model "
                "'suno-v6'.");
        return err_detail(err, "kie.ai wants a callBackUrl: set public_url and kie_webhook_key");
    }
    return 0;
}

static int make_plan(struct plan *plan, const char **substituted, struct app *app,
                     const struct models_copy *copy, const struct media_order *order,
                     struct arena *arena, struct err *err)
{
    if (models_find(&plan->model, substituted, copy, order->model, err) != 0 ||
        check_model(plan, copy, arena, err) != 0)
        return -1;
    plan->route = &plan->model->routes[0];
    plan->entry = order->shape == MEDIA_KIE
                      ? media_model_find(plan->route->upstream_model)
                      : media_model_find_api(plan->route->upstream_model, order->shape);
    if (plan->entry == NULL) {
        err_set(err, ERR_NOT_IMPLEMENTED, "model",
                "The model '%s' cannot be made by this version. Nothing was charged.",
                plan->model->name);
        return err_detail(err, "no table entry for %s", plan->route->upstream_model);
    }
    if (media_model_price(&plan->price, plan->entry, order->input,
                          order->shape == MEDIA_KIE ? "input." : "", err) != 0)
        return -1;
    if (order->callback_url != NULL && weburl_check(order->callback_url, "callBackUrl",
                                                    app->conf->allow_private_webhooks, err) != 0)
        return -1;
    return check_provider(plan, app->conf, order, arena, err);
}

static int hold(bool *known, struct app *app, struct arena *arena, const struct plan *plan,
                const struct media_order *order, const char *id, struct err *err)
{
    struct task_want want = {
        .id = id,
        .request_id = order->request_id,
        .key_hash = order->key_hash,
        .model_id = plan->model->id,
        .price_model_id = plan->route->price_model_id,
        .unit = plan->entry->unit,
        .variant = plan->price.variant,
        .quantity_milli = plan->price.quantity_milli,
        .metered = plan->price.metered,
        .provider = conf_provider_name(media_provider_of(plan->entry->api)),
        .api = media_api_name(plan->entry->api),
        .shape = media_api_name(order->shape),
        .upstream_model = plan->route->upstream_model,
        .param = media_model_param(arena, plan->entry, order->model, order->input),
        .callback_url = order->callback_url,
    };

    secret_random(&want.nonce, sizeof want.nonce);
    return task_create(known, &app->store, arena, &want, err);
}

static void write_request(struct buf *out, const struct plan *plan, struct json_object *input)
{
    enum media_api api = plan->entry->api;

    if (api == MEDIA_RECRAFT)
        recraft_write_request(out, input);
    else if (api == MEDIA_MUREKA)
        mureka_write_request(out, input);
    else if (api == MEDIA_REPLICATE)
        replicate_write_request(out, plan->route->upstream_model, input);
    else
        kie_write_request(out, api, plan->route->upstream_model, input, plan->provider_callback);
}

/* Nothing came of it: the hold goes. Where the database is away, poll-jobs does it. */
static void drop(struct app *app, struct arena *arena, const char *id, const struct err *why)
{
    const struct task_end end = {
        .fail_code = why->code_text,
        .fail_msg = why->message,
        .status = why->code == ERR_TIMEOUT ? "timeout" : "upstream_error",
        .http_status = why->status,
    };
    struct task_ended ended;
    struct err err;

    if (task_finish(&ended, &app->store, arena, id, &end, &err) != 0)
        log_write(LOG_LEVEL_WARN, id, "job not dropped, poll-jobs will: %s", err.detail);
}

/* The provider has it: its id is noted before the customer hears of the job. */
static int confirm(struct app *app, struct arena *arena, const char *id, const char *upstream_id,
                   struct err *err)
{
    bool ours = false;

    if (task_started(&ours, &app->store, arena, id, upstream_id, err) != 0) {
        log_write(LOG_LEVEL_ERROR, id, "the provider's task %s could not be noted: %s", upstream_id,
                  err->detail);
        return -1;
    }
    if (!ours)
        log_write(LOG_LEVEL_ERROR, id, "the provider's task %s is not this job's", upstream_id);
    return 0;
}

static int send_order(struct app *app, struct arena *arena, const struct plan *plan, const char *id,
                      struct span body, struct err *err)
{
    enum media_api api = plan->entry->api;
    struct media_provider_head head = media_provider_head(arena, app->conf, api);
    const struct batch_request request = {
        .url = arena_printf(arena, "%s%s", app->conf->url[media_provider_of(api)],
                            media_provider_create_path(api)),
        .headers = head.lines,
        .header_count = head.count,
        .body = body,
    };
    const struct batch_limits limits = media_provider_limits(app->conf, 1);
    struct batch_result result;
    struct media_news news;
    bool sure = false;

    batch_run(&result, &request, 1, &limits);
    int rc = media_provider_created(&news, &sure, arena, api, &result, err);
    batch_free(&result, 1);
    if (rc == 0)
        return confirm(app, arena, id, news.upstream_id, err);
    if (!sure && plan->provider_callback != NULL) {
        /* It may have been made. If so a callback will tell; if none comes, poll-jobs gives up. */
        log_write(LOG_LEVEL_WARN, id, "job not confirmed, waiting for a callback: %s", err->detail);
        return 0;
    }
    if (err->code == ERR_NOT_FOUND) {
        char detail[ERR_DETAIL_MAX];
        snprintf(detail, sizeof detail, "%s", err->detail);
        err_set(err, ERR_UPSTREAM, NULL, "The media provider does not know this model.");
        err_detail(err, "%s", detail);
    }
    drop(app, arena, id, err);
    return -1;
}

/* Once the price is held. */
static int carry_out(struct media_made *made, struct app *app, struct arena *arena,
                     const struct plan *plan, const struct media_order *order, struct err *err)
{
    struct buf body;
    int rc = 0;

    buf_init(&body, REQUEST_MAX);
    write_request(&body, plan, order->input);
    if (buf_failed(&body)) {
        rc = err_set(err, ERR_TOO_LARGE, "input", "The input is too large.");
        drop(app, arena, made->id, err);
    } else if (plan->entry->api == MEDIA_RECRAFT) {
        made->later = true;
        made->body = arena_strndup(arena, body.data, body.len);
        made->body_len = body.len;
    } else {
        rc = send_order(app, arena, plan, made->id, buf_span(&body), err);
    }
    buf_fini(&body);
    return rc;
}

int media_make(struct media_made *made, struct app *app, struct arena *arena,
               const struct media_order *order, struct err *err)
{
    const struct models_copy *copy = NULL;
    struct plan plan = {0};
    const char *substituted = NULL;
    bool known = false;

    *made = (struct media_made){0};
    task_id(made->id, order->request_id);
    if (models_take(&copy, app->models, err) != 0)
        return -1;
    int rc = make_plan(&plan, &substituted, app, copy, order, arena, err);
    if (rc == 0)
        rc = hold(&known, app, arena, &plan, order, made->id, err);
    if (rc == 0) {
        made->provider = conf_provider_name(media_provider_of(plan.entry->api));
        if (substituted != NULL || plan.price.substituted)
            made->substituted =
                arena_strdup(arena, substituted != NULL ? substituted : order->model);
        if (!known)
            rc = carry_out(made, app, arena, &plan, order, err);
    }
    models_give(app->models, copy);
    return rc;
}

/* --- Recraft: the answer is the result ----------------------------------------------------------
 */

static void pause_s(int seconds)
{
    struct timespec pause = {.tv_sec = seconds};

    nanosleep(&pause, NULL);
}

/* The result exists only here, so the database gets some more time to take it. */
static void end_surely(struct media_outcome *out, struct app *app, struct arena *arena,
                       const struct media_made *made, const struct media_news *news)
{
    struct task task;
    struct err err;

    for (int i = 0; i < FINISH_TRIES; i++) {
        if (i > 0)
            pause_s(FINISH_PAUSE_S);
        if (task_find(&task, &app->store, arena, 0, made->id, &err) == 0 &&
            media_learn(out, app, arena, &task, news, &err) == 0)
            return;
    }
    log_write(LOG_LEVEL_ERROR, made->id, "the result of a job is lost, it will not be charged: %s",
              err.detail);
}

void media_make_later(struct media_outcome *out, struct app *app, struct arena *arena,
                      const struct media_made *made)
{
    struct media_provider_head head = media_provider_head(arena, app->conf, MEDIA_RECRAFT);
    const struct batch_request request = {
        .url = arena_printf(arena, "%s%s", app->conf->url[PROVIDER_RECRAFT], RECRAFT_CREATE_PATH),
        .headers = head.lines,
        .header_count = head.count,
        .body = {.ptr = made->body, .len = made->body_len},
    };
    const struct batch_limits limits = media_provider_limits(app->conf, 1);
    struct batch_result result;
    struct media_news news;
    struct err err;
    int rc;

    *out = (struct media_outcome){0};
    err_clear(&err);
    if (task_progress(&app->store, arena, made->id, "generating", &err) != 0)
        log_write(LOG_LEVEL_WARN, made->id, "job not marked as generating: %s", err.detail);
    batch_run(&result, &request, 1, &limits);
    if (result.end == TRANSFER_DONE)
        rc = recraft_read_answer(&news, arena, result.status, buf_span(&result.body), &err);
    else
        rc = media_provider_silent(&result, "recraft", &err);
    batch_free(&result, 1);
    if (rc != 0) {
        log_write(LOG_LEVEL_WARN, made->id, "recraft failed: %s", err.detail);
        news = (struct media_news){.state = MEDIA_FAIL,
                                   .fail_code = arena_printf(arena, "%d", err.status),
                                   .fail_msg = arena_strdup(arena, err.message)};
    }
    end_surely(out, app, arena, made, &news);
}
