/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_request.h"

#include "wire/dialect.h"
#include "wire/messages_blocks.h"
#include "wire/messages_schema.h"
#include "wire/messages_turns.h"

#include <stdio.h>
#include <string.h>

enum { SYSTEM_MAX = 64 * 1024 * 1024 };

struct writing {
    const struct neutral_request *request;
    const struct neutral_content *content;
    const struct neutral_target *target;
    const struct dialect *dialect;
    struct err *err;
    struct json_object *body;
    struct json_object *output_config; /* borrowed from body once it is there */
    struct buf system;                 /* instructions of ours */

    enum dialect_effort effort; /* what the client asked for, as the model takes it */
    bool thinks;
    bool forced;
    bool last_is_assistant;
    int64_t budget; /* THINKING_BUDGET */
};

static int refuse(const struct writing *w, const char *field, const char *what)
{
    return err_set(w->err, ERR_UNSUPPORTED_VALUE, field, "'%s': the model '%.100s' %s", field,
                   w->target->model, what);
}

/* Created when first needed. */
static struct json_object *output_config(struct writing *w)
{
    if (w->output_config == NULL) {
        w->output_config = json_object_new_object();
        jsonx_set(w->body, "output_config", w->output_config);
    }
    return w->output_config;
}

static void instruct(struct writing *w, const char *text)
{
    if (w->system.len > 0)
        buf_append_char(&w->system, '\n');
    buf_append_str(&w->system, text);
}

/* What is to be thought. */

/* With a budget, a turn that calls tools must have begun with thinking to go on with it. */
static bool lacks_thoughts(const struct neutral_content *c)
{
    const struct neutral_message *last = messages_last(c, ROLE_ASSISTANT);

    if (last == NULL || last->call_count == 0)
        return false;
    struct json_object *thoughts = messages_thought_blocks(last->reasoning_details);
    bool none = json_object_array_length(thoughts) == 0;
    json_object_put(thoughts);
    return none;
}

/* A share of the output limit, which thinking counts against. 0: there is no room to think. */
static int64_t budget_for(enum dialect_effort effort, int64_t limit, int64_t least)
{
    enum { ANSWER_MIN = 256 };
    static const int percent[EFFORT__COUNT] = {
        [EFFORT_MINIMAL] = 10, [EFFORT_LOW] = 20,   [EFFORT_MEDIUM] = 50,
        [EFFORT_HIGH] = 80,    [EFFORT_XHIGH] = 90, [EFFORT_MAX] = 95,
    };
    int64_t budget = limit / 100 * percent[effort];

    if (limit < least + ANSWER_MIN)
        return 0;
    if (budget < least)
        budget = least;
    return budget < limit - ANSWER_MIN ? budget : limit - ANSWER_MIN;
}

static void decide_thinking(struct writing *w)
{
    const struct dialect *d = w->dialect;

    w->thinks = w->effort == EFFORT_UNSET ? d->thinks_by_default : w->effort != EFFORT_NONE;
    if (w->forced && d->forcing == FORCING_UNLESS_THINKING)
        w->thinks = false;
    if (w->last_is_assistant && d->prefill)
        w->thinks = false;
    if (w->thinks && d->thinking == THINKING_BUDGET) {
        w->budget = budget_for(w->effort, w->target->output_limit, d->budget_min);
        w->thinks = w->budget > 0 && !lacks_thoughts(w->content);
    }
}

static void write_effort(struct writing *w)
{
    enum dialect_effort effort = w->effort;

    if (effort == EFFORT_UNSET || effort == EFFORT_NONE)
        return;
    /* Above it, thinking cannot be off. */
    if (!w->thinks && effort > EFFORT_HIGH)
        effort = EFFORT_HIGH;
    jsonx_set_str(output_config(w), "effort", dialect_effort_name(effort));
}

static void write_thinking(struct writing *w)
{
    const struct dialect *d = w->dialect;
    struct json_object *thinking = NULL;

    if (w->thinks && d->thinking == THINKING_BUDGET) {
        thinking = json_object_new_object();
        jsonx_set_str(thinking, "type", "enabled");
        jsonx_set_i64(thinking, "budget_tokens", w->budget);
    } else if (w->thinks && w->effort != EFFORT_UNSET) {
        thinking = json_object_new_object();
        jsonx_set_str(thinking, "type", "adaptive");
        if (d->thoughts_hidden)
            jsonx_set_str(thinking, "display", "summarized");
    } else if (!w->thinks && d->thinks_by_default && d->thinking_off != NULL) {
        thinking = json_object_new_object();
        jsonx_set_str(thinking, "type", d->thinking_off);
    }
    if (thinking != NULL)
        jsonx_set(w->body, "thinking", thinking);
    if (d->thinking == THINKING_ADAPTIVE)
        write_effort(w);
}

