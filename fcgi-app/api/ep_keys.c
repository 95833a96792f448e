/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "api/table_json.h"
#include "http/reply.h"
#include "store/keys.h"

#include <string.h>

enum { NAME_MAX_CHARACTERS = 120, MODELS_MAX = 100, MODEL_NAME_MAX = 96 };

int ep_keys(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct table keys;
    int64_t limit = ASK_LIMIT;
    int64_t after = 0;

    (void)match;
    if (ask_query_i64(&limit, ep, x, "limit", 1, ASK_LIMIT_MAX, err) != 0 ||
        ask_query_i64(&after, ep, x, "after", 1, UINT32_MAX, err) != 0 ||
        keys_list(&keys, &ep->app->store, ep->arena, ep->account_id, after, 0, (size_t)limit,
                  err) != 0)
        return -1;
    bool more = table_cut(&keys, (size_t)limit);
    const char *next = more ? table_cell(&keys, (size_t)limit - 1, "id") : NULL;
    struct json_object *body = table_list_json(&keys, next);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

/* Answers with one key; `secret` (may be NULL) is shown with it, this once. */
static int answer_key(struct endpoint *ep, struct exchange *x, int status, int64_t id,
                      const char *secret, struct err *err)
{
    struct table keys;

    if (keys_list(&keys, &ep->app->store, ep->arena, ep->account_id, 0, id, 1, err) != 0)
        return -1;
    if (keys.row_count == 0)
        return err_set(err, ERR_NOT_FOUND, "id", "There is no such key. GET /v1/keys lists yours.");
    struct json_object *body = table_row_json(&keys, 0);
    if (secret != NULL) {
        jsonx_set_str(body, "key", secret);
        exchange_header(x, "Cache-Control", "no-store");
    }
    (void)reply_json(x, status, body);
    json_object_put(body);
    return 0;
}

/* The list of models as JSON text; null lifts it. */
static int read_models(struct keys_values *v, struct endpoint *ep, struct json_object *body,
                       struct err *err)
{
    struct json_object *models = NULL;

    if (!jsonx_has(body, "models"))
        return 0;
    v->set |= KEYS_MODELS;
    if (jsonx_want_array(&models, body, "models", "models", err) != 0)
        return -1;
    if (models == NULL)
        return 0;
    size_t count = json_object_array_length(models);
    bool good = count > 0 && count <= MODELS_MAX;
    for (size_t i = 0; i < count && good; i++) {
        struct json_object *name = json_object_array_get_idx(models, i);
        good = json_object_is_type(name, json_type_string) &&
               json_object_get_string_len(name) <= MODEL_NAME_MAX;
    }
    if (!good)
        return err_set(err, ERR_BAD_REQUEST, "models",
                       "'models' must be a list of 1 to %d names of models, or null to let the key "
                       "call every model.",
                       MODELS_MAX);
    v->models = arena_strdup(ep->arena, json_object_to_json_string(models));
    return 0;
}

static int read_values(struct keys_values *v, struct endpoint *ep, struct json_object *body,
                       struct err *err)
{
    if (ask_name(&v->name, ep, body, "name", NAME_MAX_CHARACTERS, err) != 0 ||
        ask_cap(&v->cap_usd, &v->period, &v->set, KEYS_CAP, KEYS_PERIOD, ep, body, err) != 0 ||
        ask_time(&v->expires_at, ep, body, "expires_at", err) != 0 ||
        read_models(v, ep, body, err) != 0 ||
        jsonx_want_bool(&v->enabled, body, "enabled", "enabled", err) != 0)
        return -1;
    v->set |= jsonx_has(body, "name") ? KEYS_NAME : 0;
    v->set |= jsonx_has(body, "expires_at") ? KEYS_EXPIRES : 0;
    v->set |= jsonx_get(body, "enabled") != NULL ? KEYS_ENABLED : 0;
    return 0;
}

static int create(struct endpoint *ep, struct exchange *x, struct json_object *body,
                  struct err *err)
{
    struct keys_values v = {.period = "none"};
    char key[IDENT_KEY_SIZE];
    int64_t team_id = 0;
    int64_t id = 0;

    if (read_values(&v, ep, body, err) != 0 ||
        jsonx_want_i64(&team_id, body, "team_id", "team_id", 1, UINT32_MAX, err) != 0)
        return -1;
    if (v.name == NULL)
        return err_set(err, ERR_BAD_REQUEST, "name", "A key needs a 'name'.");
    ident_key(key);
    if (keys_create(&id, &ep->app->store, ep->arena, ep->account_id, team_id, key, &v, err) != 0)
        return -1;
    return answer_key(ep, x, 201, id, key, err);
}

int ep_key_create(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    static const char *const names[] = {"name",   "team_id",    "cap_usd",
                                        "period", "expires_at", "models"};
    struct endpoint *ep = context;
    struct json_object *body = NULL;

    (void)match;
    if (endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = create(ep, x, body, err);
    json_object_put(body);
    return rc;
}

int ep_key_change(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    static const char *const names[] = {"name",       "cap_usd", "period",
                                        "expires_at", "models",  "enabled"};
    struct endpoint *ep = context;
    struct keys_values v = {0};
    struct json_object *body = NULL;
    int64_t id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = read_values(&v, ep, body, err);
    json_object_put(body);
    if (rc != 0 || keys_change(&ep->app->store, ep->arena, ep->account_id, id, &v, err) != 0)
        return -1;
    return answer_key(ep, x, 200, id, NULL, err);
}

int ep_key_rotate(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    struct json_object *body = NULL;
    char key[IDENT_KEY_SIZE];
    int64_t id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        endpoint_read_object(&body, ep, x, NULL, 0, true, err) != 0)
        return -1;
    json_object_put(body);
    ident_key(key);
    if (keys_rotate(&ep->app->store, ep->arena, ep->account_id, id, key, err) != 0)
        return -1;
    return answer_key(ep, x, 200, id, key, err);
}

int ep_key_delete(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    int64_t id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        keys_delete(&ep->app->store, ep->arena, ep->account_id, id, err) != 0)
        return -1;
    (void)reply_empty(x, 204);
    return 0;
}
