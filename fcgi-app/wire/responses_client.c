/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_client.h"

#include "wire/responses_tools.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 80 };

/* Of an image only the picture is left out, and only where it is one. */
static void measure_image(struct neutral_size *size, struct json_object *part)
{
    size->images++;
    json_object_object_foreach(part, key, member)
    {
        size->text_bytes += (int64_t)strlen(key);
        if (strcmp(key, "image_url") != 0 || !neutral_is_url(member))
            neutral_measure(size, member);
    }
}

static void measure_audio(struct neutral_size *size, struct json_object *part)
{
    struct json_object *data = jsonx_get(jsonx_object(part, "input_audio"), "data");

    neutral_measure(size, part);
    if (!json_object_is_type(data, json_type_string))
        return;
    size->text_bytes -= json_object_get_string_len(data);
    size->media_bytes += json_object_get_string_len(data);
}

/* Pictures and files in places that are not known here. */
static void count_media(struct neutral_size *size, struct json_object *v)
{
    if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++)
            count_media(size, json_object_array_get_idx(v, i));
    } else if (json_object_is_type(v, json_type_object)) {
        json_object_object_foreach(v, key, member)
        {
            size->images += strcmp(key, "image_url") == 0;
            size->files += strncmp(key, "file_", 5) == 0;
            count_media(size, member);
        }
    }
}

static void measure_other(struct neutral_size *size, struct json_object *v)
{
    neutral_measure(size, v);
    count_media(size, v);
}

static void measure_part(struct neutral_size *size, struct json_object *part)
{
    const char *type = jsonx_str(part, "type", "");

    if (strcmp(type, "input_image") == 0)
        measure_image(size, part);
    else if (strcmp(type, "input_file") == 0)
        size->files++; /* the model's whole context is reckoned with */
    else if (strcmp(type, "input_audio") == 0)
        measure_audio(size, part);
    else if (strcmp(type, "output_text") == 0)
        neutral_measure(size, part); /* its annotations may name files, which are not read again */
    else
        measure_other(size, part);
}

/* Parts stand in a message's content and in a call's output. */
static void measure_item(struct neutral_size *size, struct json_object *item)
{
    json_object_object_foreach(item, key, member)
    {
        bool parts = strcmp(key, "content") == 0 || strcmp(key, "output") == 0;
        size->text_bytes += (int64_t)strlen(key);
        if (!parts || !json_object_is_type(member, json_type_array)) {
            measure_other(size, member);
            continue;
        }
        for (size_t i = 0; i < json_object_array_length(member); i++)
            measure_part(size, json_object_array_get_idx(member, i));
    }
}

/* Members that no model ever sees as text; all others, known or not, count. */
static bool is_control_field(const char *key)
{
    static const char *const fields[] = {"model",
                                         "stream",
                                         "stream_options",
                                         "max_output_tokens",
                                         "max_tool_calls",
                                         "temperature",
                                         "top_p",
                                         "top_logprobs",
                                         "user",
                                         "safety_identifier",
                                         "prompt_cache_key",
                                         "metadata",
                                         "store",
                                         "include",
                                         "previous_response_id",
                                         "service_tier"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(key, fields[i]) == 0)
            return true;
    return false;
}

/* A namespace holds tools of its own. */
static int64_t count_tools(struct json_object *tools)
{
    size_t count = tools != NULL ? json_object_array_length(tools) : 0;
    int64_t sum = (int64_t)count;

    for (size_t i = 0; i < count; i++) {
        struct json_object *inner = jsonx_array(json_object_array_get_idx(tools, i), "tools");
        sum += inner != NULL ? (int64_t)json_object_array_length(inner) : 0;
    }
    return sum;
}

static void measure_request(struct neutral_size *size, struct json_object *body)
{
    struct json_object *items = jsonx_array(body, "input");
    size_t count = items != NULL ? json_object_array_length(items) : 0;

    memset(size, 0, sizeof *size);
    /* One each for `instructions` and for an input that is a text. */
    size->messages = (int64_t)count + 2;
    size->tools = count_tools(jsonx_array(body, "tools"));
    for (size_t i = 0; i < count; i++)
        measure_item(size, json_object_array_get_idx(items, i));
    json_object_object_foreach(body, key, member)
    {
        if ((strcmp(key, "input") != 0 || items == NULL) && !is_control_field(key))
            neutral_measure(size, member);
    }
}

/* The input. */

static int check_content(struct json_object *item, const char *member, size_t at, struct err *err)
{
    struct json_object *content = jsonx_get(item, member);
    char path[PATH_SIZE];

    if (content == NULL || json_object_is_type(content, json_type_string) ||
        json_object_is_type(content, json_type_array))
        return 0;
    snprintf(path, sizeof path, "input[%zu].%s", at, member);
    return err_set(err, ERR_BAD_REQUEST, path,
                   "'%s' must be a string or an array of parts, but it is %s.", path,
                   jsonx_type_name(content));
}