/* Sampling. */

static bool is_one(struct json_object *number)
{
    double v = dialect_number(number);

    return v >= 1.0 && v <= 1.0;
}

static int check_sampling(const struct writing *w)
{
    enum { TOP_P_PERCENT_MIN = 95 };
    const struct neutral_content *c = w->content;
    const struct dialect *d = w->dialect;

    if (d->temperature_xor_top_p && c->temperature != NULL && c->top_p != NULL &&
        !is_one(c->temperature) && !is_one(c->top_p))
        return refuse(w, "top_p", "takes either 'temperature' or 'top_p', not both.");
    if (!w->thinks || !d->thinking_fixes_sampling)
        return 0;
    if (c->temperature != NULL && !is_one(c->temperature))
        return refuse(w, "temperature",
                      "takes no 'temperature' but 1 while it reasons ('reasoning_effort').");
    if (c->top_p != NULL && dialect_number(c->top_p) * 100 < TOP_P_PERCENT_MIN)
        return refuse(w, "top_p",
                      "takes no 'top_p' below 0.95 while it reasons ('reasoning_effort').");
    if (c->top_k != NULL)
        return refuse(w, "top_k", "takes no 'top_k' while it reasons ('reasoning_effort').");
    return 0;
}

static void write_stop(struct writing *w)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < w->content->stop_count; i++)
        if (!messages_is_blank(span_of(w->content->stop[i])))
            json_object_array_add(list, json_object_new_string(w->content->stop[i]));
    if (json_object_array_length(list) > 0)
        jsonx_set_ref(w->body, "stop_sequences", list);
    json_object_put(list);
}

/* dialect_check has let pass, where they are not taken, only values that ask for the default. */
static void write_sampling(struct writing *w)
{
    const struct neutral_content *c = w->content;
    const struct dialect *d = w->dialect;
    double temperature = dialect_number(c->temperature);
    bool both = d->temperature_xor_top_p && c->temperature != NULL && c->top_p != NULL;

    if (d->temperature && c->temperature != NULL && !(both && is_one(c->temperature))) {
        if (temperature > d->temperature_max)
            jsonx_set_i64(w->body, "temperature", d->temperature_max);
        else if (temperature < 0)
            jsonx_set_i64(w->body, "temperature", 0);
        else
            jsonx_set_ref(w->body, "temperature", c->temperature);
    }
    if (d->top_p && c->top_p != NULL && !(both && !is_one(c->temperature)))
        jsonx_set_ref(w->body, "top_p", c->top_p);
    if (d->top_k && c->top_k != NULL)
        jsonx_set_ref(w->body, "top_k", c->top_k);
    write_stop(w);
}

/* Tools. */

static struct json_object *object_schema(void)
{
    struct json_object *schema = json_object_new_object();

    jsonx_set_str(schema, "type", "object");
    jsonx_set(schema, "properties", json_object_new_object());
    return schema;
}

/* The provider wants a type at the top. */
static struct json_object *input_schema(struct json_object *parameters)
{
    if (parameters == NULL || json_object_object_length(parameters) == 0)
        return object_schema();
    if (jsonx_get(parameters, "type") != NULL)
        return json_object_get(parameters);
    struct json_object *schema = json_object_new_object();
    jsonx_set_str(schema, "type", "object");
    json_object_object_foreach(parameters, key, value)
    {
        jsonx_set_ref(schema, key, value);
    }
    jsonx_set_str(schema, "type", "object");
    return schema;
}

static int write_tool(const struct writing *w, struct json_object *list, size_t at)
{
    const struct neutral_tool *tool = &w->content->tools[at];
    struct json_object *schema = input_schema(tool->parameters);
    struct json_object *json = json_object_new_object();

    jsonx_set_str(json, "name", tool->name);
    if (tool->description != NULL)
        jsonx_set_str(json, "description", tool->description);
    if (tool->cache_control != NULL)
        jsonx_set_ref(json, "cache_control", tool->cache_control);
    json_object_array_add(list, json);
    if (tool->strict != 1 || !w->dialect->json_schema) {
        jsonx_set(json, "input_schema", schema);
        return 0;
    }
    struct json_object *closed = messages_schema_close(schema);
    json_object_put(schema);
    if (closed == NULL) {
        char path[64];
        snprintf(path, sizeof path, "tools[%zu].function.parameters", at);
        return refuse(w, path, "takes strict tools only without objects of free keys.");
    }
    jsonx_set(json, "input_schema", closed);
    jsonx_set_bool(json, "strict", true);
    return 0;
}

