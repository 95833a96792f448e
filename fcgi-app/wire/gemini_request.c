/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/gemini_request.h"

#include "wire/dialect.h"
#include "wire/gemini_messages.h"

#include <string.h>

/* What a request is written from. */
struct writing {
    const struct neutral_request *request;
    const struct neutral_content *content;
    const struct neutral_target *target;
    const struct dialect *dialect;
    struct err *err;
};

/* Tools. */

static struct json_object *tools_json(const struct neutral_content *c)
{
    struct json_object *list = json_object_new_array();
    struct json_object *tool = json_object_new_object();
    struct json_object *functions = json_object_new_array();

    for (size_t i = 0; i < c->tool_count; i++) {
        struct json_object *function = json_object_new_object();
        jsonx_set_str(function, "name", c->tools[i].name);
        if (c->tools[i].description != NULL)
            jsonx_set_str(function, "description", c->tools[i].description);
        if (c->tools[i].parameters != NULL)
            jsonx_set_ref(function, "parametersJsonSchema", c->tools[i].parameters);
        json_object_array_add(functions, function);
    }
    jsonx_set(tool, "functionDeclarations", functions);
    json_object_array_add(list, tool);
    return list;
}

static bool any_strict(const struct neutral_content *c)
{
    for (size_t i = 0; i < c->tool_count; i++)
        if (c->tools[i].strict == 1)
            return true;
    return false;
}

/* NULL: nothing need be said. A strict schema is enforced by VALIDATED, otherwise as AUTO. */
static const char *calling_mode(const struct neutral_content *c)
{
    switch (c->tool_choice) {
    case TOOL_CHOICE_UNSET:
        return any_strict(c) ? "VALIDATED" : NULL;
    case TOOL_CHOICE_AUTO:
        return any_strict(c) ? "VALIDATED" : "AUTO";
    case TOOL_CHOICE_NONE:
        return "NONE";
    case TOOL_CHOICE_REQUIRED:
    case TOOL_CHOICE_NAMED:
        return "ANY";
    }
    return NULL;
}

static void write_tools(struct json_object *root, const struct neutral_content *c)
{
    const char *mode = calling_mode(c);

    if (c->tool_count == 0)
        return;
    jsonx_set(root, "tools", tools_json(c));
    if (mode == NULL)
        return;
    struct json_object *config = json_object_new_object();
    struct json_object *calling = json_object_new_object();
    jsonx_set_str(calling, "mode", mode);
    if (c->tool_choice == TOOL_CHOICE_NAMED) {
        struct json_object *allowed = json_object_new_array();
        json_object_array_add(allowed, json_object_new_string(c->tool_choice_name));
        jsonx_set(calling, "allowedFunctionNames", allowed);
    }
    jsonx_set(config, "functionCallingConfig", calling);
    jsonx_set(root, "toolConfig", config);
}

/* Generation. */

static void set_number(struct json_object *config, const char *key, struct json_object *number)
{
    if (number != NULL)
        jsonx_set_ref(config, key, number);
}

/* A zero penalty is none, and some models refuse the field with any other value. */
static void set_penalty(struct json_object *config, const char *key, struct json_object *number)
{
    double v = dialect_number(number);

    if (v < 0.0 || v > 0.0)
        jsonx_set_ref(config, key, number);
}

/* OpenAI's seeds have 64 bits, Google's 31: equal seeds stay equal. */
static void set_seed(struct json_object *config, struct json_object *seed)
{
    if (json_object_is_type(seed, json_type_int))
        jsonx_set_i64(config, "seed", json_object_get_int64(seed) & INT32_MAX);
}

static void write_sampling(struct json_object *config, const struct writing *w)
{
    const struct neutral_content *c = w->content;
    const struct dialect *d = w->dialect;

    if (d->temperature)
        set_number(config, "temperature", c->temperature);
    if (d->top_p)
        set_number(config, "topP", c->top_p);
    if (d->top_k)
        set_number(config, "topK", c->top_k);
    if (d->penalties) {
        set_penalty(config, "presencePenalty", c->presence_penalty);
        set_penalty(config, "frequencyPenalty", c->frequency_penalty);
    }
    if (d->seed)
        set_seed(config, c->seed);
}

