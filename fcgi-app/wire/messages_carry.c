/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_carry.h"

#include "base/secret.h"

#include <string.h>

static const char prefix[] = MESSAGES_CARRY_SIGNATURE;
enum { PREFIX_LEN = sizeof prefix - 1 };

void messages_carry_write(struct buf *out, const char *call_id, struct json_object *state)
{
    struct json_object *doc = json_object_new_object();
    struct buf text;

    buf_init(&text, MESSAGES_CARRY_MAX);
    if (call_id != NULL)
        jsonx_set_str(doc, "call", call_id);
    jsonx_set_ref(doc, "state", state);
    jsonx_write(&text, doc);
    if (!buf_failed(&text)) {
        buf_append_str(out, prefix);
        secret_base64(out, text.data, text.len);
    }
    buf_fini(&text);
    json_object_put(doc);
}

static bool is_ours(struct span text)
{
    return text.len >= PREFIX_LEN && memcmp(text.ptr, prefix, PREFIX_LEN) == 0;
}

int messages_carry_read(struct json_object **state, const char **call_id, struct arena *arena,
                        struct span data)
{
    struct json_object *doc = NULL;
    struct buf text;
    struct err err;
    int rc = -1;

    if (!is_ours(data))
        return -1;
    buf_init(&text, MESSAGES_CARRY_MAX);
    if (secret_unbase64(&text, (struct span){data.ptr + PREFIX_LEN, data.len - PREFIX_LEN}) != 0 ||
        jsonx_parse(&doc, text.data, text.len, &err) != 0)
        goto out;
    const char *call = jsonx_str(doc, "call", NULL);
    struct json_object *v = call != NULL ? jsonx_object(doc, "state") : jsonx_array(doc, "state");
    if (v == NULL)
        goto out;
    *call_id = call != NULL ? arena_strdup(arena, call) : NULL;
    *state = json_object_get(v);
    rc = 0;
out:
    json_object_put(doc);
    buf_fini(&text);
    return rc;
}

static struct span member_span(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    if (!json_object_is_type(v, json_type_string))
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

bool messages_carry_is(struct json_object *block)
{
    const char *type = jsonx_str(block, "type", "");

    return (strcmp(type, "redacted_thinking") == 0 && is_ours(member_span(block, "data"))) ||
           (strcmp(type, "thinking") == 0 && is_ours(member_span(block, "signature")));
}

static bool has_ours(struct json_object *content)
{
    size_t count = content != NULL ? json_object_array_length(content) : 0;

    for (size_t i = 0; i < count; i++)
        if (messages_carry_is(json_object_array_get_idx(content, i)))
            return true;
    return false;
}

/* NULL: nothing is left. */
static struct json_object *strip_message(struct json_object *message)
{
    struct json_object *content = jsonx_array(message, "content");
    struct json_object *kept = NULL;
    struct json_object *copy = NULL;

    if (!has_ours(content))
        return json_object_get(message);
    kept = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        struct json_object *block = json_object_array_get_idx(content, i);
        if (!messages_carry_is(block))
            json_object_array_add(kept, json_object_get(block));
    }
    if (json_object_array_length(kept) > 0) {
        copy = json_object_new_object();
        json_object_object_foreach(message, key, member)
        {
            jsonx_set_ref(copy, key, member);
        }
        jsonx_set_ref(copy, "content", kept);
    }
    json_object_put(kept);
    return copy;
}

struct json_object *messages_carry_strip(struct json_object *messages)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(messages); i++) {
        struct json_object *m = strip_message(json_object_array_get_idx(messages, i));
        if (m != NULL)
            json_object_array_add(list, m);
    }
    return list;
}
