/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_size.h"

#include <string.h>

enum {
    /* Anthropic describes its own tools to the model in up to some 1,200 tokens each. */
    OWN_TOOL_BYTES = 2000,
};

struct measuring {
    struct neutral_size *size;
    bool has_ids;
};

static bool is_type(struct json_object *v, const char *type)
{
    return strcmp(jsonx_str(v, "type", ""), type) == 0;
}

static void measure_blocks(struct measuring *m, struct json_object *content);

/* An image or a document: only here a payload is no text for the model. */
static void measure_source(struct measuring *m, struct json_object *block,
                           struct json_object *source)
{
    bool opaque = is_type(source, "base64") || is_type(source, "url");

    m->has_ids = m->has_ids || is_type(source, "file");
    if (is_type(block, "image"))
        m->size->images++;
    else if (!is_type(source, "text") && !is_type(source, "content"))
        m->size->files++;
    if (opaque)
        m->size->text_bytes += NEUTRAL_SCALAR_BYTES;
    else if (is_type(source, "content"))
        measure_blocks(m, jsonx_get(source, "content"));
    else
        neutral_measure(m->size, source);
}

static void measure_block(struct measuring *m, struct json_object *block)
{
    bool media = is_type(block, "image") || is_type(block, "document");
    bool result = is_type(block, "tool_result");

    m->has_ids = m->has_ids || is_type(block, "container_upload");
    json_object_object_foreach(block, key, member)
    {
        m->size->text_bytes += (int64_t)strlen(key);
        if (media && strcmp(key, "source") == 0)
            measure_source(m, block, member);
        else if (result && strcmp(key, "content") == 0)
            measure_blocks(m, member);
        else
            neutral_measure(m->size, member);
    }
}

/* A text or blocks. */
static void measure_blocks(struct measuring *m, struct json_object *content)
{
    size_t count =
        json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *block = json_object_array_get_idx(content, i);
        if (json_object_is_type(block, json_type_object))
            measure_block(m, block);
        else
            neutral_measure(m->size, block);
    }
    if (count == 0)
        neutral_measure(m->size, content);
}

static void measure_message(struct measuring *m, struct json_object *message)
{
    json_object_object_foreach(message, key, member)
    {
        m->size->text_bytes += (int64_t)strlen(key);
        if (strcmp(key, "content") == 0)
            measure_blocks(m, member);
        else
            neutral_measure(m->size, member);
    }
}

/* Members that no model ever sees as text; all others, known or not, count. */
static bool is_control_field(const char *key)
{
    static const char *const fields[] = {"model", "stream",   "max_tokens",  "temperature",
                                         "top_p", "top_k",    "metadata",    "service_tier",
                                         "speed", "thinking", "diagnostics", "cache_control"};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(key, fields[i]) == 0)
            return true;
    return false;
}

static int64_t length_of(struct json_object *list)
{
    return list != NULL ? (int64_t)json_object_array_length(list) : 0;
}

static void measure_tools(struct measuring *m, struct json_object *tools)
{
    m->size->tools = length_of(tools);
    for (int64_t i = 0; i < m->size->tools; i++) {
        struct json_object *tool = json_object_array_get_idx(tools, (size_t)i);
        if (jsonx_get(tool, "type") != NULL && !is_type(tool, "custom"))
            m->size->text_bytes += OWN_TOOL_BYTES;
    }
}

bool messages_measure(struct neutral_size *size, struct json_object *body)
{
    struct measuring m = {.size = size};
    struct json_object *messages = jsonx_array(body, "messages");

    memset(size, 0, sizeof *size);
    size->messages = length_of(messages) + (jsonx_get(body, "system") != NULL ? 1 : 0);
    measure_tools(&m, jsonx_array(body, "tools"));
    for (int64_t i = 0; i < length_of(messages); i++)
        measure_message(&m, json_object_array_get_idx(messages, (size_t)i));
    json_object_object_foreach(body, key, member)
    {
        if (strcmp(key, "messages") != 0 && !is_control_field(key))
            neutral_measure(size, member);
    }
    return m.has_ids;
}