static void write_stop(struct json_object *config, const struct neutral_content *c)
{
    struct json_object *stop = json_object_new_array();

    for (size_t i = 0; i < c->stop_count; i++)
        if (c->stop[i][0] != '\0')
            json_object_array_add(stop, json_object_new_string(c->stop[i]));
    if (json_object_array_length(stop) > 0)
        jsonx_set_ref(config, "stopSequences", stop);
    json_object_put(stop);
}

static void write_output(struct json_object *config, const struct neutral_content *c)
{
    if (c->output == OUTPUT_TEXT)
        return;
    jsonx_set_str(config, "responseMimeType", "application/json");
    if (c->output == OUTPUT_JSON_SCHEMA)
        jsonx_set_ref(config, "responseJsonSchema", c->schema);
}

/* Gemini 2.5: Google's own translation of OpenAI's efforts. */
static int64_t budget_of(const struct dialect *d, enum dialect_effort effort)
{
    static const int64_t budgets[EFFORT__COUNT] = {
        [EFFORT_MINIMAL] = 1024, [EFFORT_LOW] = 1024,    [EFFORT_MEDIUM] = 8192,
        [EFFORT_HIGH] = 24576,   [EFFORT_XHIGH] = 24576, [EFFORT_MAX] = 24576,
    };

    if (effort == EFFORT_NONE)
        return 0;
    return budgets[effort] > d->budget_min ? budgets[effort] : d->budget_min;
}

/* A client that says how much the model is to think is shown the thoughts. */
static int write_thinking(struct json_object *config, const struct writing *w)
{
    enum dialect_effort asked = EFFORT_UNSET;

    if (dialect_effort_parse(&asked, w->content->reasoning_effort, w->err) != 0)
        return -1;
    if (asked == EFFORT_UNSET)
        return 0;
    enum dialect_effort effort = dialect_effort_nearest(w->dialect, asked);
    struct json_object *thinking = json_object_new_object();
    if (w->dialect->thinking == THINKING_LEVEL)
        jsonx_set_str(thinking, "thinkingLevel", dialect_effort_name(effort));
    else
        jsonx_set_i64(thinking, "thinkingBudget", budget_of(w->dialect, effort));
    if (asked != EFFORT_NONE)
        jsonx_set_bool(thinking, "includeThoughts", true);
    jsonx_set(config, "thinkingConfig", thinking);
    return 0;
}

static int write_config(struct json_object *root, const struct writing *w)
{
    struct json_object *config = json_object_new_object();

    jsonx_set(root, "generationConfig", config);
    if (w->target->output_limit > 0)
        jsonx_set_i64(config, "maxOutputTokens", w->target->output_limit);
    if (w->request->choices > 1)
        jsonx_set_i64(config, "candidateCount", w->request->choices);
    write_sampling(config, w);
    write_stop(config, w->content);
    write_output(config, w->content);
    return write_thinking(config, w);
}

/* What cannot be done. */

static int refuse(const struct writing *w, const char *field, const char *what)
{
    return err_set(w->err, ERR_UNSUPPORTED_VALUE, field, "'%s': the model '%.100s' %s", field,
                   w->target->model, what);
}

static int check(const struct writing *w)
{
    const struct neutral_content *c = w->content;

    if (dialect_check(w->dialect, w->request, w->target->model, w->err) != 0)
        return -1;
    if (c->logprobs)
        return refuse(w, "logprobs", "does not tell log probabilities; please leave it out.");
    if (c->verbosity != NULL && strcmp(c->verbosity, "medium") != 0)
        return refuse(w, "verbosity", "knows no verbosity; please leave it out.");
    if (neutral_check_tool_choice(c, w->err) != 0)
        return -1;
    if (c->tool_count > 0 && c->output != OUTPUT_TEXT && w->dialect->thinking != THINKING_LEVEL)
        return refuse(w, "response_format", "does not take a JSON format together with 'tools'.");
    return 0;
}

static int write_root(struct json_object *root, const struct writing *w)
{
    if (check(w) != 0 ||
        gemini_write_messages(root, w->content, w->dialect, w->target->model, w->err) != 0)
        return -1;
    write_tools(root, w->content);
    return write_config(root, w);
}

int gemini_write_request(struct buf *out, const struct neutral_request *request,
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
    struct json_object *root = json_object_new_object();
    int rc = write_root(root, &w);
    if (rc == 0)
        jsonx_write(out, root);
    json_object_put(root);
    return rc;
}