/* A conversation with calls needs tools, though the client no longer offers any. */
static void write_past_tools(const struct writing *w, struct json_object *list)
{
    struct json_object *names = json_object_new_object();

    for (size_t i = 0; i < w->content->message_count; i++) {
        const struct neutral_message *m = &w->content->messages[i];
        for (size_t k = 0; k < m->call_count; k++)
            jsonx_set_null(names, m->calls[k].name);
    }
    json_object_object_foreach(names, name, none)
    {
        (void)none;
        struct json_object *tool = json_object_new_object();
        jsonx_set_str(tool, "name", name);
        jsonx_set(tool, "input_schema", object_schema());
        json_object_array_add(list, tool);
    }
    json_object_put(names);
}

static int write_tools(struct writing *w)
{
    const struct neutral_content *c = w->content;
    bool named_only = w->dialect->forcing == FORCING_NEVER && c->tool_choice == TOOL_CHOICE_NAMED;
    struct json_object *list = json_object_new_array();
    int rc = 0;

    for (size_t i = 0; i < c->tool_count && rc == 0; i++)
        if (!named_only || strcmp(c->tools[i].name, c->tool_choice_name) == 0)
            rc = write_tool(w, list, i);
    if (c->tool_count == 0)
        write_past_tools(w, list);
    if (json_object_array_length(list) > 0)
        jsonx_set_ref(w->body, "tools", list);
    json_object_put(list);
    return rc;
}

static void force_in_words(struct writing *w)
{
    char text[256];

    if (w->content->tool_choice == TOOL_CHOICE_REQUIRED) {
        instruct(w, "Your next answer must call at least one of the tools. Do not answer with text "
                    "alone.");
        return;
    }
    snprintf(text, sizeof text,
             "Your next answer must call the tool \"%.128s\". Do not answer with text alone.",
             w->content->tool_choice_name);
    instruct(w, text);
}

static void write_tool_choice(struct writing *w)
{
    const struct neutral_content *c = w->content;
    struct json_object *choice = json_object_new_object();
    const char *type = NULL;

    if (c->tool_count == 0)
        type = jsonx_get(w->body, "tools") != NULL ? "none" : NULL;
    else if (c->tool_choice == TOOL_CHOICE_NONE)
        type = "none";
    else if (w->forced && w->dialect->forcing != FORCING_NEVER)
        type = c->tool_choice == TOOL_CHOICE_REQUIRED ? "any" : "tool";
    else if (c->tool_choice != TOOL_CHOICE_UNSET || c->parallel_tool_calls == 0)
        type = "auto";
    if (type != NULL) {
        jsonx_set_str(choice, "type", type);
        if (strcmp(type, "tool") == 0)
            jsonx_set_str(choice, "name", c->tool_choice_name);
        if (c->parallel_tool_calls == 0 && strcmp(type, "none") != 0)
            jsonx_set_bool(choice, "disable_parallel_tool_use", true);
        jsonx_set_ref(w->body, "tool_choice", choice);
    }
    json_object_put(choice);
    if (w->forced && w->dialect->forcing == FORCING_NEVER)
        force_in_words(w);
}

/* The form of the answer. */

static const char bare_json[] =
    "Answer with one valid JSON object and nothing else: no text before or after it, no code "
    "fence.";

static void describe_schema(struct writing *w)
{
    instruct(w, bare_json);
    instruct(w, "The object must be valid against this JSON Schema:");
    buf_append_char(&w->system, '\n');
    jsonx_write(&w->system, w->content->schema);
}

static int write_output(struct writing *w)
{
    const struct neutral_content *c = w->content;

    if (c->output == OUTPUT_JSON_OBJECT)
        instruct(w, bare_json);
    if (c->output != OUTPUT_JSON_SCHEMA)
        return 0;
    struct json_object *schema = w->dialect->json_schema ? messages_schema_close(c->schema) : NULL;
    if (schema == NULL && c->schema_strict == 1)
        return refuse(w, "response_format",
                      "takes a strict schema only without objects of free keys "
                      "('additionalProperties').");
    if (schema == NULL) {
        describe_schema(w);
        return 0;
    }
    struct json_object *format = json_object_new_object();
    jsonx_set_str(format, "type", "json_schema");
    jsonx_set(format, "schema", schema);
    jsonx_set(output_config(w), "format", format);
    return 0;
}

/* The system prompt. */

static int add_system_message(const struct writing *w, struct json_object *list, size_t at)
{
    const struct neutral_message *m = &w->content->messages[at];
    struct json_object *block = NULL;

    for (size_t i = 0; i < m->part_count; i++) {
        const struct neutral_part *part = &m->parts[i];
        if (part->kind != PART_TEXT && part->kind != PART_REFUSAL)
            return refuse(w, "messages", "takes system messages of text only.");
        if (messages_is_blank(part->text))
            continue;
        block = messages_text_block(part->text, part->cache_control);
        json_object_array_add(list, block);
    }
    if (block != NULL && m->cache_control != NULL)
        jsonx_set_ref(block, "cache_control", m->cache_control);
    return 0;
}

