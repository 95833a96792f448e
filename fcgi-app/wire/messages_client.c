/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_client.h"

#include "wire/messages_size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What would cost more than the hold. */

static int refuse(struct err *err, const char *field, const char *what)
{
    return err_set(err, ERR_UNSUPPORTED_VALUE, field, "'%s' %s", field, what);
}

/* Fields that have another model, place or service take part. */
static const char *const dear_fields[] = {
    "billing_policy", "container", "mcp_servers",  "fallbacks",       "fallback_credit_token",
    "compaction",     "thread",    "workspace_id", "user_profile_id", "inference_geo",
};

static bool is_empty(struct json_object *v)
{
    if (json_object_is_type(v, json_type_array))
        return json_object_array_length(v) == 0;
    if (json_object_is_type(v, json_type_object))
        return json_object_object_length(v) == 0;
    return v == NULL;
}

static int check_fields(struct json_object *body, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(dear_fields); i++)
        if (!is_empty(jsonx_get(body, dear_fields[i])))
            return refuse(err, dear_fields[i],
                          "is not offered here: the call could cost more than the price shown.");
    return 0;
}

static int check_choice(struct json_object *body, const char *field, const char *const *allowed,
                        size_t count, const char *what, struct err *err)
{
    const char *value = NULL;

    if (jsonx_want_str(&value, body, field, field, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (value != NULL && strcmp(value, allowed[i]) == 0)
            return 0;
    return value == NULL ? 0 : refuse(err, field, what);
}

static int check_service(struct json_object *body, struct err *err)
{
    static const char *const tiers[] = {"auto", "standard_only"};
    static const char *const speeds[] = {"standard"};

    if (check_choice(body, "service_tier", tiers, ARRAY_LEN(tiers),
                     "must be 'auto' or 'standard_only': other classes of service have other "
                     "prices.",
                     err) != 0)
        return -1;
    return check_choice(body, "speed", speeds, ARRAY_LEN(speeds),
                        "must be 'standard': other speeds have other prices.", err);
}

/* Compaction asks the model a second time. Other edits only shorten the prompt. */
static int check_context(struct json_object *body, struct err *err)
{
    struct json_object *context = NULL;

    if (jsonx_want_object(&context, body, "context_management", "context_management", err) != 0)
        return -1;
    struct json_object *edits = jsonx_array(context, "edits");
    size_t count = edits != NULL ? json_object_array_length(edits) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *type = jsonx_str(json_object_array_get_idx(edits, i), "type", "");
        if (strncmp(type, "clear_", 6) != 0)
            return refuse(err, "context_management",
                          "can hold edits that clear (clear_tool_uses_..., clear_thinking_...) "
                          "only: others have the model asked more than once.");
    }
    return 0;
}

/* Tools of Anthropic's that the client runs itself; all others of its types run, and cost, there.
 */
static bool is_client_tool(const char *type)
{
    static const char *const prefixes[] = {"bash_", "text_editor_", "computer_", "memory_"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (strncmp(type, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return strcmp(type, "custom") == 0;
}

static int check_tools(struct json_object *body, struct err *err)
{
    struct json_object *tools = NULL;
    char path[64];

    if (jsonx_want_array(&tools, body, "tools", "tools", err) != 0)
        return -1;
    size_t count = tools != NULL ? json_object_array_length(tools) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        const char *type = NULL;
        snprintf(path, sizeof path, "tools[%zu]", i);
        if (!json_object_is_type(tool, json_type_object))
            return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be an object, but it is %s.",
                           path, jsonx_type_name(tool));
        snprintf(path, sizeof path, "tools[%zu].type", i);
        if (jsonx_want_str(&type, tool, "type", path, err) != 0)
            return -1;
        if (type != NULL && !is_client_tool(type))
            return err_set(err, ERR_UNSUPPORTED_VALUE, path,
                           "'%s': '%.64s' is not offered here: tools that the provider runs cost "
                           "more than the price shown.",
                           path, type);
    }
    return 0;
}

/* Messages. */

static int check_content(struct json_object *content, const char *path, struct err *err)
{
    bool list = json_object_is_type(content, json_type_array);

    if (!list && !json_object_is_type(content, json_type_string))
        return err_set(err, ERR_BAD_REQUEST, path,
                       "'%s' must be a string or an array of blocks, but it is %s.", path,
                       jsonx_type_name(content));
    size_t count = list ? json_object_array_length(content) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *block = json_object_array_get_idx(content, i);
        if (!json_object_is_type(block, json_type_object) ||
            !json_object_is_type(jsonx_get(block, "type"), json_type_string))
            return err_set(err, ERR_BAD_REQUEST, path,
                           "'%s' must hold objects with a 'type', but number %zu is none.", path,
                           i);
    }
    return 0;
}

static int check_message(struct json_object *message, size_t at, struct err *err)
{
    static const char *const roles[] = {"user", "assistant", "system"};
    const char *role = NULL;
    char path[64];
    size_t i = 0;

    snprintf(path, sizeof path, "messages[%zu]", at);
    if (!json_object_is_type(message, json_type_object))
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be an object, but it is %s.", path,
                       jsonx_type_name(message));
    snprintf(path, sizeof path, "messages[%zu].role", at);
    if (jsonx_want_str(&role, message, "role", path, err) != 0)
        return -1;
    while (i < ARRAY_LEN(roles) && (role == NULL || strcmp(roles[i], role) != 0))
        i++;
    if (i == ARRAY_LEN(roles))
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be 'user' or 'assistant'.", path);
    snprintf(path, sizeof path, "messages[%zu].content", at);
    return check_content(jsonx_get(message, "content"), path, err);
}

