/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/media_poll.h"

#include "base/log.h"
#include "base/timing.h"
#include "core/media_provider.h"
#include "core/webhook.h"
#include "net/transfer.h"
#include "wire/kie.h"

#include <string.h>

enum {
    BATCH = 40, /* jobs of one claim */
    AT_ONCE = 20,
};

/* --- Polling ------------------------------------------------------------------------------------
 */

struct poll {
    struct app *app;
    struct arena *arena;
    struct media_polled *out;
    const struct task **asked; /* tasks of the requests */
    enum media_api *apis;
    struct batch_request *requests;
    struct batch_result *results;
};

static void note(struct poll *p, const struct media_outcome *outcome)
{
    p->out->ended += outcome->ended;
    if (outcome->delivery_id != NULL)
        p->out->delivery_ids[p->out->delivery_count++] = outcome->delivery_id;
}

/* -1: the database is away. Anything else is this one job's trouble. */
static int trouble(struct poll *p, const struct task *t, const struct err *err)
{
    p->out->failed++;
    log_write(LOG_LEVEL_WARN, t->id, "job not asked after: %s",
              err->detail[0] != '\0' ? err->detail : err->message);
    return err->code == ERR_DATABASE ? -1 : 0;
}

static int give_up(struct poll *p, const struct task *t, const char *code, const char *msg,
                   struct err *err)
{
    struct media_outcome outcome;

    log_write(LOG_LEVEL_WARN, t->id, "job given up: %s", code);
    if (media_give_up(&outcome, p->app, p->arena, t, code, msg, err) != 0)
        return trouble(p, t, err);
    note(p, &outcome);
    return 0;
}

/* Puts one job among the requests, or ends it if there is nobody to ask. */
static int prepare(struct poll *p, const struct task *t, struct err *err)
{
    const struct conf *conf = p->app->conf;
    enum media_api api = MEDIA_KIE;

    if (t->age_s > TASK_EXPIRE_S)
        return give_up(p, t, "expired", "The provider came to no end within 14 days.", err);
    if (t->upstream_id == NULL)
        return t->age_s < TASK_ORPHAN_S
                   ? 0
                   : give_up(p, t, "not_confirmed", "The provider did not confirm this task.", err);
    if (media_api_find(&api, t->api) != 0 || conf->key[media_provider_of(api)] == NULL) {
        err_set(err, ERR_UPSTREAM_AUTH, NULL, "The provider '%s' is not configured.", t->provider);
        return trouble(p, t, err);
    }
    struct media_provider_head *head = arena_alloc(p->arena, sizeof *head);
    *head = media_provider_head(p->arena, conf, api);
    p->apis[p->out->asked] = api;
    p->asked[p->out->asked] = t;
    p->requests[p->out->asked++] = (struct batch_request){
        .url = media_provider_query_url(p->arena, conf, api, t->upstream_id),
        .headers = head->lines,
        .header_count = head->count,
    };
    return 0;
}

/* A provider that never heard of a task, long after it said that it had made it. */
static bool is_lost(const struct task *t, const struct err *err)
{
    return err->code == ERR_NOT_FOUND && t->age_s > TASK_ORPHAN_S;
}

static int take_in(struct poll *p, size_t i, struct err *err)
{
    const struct task *t = p->asked[i];
    struct media_outcome outcome;
    struct media_news news;

    if (media_provider_news(&news, p->arena, p->apis[i], t, &p->results[i], err) != 0)
        return is_lost(t, err)
                   ? give_up(p, t, "unknown_task", "The provider has lost this task.", err)
                   : trouble(p, t, err);
    if (media_learn(&outcome, p->app, p->arena, t, &news, err) != 0)
        return trouble(p, t, err);
    note(p, &outcome);
    return 0;
}

int media_poll(struct media_polled *out, struct app *app, struct arena *arena,
               const struct task *tasks, size_t count, size_t at_once, struct err *err)
{
    const struct batch_limits limits = media_provider_limits(app->conf, at_once);
    struct poll p = {
        .app = app,
        .arena = arena,
        .out = out,
        .asked = arena_alloc(arena, (count + 1) * sizeof *p.asked),
        .apis = arena_alloc(arena, (count + 1) * sizeof *p.apis),
        .requests = arena_alloc(arena, (count + 1) * sizeof *p.requests),
        .results = arena_alloc(arena, (count + 1) * sizeof *p.results),
    };
    int rc = 0;

    *out = (struct media_polled){.delivery_ids =
                                     arena_alloc(arena, (count + 1) * sizeof *out->delivery_ids)};
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = prepare(&p, &tasks[i], err);
    if (rc != 0)
        return -1;
    batch_run(p.results, p.requests, out->asked, &limits);
    for (size_t i = 0; i < out->asked && rc == 0; i++)
        rc = take_in(&p, i, err);
    batch_free(p.results, out->asked);
    return rc;
}

