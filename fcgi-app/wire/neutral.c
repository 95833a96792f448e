/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/neutral.h"

#include <string.h>

void neutral_measure(struct neutral_size *size, struct json_object *v)
{
    switch (json_object_get_type(v)) {
    case json_type_string:
        size->text_bytes += json_object_get_string_len(v);
        break;
    case json_type_object: {
        json_object_object_foreach(v, key, member)
        {
            size->text_bytes += (int64_t)strlen(key);
            neutral_measure(size, member);
        }
        break;
    }
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(v); i++)
            neutral_measure(size, json_object_array_get_idx(v, i));
        break;
    case json_type_null:
    case json_type_boolean:
    case json_type_double:
    case json_type_int:
        size->text_bytes += NEUTRAL_SCALAR_BYTES;
        break;
    }
}

bool neutral_is_url(struct json_object *v)
{
    const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";

    return strncmp(text, "data:", 5) == 0 || strncmp(text, "https://", 8) == 0 ||
           strncmp(text, "http://", 7) == 0;
}

static bool offers(const struct neutral_content *c, const char *name)
{
    for (size_t i = 0; i < c->tool_count; i++)
        if (strcmp(c->tools[i].name, name) == 0)
            return true;
    return false;
}

bool neutral_forces_call(const struct neutral_content *c)
{
    return c->tool_choice == TOOL_CHOICE_REQUIRED || c->tool_choice == TOOL_CHOICE_NAMED;
}

int neutral_check_tool_choice(const struct neutral_content *c, struct err *err)
{
    if (neutral_forces_call(c) && c->tool_count == 0)
        return err_set(err, ERR_BAD_REQUEST, "tool_choice",
                       "'tool_choice' asks for a call, but the request offers no 'tools'.");
    if (c->tool_choice == TOOL_CHOICE_NAMED && !offers(c, c->tool_choice_name))
        return err_set(err, ERR_BAD_REQUEST, "tool_choice",
                       "'tool_choice' names '%.64s', which is not among the 'tools'.",
                       c->tool_choice_name);
    return 0;
}

void neutral_request_fini(struct neutral_request *r)
{
    json_object_put(r->body);
    json_object_put(r->made);
    r->body = NULL;
    r->made = NULL;
}