static int check_messages(struct json_object *body, struct err *err)
{
    struct json_object *messages = NULL;
    struct json_object *system = jsonx_get(body, "system");

    if (jsonx_want_array(&messages, body, "messages", "messages", err) != 0)
        return -1;
    if (messages == NULL || json_object_array_length(messages) == 0)
        return err_set(err, ERR_BAD_REQUEST, "messages",
                       "'messages' must hold at least one message.");
    for (size_t i = 0; i < json_object_array_length(messages); i++)
        if (check_message(json_object_array_get_idx(messages, i), i, err) != 0)
            return -1;
    return system != NULL ? check_content(system, "system", err) : 0;
}

static int read_fields(struct neutral_request *r, struct err *err)
{
    struct json_object *body = r->body;

    if (jsonx_want_str(&r->model, body, "model", "model", err) != 0)
        return -1;
    if (r->model == NULL || r->model[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "model",
                       "'model' is missing: name one of GET /v1/models.");
    if (check_messages(body, err) != 0 || check_fields(body, err) != 0 ||
        check_service(body, err) != 0 || check_context(body, err) != 0 ||
        check_tools(body, err) != 0)
        return -1;
    if (jsonx_want_bool(&r->stream, body, "stream", "stream", err) != 0 ||
        jsonx_want_i64(&r->output_limit, body, "max_tokens", "max_tokens", 1, MESSAGES_OUTPUT_MAX,
                       err) != 0)
        return -1;
    /* They lie in the gateway's own account, for all its customers. */
    if (messages_measure(&r->size, body))
        return err_set(err, ERR_UNSUPPORTED_VALUE, "messages",
                       "'messages' must hold images and documents by their content or URL: files "
                       "by an id are not offered here.");
    return 0;
}

int messages_read_request(struct neutral_request *out, const char *text, size_t len,
                          struct err *err)
{
    struct neutral_request r = {.language = LANGUAGE_MESSAGES,
                                .choices = 1,
                                .include_usage = true,
                                .limit_is_ceiling = true};
    int rc = jsonx_parse(&r.body, text, len, err);

    if (rc == 0 && !json_object_is_type(r.body, json_type_object))
        rc = err_set(err, ERR_BAD_REQUEST, NULL,
                     "The request body must be a JSON object, but it is %s.",
                     jsonx_type_name(r.body));
    if (rc == 0)
        rc = read_fields(&r, err);
    if (rc != 0) {
        neutral_request_fini(&r);
        return -1;
    }
    *out = r;
    return 0;
}

/* Headers. */

/* Without the date that follows: a later one of the same name is the same thing made better. */
static const char *const betas[] = {
    "adaptive-thinking",
    "advanced-tool-use",
    "cache-diagnosis",
    "claude-code",
    "computer-use",
    "context-management",
    "dev-full-thinking",
    "effort",
    "extended-cache-ttl",
    "fine-grained-tool-streaming",
    "interleaved-thinking",
    "max-effort",
    "mid-conversation-output-config",
    "model-context-window-exceeded",
    "pdfs",
    "prompt-caching",
    "prompt-caching-scope",
    "redact-thinking",
    "structured-outputs",
    "task-budgets",
    "thinking-binding-controls",
    "thinking-display-updates",
    "thinking-token-count",
    "token-counting",
    "token-efficient-tools",
    "tool-examples",
};

static bool is_beta(const char *name, size_t len)
{
    enum { DATE_LEN = sizeof "-2026-01-01" - 1 };

    if (len <= DATE_LEN)
        return false;
    for (size_t i = len - DATE_LEN; i < len; i++)
        if (name[i] != '-' && (name[i] < '0' || name[i] > '9'))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(betas); i++)
        if (strlen(betas[i]) == len - DATE_LEN && strncmp(betas[i], name, len - DATE_LEN) == 0)
            return true;
    return false;
}

