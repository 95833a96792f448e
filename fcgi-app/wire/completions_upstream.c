/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions_upstream.h"

#include "wire/completions_turns.h"
#include "wire/dialect.h"

#include <string.h>

struct writing {
    const struct neutral_request *request;
    const struct neutral_content *content;
    const struct neutral_target *target;
    const struct completions_rules *rules;
    const struct dialect *dialect;
    struct err *err;
    struct json_object *root;
};

/* Another model that stands in takes everything: what it lacks is left out later. */
static int check(const struct writing *w)
{
    bool own_terms = !w->target->hedge;

    if (dialect_check(w->dialect, w->request, w->target->model, w->err) != 0)
        return -1;
    if (own_terms && w->content->logprobs)
        return err_set(w->err, ERR_UNSUPPORTED_VALUE, "logprobs",
                       "'logprobs' is not supported by the model '%.100s'; please leave it out.",
                       w->target->model);
    return neutral_check_tool_choice(w->content, w->err);
}

/* Tools. */

static struct json_object *tool_json(const struct writing *w, const struct neutral_tool *tool)
{
    struct json_object *json = json_object_new_object();
    struct json_object *function = json_object_new_object();

    jsonx_set_str(json, "type", "function");
    jsonx_set_str(function, "name", tool->name);
    if (tool->description != NULL)
        jsonx_set_str(function, "description", tool->description);
    if (tool->parameters != NULL)
        jsonx_set_ref(function, "parameters", tool->parameters);
    if (tool->strict >= 0)
        jsonx_set_bool(function, "strict", tool->strict == 1);
    jsonx_set(json, "function", function);
    if (w->rules->extensions && tool->cache_control != NULL)
        jsonx_set_ref(json, "cache_control", tool->cache_control);
    return json;
}

static void write_tool_choice(const struct writing *w)
{
    static const char *const modes[] = {[TOOL_CHOICE_AUTO] = "auto",
                                        [TOOL_CHOICE_NONE] = "none",
                                        [TOOL_CHOICE_REQUIRED] = "required"};
    const struct neutral_content *c = w->content;

    if (c->tool_choice == TOOL_CHOICE_NAMED) {
        struct json_object *choice = json_object_new_object();
        struct json_object *function = json_object_new_object();
        jsonx_set_str(function, "name", c->tool_choice_name);
        jsonx_set_str(choice, "type", "function");
        jsonx_set(choice, "function", function);
        jsonx_set(w->root, "tool_choice", choice);
    } else if (c->tool_choice != TOOL_CHOICE_UNSET) {
        jsonx_set_str(w->root, "tool_choice", modes[c->tool_choice]);
    }
}

static void write_tools(const struct writing *w)
{
    const struct neutral_content *c = w->content;

    if (c->tool_count == 0)
        return;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < c->tool_count; i++)
        json_object_array_add(list, tool_json(w, &c->tools[i]));
    jsonx_set(w->root, "tools", list);
    write_tool_choice(w);
    if (c->parallel_tool_calls >= 0)
        jsonx_set_bool(w->root, "parallel_tool_calls", c->parallel_tool_calls == 1);
}

/* The form of the answer. */

static void write_output(const struct writing *w)
{
    const struct neutral_content *c = w->content;

    if (c->output == OUTPUT_TEXT)
        return;
    struct json_object *format = json_object_new_object();
    if (c->output == OUTPUT_JSON_OBJECT) {
        jsonx_set_str(format, "type", "json_object");
    } else {
        struct json_object *schema = json_object_new_object();
        jsonx_set_str(schema, "name", c->schema_name);
        if (c->schema_description != NULL)
            jsonx_set_str(schema, "description", c->schema_description);
        jsonx_set_ref(schema, "schema", c->schema);
        if (c->schema_strict >= 0)
            jsonx_set_bool(schema, "strict", c->schema_strict == 1);
        jsonx_set_str(format, "type", "json_schema");
        jsonx_set(format, "json_schema", schema);
    }
    jsonx_set(w->root, "response_format", format);
}

