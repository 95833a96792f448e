/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "api/table_json.h"
#include "base/timing.h"
#include "http/reply.h"
#include "store/tiers.h"
#include "store/usage_read.h"

#include <string.h>

enum {
    DEFAULT_DAYS = 30,
    DAYS_MAX = 400,
    HOURS_DAYS_MAX = 31, /* by hour */
    DAY_S = 24 * 3600,
    TEXT_MAX = 100,
};

static const char *const statuses[] = {"ok",      "client_gone", "error",  "upstream_error",
                                       "timeout", "cancelled",   "expired"};

static const char *sql_text(struct arena *arena, int64_t wall_s)
{
    char iso[TIMING_ISO_SIZE];

    timing_iso(iso, wall_s * 1000);
    iso[10] = ' ';
    return arena_strndup(arena, iso, strlen("2026-11-23 10:00:00"));
}

/* from and to with their defaults: the last 30 days. days_max 0: no limit. */
static int read_span(struct usage_filter *f, struct endpoint *ep, struct exchange *x, int days_max,
                     struct err *err)
{
    int64_t to_s = timing_wall_s() + 1;

    if (ask_query_time(&f->from, ep, x, "from", err) != 0 ||
        ask_query_time(&f->to, ep, x, "to", err) != 0)
        return -1;
    if (f->to == NULL)
        f->to = sql_text(ep->arena, to_s);
    else if (timing_parse_sql(&to_s, f->to) != 0)
        return err_set(err, ERR_BAD_REQUEST, "to", "'to' is no time.");
    int64_t from_s = to_s - (int64_t)DEFAULT_DAYS * DAY_S;
    if (f->from == NULL)
        f->from = sql_text(ep->arena, from_s);
    else if (timing_parse_sql(&from_s, f->from) != 0)
        return err_set(err, ERR_BAD_REQUEST, "from", "'from' is no time.");
    if (from_s > to_s || (days_max > 0 && to_s - from_s > (int64_t)days_max * DAY_S))
        return err_set(err, ERR_BAD_REQUEST, "from",
                       "'from' must come before 'to', by at most %d days.",
                       days_max > 0 ? days_max : INT16_MAX);
    return 0;
}

/* Who asks: a session sees its account, a key only its own calls. */
static int read_scope(struct usage_filter *f, struct endpoint *ep, struct exchange *x,
                      struct err *err)
{
    if (ep->principal.key_id != 0) {
        f->key_id = ep->principal.key_id;
        return 0;
    }
    f->actor_id = ep->account_id;
    return ask_query_i64(&f->key_id, ep, x, "key_id", 1, UINT32_MAX, err);
}

static int read_model(struct usage_filter *f, struct endpoint *ep, struct exchange *x,
                      struct err *err)
{
    const struct models_copy *copy = NULL;
    const struct catalog_model *model = NULL;
    const char *name = NULL;

    if (ask_query_text(&name, ep, x, "model", TEXT_MAX, err) != 0)
        return -1;
    if (name == NULL)
        return 0;
    if (models_take(&copy, ep->app->models, err) != 0)
        return -1;
    /* Also one that has retired since: its calls are there. */
    const struct catalog *catalog = models_catalog(copy);
    for (size_t i = 0; i < catalog->model_count && model == NULL; i++)
        if (strcmp(catalog->models[i].name, name) == 0)
            model = &catalog->models[i];
    if (model != NULL)
        f->model_id = model->id;
    models_give(ep->app->models, copy);
    return model != NULL ? 0
                         : err_set(err, ERR_BAD_REQUEST, "model",
                                   "There is no model '%s'. GET /v1/models lists those that there "
                                   "are.",
                                   name);
}

static int read_status(struct usage_filter *f, struct endpoint *ep, struct exchange *x,
                       struct err *err)
{
    if (ask_query_text(&f->status, ep, x, "status", TEXT_MAX, err) != 0)
        return -1;
    if (f->status == NULL)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (strcmp(f->status, statuses[i]) == 0)
            return 0;
    return err_set(err, ERR_BAD_REQUEST, "status",
                   "'status' must be one of: ok, client_gone, error, upstream_error, timeout, "
                   "cancelled, expired.");
}

int ep_usage_list(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    struct usage_filter f = {0};
    struct table calls;
    const char *next = NULL;
    int64_t limit = ASK_LIMIT;

    (void)match;
    if (read_scope(&f, ep, x, err) != 0 || read_span(&f, ep, x, 0, err) != 0 ||
        read_model(&f, ep, x, err) != 0 || read_status(&f, ep, x, err) != 0 ||
        ask_query_text(&f.text, ep, x, "q", TEXT_MAX, err) != 0 ||
        ask_query_text(&f.after, ep, x, "after", USAGE_PLACE_LEN, err) != 0 ||
        ask_query_i64(&limit, ep, x, "limit", 1, ASK_LIMIT_MAX, err) != 0 ||
        usage_list(&calls, &next, &ep->app->store, ep->arena, &f, (size_t)limit, err) != 0)
        return -1;
    struct json_object *body = table_list_json(&calls, next);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

static int read_group(enum usage_group *group, struct endpoint *ep, struct exchange *x,
                      struct err *err)
{
    const char *name = "day";

    if (ask_query_text(&name, ep, x, "group", TEXT_MAX, err) != 0)
        return -1;
    for (int i = 0; i < USAGE_BY__COUNT; i++) {
        if (strcmp(name, usage_group_names[i]) == 0) {
            *group = (enum usage_group)i;
            return 0;
        }
    }
    return err_set(err, ERR_BAD_REQUEST, "group",
                   "'group' must be one of: day, hour, model, key, member, provider.");
}

int ep_usage_summary(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    struct endpoint *ep = context;
    enum usage_group group = USAGE_BY_DAY;
    struct usage_filter f = {0};
    struct table sums;

    (void)match;
    if (read_scope(&f, ep, x, err) != 0 || read_group(&group, ep, x, err) != 0 ||
        read_span(&f, ep, x, group == USAGE_BY_HOUR ? HOURS_DAYS_MAX : DAYS_MAX, err) != 0)
        return -1;
    /* A key reads the hours of the account that pays for it. */
    if (f.actor_id == 0)
        f.actor_id = ep->principal.account_id;
    if (usage_sums(&sums, &ep->app->store, ep->arena, group, &f, err) != 0)
        return -1;
    struct json_object *body = table_list_json(&sums, NULL);
    jsonx_set_str(body, "group", usage_group_names[group]);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

int ep_tiers(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct table tiers;

    (void)match;
    if (tiers_list(&tiers, &ep->app->store, ep->arena, err) != 0)
        return -1;
    struct json_object *body = table_list_json(&tiers, NULL);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}