static int check_item(struct json_object *item, size_t at, struct err *err)
{
    const char *type = "message";
    const char *role = NULL;
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "input[%zu]", at);
    if (!json_object_is_type(item, json_type_object))
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be an object, but it is %s.", path,
                       jsonx_type_name(item));
    snprintf(path, sizeof path, "input[%zu].type", at);
    if (jsonx_want_str(&type, item, "type", path, err) != 0)
        return -1;
    if (strcmp(type, "function_call_output") == 0)
        return check_content(item, "output", at, err);
    if (strcmp(type, "message") != 0)
        return 0;
    snprintf(path, sizeof path, "input[%zu].role", at);
    if (jsonx_want_str(&role, item, "role", path, err) != 0)
        return -1;
    if (role == NULL || role[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' is missing: every message needs a role.",
                       path);
    return check_content(item, "content", at, err);
}

static int check_input(struct json_object *body, struct err *err)
{
    struct json_object *input = jsonx_get(body, "input");
    bool goes_on = jsonx_get(body, "previous_response_id") != NULL;

    if (json_object_is_type(input, json_type_string) || (input == NULL && goes_on))
        return 0;
    if (!json_object_is_type(input, json_type_array))
        return err_set(err, ERR_BAD_REQUEST, "input",
                       "'input' must be a string or an array of items, but it is %s.",
                       input == NULL ? "missing" : jsonx_type_name(input));
    if (json_object_array_length(input) == 0 && !goes_on)
        return err_set(err, ERR_BAD_REQUEST, "input", "'input' must hold at least one item.");
    for (size_t i = 0; i < json_object_array_length(input); i++)
        if (check_item(json_object_array_get_idx(input, i), i, err) != 0)
            return -1;
    return 0;
}

/* Tools. */