/* Sampling. */

static void set_member(const struct writing *w, const char *key, struct json_object *v)
{
    if (v != NULL)
        jsonx_set_ref(w->root, key, v);
}

/* Reasoning models refuse the field, though not what 1 asks for. */
static void set_unless_one(const struct writing *w, const char *key, struct json_object *v)
{
    double number = dialect_number(v);

    if (!w->dialect->thinks_by_default || !(number >= 1.0 && number <= 1.0))
        set_member(w, key, v);
}

static void write_sampling(const struct writing *w)
{
    const struct neutral_content *c = w->content;

    set_unless_one(w, "temperature", c->temperature);
    set_unless_one(w, "top_p", c->top_p);
    if (w->rules->extensions)
        set_member(w, "top_k", c->top_k);
    set_member(w, "frequency_penalty", c->frequency_penalty);
    set_member(w, "presence_penalty", c->presence_penalty);
    set_member(w, "seed", c->seed);
    set_member(w, "logit_bias", c->logit_bias);
    if (c->stop_count == 0)
        return;
    struct json_object *stop = json_object_new_array();
    for (size_t i = 0; i < c->stop_count; i++)
        json_object_array_add(stop, json_object_new_string(c->stop[i]));
    jsonx_set(w->root, "stop", stop);
}

/* All. */

/* What has the same name and meaning on OpenAI's surfaces. */
static void write_same(const struct writing *w)
{
    static const char *const fields[] = {"service_tier", "safety_identifier", "prompt_cache_key",
                                         "prompt_cache_retention"};

    if (w->request->language == LANGUAGE_RESPONSES && !w->rules->extensions)
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            set_member(w, fields[i], jsonx_get(w->request->body, fields[i]));
    if (w->content->verbosity != NULL)
        jsonx_set_str(w->root, "verbosity", w->content->verbosity);
    if (w->content->user != NULL)
        jsonx_set_str(w->root, "user", w->content->user);
}

static int write_effort(const struct writing *w)
{
    enum dialect_effort effort = EFFORT_UNSET;

    if (dialect_effort_of(&effort, w->dialect, w->content, w->err) != 0)
        return -1;
    if (effort != EFFORT_UNSET)
        jsonx_set_str(w->root, "reasoning_effort", dialect_effort_name(effort));
    return 0;
}

static int write_root(const struct writing *w)
{
    struct json_object *messages = NULL;

    if (check(w) != 0 || completions_turns(&messages, w->content, w->rules->extensions,
                                           w->target->model, w->err) != 0)
        return -1;
    jsonx_set_str(w->root, "model", w->target->upstream_model);
    jsonx_set(w->root, "messages", messages);
    jsonx_set_i64(w->root, w->rules->limit_field, w->target->output_limit);
    if (w->request->choices > 1)
        jsonx_set_i64(w->root, "n", w->request->choices);
    if (w->request->stream) {
        struct json_object *options = json_object_new_object();
        jsonx_set_bool(options, "include_usage", true);
        jsonx_set_bool(w->root, "stream", true);
        jsonx_set(w->root, "stream_options", options);
    }
    write_tools(w);
    write_output(w);
    write_sampling(w);
    write_same(w);
    return write_effort(w);
}

int completions_upstream_request(struct json_object **out, const struct neutral_request *request,
                                 const struct neutral_target *target,
                                 const struct completions_rules *rules, struct err *err)
{
    struct writing w = {
        .request = request,
        .content = request->content,
        .target = target,
        .rules = rules,
        .dialect = dialect_find(rules->dialect),
        .err = err,
    };

    if (w.dialect == NULL) {
        err_set(err, ERR_INTERNAL, NULL,
                "The model '%.100s' is not set up completely; the operator has to look into it.",
                target->model);
        return err_detail(err, "unknown dialect '%.64s'", rules->dialect);
    }
    w.root = json_object_new_object();
    if (write_root(&w) != 0) {
        json_object_put(w.root);
        return -1;
    }
    *out = w.root;
    return 0;
}
