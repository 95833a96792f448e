/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media jobs as kie.ai's clients know them: createTask and recordInfo, the paths that some families
 * of models had before, and a list for the dashboard.
 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "api/idempotent.h"
#include "core/media.h"
#include "core/webhook.h"
#include "http/reply.h"
#include "wire/kie_record.h"

#include <string.h>

enum { ANSWER_MAX = 8 * 1024 * 1024, LIST_DEFAULT = 50, TASK_WORD_MAX = 100 };

/* kie.ai's paths, and the model that those without a `model` of the catalog's mean. */
static const struct family {
    const char *create;
    const char *query;
    enum media_api shape;
    const char *model;
} families[] = {
    {"/v1/jobs/createTask", "/v1/jobs/recordInfo", MEDIA_KIE, NULL},
    {"/v1/veo/generate", "/v1/veo/record-info", MEDIA_VEO, "veo-3.1"},
    {"/v1/generate", "/v1/generate/record-info", MEDIA_SUNO, "suno-v6"},
    {"/v1/runway/generate", "/v1/runway/record-detail", MEDIA_RUNWAY, "runway"},
    {"/v1/aleph/generate", "/v1/aleph/record-info", MEDIA_ALEPH, "runway-aleph"},
    {"/v1/flux/kontext/generate", "/v1/flux/kontext/record-info", MEDIA_FLUX, "flux-kontext-pro"},
    {"/v1/gpt4o-image/generate", "/v1/gpt4o-image/record-info", MEDIA_4O, "gpt-4o-image"},
};

static const struct family *family_of(const struct router_match *match)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (strcmp(families[i].create, match->route->path) == 0 ||
            strcmp(families[i].query, match->route->path) == 0)
            return &families[i];
    return NULL;
}

bool ep_job_owns(const struct router_match *match)
{
    return match->route != NULL && family_of(match) != NULL;
}

/* --- Creation -----------------------------------------------------------------------------------
 */

/* The order in a body, which it borrows from. */
static int read_order(struct media_order *order, struct json_object *body, const struct family *f,
                      struct err *err)
{
    if (!json_object_is_type(body, json_type_object))
        return err_set(err, ERR_BAD_REQUEST, NULL, "The body must be a JSON object.");
    if (jsonx_want_str(&order->callback_url, body, "callBackUrl", "callBackUrl", err) != 0)
        return -1;
    if (order->callback_url != NULL && order->callback_url[0] == '\0')
        order->callback_url = NULL;
    order->shape = f->shape;
    if (f->shape != MEDIA_KIE) {
        order->model = f->model;
        order->input = body;
        return 0;
    }
    if (jsonx_want_str(&order->model, body, "model", "model", err) != 0 ||
        jsonx_want_object(&order->input, body, "input", "input", err) != 0)
        return -1;
    if (order->model == NULL)
        return err_set(err, ERR_BAD_REQUEST, "model",
                       "'model' is missing. GET /v1/models lists those that can be called.");
    if (order->input == NULL)
        return err_set(err, ERR_BAD_REQUEST, "input", "'input' is missing: an object.");
    return 0;
}

/* A creation, from its parsed body to the answer. */
struct creation {
    struct endpoint *ep;
    struct exchange *x;
    const struct family *family;
    struct media_order order;
};

/* Once the customer has the answer. */
static void work_on(struct endpoint *ep, void *arg)
{
    struct media_outcome outcome;

    media_make_later(&outcome, ep->app, ep->arena, arg);
    webhook_deliver_now(ep->app, outcome.delivery_id);
}

static void answer_made(struct exchange *x, const struct media_made *made)
{
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    kie_write_created(&out, made->id, exchange_request_id(x));
    exchange_header(x, "x-aig-provider", "%s", made->provider);
    if (made->substituted != NULL)
        exchange_header(x, "x-aig-model-substituted", "%s", made->substituted);
    (void)reply_body(x, 200, &out);
    buf_fini(&out);
}

