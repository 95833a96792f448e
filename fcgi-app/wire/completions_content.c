/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions_content.h"

#include <string.h>

/* Where in the request something stands, for error messages. */
struct place {
    struct arena *arena;
    struct err *err;
    size_t message;
    size_t part;
};

static const char *part_path(const struct place *at, const char *member)
{
    return arena_printf(at->arena, "messages[%zu].content[%zu]%s", at->message, at->part, member);
}

static int bad(const struct place *at, const char *path, const char *what)
{
    return err_set(at->err, ERR_BAD_REQUEST, path, "'%s' %s", path, what);
}

static struct span string_of(struct json_object *v)
{
    if (!json_object_is_type(v, json_type_string))
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

/* Parts. */

/* "data:image/png;base64,AAAA" (RFC 2397) into media type and payload; any other URL stays one. */
static int read_url(struct neutral_part *part, struct span url, const struct place *at,
                    const char *path)
{
    static const char marker[] = ";base64,";

    if (url.len < 5 || strncmp(url.ptr, "data:", 5) != 0) {
        if (url.len < 8 ||
            (strncmp(url.ptr, "https://", 8) != 0 && strncmp(url.ptr, "http://", 7) != 0))
            return bad(at, path, "must be an http(s) URL or a data: URL.");
        part->url = url;
        return 0;
    }
    const char *end = strstr(url.ptr, marker);
    if (end == NULL)
        return bad(at, path, "must be a base64 data: URL (data:image/png;base64,...).");
    const char *type_end = memchr(url.ptr + 5, ';', (size_t)(end - url.ptr - 5 + 1));
    part->media_type = arena_strndup(at->arena, url.ptr + 5, (size_t)(type_end - url.ptr - 5));
    part->data.ptr = end + sizeof marker - 1;
    part->data.len = url.len - (size_t)(part->data.ptr - url.ptr);
    return 0;
}

static int read_text(struct neutral_part *part, struct json_object *json, const struct place *at)
{
    struct json_object *text = jsonx_get(json, part->kind == PART_TEXT ? "text" : "refusal");

    if (!json_object_is_type(text, json_type_string))
        return bad(at, part_path(at, part->kind == PART_TEXT ? ".text" : ".refusal"),
                   "must be a string.");
    part->text = string_of(text);
    return 0;
}

static int read_image(struct neutral_part *part, struct json_object *json, const struct place *at)
{
    struct json_object *image = jsonx_object(json, "image_url");
    struct json_object *url = jsonx_get(image, "url");

    if (!json_object_is_type(url, json_type_string))
        return bad(at, part_path(at, ".image_url.url"), "must be a string.");
    part->detail = jsonx_str(image, "detail", NULL);
    return read_url(part, string_of(url), at, part_path(at, ".image_url.url"));
}

static int read_audio(struct neutral_part *part, struct json_object *json, const struct place *at)
{
    struct json_object *audio = jsonx_object(json, "input_audio");
    struct json_object *data = jsonx_get(audio, "data");

    if (!json_object_is_type(data, json_type_string))
        return bad(at, part_path(at, ".input_audio.data"), "must be a string of base64.");
    part->data = string_of(data);
    part->media_type = arena_printf(at->arena, "audio/%s", jsonx_str(audio, "format", "wav"));
    return 0;
}

static int read_file(struct neutral_part *part, struct json_object *json, const struct place *at)
{
    struct json_object *file = jsonx_object(json, "file");
    struct json_object *data = jsonx_get(file, "file_data");

    part->name = jsonx_str(file, "filename", NULL);
    part->file_id = jsonx_str(file, "file_id", NULL);
    if (json_object_is_type(data, json_type_string))
        return read_url(part, string_of(data), at, part_path(at, ".file.file_data"));
    if (part->file_id == NULL)
        return bad(at, part_path(at, ".file"), "needs 'file_data' or 'file_id'.");
    return 0;
}

static const struct {
    const char *type;
    enum neutral_part_kind kind;
    int (*read)(struct neutral_part *part, struct json_object *json, const struct place *at);
} part_readers[] = {
    {"text", PART_TEXT, read_text},        {"refusal", PART_REFUSAL, read_text},
    {"image_url", PART_IMAGE, read_image}, {"input_audio", PART_AUDIO, read_audio},
    {"file", PART_FILE, read_file},
};

static int read_part(struct neutral_part *part, struct json_object *json, const struct place *at)
{
    const char *type = jsonx_str(json, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(part_readers); i++) {
        if (strcmp(part_readers[i].type, type) != 0)
            continue;
        part->kind = part_readers[i].kind;
        part->cache_control = jsonx_object(json, "cache_control");
        return part_readers[i].read(part, json, at);
    }
    return bad(at, part_path(at, ".type"),
               "must be one of text, refusal, image_url, input_audio, file.");
}

static int read_parts(struct neutral_message *m, struct json_object *json, struct place *at)
{
    struct json_object *content = jsonx_get(json, "content");

    if (content == NULL)
        return 0;
    if (json_object_is_type(content, json_type_string)) {
        m->parts = arena_zalloc(at->arena, sizeof *m->parts);
        m->parts[0] = (struct neutral_part){.kind = PART_TEXT, .text = string_of(content)};
        m->part_count = 1;
        return 0;
    }
    m->part_count = json_object_array_length(content); /* completions_read_request has checked it */
    m->parts = arena_zalloc(at->arena, (m->part_count + 1) * sizeof *m->parts);
    for (at->part = 0; at->part < m->part_count; at->part++)
        if (read_part(&m->parts[at->part], json_object_array_get_idx(content, at->part), at) != 0)
            return -1;
    return 0;
}

/* Messages. */

static int read_call(struct neutral_call *call, struct json_object *json, const struct place *at)
{
    struct json_object *function = jsonx_object(json, "function");

    call->id = jsonx_str(json, "id", NULL);
    call->name = jsonx_str(function, "name", NULL);
    call->arguments = string_of(jsonx_get(function, "arguments"));
    call->extra = jsonx_object(json, "extra_content");
    if (call->id == NULL || call->name == NULL)
        return bad(at, arena_printf(at->arena, "messages[%zu].tool_calls", at->message),
                   "must hold calls of type 'function' with 'id' and 'function.name'.");
    return 0;
}

static int read_calls(struct neutral_message *m, struct json_object *json, const struct place *at)
{
    struct json_object *calls = jsonx_array(json, "tool_calls");

    if (calls == NULL)
        return 0;
    m->call_count = json_object_array_length(calls);
    m->calls = arena_zalloc(at->arena, (m->call_count + 1) * sizeof *m->calls);
    for (size_t i = 0; i < m->call_count; i++)
        if (read_call(&m->calls[i], json_object_array_get_idx(calls, i), at) != 0)
            return -1;
    return 0;
}

static const struct {
    const char *name;
    enum neutral_role role;
} roles[] = {
    {"system", ROLE_SYSTEM},       {"developer", ROLE_SYSTEM}, {"user", ROLE_USER},
    {"assistant", ROLE_ASSISTANT}, {"tool", ROLE_TOOL},
};

static int read_role(struct neutral_message *m, struct json_object *json, const struct place *at)
{
    const char *role = jsonx_str(json, "role", "");

    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (strcmp(roles[i].name, role) == 0) {
            m->role = roles[i].role;
            return 0;
        }
    }
    return bad(at, arena_printf(at->arena, "messages[%zu].role", at->message),
               "must be one of system, developer, user, assistant, tool.");
}

