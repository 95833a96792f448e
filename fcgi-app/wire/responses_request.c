/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_request.h"

#include "wire/dialect.h"
#include "wire/responses.h"
#include "wire/responses_input.h"
#include "wire/responses_pass.h"

#include <string.h>

/* What a request is written from. */
struct writing {
    const struct neutral_request *request;
    const struct neutral_content *content;
    const struct neutral_target *target;
    const struct dialect *dialect;
    struct err *err;
    struct json_object *root;
};

/* The name under which the client gave its limit. */
static const char *limit_field(const struct neutral_request *request)
{
    static const char *const fields[] = {"max_completion_tokens", "max_output_tokens"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (jsonx_get(request->body, fields[i]) != NULL)
            return fields[i];
    return "max_tokens";
}

/* Or may: what the model does by default it does not tell. */
static bool reasons(const struct writing *w)
{
    const char *effort = w->content->reasoning_effort;

    return w->dialect->thinks_by_default && (effort == NULL || strcmp(effort, "none") != 0);
}

static int check(const struct writing *w)
{
    const char *limit = limit_field(w->request);

    if (dialect_check(w->dialect, w->request, w->target->model, w->err) != 0)
        return -1;
    if (w->content->logprobs && reasons(w))
        return err_set(w->err, ERR_UNSUPPORTED_VALUE, "logprobs",
                       "'logprobs' is supported by the model '%.100s' only without reasoning "
                       "('reasoning_effort': 'none').",
                       w->target->model);
    if (w->target->output_limit < RESPONSES_OUTPUT_MIN)
        return err_set(w->err, ERR_UNSUPPORTED_VALUE, limit,
                       "'%s' must be at least %d for the model '%.100s'.", limit,
                       RESPONSES_OUTPUT_MIN, w->target->model);
    return neutral_check_tool_choice(w->content, w->err);
}

/* Reasoning. */

/* A client that says how much the model is to think is shown the thoughts. */
static int write_reasoning(const struct writing *w)
{
    enum dialect_effort effort = EFFORT_UNSET;

    if (w->dialect->thinks_by_default) {
        struct json_object *include = json_object_new_array();
        json_object_array_add(include, json_object_new_string("reasoning.encrypted_content"));
        jsonx_set(w->root, "include", include);
    }
    if (dialect_effort_of(&effort, w->dialect, w->content, w->err) != 0)
        return -1;
    if (effort == EFFORT_UNSET)
        return 0;
    struct json_object *reasoning = json_object_new_object();
    jsonx_set_str(reasoning, "effort", dialect_effort_name(effort));
    if (effort != EFFORT_NONE)
        jsonx_set_str(reasoning, "summary", "auto");
    jsonx_set(w->root, "reasoning", reasoning);
    return 0;
}

/* The form of the answer. */

static struct json_object *output_format(const struct writing *w)
{
    const struct neutral_content *c = w->content;
    struct json_object *format = json_object_new_object();

    if (c->output == OUTPUT_JSON_OBJECT) {
        jsonx_set_str(format, "type", "json_object");
        return format;
    }
    jsonx_set_str(format, "type", "json_schema");
    jsonx_set_str(format, "name", c->schema_name);
    if (c->schema_description != NULL)
        jsonx_set_str(format, "description", c->schema_description);
    jsonx_set_ref(format, "schema", c->schema);
    if (c->schema_strict >= 0)
        jsonx_set_bool(format, "strict", c->schema_strict == 1);
    return format;
}

static void write_text(const struct writing *w)
{
    const struct neutral_content *c = w->content;
    struct json_object *text = json_object_new_object();

    if (c->output != OUTPUT_TEXT)
        jsonx_set(text, "format", output_format(w));
    if (c->verbosity != NULL)
        jsonx_set_str(text, "verbosity", c->verbosity);
    if (json_object_object_length(text) > 0)
        jsonx_set_ref(w->root, "text", text);
    json_object_put(text);
}

/* Tools. */

static struct json_object *no_parameters(void)
{
    struct json_object *schema = json_object_new_object();

    jsonx_set_str(schema, "type", "object");
    jsonx_set(schema, "properties", json_object_new_object());
    return schema;
}

/* Without `strict` the provider would make a schema strict that was not written for it. */
static struct json_object *tool_json(const struct neutral_tool *tool)
{
    struct json_object *json = json_object_new_object();

    jsonx_set_str(json, "type", "function");
    jsonx_set_str(json, "name", tool->name);
    if (tool->description != NULL)
        jsonx_set_str(json, "description", tool->description);
    if (tool->parameters != NULL)
        jsonx_set_ref(json, "parameters", tool->parameters);
    else
        jsonx_set(json, "parameters", no_parameters());
    jsonx_set_bool(json, "strict", tool->strict == 1);
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
        jsonx_set_str(choice, "type", "function");
        jsonx_set_str(choice, "name", c->tool_choice_name);
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
        json_object_array_add(list, tool_json(&c->tools[i]));
    jsonx_set(w->root, "tools", list);
    write_tool_choice(w);
    if (c->parallel_tool_calls >= 0)
        jsonx_set_bool(w->root, "parallel_tool_calls", c->parallel_tool_calls == 1);
}

static void write_logprobs(const struct writing *w)
{
    struct json_object *include = jsonx_array(w->root, "include");

    if (!w->content->logprobs)
        return;
    if (include == NULL) {
        include = json_object_new_array();
        jsonx_set(w->root, "include", include);
    }
    json_object_array_add(include, json_object_new_string("message.output_text.logprobs"));
    if (w->content->top_logprobs >= 0)
        jsonx_set_i64(w->root, "top_logprobs", w->content->top_logprobs);
}

/* All. */

static void set_member(const struct writing *w, const char *key, struct json_object *v)
{
    if (v != NULL)
        jsonx_set_ref(w->root, key, v);
}

/* What has the same name and meaning on OpenAI's surfaces. prompt_cache_options is left out: its
 * explicit mode needs marks that the neutral form does not have, and would switch caching off. */
static void write_same(const struct writing *w)
{
    static const char *const fields[] = {"service_tier", "safety_identifier", "prompt_cache_key",
                                         "prompt_cache_retention"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        set_member(w, fields[i], jsonx_get(w->request->body, fields[i]));
    set_member(w, "metadata", w->content->metadata);
    if (w->content->user != NULL)
        jsonx_set_str(w->root, "user", w->content->user);
}

static int write_root(const struct writing *w)
{
    struct json_object *input = NULL;

    if (check(w) != 0 || responses_input(&input, w->content, w->target->model,
                                         w->dialect->thinks_by_default, w->err) != 0)
        return -1;
    jsonx_set_str(w->root, "model", w->target->upstream_model);
    jsonx_set(w->root, "input", input);
    jsonx_set_i64(w->root, "max_output_tokens", w->target->output_limit);
    jsonx_set_bool(w->root, "store", false);
    if (w->request->stream)
        jsonx_set_bool(w->root, "stream", true);
    if (w->dialect->temperature)
        set_member(w, "temperature", w->content->temperature);
    if (w->dialect->top_p)
        set_member(w, "top_p", w->content->top_p);
    write_text(w);
    write_tools(w);
    write_same(w);
    if (write_reasoning(w) != 0)
        return -1;
    write_logprobs(w);
    return 0;
}

int responses_write_request(struct buf *out, const struct neutral_request *request,
                            const struct neutral_target *target, struct err *err)
{
    struct writing w = {
        .request = request,
        .content = request->content,
        .target = target,
        .dialect = dialect_find(target->dialect),
        .err = err,
    };

    if (w.dialect == NULL) {
        err_set(err, ERR_INTERNAL, NULL,
                "The model '%.100s' is not set up completely; the operator has to look into it.",
                target->model);
        return err_detail(err, "unknown dialect '%.64s'", target->dialect);
    }
    if (format_passes(&responses_format, request)) {
        responses_pass_request(out, request, target, w.dialect->thinks_by_default);
        return 0;
    }
    w.root = json_object_new_object();
    int rc = write_root(&w);
    if (rc == 0)
        jsonx_write(out, w.root);
    json_object_put(w.root);
    return rc;
}