/* `hosted` NULL: in a place where OpenAI's own tools cannot stand. */
static int check_tool(struct neutral_hosted *hosted, struct json_object *tool, const char *path,
                      bool nested, struct err *err)
{
    const char *type = jsonx_str(tool, "type", "");

    if (strcmp(type, "function") == 0 || strcmp(type, "custom") == 0)
        return 0;
    if (hosted != NULL && responses_tools_is_hosted(type))
        return responses_tools_read(hosted, tool, path, err);
    if (type[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, path,
                       "'%s' must be an object with a 'type', such as 'function'.", path);
    if (strcmp(type, "namespace") == 0 && !nested) {
        struct json_object *inner = jsonx_array(tool, "tools");
        for (size_t i = 0; inner != NULL && i < json_object_array_length(inner); i++)
            if (check_tool(NULL, json_object_array_get_idx(inner, i), path, true, err) != 0)
                return -1;
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED_VALUE, path,
                   "'%s': the tool '%.40s' is not offered here. Use 'web_search', 'file_search', "
                   "'code_interpreter' or 'mcp' (models of OpenAI, in 'tools' only), or tools of "
                   "the types 'function' and 'custom', which your program runs.",
                   path, type);
}

static int read_tools(struct neutral_hosted *hosted, struct json_object *body, struct err *err)
{
    struct json_object *tools = NULL;
    char path[PATH_SIZE];

    if (jsonx_want_array(&tools, body, "tools", "tools", err) != 0)
        return -1;
    for (size_t i = 0; tools != NULL && i < json_object_array_length(tools); i++) {
        snprintf(path, sizeof path, "tools[%zu]", i);
        if (check_tool(hosted, json_object_array_get_idx(tools, i), path, false, err) != 0)
            return -1;
    }
    return responses_tools_limit(hosted, body, err);
}

/* Tools that an item brings along, as the results of a search for tools do. */
static int check_item_tools(struct json_object *item, size_t at, struct err *err)
{
    struct json_object *tools = jsonx_array(item, "tools");
    bool server = strcmp(jsonx_str(item, "type", ""), "mcp_list_tools") == 0;
    char path[PATH_SIZE];

    for (size_t i = 0; !server && tools != NULL && i < json_object_array_length(tools); i++) {
        snprintf(path, sizeof path, "input[%zu].tools[%zu]", at, i);
        if (check_tool(NULL, json_object_array_get_idx(tools, i), path, false, err) != 0)
            return -1;
    }
    return 0;
}

static int check_items_tools(struct json_object *body, struct err *err)
{
    struct json_object *input = jsonx_array(body, "input");

    for (size_t i = 0; input != NULL && i < json_object_array_length(input); i++)
        if (check_item_tools(json_object_array_get_idx(input, i), i, err) != 0)
            return -1;
    return 0;
}

/* What is not offered. */

/* A dearer class of service would cost us more than the catalog's price, which the hold is made
 * from. */
static int check_service_tier(struct json_object *body, struct err *err)
{
    const char *tier = NULL;

    if (jsonx_want_str(&tier, body, "service_tier", "service_tier", err) != 0)
        return -1;
    if (tier == NULL || strcmp(tier, "auto") == 0 || strcmp(tier, "default") == 0 ||
        strcmp(tier, "flex") == 0)
        return 0;
    return err_set(err, ERR_UNSUPPORTED_VALUE, "service_tier",
                   "'service_tier' must be 'auto', 'default' or 'flex': '%.40s' is not offered "
                   "here.",
                   tier);
}

static int check_not_offered(struct json_object *body, struct err *err)
{
    static const struct {
        const char *name;
        const char *instead;
    } fields[] = {
        {"conversation", "use 'previous_response_id' with 'store', or send all items in 'input'"},
        {"prompt", "send its text in 'instructions' and 'input'"},
        {"context_management", "shorten 'input' yourself"},
    };
    bool background = false;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (jsonx_get(body, fields[i].name) != NULL)
            return err_set(err, ERR_UNSUPPORTED_VALUE, fields[i].name,
                           "'%s' is not offered here; %s.", fields[i].name, fields[i].instead);
    if (jsonx_want_bool(&background, body, "background", "background", err) != 0)
        return -1;
    if (background)
        return err_set(err, ERR_UNSUPPORTED_VALUE, "background",
                       "'background' is not offered here; use 'stream' for long answers.");
    return check_service_tier(body, err);
}

/* The whole. */

/* Types of fields that are used here or that are answered with. */
static int check_types(struct json_object *body, struct err *err)
{
    static const char *const texts[] = {"instructions", "user", "truncation",
                                        "previous_response_id"};
    static const char *const objects[] = {"text", "reasoning", "metadata", "stream_options"};
    struct json_object *value = NULL;
    const char *text = NULL;
    bool flag = false;
    int64_t number = 0;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (jsonx_want_str(&text, body, texts[i], texts[i], err) != 0)
            return -1;
    for (size_t i = 0; i < ARRAY_LEN(objects); i++)
        if (jsonx_want_object(&value, body, objects[i], objects[i], err) != 0)
            return -1;
    if (jsonx_want_bool(&flag, body, "store", "store", err) != 0 ||
        jsonx_want_bool(&flag, body, "parallel_tool_calls", "parallel_tool_calls", err) != 0 ||
        jsonx_want_array(&value, body, "include", "include", err) != 0)
        return -1;
    return jsonx_want_i64(&number, body, "max_tool_calls", "max_tool_calls", 1, INT32_MAX, err);
}

static int read_fields(struct neutral_request *r, struct err *err)
{
    struct json_object *body = r->body;

    if (jsonx_want_str(&r->model, body, "model", "model", err) != 0)
        return -1;
    if (r->model == NULL || r->model[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "model",
                       "'model' is missing: name one of GET /v1/models.");
    if (check_input(body, err) != 0 || check_types(body, err) != 0 ||
        check_not_offered(body, err) != 0 || check_items_tools(body, err) != 0 ||
        read_tools(&r->hosted, body, err) != 0)
        return -1;
    if (jsonx_want_bool(&r->stream, body, "stream", "stream", err) != 0)
        return -1;
    r->keep_nothing = !jsonx_bool(body, "store", true);
    return jsonx_want_i64(&r->output_limit, body, "max_output_tokens", "max_output_tokens", 1,
                          RESPONSES_OUTPUT_LIMIT_MAX, err);
}

int responses_read_request(struct neutral_request *out, const char *text, size_t len,
                           struct err *err)
{
    struct neutral_request r = {.language = LANGUAGE_RESPONSES, .choices = 1};

    if (jsonx_parse(&r.body, text, len, err) != 0)
        return -1;
    if (!json_object_is_type(r.body, json_type_object)) {
        err_set(err, ERR_BAD_REQUEST, NULL, "The request body must be a JSON object, but it is %s.",
                jsonx_type_name(r.body));
        neutral_request_fini(&r);
        return -1;
    }
    if (read_fields(&r, err) != 0) {
        neutral_request_fini(&r);
        return -1;
    }
    measure_request(&r.size, r.body);
    *out = r;
    return 0;
}

void responses_set_input(struct neutral_request *request, struct json_object *items)
{
    jsonx_set(request->body, "input", items);
    measure_request(&request->size, request->body);
}

struct json_object *responses_input_items(const struct neutral_request *request)
{
    struct json_object *input = jsonx_get(request->body, "input");

    if (json_object_is_type(input, json_type_array))
        return json_object_get(input);
    struct json_object *items = json_object_new_array();
    if (input != NULL) {
        struct json_object *message = json_object_new_object();
        jsonx_set_str(message, "type", "message");
        jsonx_set_str(message, "role", "user");
        jsonx_set_ref(message, "content", input);
        json_object_array_add(items, message);
    }
    return items;
}

const char *responses_previous_id(const struct neutral_request *request)
{
    return jsonx_str(request->body, "previous_response_id", NULL);
}

bool responses_wants_store(const struct neutral_request *request)
{
    return jsonx_bool(request->body, "store", false);
}