static int read_message(struct neutral_message *m, struct json_object *json, struct place *at)
{
    if (read_role(m, json, at) != 0 || read_parts(m, json, at) != 0 || read_calls(m, json, at) != 0)
        return -1;
    m->reasoning_details = jsonx_array(json, "reasoning_details");
    m->cache_control = jsonx_object(json, "cache_control");
    m->tool_call_id = jsonx_str(json, "tool_call_id", NULL);
    if (m->role == ROLE_TOOL && m->tool_call_id == NULL)
        return bad(at, arena_printf(at->arena, "messages[%zu].tool_call_id", at->message),
                   "is missing: a tool message names the call that it answers.");
    return 0;
}

static int read_messages(struct neutral_content *c, struct json_object *body, struct place *at)
{
    struct json_object *messages = jsonx_array(body, "messages");

    c->message_count = json_object_array_length(messages);
    c->messages = arena_zalloc(at->arena, c->message_count * sizeof *c->messages);
    for (at->message = 0; at->message < c->message_count; at->message++)
        if (read_message(&c->messages[at->message],
                         json_object_array_get_idx(messages, at->message), at) != 0)
            return -1;
    return 0;
}

/* Tools. */

static int tri_state(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    return json_object_is_type(v, json_type_boolean) ? json_object_get_boolean(v) : -1;
}

