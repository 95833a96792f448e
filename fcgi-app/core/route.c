/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/route.h"

#include <string.h>

static const char *const api_names[] = {
    [API_OPENAI] = "openai",         [API_OPENAI_RESPONSES] = "openai-responses",
    [API_ANTHROPIC] = "anthropic",   [API_GOOGLE] = "google",
    [API_OPENROUTER] = "openrouter", [API_KIE] = "kie",
    [API_RECRAFT] = "recraft",       [API_MUREKA] = "mureka",
    [API_REPLICATE] = "replicate",   [API_OTHER] = "other",
};

static const char *const kind_paths[] = {
    [KIND_CHAT] = "POST /v1/chat/completions", [KIND_EMBEDDING] = "POST /v1/embeddings",
    [KIND_IMAGE] = "POST /v1/jobs/createTask", [KIND_VIDEO] = "POST /v1/jobs/createTask",
    [KIND_MUSIC] = "POST /v1/jobs/createTask", [KIND_SPEECH] = "POST /v1/jobs/createTask",
};

static int resolve(struct route *out, const struct catalog_route *r,
                   const struct catalog_model *model, const struct conf *conf, struct err *err)
{
    const char *api = api_names[r->api];
    bool embedding = model->kind == KIND_EMBEDDING;
    const struct format *format = embedding ? NULL : format_find(api);
    const struct embeddings_format *embeddings = embedding ? embeddings_format_find(api) : NULL;

    if (format == NULL && embeddings == NULL)
        return err_set(err, ERR_NOT_IMPLEMENTED, "model",
                       "The model '%s' is served by %s, which this version does not speak yet. "
                       "Nothing was charged.",
                       model->name, api);
    enum conf_provider account = embedding ? embeddings->account : format->account;
    if (conf->key[account] == NULL) {
        err_set(err, ERR_UPSTREAM_AUTH, "model",
                "The model '%s' is not available: the operator has not configured a key for its "
                "provider.",
                model->name);
        return err_detail(err, "%s_key is not set", conf_provider_name(account));
    }
    *out = (struct route){
        .format = format,
        .embeddings = embeddings,
        .base_url = conf->url[account],
        .key = conf->key[account],
        .upstream_model = r->upstream_model,
        .price_model_id = r->price_model_id,
    };
    return 0;
}

int route_choose(struct route_list *out, const struct catalog_model *model, enum catalog_kind kind,
                 const struct conf *conf, struct err *err)
{
    struct err hedge_err;

    if (model->kind != kind)
        return err_set(err, ERR_BAD_REQUEST, "model",
                       "The model '%s' is not made for this path; it is served by %s.", model->name,
                       kind_paths[model->kind]);
    if (model->route_count == 0)
        return err_set(err, ERR_MODEL_NOT_FOUND, "model", "The model '%s' has no provider.",
                       model->name);
    if (resolve(&out->routes[0], &model->routes[0], model, conf, err) != 0)
        return -1;
    out->count = 1;
    for (size_t i = 1; i < model->route_count; i++)
        if (resolve(&out->routes[out->count], &model->routes[i], model, conf, &hedge_err) == 0)
            out->count++;
    return 0;
}

/* `list` is "tools,vision,json". */
static bool is_capable(const char *list, const char *what)
{
    size_t len = strlen(what);

    while (*list != '\0') {
        size_t n = strcspn(list, ",");
        if (n == len && strncmp(list, what, n) == 0)
            return true;
        list += list[n] == ',' ? n + 1 : n;
    }
    return false;
}

static bool wants_json(const struct neutral_request *request)
{
    struct json_object *format = jsonx_object(request->body, "response_format");

    if (request->content != NULL)
        return request->content->output != OUTPUT_TEXT;
    return strcmp(jsonx_str(format, "type", "text"), "text") != 0;
}

int route_check(const struct catalog_model *model, const struct neutral_request *request,
                struct err *err)
{
    const struct {
        bool wanted;
        const char *capability;
        const char *field;
        const char *what;
    } needs[] = {
        {request->size.tools > 0, "tools", "tools", "tools"},
        {request->size.images > 0, "vision", "messages", "images"},
        {wants_json(request), "json", "response_format", "JSON format for its answer"},
    };

    for (size_t i = 0; i < ARRAY_LEN(needs); i++)
        if (needs[i].wanted && !is_capable(model->capabilities, needs[i].capability))
            return err_set(err, ERR_UNSUPPORTED_VALUE, needs[i].field,
                           "'%s': the model '%.100s' takes no %s; GET /v1/models lists what each "
                           "model can do.",
                           needs[i].field, model->name, needs[i].what);
    return 0;
}