/* idempotent_fn. A refusal is answered here, so that a repeat gets it in the same form. */
static int run_creation(void *arg, struct err *err)
{
    struct creation *c = arg;
    struct media_made *made = arena_zalloc(c->ep->arena, sizeof *made);

    c->order.request_id = exchange_request_id(c->x);
    if (media_make(made, c->ep->app, c->ep->arena, &c->order, err) != 0) {
        if (err->status >= 500)
            return -1;
        reply_error(c->x, err, NULL, ep_job_error_body);
        return 0;
    }
    answer_made(c->x, made);
    if (made->later)
        endpoint_after(c->ep, work_on, made);
    return 0;
}

static int run_parsed(struct creation *c, struct json_object *body, struct err *err)
{
    if (read_order(&c->order, body, c->family, err) != 0)
        return -1;
    if (c->order.callback_url != NULL)
        c->order.callback_url = arena_strdup(c->ep->arena, c->order.callback_url);
    if (c->family->shape != MEDIA_KIE)
        json_object_object_del(body, "callBackUrl"); /* not part of what goes on */
    return idempotent_run(c->ep, c->x, run_creation, c, err);
}

int ep_job_create(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    struct creation c = {
        .ep = ep,
        .x = x,
        .family = family_of(match),
        .order = {.key_hash = ep->key_hash},
    };

    if (endpoint_read_json(ep, x, err) != 0 ||
        jsonx_parse(&body, ep->body.data, ep->body.len, err) != 0)
        return -1;
    int rc = run_parsed(&c, body, err);
    json_object_put(body);
    return rc;
}

/* --- What became of it --------------------------------------------------------------------------
 */

int ep_job_record(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    const char *id = NULL;
    struct task task;
    struct buf out;

    if (ask_query_text(&id, ep, x, "taskId", TASK_WORD_MAX, err) != 0)
        return -1;
    if (id == NULL)
        return err_set(err, ERR_BAD_REQUEST, "taskId", "'taskId' is missing in the query.");
    if (task_find(&task, &ep->app->store, ep->arena, ep->account_id, id, err) != 0)
        return -1;
    struct kie_record record = media_record(&task);
    buf_init(&out, ANSWER_MAX);
    kie_write_record(&out, family_of(match)->shape, &record);
    if (task.charge_usd != NULL)
        exchange_header(x, "X-AI-Credits-Charged", "%s", task.charge_usd);
    (void)reply_body(x, 200, &out);
    buf_fini(&out);
    return 0;
}

static int want_state(const char **out, struct endpoint *ep, struct exchange *x, struct err *err)
{
    enum media_state state;

    if (ask_query_text(out, ep, x, "state", TASK_WORD_MAX, err) != 0)
        return -1;
    if (*out == NULL || strcmp(*out, "open") == 0 || media_state_find(&state, *out) == 0)
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "state",
                   "'state' must be open, waiting, queuing, generating, success or fail.");
}

int ep_jobs(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    const char *state = NULL;
    const char *after = NULL;
    int64_t limit = LIST_DEFAULT;
    struct task *tasks = NULL;
    size_t count = 0;

    (void)match;
    if (ask_query_i64(&limit, ep, x, "limit", 1, TASK_LIST_MAX, err) != 0 ||
        ask_query_text(&after, ep, x, "after", TASK_WORD_MAX, err) != 0 ||
        want_state(&state, ep, x, err) != 0)
        return -1;
    if (after != NULL && !task_id_valid(after))
        return err_set(err, ERR_BAD_REQUEST, "after",
                       "'after' in the query must be the 'next' of the page before.");
    if (task_list(&tasks, &count, &ep->app->store, ep->arena, ep->account_id, ep->principal.key_id,
                  state, after, limit, err) != 0)
        return -1;
    bool more = count > (size_t)limit;
    count = more ? (size_t)limit : count;
    struct json_object *body = json_object_new_object();
    struct json_object *data = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        struct kie_record record = media_record(&tasks[i]);
        json_object_array_add(data, kie_list_entry(&record));
    }
    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", data);
    jsonx_set_bool(body, "has_more", more);
    jsonx_set_str(body, "next", more ? tasks[count - 1].id : NULL);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

void ep_job_error_body(struct buf *out, const struct err *e, const char *request_id)
{
    (void)request_id;
    kie_write_error(out, e);
}
