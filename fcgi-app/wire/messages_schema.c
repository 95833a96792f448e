/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_schema.h"

#include "base/buf.h"

#include <string.h>

enum { DESCRIPTION_MAX = 1024 * 1024 };

static struct json_object *close_node(struct json_object *node);

static bool is_one_of(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static bool is_integer(struct json_object *v, int64_t at_most)
{
    return json_object_is_type(v, json_type_int) && json_object_get_int64(v) >= 0 &&
           json_object_get_int64(v) <= at_most;
}

/* Look-around, word boundaries and back references are refused. */
static bool is_simple_pattern(struct json_object *v)
{
    const char *p = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "(?";

    for (; *p != '\0'; p++) {
        if (p[0] == '(' && p[1] == '?')
            return false;
        if (p[0] == '\\' && p[1] != '\0') {
            if (strchr("bBAzZ123456789", p[1]) != NULL)
                return false;
            p++;
        }
    }
    return true;
}

/* May this keyword go upstream as it is? */
static bool is_supported(const char *key, struct json_object *value)
{
    static const char *const keywords[] = {"$schema", "type",    "required", "$ref",  "description",
                                           "title",   "default", "enum",     "const", "nullable"};
    static const char *const formats[] = {"date-time", "time", "date", "duration", "email",
                                          "hostname",  "uri",  "ipv4", "ipv6",     "uuid"};
    if (strcmp(key, "format") == 0)
        return json_object_is_type(value, json_type_string) &&
               is_one_of(formats, ARRAY_LEN(formats), json_object_get_string(value));
    if (strcmp(key, "pattern") == 0)
        return is_simple_pattern(value);
    if (strcmp(key, "minItems") == 0)
        return is_integer(value, 1);
    return is_one_of(keywords, ARRAY_LEN(keywords), key);
}

/* Members that hold schemas: as the value, in an array, or as the members of an object. */
static bool holds_schemas(const char *key)
{
    static const char *const keywords[] = {"properties", "items", "$defs", "definitions",
                                           "anyOf",      "oneOf", "allOf"};
    return is_one_of(keywords, ARRAY_LEN(keywords), key);
}

/* NULL: a map is in it. */
static struct json_object *close_list(struct json_object *list)
{
    struct json_object *out = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (json_object_is_type(item, json_type_object)) {
            item = close_node(item);
            if (item == NULL) {
                json_object_put(out);
                return NULL;
            }
        } else {
            item = json_object_get(item);
        }
        json_object_array_add(out, item);
    }
    return out;
}

static struct json_object *close_members(struct json_object *members)
{
    struct json_object *out = json_object_new_object();

    json_object_object_foreach(members, name, member)
    {
        if (json_object_is_type(member, json_type_object)) {
            struct json_object *closed = close_node(member);
            if (closed == NULL) {
                json_object_put(out);
                return NULL;
            }
            jsonx_set(out, name, closed);
        } else {
            jsonx_set_ref(out, name, member);
        }
    }
    return out;
}

static struct json_object *close_value(const char *key, struct json_object *value)
{
    if (json_object_is_type(value, json_type_array))
        return close_list(value);
    if (!json_object_is_type(value, json_type_object))
        return json_object_get(value);
    return strcmp(key, "items") == 0 ? close_node(value) : close_members(value);
}

static bool is_object_schema(struct json_object *node)
{
    struct json_object *type = jsonx_get(node, "type");

    if (json_object_is_type(type, json_type_string))
        return strcmp(json_object_get_string(type), "object") == 0;
    if (json_object_is_type(type, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(type); i++) {
            struct json_object *v = json_object_array_get_idx(type, i);
            if (json_object_is_type(v, json_type_string) &&
                strcmp(json_object_get_string(v), "object") == 0)
                return true;
        }
        return false;
    }
    return jsonx_object(node, "properties") != NULL;
}

/* An object whose keys the schema does not name: closing it would leave nothing. */
static bool is_map(struct json_object *node)
{
    struct json_object *properties = jsonx_object(node, "properties");
    struct json_object *more = jsonx_get(node, "additionalProperties");
    bool named = properties != NULL && json_object_object_length(properties) > 0;

    if (jsonx_get(node, "patternProperties") != NULL)
        return true;
    if (json_object_is_type(more, json_type_object) && json_object_object_length(more) > 0)
        return true;
    if (more == NULL)
        return properties == NULL;
    return !named &&
           !(json_object_is_type(more, json_type_boolean) && !json_object_get_boolean(more));
}

/* "minimum: 0" and the like, for the description. */
static void tell(struct buf *told, const char *key, struct json_object *value)
{
    if (key[0] == '$')
        return;
    buf_append_str(told, told->len > 0 ? ", " : "(");
    buf_append_str(told, key);
    buf_append_str(told, ": ");
    jsonx_write(told, value);
}

static void add_to_description(struct json_object *node, struct buf *told)
{
    const char *own = jsonx_str(node, "description", "");
    struct buf text;

    if (told->len == 0 || buf_failed(told))
        return;
    buf_init(&text, DESCRIPTION_MAX * 2);
    buf_printf(&text, "%s%s", own, own[0] != '\0' ? " " : "");
    buf_append(&text, told->data, told->len);
    buf_append_char(&text, ')');
    jsonx_set_strn(node, "description", text.data, text.len);
    buf_fini(&text);
}

/* Fills `out` from node; -1: a map is in it. */
static int copy_node(struct json_object *out, struct json_object *node, struct buf *told)
{
    json_object_object_foreach(node, key, value)
    {
        if (strcmp(key, "additionalProperties") == 0)
            continue;
        if (holds_schemas(key)) {
            struct json_object *closed = close_value(key, value);
            if (closed == NULL && value != NULL)
                return -1;
            jsonx_set(out, strcmp(key, "oneOf") == 0 ? "anyOf" : key, closed);
        } else if (is_supported(key, value)) {
            jsonx_set_ref(out, key, value);
        } else {
            tell(told, key, value);
        }
    }
    return 0;
}

/* What some generators write for a described reference: {"allOf": [{"$ref": ...}], ...}. */
static struct json_object *only_alternative(struct json_object *node)
{
    struct json_object *all = jsonx_array(node, "allOf");
    struct json_object *only = all != NULL && json_object_array_length(all) == 1
                                   ? json_object_array_get_idx(all, 0)
                                   : NULL;
    return jsonx_get(only, "$ref") != NULL ? only : NULL;
}

static struct json_object *close_node(struct json_object *node)
{
    struct json_object *only = only_alternative(node);
    struct json_object *reference = jsonx_get(only != NULL ? only : node, "$ref");
    struct json_object *out = json_object_new_object();
    struct buf told;

    /* Nothing may stand beside a reference, except where definitions do at the top. */
    if (reference != NULL && jsonx_get(node, "$defs") == NULL &&
        jsonx_get(node, "definitions") == NULL) {
        jsonx_set_ref(out, "$ref", reference);
        return out;
    }
    bool object = is_object_schema(node);
    buf_init(&told, DESCRIPTION_MAX);
    if ((object && is_map(node)) || copy_node(out, node, &told) != 0) {
        json_object_put(out);
        out = NULL;
    } else {
        if (object)
            jsonx_set_bool(out, "additionalProperties", false);
        add_to_description(out, &told);
    }
    buf_fini(&told);
    return out;
}

struct json_object *messages_schema_close(struct json_object *schema)
{
    return close_node(schema);
}