/* --- Callbacks ----------------------------------------------------------------------------------
 */

static int refuse_callback(const char *id, struct err *err, const char *why)
{
    err_set(err, ERR_FORBIDDEN, NULL, "This callback is not accepted.");
    log_write(LOG_LEVEL_WARN, id, "callback refused: %s", why);
    return -1;
}

/* The signed task must be this job's; one that was never confirmed gets it now. */
static int match_task(struct task *t, struct app *app, struct arena *arena, const char *upstream_id,
                      struct err *err)
{
    bool ours = false;

    if (t->upstream_id == NULL && t->completed_ms == 0) {
        if (task_started(&ours, &app->store, arena, t->id, upstream_id, err) != 0)
            return -1;
        if (ours)
            t->upstream_id = upstream_id;
    }
    if (t->upstream_id == NULL || strcmp(t->upstream_id, upstream_id) != 0)
        return refuse_callback(t->id, err, "its task is not this job's");
    return 0;
}

/* Asks the provider, whatever the callback says. */
static int ask(struct media_outcome *out, struct app *app, struct arena *arena,
               const struct task *t, struct err *err)
{
    struct media_polled polled;

    if (media_poll(&polled, app, arena, t, 1, 1, err) != 0)
        return -1;
    out->ended = polled.ended > 0;
    out->delivery_id = polled.delivery_count > 0 ? polled.delivery_ids[0] : NULL;
    if (polled.failed == 0)
        return 0;
    return err_set(err, ERR_UPSTREAM_BUSY, NULL, "The job could not be looked up at the moment.");
}

int media_callback(struct media_outcome *out, struct app *app, struct arena *arena, const char *id,
                   const char *timestamp, const char *signature, struct span body, struct err *err)
{
    struct kie_callback callback;
    struct task task;
    bool fresh = false;

    *out = (struct media_outcome){0};
    if (app->conf->kie_webhook_key == NULL)
        return refuse_callback(id, err, "kie_webhook_key is not set");
    if (kie_read_callback(&callback, arena, app->conf->kie_webhook_key, timestamp, signature, body,
                          timing_wall_s(), err) != 0) {
        log_write(LOG_LEVEL_WARN, id, "callback refused: %s", err->detail);
        return -1;
    }
    if (task_find(&task, &app->store, arena, 0, id, err) != 0)
        return -1;
    if (strcmp(task.provider, conf_provider_name(PROVIDER_KIE)) != 0)
        return refuse_callback(id, err, "not a job of this provider");
    if (match_task(&task, app, arena, callback.upstream_id, err) != 0 ||
        task_callback(&fresh, &app->store, arena, id, callback.ts, err) != 0)
        return -1;
    if (!fresh)
        return refuse_callback(id, err, "repeated");
    if (task.completed_ms != 0) {
        out->ended = true;
        return 0;
    }
    return ask(out, app, arena, &task, err);
}

/* --- All that are due ---------------------------------------------------------------------------
 */

static int poll_batch(struct media_report *report, size_t *count, struct app *app,
                      struct arena *arena, struct err *err)
{
    struct task *tasks = NULL;
    struct media_polled polled;

    if (task_claim(&tasks, count, &app->store, arena, BATCH, err) != 0)
        return -1;
    if (*count == 0)
        return 0;
    int rc = media_poll(&polled, app, arena, tasks, *count, AT_ONCE, err);
    report->asked += polled.asked;
    report->ended += polled.ended;
    report->failed += polled.failed;
    for (size_t i = 0; i < polled.delivery_count; i++)
        webhook_deliver_now(app, polled.delivery_ids[i]);
    return rc;
}

int media_poll_due(struct media_report *report, const struct conf *conf, struct store *store,
                   const volatile sig_atomic_t *stop, int64_t deadline_ms, struct err *err)
{
    struct app app = {.conf = conf, .store = *store};
    struct arena *arena = arena_new();
    size_t count = 0;
    int rc;

    *report = (struct media_report){0};
    rc = transfer_global_init(err);
    if (rc == 0) {
        do {
            arena_reset(arena);
            rc = poll_batch(report, &count, &app, arena, err);
        } while (rc == 0 && count == BATCH && *stop == 0 && !timing_passed(deadline_ms));
        transfer_global_fini();
    }
    arena_free(arena);
    return rc;
}
