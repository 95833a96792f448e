/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_content.h"

#include "base/secret.h"
#include "wire/messages_said.h"
#include "wire/strict_schema.h"

#include <string.h>

struct reading {
    struct neutral_content *content;
    struct json_object *body;
    const char *model;
    struct arena *arena;
    struct err *err;
};

static int bad(const struct reading *r, const char *path, const char *what)
{
    return err_set(r->err, ERR_BAD_REQUEST, path, "'%s' %s", path, what);
}

/* Tools. */

static int tri_state(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    return json_object_is_type(v, json_type_boolean) ? json_object_get_boolean(v) : -1;
}

static int read_tool(const struct reading *r, struct neutral_tool *out, struct json_object *tool,
                     size_t at)
{
    const char *path = arena_printf(r->arena, "tools[%zu]", at);

    if (strcmp(jsonx_str(tool, "type", "custom"), "custom") != 0)
        return err_set(r->err, ERR_UNSUPPORTED_VALUE, path,
                       "'%s': the model '%.100s' does not know the tool '%.64s'; describe it with "
                       "'name' and 'input_schema' instead.",
                       path, r->model, jsonx_str(tool, "type", ""));
    *out = (struct neutral_tool){
        .name = jsonx_str(tool, "name", NULL),
        .description = jsonx_str(tool, "description", NULL),
        .parameters = jsonx_object(tool, "input_schema"),
        .strict = tri_state(tool, "strict"),
        .cache_control = jsonx_object(tool, "cache_control"),
    };
    return out->name != NULL ? 0 : bad(r, path, "must have a 'name'.");
}

static int read_tools(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *tools = jsonx_array(r->body, "tools");
    int rc = 0;

    c->tool_count = tools != NULL ? json_object_array_length(tools) : 0;
    c->tools = arena_zalloc(r->arena, (c->tool_count + 1) * sizeof *c->tools);
    for (size_t i = 0; i < c->tool_count && rc == 0; i++)
        rc = read_tool(r, &c->tools[i], json_object_array_get_idx(tools, i), i);
    return rc;
}

static int read_tool_choice(const struct reading *r)
{
    static const struct {
        const char *type;
        enum neutral_tool_choice choice;
    } choices[] = {
        {"auto", TOOL_CHOICE_AUTO},
        {"any", TOOL_CHOICE_REQUIRED},
        {"tool", TOOL_CHOICE_NAMED},
        {"none", TOOL_CHOICE_NONE},
    };
    struct neutral_content *c = r->content;
    struct json_object *choice = NULL;
    size_t i = 0;

    c->parallel_tool_calls = -1;
    if (jsonx_want_object(&choice, r->body, "tool_choice", "tool_choice", r->err) != 0)
        return -1;
    if (choice == NULL)
        return 0;
    while (i < ARRAY_LEN(choices) && strcmp(choices[i].type, jsonx_str(choice, "type", "")) != 0)
        i++;
    if (i == ARRAY_LEN(choices))
        return bad(r, "tool_choice.type", "must be one of auto, any, tool, none.");
    c->tool_choice = choices[i].choice;
    c->tool_choice_name = jsonx_str(choice, "name", NULL);
    if (c->tool_choice == TOOL_CHOICE_NAMED && c->tool_choice_name == NULL)
        return bad(r, "tool_choice.name", "is missing: it names the tool.");
    if (jsonx_bool(choice, "disable_parallel_tool_use", false))
        c->parallel_tool_calls = 0;
    return 0;
}

/* Thinking. */

bool messages_shows_thoughts(const struct neutral_request *request)
{
    struct json_object *thinking = jsonx_object(request->body, "thinking");
    const char *type = jsonx_str(thinking, "type", "disabled");

    return strcmp(type, "disabled") != 0 &&
           strcmp(jsonx_str(thinking, "display", ""), "omitted") != 0;
}

/* A budget says in tokens what others say in words. */
static const char *effort_of_budget(int64_t tokens)
{
    enum { LOW_BELOW = 4096, MEDIUM_BELOW = 16384 };

    if (tokens < LOW_BELOW)
        return "low";
    return tokens < MEDIUM_BELOW ? "medium" : "high";
}