const char *messages_beta_header(struct arena *arena, const char *value)
{
    const char *line = NULL;

    while (value != NULL && *value != '\0') {
        value += strspn(value, ", \t");
        size_t len = strcspn(value, ", \t");
        if (is_beta(value, len))
            line = line == NULL ? arena_printf(arena, "anthropic-beta: %.*s", (int)len, value)
                                : arena_printf(arena, "%s,%.*s", line, (int)len, value);
        value += len;
    }
    return line;
}

/* Errors. */

/* The client's own place of the n-th neutral message. */
static void name_place(char *out, size_t size, const char *param,
                       const struct neutral_content *content)
{
    static const char head[] = "messages[";
    char *end = NULL;

    snprintf(out, size, "%s", param);
    if (content == NULL || strncmp(param, head, sizeof head - 1) != 0)
        return;
    unsigned long at = strtoul(param + sizeof head - 1, &end, 10);
    if (*end == ']' && at < content->message_count && content->messages[at].place != NULL)
        snprintf(out, size, "%s", content->messages[at].place);
}

/* Replaces 'from' in quotes; a text that would not fit stays as it is. */
static void rename_in(char *text, size_t size, const char *from, const char *to)
{
    char quoted[sizeof((struct err *)0)->param + 3];
    char whole[ERR_MESSAGE_MAX];

    snprintf(quoted, sizeof quoted, "'%s'", from);
    const char *at = strstr(text, quoted);
    if (at == NULL)
        return;
    int n = snprintf(whole, sizeof whole, "%.*s'%s'%s", (int)(at - text), text, to,
                     at + strlen(quoted));
    if (n > 0 && (size_t)n < size && (size_t)n < sizeof whole)
        memcpy(text, whole, (size_t)n + 1);
}

void messages_explain(struct err *err, const struct neutral_request *request)
{
    static const struct {
        const char *neutral;
        const char *here;
    } names[] = {
        {"stop", "stop_sequences"},
        {"reasoning_effort", "output_config.effort"},
        {"response_format", "output_config.format"},
        {"max_completion_tokens", "max_tokens"},
        {"max_output_tokens", "max_tokens"},
    };
    char here[sizeof err->param];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        rename_in(err->message, sizeof err->message, names[i].neutral, names[i].here);
        if (strcmp(err->param, names[i].neutral) == 0)
            snprintf(err->param, sizeof err->param, "%s", names[i].here);
    }
    name_place(here, sizeof here, err->param, request->content);
    if (strcmp(here, err->param) == 0)
        return;
    rename_in(err->message, sizeof err->message, err->param, here);
    snprintf(err->param, sizeof err->param, "%s", here);
}
