/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_tools.h"

#include "wire/format.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 96 };

static bool is(const char *text, const char *name)
{
    return strcmp(text, name) == 0;
}

/* The request. */

static const struct {
    const char *type;
    enum neutral_hosted_kind kind;
    const char *priced; /* NULL: no fee, or one that depends on more than the type */
} types[] = {
    {"web_search", HOSTED_WEB_SEARCH, "web_search"},
    {"web_search_2025_08_26", HOSTED_WEB_SEARCH, "web_search"},
    {"web_search_preview", HOSTED_PREVIEW_SEARCH, "web_search_preview"},
    {"web_search_preview_2025_03_11", HOSTED_PREVIEW_SEARCH, "web_search_preview"},
    {"file_search", HOSTED_FILE_SEARCH, "file_search"},
    {"code_interpreter", HOSTED_CODE, NULL},
    {"mcp", HOSTED_MCP, NULL},
};

bool responses_tools_is_hosted(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (is(type, types[i].type))
            return true;
    return false;
}

static void add_priced(struct neutral_hosted *out, const char *name)
{
    size_t len = strlen(out->priced);

    snprintf(out->priced + len, sizeof out->priced - len, "%s%s", len > 0 ? "," : "", name);
}

static bool is_empty(struct json_object *v)
{
    return v == NULL ||
           (json_object_is_type(v, json_type_array) && json_object_array_length(v) == 0);
}

/* All that a container may say; anything else could name files or containers that are not the
 * client's, or cost what no price is known of. */
static int check_container(struct json_object *container, const char *path, struct err *err)
{
    char member_path[PATH_SIZE];

    if (!json_object_is_type(container, json_type_object) ||
        !is(jsonx_str(container, "type", ""), "auto"))
        return err_set(
            err, ERR_UNSUPPORTED_VALUE, path,
            "'%s' must be {\"type\":\"auto\"} with or without 'memory_limit': containers "
            "by id are not offered here.",
            path);
    json_object_object_foreach(container, key, member)
    {
        if (is(key, "type") || is(key, "memory_limit") || is_empty(member))
            continue;
        snprintf(member_path, sizeof member_path, "%.60s.%.30s", path, key);
        return err_set(err, ERR_UNSUPPORTED_VALUE, member_path,
                       "'%s' is not offered here: a container takes 'type' and 'memory_limit'. "
                       "Files that the code is to read go into 'input' as input_file.",
                       member_path);
    }
    return 0;
}

static int read_container(struct neutral_hosted *out, struct json_object *tool, const char *path,
                          struct err *err)
{
    static const struct {
        const char *limit;
        const char *priced;
        int64_t gb;
    } sizes[] = {
        {"1g", "container_1g", 1},
        {"4g", "container_4g", 4},
        {"16g", "container_16g", 16},
        {"64g", "container_64g", 64},
    };
    struct json_object *container = jsonx_get(tool, "container");
    const char *limit = "1g";
    char at[PATH_SIZE];

    snprintf(at, sizeof at, "%.60s.container", path);
    if (check_container(container, at, err) != 0)
        return -1;
    snprintf(at, sizeof at, "%.60s.container.memory_limit", path);
    if (jsonx_want_str(&limit, container, "memory_limit", at, err) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        if (!is(limit, sizes[i].limit))
            continue;
        out->container_gb = sizes[i].gb;
        add_priced(out, sizes[i].priced);
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED_VALUE, at, "'%s' must be '1g', '4g', '16g' or '64g'.", at);
}

/* The answer does not say which of two tools of a kind was called, so they could not be charged. */
static int check_once(const struct neutral_hosted *out, enum neutral_hosted_kind kind,
                      const char *type, const char *path, struct err *err)
{
    static const unsigned searches = HOSTED_WEB_SEARCH | HOSTED_PREVIEW_SEARCH;
    unsigned same = (kind & searches) != 0 ? searches : kind;

    if (kind == HOSTED_MCP || (out->kinds & same) == 0)
        return 0;
    return err_set(err, ERR_UNSUPPORTED_VALUE, path,
                   "'%s': a request can have one tool for web search, one for file search and one "
                   "code interpreter; this '%s' is the second.",
                   path, type);
}

