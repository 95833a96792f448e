/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "base/timing.h"
#include "http/reply.h"

#include <string.h>

static const char *const kind_names[] = {
    [KIND_CHAT] = "chat",   [KIND_EMBEDDING] = "embedding", [KIND_IMAGE] = "image",
    [KIND_VIDEO] = "video", [KIND_MUSIC] = "music",         [KIND_SPEECH] = "speech",
};

static const struct apikey_price *price_of(const struct apikey_price *prices, size_t count,
                                           int64_t model_id)
{
    for (size_t i = 0; i < count; i++)
        if (prices[i].model_id == model_id)
            return &prices[i];
    return NULL;
}

/* US dollars a million tokens, or a unit, as the key's tier pays them. */
/* What tools cost that the provider runs: US dollars a call or a container. */
static struct json_object *tools_json(const struct apikey_price *p)
{
    static const char *const names[] = {"web_search",   "web_search_preview", "file_search",
                                        "container_1g", "container_4g",       "container_16g",
                                        "container_64g"};
    struct json_object *obj = NULL;

    static_assert(ARRAY_LEN(names) == APIKEY_TOOL_MAX, "a name for every tool");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (p->tools[i] == NULL)
            continue;
        if (obj == NULL)
            obj = json_object_new_object();
        jsonx_set_decimal(obj, names[i], p->tools[i]);
    }
    return obj;
}

static struct json_object *pricing_json(const struct apikey_price *p)
{
    const struct {
        const char *name;
        const char *value;
    } members[] = {
        {"input", p->input},
        {"cached_input", p->cached_input},
        {"cache_write_5m", p->cache_write_5m},
        {"cache_write_1h", p->cache_write_1h},
        {"output", p->output},
        {"reasoning", p->reasoning},
        {"above_tokens", p->above_tokens},
        {"above_input", p->above_input},
        {"above_output", p->above_output},
        {"unit_price", p->unit_usd},
    };
    struct json_object *obj = json_object_new_object();

    jsonx_set_str(obj, "currency", "USD");
    jsonx_set_str(obj, "per", p->unit != NULL ? p->unit : "million_tokens");
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (members[i].value != NULL)
            jsonx_set_decimal(obj, members[i].name, members[i].value);
    struct json_object *tools = tools_json(p);
    if (tools != NULL)
        jsonx_set(obj, "tools", tools);
    return obj;
}

static struct json_object *capabilities_json(const char *list)
{
    struct json_object *array = json_object_new_array();

    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        if (len > 0)
            json_object_array_add(array, json_object_new_string_len(list, (int)len));
        list += len;
        list += *list == ',' ? 1 : 0;
    }
    return array;
}

static void set_count(struct json_object *obj, const char *key, int64_t n)
{
    if (n > 0)
        jsonx_set_i64(obj, key, n);
    else
        jsonx_set_null(obj, key);
}

static struct json_object *model_json(const struct catalog_model *m, const char *id,
                                      const struct apikey_price *price)
{
    struct json_object *obj = json_object_new_object();
    char day[TIMING_ISO_SIZE];

    jsonx_set_str(obj, "id", id);
    jsonx_set_str(obj, "object", "model");
    jsonx_set_i64(obj, "created", m->created_s);
    jsonx_set_str(obj, "owned_by", m->owned_by);
    jsonx_set_str(obj, "kind", kind_names[m->kind]);
    set_count(obj, "context_length", m->context_length);
    set_count(obj, "max_output_tokens", m->max_output_tokens);
    jsonx_set(obj, "capabilities", capabilities_json(m->capabilities));
    if (price != NULL)
        jsonx_set(obj, "pricing", pricing_json(price));
    else
        jsonx_set_null(obj, "pricing");
    if (m->retires_on_s > 0) {
        timing_iso(day, m->retires_on_s * 1000);
        jsonx_set_strn(obj, "shutdown_date", day, strlen("2026-11-23"));
        jsonx_set_str(obj, "successor", m->successor);
    }
    if (strcmp(id, m->name) != 0)
        jsonx_set_str(obj, "alias_of", m->name);
    return obj;
}

/* The models that a key with a list of its own may call; *limited: only these. */
struct allowed {
    bool limited;
    int64_t *ids;
    size_t count;
};

static int read_allowed(struct allowed *out, struct endpoint *ep, struct err *err)
{
    *out = (struct allowed){.limited = ep->principal.models_limited};
    if (!out->limited)
        return 0;
    return apikey_models(&out->ids, &out->count, &ep->app->store, ep->arena, ep->principal.key_id,
                         err);
}

static bool is_allowed(const struct allowed *allowed, int64_t model_id)
{
    for (size_t i = 0; i < allowed->count; i++)
        if (allowed->ids[i] == model_id)
            return true;
    return !allowed->limited;
}

int ep_models(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    const struct models_copy *copy = NULL;
    struct apikey_price *prices = NULL;
    struct allowed allowed;
    size_t count = 0;

    (void)match;
    if (read_allowed(&allowed, ep, err) != 0 ||
        apikey_prices(&prices, &count, &ep->app->store, ep->arena, ep->principal.markup, 0, err) !=
            0 ||
        models_take(&copy, ep->app->models, err) != 0)
        return -1;
    const struct catalog *catalog = models_catalog(copy);
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < catalog->model_count; i++) {
        const struct catalog_model *m = &catalog->models[i];
        if (is_allowed(&allowed, m->id))
            json_object_array_add(list, model_json(m, m->name, price_of(prices, count, m->id)));
    }
    models_give(ep->app->models, copy);
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", list);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

static int model_answer(struct endpoint *ep, struct exchange *x, const char *id,
                        const struct models_copy *copy, struct err *err)
{
    const struct catalog_model *model = NULL;
    const char *substituted = NULL;
    struct apikey_price *prices = NULL;
    struct allowed allowed;
    size_t count = 0;

    if (models_find(&model, &substituted, copy, id, err) != 0 ||
        read_allowed(&allowed, ep, err) != 0)
        return -1;
    if (!is_allowed(&allowed, model->id))
        return apikey_refuse_model(&ep->app->store, ep->arena, ep->key_hash, model->id, err);
    if (apikey_prices(&prices, &count, &ep->app->store, ep->arena, ep->principal.markup, model->id,
                      err) != 0)
        return -1;
    struct json_object *body = model_json(model, id, price_of(prices, count, model->id));
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

int ep_model(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    const struct models_copy *copy = NULL;

    if (models_take(&copy, ep->app->models, err) != 0)
        return -1;
    int rc = model_answer(ep, x, match->params[0], copy, err);
    models_give(ep->app->models, copy);
    return rc;
}
