/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/openrouter.h"

#include "wire/completions.h"
#include "wire/completions_events.h"
#include "wire/completions_upstream.h"

#include <stdio.h>
#include <string.h>

/* These choose another model or a paid service, which the hold would not cover. */
static const char *const refused_fields[] = {"models", "route", "plugins", "preset",
                                             "web_search_options"};

/* What the models that hedge for OpenAI's do not have. None of it changes what is asked; with
 * require_parameters OpenRouter would find no endpoint that takes it. */
static void fit_to_hedge(struct json_object *body)
{
    static const char *const lacking[] = {
        "seed",
        "logit_bias",
        "frequency_penalty",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "service_tier",
        "store",
        "prompt_cache_key",
        "verbosity",
        "prompt_cache_options",
        "safety_identifier",
        "prompt_cache_retention",
        "modalities",
    };
    struct json_object *provider = json_object_new_object();
    struct json_object *effort = jsonx_get(body, "reasoning_effort");

    for (size_t i = 0; i < ARRAY_LEN(lacking); i++)
        json_object_object_del(body, lacking[i]);
    /* True is what it does anyway, and not every endpoint lists the field. */
    if (jsonx_bool(body, "parallel_tool_calls", false))
        json_object_object_del(body, "parallel_tool_calls");
    if (effort != NULL) {
        struct json_object *reasoning = json_object_new_object();
        jsonx_set_ref(reasoning, "effort", effort);
        jsonx_set(body, "reasoning", reasoning);
        json_object_object_del(body, "reasoning_effort");
    }
    jsonx_set_bool(provider, "require_parameters", true);
    jsonx_set(body, "provider", provider);
}

/* OpenRouter runs tools of its own, for a fee. */
static int check_tools(struct json_object *body, struct err *err)
{
    struct json_object *tools = jsonx_array(body, "tools");
    size_t count = tools != NULL ? json_object_array_length(tools) : 0;
    char path[48];

    for (size_t i = 0; i < count; i++) {
        const char *type = jsonx_str(json_object_array_get_idx(tools, i), "type", "");
        if (strcmp(type, "function") == 0 || strcmp(type, "custom") == 0)
            continue;
        snprintf(path, sizeof path, "tools[%zu].type", i);
        return err_set(err, ERR_UNSUPPORTED_VALUE, path,
                       "'%s' must be 'function' for this model: tools that the provider runs are "
                       "not offered here.",
                       path);
    }
    return 0;
}

/* The client's own body. */
static int pass_request(struct json_object **out, const struct neutral_request *request,
                        const struct neutral_target *target, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(refused_fields); i++)
        if (jsonx_get(request->body, refused_fields[i]) != NULL)
            return err_set(err, ERR_UNSUPPORTED_VALUE, refused_fields[i],
                           "'%s' is not offered here: it could have the call served by another "
                           "model or at another price than the one shown.",
                           refused_fields[i]);
    if (check_tools(request->body, err) != 0)
        return -1;
    struct json_object *body = completions_upstream_body(request, target);
    json_object_object_del(body, "max_completion_tokens");
    jsonx_set_i64(body, "max_tokens", target->output_limit);
    *out = body;
    return 0;
}

/* A model that hedges is not the one whose dialect the catalog names. */
static int write_request(struct buf *out, const struct neutral_request *request,
                         const struct neutral_target *target, struct err *err)
{
    const struct completions_rules rules = {
        .dialect = target->hedge ? "openrouter" : target->dialect,
        .limit_field = "max_tokens",
        .extensions = true,
    };
    struct json_object *body = NULL;
    int rc = format_passes(&openrouter_format, request)
                 ? pass_request(&body, request, target, err)
                 : completions_upstream_request(&body, request, target, &rules, err);

    if (rc != 0)
        return -1;
    if (target->hedge)
        fit_to_hedge(body);
    jsonx_write(out, body);
    json_object_put(body);
    return 0;
}

/* Takes what OpenRouter charged us out of its usage object: the client sees our price there. */
static void take_cost(struct usage *usage, struct json_object *usage_json)
{
    struct json_object *cost = jsonx_get(usage_json, "cost");

    if ((json_object_is_type(cost, json_type_double) || json_object_is_type(cost, json_type_int)) &&
        (decimal_normalise(usage->cost_usd, json_object_get_string(cost)) != 0 ||
         decimal_is_negative(usage->cost_usd)))
        usage->cost_usd[0] = '\0';
    json_object_object_del(usage_json, "cost");
    json_object_object_del(usage_json, "cost_details");
    json_object_object_del(usage_json, "is_byok");
}

struct renaming {
    const struct neutral_request *request;
    event_fn *fn;
    void *arg;
};

static int on_event(const struct event *event, void *arg)
{
    const struct renaming *r = arg;
    struct event out = *event;
    struct usage usage;

    switch (event->kind) {
    case EVENT_CHUNK:
    case EVENT_ANSWER:
        jsonx_set_str(event->json, "model", r->request->model);
        break;
    case EVENT_USAGE:
        usage = *event->usage;
        take_cost(&usage, event->json);
        out.usage = &usage;
        break;
    case EVENT_BEGIN:
    case EVENT_TEXT:
    case EVENT_REFUSAL:
    case EVENT_REASONING:
    case EVENT_CALL_BEGIN:
    case EVENT_CALL_ARGUMENTS:
    case EVENT_CALL_STATE:
    case EVENT_REASONING_STATE:
    case EVENT_FINISH:
    case EVENT_DONE:
        break;
    }
    return r->fn(&out, r->arg);
}

static int read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                       void *arg, struct err *err)
{
    struct renaming r = {.request = reader->request, .fn = fn, .arg = arg};

    if (!format_passes(&openrouter_format, reader->request))
        return completions_events_answer(reader, answer, take_cost, fn, arg, err);
    return completions_read_answer(reader, answer, on_event, &r, err);
}

static int read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                      struct err *err)
{
    struct renaming r = {.request = reader->request, .fn = fn, .arg = arg};

    if (!format_passes(&openrouter_format, reader->request))
        return completions_events_chunk(reader, data, take_cost, fn, arg, err);
    return completions_read_event(reader, data, on_event, &r, err);
}

const struct format openrouter_format = {
    .name = "openrouter",
    .account = PROVIDER_OPENROUTER,
    .auth = FORMAT_AUTH_BEARER,
    .path = "/v1/chat/completions",
    .language = LANGUAGE_COMPLETIONS,
    .wants_reasoning = true,
    .write_request = write_request,
    .state_size = sizeof(struct completions_events),
    .read_answer = read_answer,
    .read_event = read_event,
    .read_failure = completions_read_failure,
};