static int read_tools(struct neutral_content *c, struct json_object *body, const struct place *at)
{
    struct json_object *tools = NULL;

    if (jsonx_want_array(&tools, body, "tools", "tools", at->err) != 0)
        return -1;
    c->tool_count = tools != NULL ? json_object_array_length(tools) : 0;
    c->tools = arena_zalloc(at->arena, (c->tool_count + 1) * sizeof *c->tools);
    for (size_t i = 0; i < c->tool_count; i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct json_object *function = jsonx_object(tool, "function");
        c->tools[i] = (struct neutral_tool){
            .name = jsonx_str(function, "name", NULL),
            .description = jsonx_str(function, "description", NULL),
            .parameters = jsonx_object(function, "parameters"),
            .strict = tri_state(function, "strict"),
            .cache_control = jsonx_object(tool, "cache_control"),
        };
        if (c->tools[i].name == NULL)
            return bad(at, arena_printf(at->arena, "tools[%zu]", i),
                       "must be of type 'function' with a 'function.name' for this model.");
    }
    return 0;
}

static int read_tool_choice(struct neutral_content *c, struct json_object *body,
                            const struct place *at)
{
    static const struct {
        const char *name;
        enum neutral_tool_choice choice;
    } modes[] = {
        {"auto", TOOL_CHOICE_AUTO}, {"none", TOOL_CHOICE_NONE}, {"required", TOOL_CHOICE_REQUIRED}};
    struct json_object *choice = jsonx_get(body, "tool_choice");

    if (choice == NULL)
        return 0;
    const char *mode =
        json_object_is_type(choice, json_type_string) ? json_object_get_string(choice) : "";
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        if (strcmp(modes[i].name, mode) == 0) {
            c->tool_choice = modes[i].choice;
            return 0;
        }
    }
    c->tool_choice_name = jsonx_str(jsonx_object(choice, "function"), "name", NULL);
    if (c->tool_choice_name == NULL)
        return bad(at, "tool_choice",
                   "must be 'auto', 'none', 'required' or {\"type\":\"function\",\"function\":"
                   "{\"name\":...}} for this model.");
    c->tool_choice = TOOL_CHOICE_NAMED;
    return 0;
}

/* The rest. */

static int read_output(struct neutral_content *c, struct json_object *body, const struct place *at)
{
    struct json_object *format = NULL;

    if (jsonx_want_object(&format, body, "response_format", "response_format", at->err) != 0)
        return -1;
    const char *type = jsonx_str(format, "type", "text");
    c->schema_strict = -1;
    if (strcmp(type, "text") == 0)
        return 0;
    if (strcmp(type, "json_object") == 0) {
        c->output = OUTPUT_JSON_OBJECT;
        return 0;
    }
    struct json_object *schema = jsonx_object(format, "json_schema");
    c->output = OUTPUT_JSON_SCHEMA;
    c->schema_name = jsonx_str(schema, "name", "answer");
    c->schema_description = jsonx_str(schema, "description", NULL);
    c->schema = jsonx_object(schema, "schema");
    c->schema_strict = tri_state(schema, "strict");
    if (strcmp(type, "json_schema") != 0 || c->schema == NULL)
        return bad(at, "response_format",
                   "must be text, json_object, or json_schema with a 'json_schema.schema'.");
    return 0;
}

