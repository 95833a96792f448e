/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/strict_schema.h"

#include <string.h>

static bool fits(struct json_object *schema);

static bool has_string(struct json_object *list, const char *text)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *v = json_object_array_get_idx(list, i);
        if (json_object_is_type(v, json_type_string) &&
            strcmp(json_object_get_string(v), text) == 0)
            return true;
    }
    return false;
}

static bool map_fits(struct json_object *map)
{
    if (!json_object_is_type(map, json_type_object))
        return false;
    json_object_object_foreach(map, name, schema)
    {
        (void)name;
        if (!fits(schema))
            return false;
    }
    return true;
}

static bool list_fits(struct json_object *list)
{
    if (!json_object_is_type(list, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (!fits(json_object_array_get_idx(list, i)))
            return false;
    return true;
}

static bool anything(struct json_object *v)
{
    (void)v;
    return true;
}

/* What a keyword's value must be; keywords that are not here do not fit. */
static const struct {
    const char *name;
    bool (*fits)(struct json_object *v);
} keywords[] = {
    {"type", anything},       {"enum", anything},        {"const", anything},
    {"title", anything},      {"description", anything}, {"$ref", anything},
    {"required", anything},   {"minimum", anything},     {"maximum", anything},
    {"pattern", anything},    {"minItems", anything},    {"maxItems", anything},
    {"properties", map_fits}, {"$defs", map_fits},       {"definitions", map_fits},
    {"items", fits},          {"anyOf", list_fits},      {"additionalProperties", anything},
};

static bool object_fits(struct json_object *schema)
{
    struct json_object *properties = jsonx_object(schema, "properties");
    struct json_object *required = jsonx_array(schema, "required");

    if (jsonx_bool(schema, "additionalProperties", true))
        return false;
    if (properties == NULL || json_object_object_length(properties) == 0)
        return true;
    if (required == NULL)
        return false;
    json_object_object_foreach(properties, name, member)
    {
        (void)member;
        if (!has_string(required, name))
            return false;
    }
    return true;
}

static bool is_object_schema(struct json_object *schema)
{
    struct json_object *type = jsonx_get(schema, "type");

    return jsonx_get(schema, "properties") != NULL ||
           (json_object_is_type(type, json_type_array) && has_string(type, "object")) ||
           strcmp(jsonx_str(schema, "type", ""), "object") == 0;
}

static bool fits(struct json_object *schema)
{
    if (!json_object_is_type(schema, json_type_object))
        return false;
    json_object_object_foreach(schema, name, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(keywords) && strcmp(keywords[i].name, name) != 0)
            i++;
        if (i == ARRAY_LEN(keywords) || !keywords[i].fits(value))
            return false;
    }
    return !is_object_schema(schema) || object_fits(schema);
}

bool strict_schema_fits(struct json_object *schema)
{
    return strcmp(jsonx_str(schema, "type", ""), "object") == 0 &&
           jsonx_get(schema, "anyOf") == NULL && fits(schema);
}
