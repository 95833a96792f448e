/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_object.h"

#include "wire/responses_tools.h"

#include <string.h>

/* Clients' own schemas want both members. */
static struct json_object *tool_echo(struct json_object *tool)
{
    static const char *const wanted[] = {"parameters", "strict"};

    if (strcmp(jsonx_str(tool, "type", ""), "function") != 0)
        return responses_tools_masked(tool);
    struct json_object *copy = json_object_new_object();
    json_object_object_foreach(tool, key, member)
    {
        jsonx_set_ref(copy, key, member);
    }
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (!jsonx_has(copy, wanted[i]))
            jsonx_set_null(copy, wanted[i]);
    return copy;
}

static struct json_object *tools_echo(struct json_object *tools)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; tools != NULL && i < json_object_array_length(tools); i++)
        json_object_array_add(list, tool_echo(json_object_array_get_idx(tools, i)));
    return list;
}

static struct json_object *text_echo(struct json_object *text)
{
    struct json_object *copy = json_object_new_object();

    if (text != NULL) {
        json_object_object_foreach(text, key, member)
        {
            jsonx_set_ref(copy, key, member);
        }
    }
    if (jsonx_get(copy, "format") == NULL) {
        struct json_object *format = json_object_new_object();
        jsonx_set_str(format, "type", "text");
        jsonx_set(copy, "format", format);
    }
    return copy;
}

static struct json_object *reasoning_echo(struct json_object *reasoning)
{
    static const char *const members[] = {"effort", "summary"};
    struct json_object *copy = json_object_new_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        jsonx_set_str(copy, members[i], jsonx_str(reasoning, members[i], NULL));
    return copy;
}

struct json_object *responses_echo(struct json_object *body)
{
    static const char *const same[] = {"instructions",
                                       "max_output_tokens",
                                       "max_tool_calls",
                                       "previous_response_id",
                                       "prompt_cache_key",
                                       "safety_identifier",
                                       "service_tier",
                                       "temperature",
                                       "top_logprobs",
                                       "top_p",
                                       "user"};
    struct json_object *echo = json_object_new_object();
    struct json_object *metadata = jsonx_object(body, "metadata");
    struct json_object *choice = jsonx_get(body, "tool_choice");

    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        jsonx_set_ref(echo, same[i], jsonx_get(body, same[i]));
    jsonx_set(echo, "metadata",
              metadata != NULL ? json_object_get(metadata) : json_object_new_object());
    jsonx_set_bool(echo, "parallel_tool_calls", jsonx_bool(body, "parallel_tool_calls", true));
    jsonx_set(echo, "reasoning", reasoning_echo(jsonx_object(body, "reasoning")));
    jsonx_set_bool(echo, "store", jsonx_bool(body, "store", false));
    jsonx_set(echo, "text", text_echo(jsonx_object(body, "text")));
    jsonx_set(echo, "tool_choice",
              choice != NULL ? json_object_get(choice) : json_object_new_string("auto"));
    jsonx_set(echo, "tools", tools_echo(jsonx_array(body, "tools")));
    jsonx_set_str(echo, "truncation", jsonx_str(body, "truncation", "disabled"));
    return echo;
}

struct json_object *responses_object(const struct responses_object *o)
{
    struct json_object *v = json_object_new_object();
    struct json_object *incomplete = NULL;

    if (o->incomplete != NULL) {
        incomplete = json_object_new_object();
        jsonx_set_str(incomplete, "reason", o->incomplete);
    }
    jsonx_set_str(v, "id", o->id);
    jsonx_set_str(v, "object", "response");
    jsonx_set_i64(v, "created_at", o->created_s);
    jsonx_set_str(v, "status", o->status);
    jsonx_set_bool(v, "background", false);
    jsonx_set_ref(v, "error", o->error);
    jsonx_set(v, "incomplete_details", incomplete);
    jsonx_set_str(v, "model", o->model);
    jsonx_set_ref(v, "output", o->output);
    json_object_object_foreach(o->echo, key, member)
    {
        jsonx_set_ref(v, key, member);
    }
    jsonx_set_ref(v, "usage", o->usage);
    return v;
}

struct json_object *responses_usage_json(const struct usage *usage)
{
    struct json_object *v = json_object_new_object();
    struct json_object *input = json_object_new_object();
    struct json_object *output = json_object_new_object();

    jsonx_set_i64(v, "input_tokens", usage->prompt);
    jsonx_set_i64(input, "cached_tokens", usage->cached);
    jsonx_set_i64(input, "cache_write_tokens", usage->cache_write_5m + usage->cache_write_1h);
    jsonx_set(v, "input_tokens_details", input);
    jsonx_set_i64(v, "output_tokens", usage->completion);
    jsonx_set_i64(output, "reasoning_tokens", usage->reasoning);
    jsonx_set(v, "output_tokens_details", output);
    jsonx_set_i64(v, "total_tokens", usage->prompt + usage->completion);
    return v;
}