static int read_thinking(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *thinking = NULL;
    struct json_object *config = NULL;
    const char *effort = NULL;

    if (jsonx_want_object(&thinking, r->body, "thinking", "thinking", r->err) != 0 ||
        jsonx_want_object(&config, r->body, "output_config", "output_config", r->err) != 0 ||
        jsonx_want_str(&effort, config, "effort", "output_config.effort", r->err) != 0)
        return -1;
    const char *type = jsonx_str(thinking, "type", NULL);
    c->effort_is_wish = true;
    c->reasoning_effort = effort;
    if (type == NULL)
        return 0;
    if (strcmp(type, "disabled") == 0)
        c->reasoning_effort = "none";
    else if (strcmp(type, "enabled") == 0 && effort == NULL)
        c->reasoning_effort = effort_of_budget(jsonx_i64(thinking, "budget_tokens", 0));
    else if (effort == NULL)
        c->reasoning_effort = "medium";
    return 0;
}

/* The rest. */

static int read_output(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *format = jsonx_object(jsonx_object(r->body, "output_config"), "format");

    c->schema_strict = -1;
    if (format == NULL)
        format = jsonx_object(r->body, "output_format"); /* its name before it was for all */
    if (format == NULL)
        return 0;
    c->output = OUTPUT_JSON_SCHEMA;
    c->schema_name = "answer";
    c->schema = jsonx_object(format, "schema");
    if (strcmp(jsonx_str(format, "type", ""), "json_schema") != 0 || c->schema == NULL)
        return bad(r, "output_config.format", "must be of type 'json_schema' with a 'schema'.");
    /* Anthropic holds its answers to every schema; others are told to where they can. */
    if (strict_schema_fits(c->schema))
        c->schema_strict = 1;
    return 0;
}

static int read_stop(const struct reading *r)
{
    struct neutral_content *c = r->content;
    struct json_object *stop = NULL;

    if (jsonx_want_array(&stop, r->body, "stop_sequences", "stop_sequences", r->err) != 0)
        return -1;
    c->stop_count = stop != NULL ? json_object_array_length(stop) : 0;
    c->stop = arena_zalloc(r->arena, (c->stop_count + 1) * sizeof *c->stop);
    for (size_t i = 0; i < c->stop_count; i++) {
        struct json_object *v = json_object_array_get_idx(stop, i);
        if (!json_object_is_type(v, json_type_string))
            return bad(r, "stop_sequences", "must be an array of strings.");
        c->stop[i] = json_object_get_string(v);
    }
    return 0;
}

static int read_numbers(const struct reading *r)
{
    const struct {
        const char *name;
        struct json_object **to;
    } numbers[] = {
        {"temperature", &r->content->temperature},
        {"top_p", &r->content->top_p},
        {"top_k", &r->content->top_k},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct json_object *v = jsonx_get(r->body, numbers[i].name);
        if (v != NULL && !json_object_is_type(v, json_type_int) &&
            !json_object_is_type(v, json_type_double))
            return bad(r, numbers[i].name, "must be a number.");
        *numbers[i].to = v;
    }
    return 0;
}

/* Other providers take ids of users up to a length only: a longer one is told by its hash. */
static int read_user(const struct reading *r)
{
    enum { USER_MAX = 2 * SECRET_SHA256_SIZE };
    unsigned char hash[SECRET_SHA256_SIZE];
    struct json_object *metadata = NULL;
    const char *user = NULL;

    if (jsonx_want_object(&metadata, r->body, "metadata", "metadata", r->err) != 0 ||
        jsonx_want_str(&user, metadata, "user_id", "metadata.user_id", r->err) != 0)
        return -1;
    if (user != NULL && strlen(user) > USER_MAX) {
        char *hex = arena_alloc(r->arena, USER_MAX + 1);
        secret_sha256(hash, user, strlen(user));
        secret_hex(hex, hash, sizeof hash);
        user = hex;
    }
    r->content->user = user;
    return 0;
}

int messages_read_content(struct neutral_request *request, struct arena *arena, struct err *err)
{
    struct neutral_content *c = arena_zalloc(arena, sizeof *c);
    const struct reading r = {
        .content = c, .body = request->body, .model = request->model, .arena = arena, .err = err};

    c->top_logprobs = -1;
    if (messages_read_said(c, request, arena, err) != 0 || read_tools(&r) != 0 ||
        read_tool_choice(&r) != 0 || read_thinking(&r) != 0 || read_output(&r) != 0 ||
        read_stop(&r) != 0 || read_numbers(&r) != 0 || read_user(&r) != 0)
        return -1;
    request->content = c;
    return 0;
}