static int read_stop(struct neutral_content *c, struct json_object *body, const struct place *at)
{
    struct json_object *stop = jsonx_get(body, "stop");
    bool one = json_object_is_type(stop, json_type_string);

    if (stop == NULL)
        return 0;
    if (!one && !json_object_is_type(stop, json_type_array))
        return bad(at, "stop", "must be a string or an array of strings.");
    c->stop_count = one ? 1 : json_object_array_length(stop);
    c->stop = arena_zalloc(at->arena, (c->stop_count + 1) * sizeof *c->stop);
    for (size_t i = 0; i < c->stop_count; i++) {
        struct json_object *v = one ? stop : json_object_array_get_idx(stop, i);
        if (!json_object_is_type(v, json_type_string))
            return bad(at, "stop", "must be a string or an array of strings.");
        c->stop[i] = json_object_get_string(v);
    }
    return 0;
}

static int read_numbers(struct neutral_content *c, struct json_object *body, const struct place *at)
{
    const struct {
        const char *name;
        struct json_object **to;
    } numbers[] = {
        {"temperature", &c->temperature},
        {"top_p", &c->top_p},
        {"top_k", &c->top_k},
        {"frequency_penalty", &c->frequency_penalty},
        {"presence_penalty", &c->presence_penalty},
        {"seed", &c->seed},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct json_object *v = jsonx_get(body, numbers[i].name);
        if (v != NULL && !json_object_is_type(v, json_type_int) &&
            !json_object_is_type(v, json_type_double))
            return bad(at, numbers[i].name, "must be a number.");
        *numbers[i].to = v;
    }
    return 0;
}

/* An answer in sound. */
static bool wants_other_than_text(struct json_object *body)
{
    struct json_object *list = jsonx_array(body, "modalities");
    size_t count = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *v = json_object_array_get_idx(list, i);
        if (!json_object_is_type(v, json_type_string) ||
            strcmp(json_object_get_string(v), "text") != 0)
            return true;
    }
    return false;
}

/* Fields whose effect no other provider has. */
static int refuse_openai_only(struct json_object *body, const struct neutral_request *request,
                              const struct place *at)
{
    static const char *const fields[] = {"audio", "functions", "function_call", "prediction",
                                         "web_search_options"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (jsonx_get(body, fields[i]) != NULL)
            return err_set(at->err, ERR_UNSUPPORTED_VALUE, fields[i],
                           "'%s' is not supported by the model '%.100s'.", fields[i],
                           request->model);
    if (wants_other_than_text(body))
        return err_set(at->err, ERR_UNSUPPORTED_VALUE, "modalities",
                       "'modalities' can only be [\"text\"] for the model '%.100s'.",
                       request->model);
    return 0;
}

int completions_read_content(struct neutral_request *request, struct arena *arena, struct err *err)
{
    struct neutral_content *c = arena_zalloc(arena, sizeof *c);
    struct json_object *body = request->body;
    struct place at = {.arena = arena, .err = err};

    if (refuse_openai_only(body, request, &at) != 0 || read_messages(c, body, &at) != 0 ||
        read_tools(c, body, &at) != 0 || read_tool_choice(c, body, &at) != 0 ||
        read_output(c, body, &at) != 0 || read_stop(c, body, &at) != 0 ||
        read_numbers(c, body, &at) != 0)
        return -1;
    c->top_logprobs = -1;
    if (jsonx_want_bool(&c->logprobs, body, "logprobs", "logprobs", err) != 0 ||
        jsonx_want_i64(&c->top_logprobs, body, "top_logprobs", "top_logprobs", 0, 20, err) != 0 ||
        jsonx_want_str(&c->reasoning_effort, body, "reasoning_effort", "reasoning_effort", err) !=
            0 ||
        jsonx_want_str(&c->verbosity, body, "verbosity", "verbosity", err) != 0 ||
        jsonx_want_str(&c->user, body, "user", "user", err) != 0 ||
        jsonx_want_object(&c->metadata, body, "metadata", "metadata", err) != 0 ||
        jsonx_want_object(&c->logit_bias, body, "logit_bias", "logit_bias", err) != 0)
        return -1;
    c->parallel_tool_calls = tri_state(body, "parallel_tool_calls");
    request->content = c;
    return 0;
}
