/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_input.h"

#include "wire/callid.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 64, DATA_URL_HEAD_MAX = 512 };

/* Where in the request something stands, for error messages. */
struct place {
    const char *model;
    struct err *err;
    size_t message;
    size_t part;
};

static int refuse(const struct place *place, const char *what)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "messages[%zu].content[%zu]", place->message, place->part);
    return err_set(place->err, ERR_UNSUPPORTED_VALUE, path, "'%s': the model '%.100s' %s", path,
                   place->model, what);
}

static struct json_object *new_item(const char *type)
{
    struct json_object *item = json_object_new_object();

    jsonx_set_str(item, "type", type);
    return item;
}

/* Parts. */

static int set_data_url(struct json_object *json, const char *key, const struct neutral_part *part,
                        const struct place *place)
{
    struct buf url;
    int rc = 0;

    if (part->media_type == NULL)
        return refuse(place, "takes content as a data: URL with a media type only.");
    buf_init(&url, part->data.len + DATA_URL_HEAD_MAX);
    buf_printf(&url, "data:%.256s;base64,", part->media_type);
    buf_append(&url, part->data.ptr, part->data.len);
    if (buf_failed(&url))
        rc = err_set(place->err, ERR_TOO_LARGE, "messages", "The request is too large.");
    else
        jsonx_set_strn(json, key, url.data, url.len);
    buf_fini(&url);
    return rc;
}

static int fill_image(struct json_object *json, const struct neutral_part *part,
                      const struct place *place)
{
    if (part->detail != NULL)
        jsonx_set_str(json, "detail", part->detail);
    if (part->file_id != NULL)
        jsonx_set_str(json, "file_id", part->file_id);
    else if (part->url.len > 0)
        jsonx_set_strn(json, "image_url", part->url.ptr, part->url.len);
    else
        return set_data_url(json, "image_url", part, place);
    return 0;
}

/* The provider wants a name with the content. */
static const char *file_name(const struct neutral_part *part)
{
    if (part->name != NULL && part->name[0] != '\0')
        return part->name;
    bool pdf = part->media_type != NULL && strcmp(part->media_type, "application/pdf") == 0;
    return pdf ? "file.pdf" : "file";
}

static int fill_file(struct json_object *json, const struct neutral_part *part,
                     const struct place *place)
{
    if (part->url.len > 0) {
        jsonx_set_strn(json, "file_url", part->url.ptr, part->url.len);
        return 0;
    }
    if (part->data.len == 0 && part->file_id != NULL) {
        jsonx_set_str(json, "file_id", part->file_id);
        return 0;
    }
    jsonx_set_str(json, "filename", file_name(part));
    return set_data_url(json, "file_data", part, place);
}

static int fill_part(struct json_object *json, const struct neutral_part *part, bool assistant,
                     const struct place *place)
{
    bool text = part->kind == PART_TEXT || part->kind == PART_REFUSAL;

    if (assistant && !text)
        return refuse(place, "takes messages of the assistant with text only.");
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        if (assistant && part->kind == PART_REFUSAL) {
            jsonx_set_str(json, "type", "refusal");
            jsonx_set_strn(json, "refusal", part->text.ptr, part->text.len);
            return 0;
        }
        jsonx_set_str(json, "type", assistant ? "output_text" : "input_text");
        jsonx_set_strn(json, "text", part->text.ptr, part->text.len);
        return 0;
    case PART_IMAGE:
        jsonx_set_str(json, "type", "input_image");
        return fill_image(json, part, place);
    case PART_FILE:
        jsonx_set_str(json, "type", "input_file");
        return fill_file(json, part, place);
    case PART_AUDIO:
        break;
    }
    return refuse(place, "takes no audio.");
}

/* One text as a string, anything else as parts, under `key`. */
static int set_content(struct json_object *item, const char *key, const struct neutral_message *m,
                       struct place *place)
{
    bool assistant = m->role == ROLE_ASSISTANT;

    if (m->part_count == 0 || (m->part_count == 1 && m->parts[0].kind == PART_TEXT)) {
        struct span text = m->part_count == 0 ? span_of("") : m->parts[0].text;
        jsonx_set_strn(item, key, text.ptr, text.len);
        return 0;
    }
    struct json_object *list = json_object_new_array();
    jsonx_set(item, key, list);
    for (place->part = 0; place->part < m->part_count; place->part++) {
        struct json_object *json = json_object_new_object();
        json_object_array_add(list, json);
        if (fill_part(json, &m->parts[place->part], assistant, place) != 0)
            return -1;
    }
    return 0;
}

static int add_message(struct json_object *list, const struct neutral_message *m,
                       struct place *place)
{
    static const char *const roles[] = {
        [ROLE_SYSTEM] = "developer", [ROLE_USER] = "user", [ROLE_ASSISTANT] = "assistant"};
    struct json_object *item = json_object_new_object();

    jsonx_set_str(item, "role", roles[m->role]);
    json_object_array_add(list, item);
    return set_content(item, "content", m, place);
}

/* Calls and results. */

