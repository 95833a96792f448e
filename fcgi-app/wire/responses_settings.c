/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_settings.h"

#include <string.h>

struct reading {
    struct neutral_content *content;
    const struct neutral_request *request;
    struct json_object *body;
    struct arena *arena;
    struct err *err;
};

static int bad(const struct reading *r, const char *path, const char *what)
{
    return err_set(r->err, ERR_BAD_REQUEST, path, "'%s' %s", path, what);
}

static int tri_state(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    return json_object_is_type(v, json_type_boolean) ? json_object_get_boolean(v) : -1;
}

/* Tools. */

static int read_tool(struct neutral_tool *out, struct json_object *tool, size_t at,
                     const struct reading *r)
{
    const char *type = jsonx_str(tool, "type", "");
    const char *path = arena_printf(r->arena, "tools[%zu]", at);

    if (strcmp(type, "function") != 0)
        return err_set(r->err, ERR_UNSUPPORTED_VALUE, path,
                       "'%s': the model '%.100s' takes tools of the type 'function' only, not "
                       "'%.40s'.",
                       path, r->request->model, type);
    *out = (struct neutral_tool){
        .name = jsonx_str(tool, "name", NULL),
        .description = jsonx_str(tool, "description", NULL),
        .parameters = jsonx_object(tool, "parameters"),
        .strict = tri_state(tool, "strict"),
    };
    if (out->name == NULL || out->name[0] == '\0')
        return bad(r, arena_printf(r->arena, "tools[%zu].name", at), "is missing.");
    return 0;
}

static int read_tools(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *tools = jsonx_array(r->body, "tools");

    c->tool_count = tools != NULL ? json_object_array_length(tools) : 0;
    c->tools = arena_zalloc(r->arena, (c->tool_count + 1) * sizeof *c->tools);
    for (size_t i = 0; i < c->tool_count; i++)
        if (read_tool(&c->tools[i], json_object_array_get_idx(tools, i), i, r) != 0)
            return -1;
    c->parallel_tool_calls = tri_state(r->body, "parallel_tool_calls");
    return 0;
}

static bool is_among(struct json_object *list, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (strcmp(jsonx_str(json_object_array_get_idx(list, i), "name", ""), name) == 0)
            return true;
    return false;
}

static bool read_mode(struct neutral_content *c, const char *mode)
{
    static const struct {
        const char *name;
        enum neutral_tool_choice choice;
    } modes[] = {
        {"auto", TOOL_CHOICE_AUTO}, {"none", TOOL_CHOICE_NONE}, {"required", TOOL_CHOICE_REQUIRED}};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(modes[i].name, mode) == 0) {
            c->tool_choice = modes[i].choice;
            return true;
        }
    }
    return false;
}

/* Only some of the tools may be called: the others are not shown. */
static bool read_allowed(struct neutral_content *c, struct json_object *choice)
{
    struct json_object *list = jsonx_array(choice, "tools");
    size_t kept = 0;

    if (list == NULL || !read_mode(c, jsonx_str(choice, "mode", "auto")))
        return false;
    for (size_t i = 0; i < c->tool_count; i++)
        if (is_among(list, c->tools[i].name))
            c->tools[kept++] = c->tools[i];
    c->tool_count = kept;
    return true;
}

static int read_tool_choice(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *choice = jsonx_get(r->body, "tool_choice");
    const char *type = jsonx_str(choice, "type", "");

    if (choice == NULL)
        return 0;
    if (json_object_is_type(choice, json_type_string) &&
        read_mode(c, json_object_get_string(choice)))
        return 0;
    if (strcmp(type, "allowed_tools") == 0 && read_allowed(c, choice))
        return 0;
    c->tool_choice_name = jsonx_str(choice, "name", NULL);
    if (strcmp(type, "function") != 0 || c->tool_choice_name == NULL)
        return bad(r, "tool_choice",
                   "must be 'auto', 'none', 'required', {\"type\":\"function\",\"name\":...} or "
                   "{\"type\":\"allowed_tools\",...} for this model.");
    c->tool_choice = TOOL_CHOICE_NAMED;
    return 0;
}

/* The form of the answer. */

static int read_text(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *text = jsonx_object(r->body, "text");
    struct json_object *format = jsonx_object(text, "format");
    const char *type = jsonx_str(format, "type", "text");

    c->schema_strict = -1;
    if (jsonx_want_str(&c->verbosity, text, "verbosity", "text.verbosity", r->err) != 0)
        return -1;
    if (strcmp(type, "text") == 0)
        return 0;
    if (strcmp(type, "json_object") == 0) {
        c->output = OUTPUT_JSON_OBJECT;
        return 0;
    }
    c->output = OUTPUT_JSON_SCHEMA;
    c->schema_name = jsonx_str(format, "name", "answer");
    c->schema = jsonx_object(format, "schema");
    c->schema_strict = tri_state(format, "strict");
    if (strcmp(type, "json_schema") != 0 || c->schema == NULL)
        return bad(r, "text.format",
                   "must be of the type text, json_object, or json_schema with a 'schema'.");
    return 0;
}

/* The rest. */

static bool includes(struct json_object *body, const char *what)
{
    struct json_object *list = jsonx_array(body, "include");

    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        struct json_object *v = json_object_array_get_idx(list, i);
        if (json_object_is_type(v, json_type_string) &&
            strcmp(json_object_get_string(v), what) == 0)
            return true;
    }
    return false;
}

static int read_number(struct json_object **out, const struct reading *r, const char *name)
{
    struct json_object *v = jsonx_get(r->body, name);

    if (v != NULL && !json_object_is_type(v, json_type_int) &&
        !json_object_is_type(v, json_type_double))
        return bad(r, name, "must be a number.");
    *out = v;
    return 0;
}

/* Fields of chat completions, which OpenAI refuses here, too: to leave them out would change the
 * answer. */
static int refuse_chat_fields(const struct reading *r)
{
    static const char *const fields[] = {
        "stop",       "n",         "seed",          "logit_bias",       "frequency_penalty",
        "max_tokens", "top_k",     "verbosity",     "response_format",  "presence_penalty",
        "messages",   "functions", "function_call", "reasoning_effort", "max_completion_tokens",
    };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (jsonx_get(r->body, fields[i]) != NULL)
            return err_set(r->err, ERR_UNSUPPORTED_VALUE, fields[i],
                           "'%s' is no field of POST /v1/responses.", fields[i]);
    return 0;
}

int responses_read_settings(struct neutral_content *c, const struct neutral_request *request,
                            struct arena *arena, struct err *err)
{
    struct json_object *body = request->body;
    struct reading r = {.content = c, .request = request, .body = body, .arena = arena, .err = err};

    if (refuse_chat_fields(&r) != 0 || read_tools(&r) != 0 || read_tool_choice(&r) != 0 ||
        read_text(&r) != 0 || read_number(&c->temperature, &r, "temperature") != 0 ||
        read_number(&c->top_p, &r, "top_p") != 0)
        return -1;
    c->top_logprobs = -1;
    if (jsonx_want_i64(&c->top_logprobs, body, "top_logprobs", "top_logprobs", 0, 20, err) != 0 ||
        jsonx_want_str(&c->reasoning_effort, jsonx_object(body, "reasoning"), "effort",
                       "reasoning.effort", err) != 0)
        return -1;
    c->logprobs = includes(body, "message.output_text.logprobs");
    c->user = jsonx_str(body, "user", jsonx_str(body, "safety_identifier", NULL));
    c->metadata = jsonx_object(body, "metadata");
    return 0;
}