static int write_system(struct writing *w)
{
    struct json_object *list = json_object_new_array();
    int rc = 0;

    for (size_t i = 0; i < w->content->message_count && rc == 0; i++)
        if (w->content->messages[i].role == ROLE_SYSTEM)
            rc = add_system_message(w, list, i);
    if (w->system.len > 0)
        json_object_array_add(list, messages_text_block(buf_span(&w->system), NULL));
    struct json_object *first = json_object_array_get_idx(list, 0);
    if (json_object_array_length(list) == 1 && jsonx_get(first, "cache_control") == NULL)
        jsonx_set_ref(w->body, "system", jsonx_get(first, "text"));
    else if (first != NULL)
        jsonx_set_ref(w->body, "system", list);
    json_object_put(list);
    return rc;
}

/* Messages. */

static bool has_calls(const struct neutral_content *c)
{
    for (size_t i = 0; i < c->message_count; i++)
        if (c->messages[i].call_count > 0)
            return true;
    return false;
}

/* Thoughts that are bound to what went before them are refused with other tools or another system
 * prompt than they came with: where this request's are not those of the turn's beginning, they stay
 * behind. */
static bool sends_thoughts(const struct writing *w)
{
    const struct dialect *d = w->dialect;

    if (!w->thinks && !d->thinks_when_off)
        return false;
    if (!d->thoughts_bound)
        return true;
    return !(w->forced && d->forcing == FORCING_NEVER) &&
           !(w->content->tool_count == 0 && has_calls(w->content));
}

static int write_messages(struct writing *w)
{
    const struct messages_turns_rules rules = {
        .model = w->target->model,
        .thoughts = sends_thoughts(w),
        .thoughts_bound = w->dialect->thoughts_bound,
        .prefill = w->dialect->prefill,
    };
    struct json_object *messages = NULL;

    if (messages_turns(&messages, w->content, &rules, w->err) != 0)
        return -1;
    jsonx_set(w->body, "messages", messages);
    return 0;
}

/* All. */

static int decide(struct writing *w)
{
    const struct neutral_content *c = w->content;

    if (dialect_check(w->dialect, w->request, w->target->model, w->err) != 0 ||
        neutral_check_tool_choice(c, w->err) != 0 ||
        dialect_effort_parse(&w->effort, c->reasoning_effort, w->err) != 0)
        return -1;
    w->forced = neutral_forces_call(c);
    w->effort = dialect_effort_nearest(w->dialect, w->effort);
    for (size_t i = 0; i < c->message_count; i++)
        if (c->messages[i].role != ROLE_SYSTEM)
            w->last_is_assistant = c->messages[i].role == ROLE_ASSISTANT;
    decide_thinking(w);
    return check_sampling(w);
}

static int write_body(struct writing *w)
{
    const struct neutral_content *c = w->content;

    jsonx_set_str(w->body, "model", w->target->upstream_model);
    jsonx_set_i64(w->body, "max_tokens", w->target->output_limit);
    if (w->request->stream || w->target->stream)
        jsonx_set_bool(w->body, "stream", true);
    if (c->user != NULL && c->user[0] != '\0') {
        struct json_object *metadata = json_object_new_object();
        jsonx_set_str(metadata, "user_id", c->user);
        jsonx_set(w->body, "metadata", metadata);
    }
    /* The provider's own field: it then places the marks itself. */
    struct json_object *cache = jsonx_object(w->request->body, "cache_control");
    if (cache != NULL)
        jsonx_set_ref(w->body, "cache_control", cache);
    write_thinking(w);
    write_sampling(w);
    if (write_output(w) != 0 || write_tools(w) != 0)
        return -1;
    write_tool_choice(w);
    if (buf_failed(&w->system))
        return err_set(w->err, ERR_TOO_LARGE, "response_format",
                       "'response_format' is too large for the model '%.100s'.", w->target->model);
    return write_system(w) != 0 || write_messages(w) != 0 ? -1 : 0;
}

int messages_write_request(struct buf *out, const struct neutral_request *request,
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
        err_set(err, ERR_INTERNAL, NULL, "The catalog's entry for this model is not complete.");
        return err_detail(err, "no dialect '%s'", target->dialect);
    }
    w.body = json_object_new_object();
    buf_init(&w.system, SYSTEM_MAX);
    int rc = decide(&w) != 0 ? -1 : write_body(&w);
    if (rc == 0)
        jsonx_write(out, w.body);
    buf_fini(&w.system);
    json_object_put(w.body);
    return rc;
}