static void set_call_id(struct json_object *item, const char *id)
{
    char text[CALLID_SIZE];

    callid_fit(text, id, CALLID_RESPONSES_MAX);
    jsonx_set_str(item, "call_id", text);
}

static struct json_object *call_item(const struct neutral_call *call)
{
    struct json_object *item = new_item("function_call");
    struct span arguments = call->arguments.len > 0 ? call->arguments : span_of("{}");

    set_call_id(item, call->id);
    jsonx_set_str(item, "name", call->name);
    jsonx_set_strn(item, "arguments", arguments.ptr, arguments.len);
    return item;
}

static int add_result(struct json_object *list, const struct neutral_message *m,
                      struct place *place)
{
    struct json_object *item = new_item("function_call_output");

    set_call_id(item, m->tool_call_id);
    json_object_array_add(list, item);
    return set_content(item, "output", m, place);
}

/* Reasoning. */

struct thought {
    const char *id; /* NULL: the client has lost it */
    int64_t index;
    struct json_object *data;
};

static bool read_thought(struct thought *out, struct json_object *detail)
{
    struct json_object *data = jsonx_get(detail, "data");

    if (strcmp(jsonx_str(detail, "type", ""), "reasoning.encrypted") != 0 ||
        strcmp(jsonx_str(detail, "format", ""), RESPONSES_REASONING_FORMAT) != 0 ||
        !json_object_is_type(data, json_type_string) || json_object_get_string_len(data) == 0)
        return false;
    *out = (struct thought){
        .id = jsonx_str(detail, "id", NULL), .index = jsonx_i64(detail, "index", 0), .data = data};
    return true;
}

static void add_thought(struct json_object *list, const struct thought *t)
{
    struct json_object *item = new_item("reasoning");

    if (t->id != NULL && t->id[0] != '\0')
        jsonx_set_str(item, "id", t->id);
    jsonx_set(item, "summary", json_object_new_array());
    jsonx_set_ref(item, "encrypted_content", t->data);
    json_object_array_add(list, item);
}

/* The provider refuses the same item twice. */
static bool is_repeated(struct json_object *details, size_t at, const struct thought *t)
{
    struct thought earlier;

    for (size_t i = 0; t->id != NULL && i < at; i++)
        if (read_thought(&earlier, json_object_array_get_idx(details, i)) && earlier.id != NULL &&
            strcmp(earlier.id, t->id) == 0)
            return true;
    return false;
}

/* Reasoning goes where it stood among the items, but never last: it must be followed by what came
 * of it. */
static void add_with_reasoning(struct json_object *out, struct json_object *items,
                               struct json_object *details)
{
    enum { THOUGHTS_MAX = 1024 };
    size_t count = json_object_array_length(items);
    size_t end =
        json_object_is_type(details, json_type_array) ? json_object_array_length(details) : 0;
    size_t next = 0;
    size_t added = 0;

    if (end > THOUGHTS_MAX)
        end = THOUGHTS_MAX;
    for (size_t i = 0; i < count; i++) {
        for (; next < end; next++) {
            struct thought t;
            if (!read_thought(&t, json_object_array_get_idx(details, next)) ||
                is_repeated(details, next, &t))
                continue;
            if (i + 1 < count && t.index > (int64_t)(i + added))
                break;
            add_thought(out, &t);
            added++;
        }
        json_object_array_add(out, json_object_get(json_object_array_get_idx(items, i)));
    }
}

static bool has_text(const struct neutral_message *m)
{
    for (size_t i = 0; i < m->part_count; i++)
        if (m->parts[i].text.len > 0 ||
            (m->parts[i].kind != PART_TEXT && m->parts[i].kind != PART_REFUSAL))
            return true;
    return false;
}

static int add_assistant(struct json_object *list, const struct neutral_message *m, bool reasoning,
                         struct place *place)
{
    struct json_object *items = json_object_new_array();
    bool empty = !has_text(m) && m->call_count == 0;
    int rc = has_text(m) || empty ? add_message(items, m, place) : 0;

    for (size_t i = 0; i < m->call_count; i++)
        json_object_array_add(items, call_item(&m->calls[i]));
    add_with_reasoning(list, items, reasoning && !empty ? m->reasoning_details : NULL);
    json_object_put(items);
    return rc;
}

int responses_input(struct json_object **out, const struct neutral_content *content,
                    const char *model, bool reasoning, struct err *err)
{
    struct place place = {.model = model, .err = err};
    struct json_object *list = json_object_new_array();
    int rc = 0;

    for (size_t i = 0; i < content->message_count && rc == 0; i++) {
        const struct neutral_message *m = &content->messages[i];
        place.message = i;
        place.part = 0;
        if (m->role == ROLE_ASSISTANT)
            rc = add_assistant(list, m, reasoning, &place);
        else
            rc = m->role == ROLE_TOOL ? add_result(list, m, &place) : add_message(list, m, &place);
    }
    if (rc != 0) {
        json_object_put(list);
        return -1;
    }
    *out = list;
    return 0;
}