int responses_tools_read(struct neutral_hosted *out, struct json_object *tool, const char *path,
                         struct err *err)
{
    const char *type = jsonx_str(tool, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!is(type, types[i].type))
            continue;
        if (check_once(out, types[i].kind, type, path, err) != 0)
            return -1;
        out->kinds |= types[i].kind;
        if (types[i].priced != NULL)
            add_priced(out, types[i].priced);
        return types[i].kind == HOSTED_CODE ? read_container(out, tool, path, err) : 0;
    }
    return err_set(err, ERR_UNSUPPORTED_VALUE, path, "'%s': '%.40s' is no tool of the provider's.",
                   path, type);
}

int responses_tools_limit(struct neutral_hosted *out, struct json_object *body, struct err *err)
{
    if (out->kinds == 0)
        return 0;
    out->limit_is_ours = jsonx_get(body, "max_tool_calls") == NULL;
    out->max_calls = RESPONSES_TOOL_CALLS_DEFAULT;
    return jsonx_want_i64(&out->max_calls, body, "max_tool_calls", "max_tool_calls", 1,
                          RESPONSES_TOOL_CALLS_MAX, err);
}

/* The answer. */

struct responses_container {
    struct responses_container *next;
    const char *id;
};

void responses_tally_begin(struct responses_tally *t, const struct neutral_hosted *hosted)
{
    *t = (struct responses_tally){.counts.container_gb = hosted->container_gb};
    t->counts.containers = (hosted->kinds & HOSTED_CODE) != 0;
}

static bool is_search(struct json_object *item)
{
    struct json_object *action = jsonx_object(item, "action");

    return is(jsonx_str(action, "type", "search"), "search") &&
           !is(jsonx_str(item, "status", ""), "failed");
}

/* The first one is counted from the beginning. */
static void add_container(struct responses_tally *t, const char *id, struct arena *arena)
{
    for (const struct responses_container *c = t->containers; c != NULL; c = c->next)
        if (is(c->id, id))
            return;
    struct responses_container *c = arena_zalloc(arena, sizeof *c);
    *c = (struct responses_container){.next = t->containers, .id = arena_strdup(arena, id)};
    if (t->containers != NULL || t->counts.containers == 0)
        t->counts.containers++;
    t->containers = c;
}

void responses_tally_add(struct responses_tally *t, const struct neutral_hosted *hosted,
                         struct json_object *item, struct arena *arena)
{
    const char *type = jsonx_str(item, "type", "");
    bool web = is(type, "web_search_call");
    bool file = is(type, "file_search_call");
    bool code = is(type, "code_interpreter_call");

    if ((!web && !file && !code && !is(type, "mcp_call")) || ++t->calls > hosted->max_calls)
        return;
    if (web && is_search(item)) {
        if ((hosted->kinds & HOSTED_PREVIEW_SEARCH) != 0)
            t->counts.preview_searches++;
        else
            t->counts.web_searches++;
    }
    if (file && !is(jsonx_str(item, "status", ""), "failed"))
        t->counts.file_searches++;
    if (code)
        add_container(t, jsonx_str(item, "container_id", ""), arena);
}

/* Secrets. */

static const char masked[] = "<redacted>";

static struct json_object *masked_headers(struct json_object *headers)
{
    struct json_object *copy = json_object_new_object();

    json_object_object_foreach(headers, key, value)
    {
        (void)value;
        jsonx_set_str(copy, key, masked);
    }
    return copy;
}

struct json_object *responses_tools_masked(struct json_object *tool)
{
    struct json_object *headers = jsonx_object(tool, "headers");

    if (!is(jsonx_str(tool, "type", ""), "mcp"))
        return json_object_get(tool);
    struct json_object *copy = json_object_new_object();
    json_object_object_foreach(tool, key, member)
    {
        jsonx_set_ref(copy, key, member);
    }
    if (jsonx_get(tool, "authorization") != NULL)
        jsonx_set_str(copy, "authorization", masked);
    if (headers != NULL)
        jsonx_set(copy, "headers", masked_headers(headers));
    return copy;
}

static void conceal_member(struct err *err, struct json_object *v)
{
    if (json_object_is_type(v, json_type_string))
        format_conceal(err, json_object_get_string(v));
}

void responses_tools_conceal(struct err *err, const struct neutral_request *request)
{
    struct json_object *tools = jsonx_array(request->body, "tools");
    size_t count = (request->hosted.kinds & HOSTED_MCP) != 0 && tools != NULL
                       ? json_object_array_length(tools)
                       : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct json_object *headers = jsonx_object(tool, "headers");
        conceal_member(err, jsonx_get(tool, "authorization"));
        if (headers == NULL)
            continue;
        json_object_object_foreach(headers, key, value)
        {
            (void)key;
            conceal_member(err, value);
        }
    }
}
