/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded requests to Anthropic: the chat request that says the same must become them. */
#include "base/base.h"

#include "unit.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

/* What becomes of a chat request; NULL and err for a refusal. */
static struct json_object *write_chat(struct json_object *chat, const char *upstream_model,
                                      const char *dialect, int64_t limit, struct err *err)
{
    struct neutral_target target = {.upstream_model = upstream_model,
                                    .dialect = dialect,
                                    .output_limit = limit,
                                    .model = "the-model"};
    struct arena *arena = arena_new();
    struct json_object *out = NULL;
    struct neutral_request r;
    struct buf text;
    struct buf body;

    buf_init(&text, TEXT_MAX);
    buf_init(&body, TEXT_MAX);
    jsonx_write(&text, chat);
    err_clear(err);
    assert_int_equal(completions_read_request(&r, text.data, text.len, err), 0);
    assert_int_equal(completions_read_content(&r, arena, err), 0);
    if (messages_format.write_request(&body, &r, &target, err) == 0) {
        struct err parse;
        assert_false(buf_failed(&body));
        assert_int_equal(jsonx_parse(&out, body.data, body.len, &parse), 0);
    } else {
        assert_int_equal(body.len, 0);
        assert_true(err->status >= 400);
        assert_true(err->message[0] != '\0');
    }
    buf_fini(&body);
    buf_fini(&text);
    neutral_request_fini(&r);
    arena_free(arena);
    return out;
}

static struct json_object *read_json(const char *dir, const char *name)
{
    const char *srcdir = getenv("srcdir");
    struct json_object *v = NULL;
    char path[1024];
    char chunk[4096];
    struct err err;
    struct buf text;
    size_t n;

    snprintf(path, sizeof path, "%s/tests/upstream/recordings/anthropic/%s/%s",
             srcdir != NULL ? srcdir : ".", dir, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s cannot be read", path);
    buf_init(&text, TEXT_MAX);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(&text, chunk, n);
    fclose(f);
    assert_int_equal(jsonx_parse(&v, text.data, text.len, &err), 0);
    buf_fini(&text);
    return v;
}

static bool is_type(struct json_object *block, const char *type)
{
    return strcmp(jsonx_str(block, "type", ""), type) == 0;
}

static struct json_object *chat_part(struct json_object *block)
{
    struct json_object *source = jsonx_object(block, "source");
    struct json_object *part = json_object_new_object();
    struct json_object *inner = json_object_new_object();

    if (is_type(block, "text")) {
        json_object_put(inner);
        json_object_put(part);
        return json_object_get(block);
    }
    if (is_type(block, "image")) {
        jsonx_set_str(part, "type", "image_url");
        jsonx_set_str(inner, "url", jsonx_str(source, "url", ""));
        jsonx_set(part, "image_url", inner);
    } else {
        jsonx_set_str(part, "type", "file");
        jsonx_set_str(inner, "file_id", jsonx_str(source, "file_id", ""));
        jsonx_set(part, "file", inner);
    }
    return part;
}

static void add_chat_user(struct json_object *out, struct json_object *blocks)
{
    struct json_object *parts = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(blocks); i++) {
        struct json_object *block = json_object_array_get_idx(blocks, i);
        if (!is_type(block, "tool_result")) {
            json_object_array_add(parts, chat_part(block));
            continue;
        }
        struct json_object *m = json_object_new_object();
        jsonx_set_str(m, "role", "tool");
        jsonx_set_str(m, "tool_call_id", jsonx_str(block, "tool_use_id", ""));
        jsonx_set_ref(m, "content", jsonx_get(block, "content"));
        json_object_array_add(out, m);
    }
    if (json_object_array_length(parts) > 0) {
        struct json_object *m = json_object_new_object();
        jsonx_set_str(m, "role", "user");
        jsonx_set_ref(m, "content", parts);
        json_object_array_add(out, m);
    }
    json_object_put(parts);
}

static struct json_object *chat_call(struct json_object *block)
{
    struct json_object *call = json_object_new_object();
    struct json_object *function = json_object_new_object();

    jsonx_set_str(call, "id", jsonx_str(block, "id", ""));
    jsonx_set_str(call, "type", "function");
    jsonx_set_str(function, "name", jsonx_str(block, "name", ""));
    jsonx_set_str(function, "arguments", json_object_to_json_string(jsonx_get(block, "input")));
    jsonx_set(call, "function", function);
    return call;
}

static void add_chat_assistant(struct json_object *out, struct json_object *blocks)
{
    struct json_object *m = json_object_new_object();
    struct json_object *content = json_object_new_array();
    struct json_object *calls = json_object_new_array();
    struct json_object *details = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(blocks); i++) {
        struct json_object *block = json_object_array_get_idx(blocks, i);
        struct json_object *detail = json_object_new_object();
        jsonx_set_i64(detail, "index", (int64_t)i);
        if (is_type(block, "text")) {
            json_object_array_add(content, json_object_get(block));
        } else if (is_type(block, "tool_use")) {
            json_object_array_add(calls, chat_call(block));
        } else if (is_type(block, "thinking")) {
            jsonx_set_str(detail, "type", "reasoning.text");
            jsonx_set_ref(detail, "text", jsonx_get(block, "thinking"));
            jsonx_set_ref(detail, "signature", jsonx_get(block, "signature"));
            json_object_array_add(details, json_object_get(detail));
        } else {
            assert_true(is_type(block, "redacted_thinking"));
            jsonx_set_str(detail, "type", "reasoning.encrypted");
            jsonx_set_ref(detail, "data", jsonx_get(block, "data"));
            json_object_array_add(details, json_object_get(detail));
        }
        json_object_put(detail);
    }
    jsonx_set_str(m, "role", "assistant");
    jsonx_set(m, "content", content);
    jsonx_set(m, "reasoning_details", details);
    jsonx_set(m, "tool_calls", calls);
    json_object_array_add(out, m);
}

static struct json_object *chat_messages(struct json_object *body)
{
    struct json_object *out = json_object_new_array();
    struct json_object *system = jsonx_get(body, "system");
    struct json_object *list = jsonx_array(body, "messages");

    if (system != NULL) {
        struct json_object *m = json_object_new_object();
        jsonx_set_str(m, "role", "system");
        jsonx_set_ref(m, "content", system);
        json_object_array_add(out, m);
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *m = json_object_array_get_idx(list, i);
        if (strcmp(jsonx_str(m, "role", ""), "user") == 0)
            add_chat_user(out, jsonx_array(m, "content"));
        else
            add_chat_assistant(out, jsonx_array(m, "content"));
    }
    return out;
}

static struct json_object *chat_tools(struct json_object *list)
{
    struct json_object *out = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *tool = json_object_array_get_idx(list, i);
        struct json_object *function = json_object_new_object();
        struct json_object *outer = json_object_new_object();
        jsonx_set_ref(function, "name", jsonx_get(tool, "name"));
        jsonx_set_ref(function, "description", jsonx_get(tool, "description"));
        jsonx_set_ref(function, "parameters", jsonx_get(tool, "input_schema"));
        if (jsonx_bool(tool, "strict", false))
            jsonx_set_bool(function, "strict", true);
        jsonx_set_str(outer, "type", "function");
        jsonx_set(outer, "function", function);
        json_object_array_add(out, outer);
    }
    return out;
}

static struct json_object *chat_of(struct json_object *body)
{
    struct json_object *chat = json_object_new_object();
    struct json_object *format = jsonx_object(jsonx_object(body, "output_config"), "format");

    jsonx_set_str(chat, "model", "the-model");
    jsonx_set(chat, "messages", chat_messages(body));
    if (jsonx_array(body, "tools") != NULL)
        jsonx_set(chat, "tools", chat_tools(jsonx_array(body, "tools")));
    if (jsonx_get(body, "tool_choice") != NULL)
        jsonx_set_str(chat, "tool_choice", "auto");
    if (jsonx_get(body, "thinking") != NULL)
        jsonx_set_str(chat, "reasoning_effort", "medium");
    if (jsonx_get(body, "stop_sequences") != NULL)
        jsonx_set_ref(chat, "stop", jsonx_get(body, "stop_sequences"));
    if (jsonx_get(body, "cache_control") != NULL)
        jsonx_set_ref(chat, "cache_control", jsonx_get(body, "cache_control"));
    if (format != NULL) {
        struct json_object *inner = json_object_new_object();
        struct json_object *outer = json_object_new_object();
        jsonx_set_str(inner, "name", "answer");
        jsonx_set_ref(inner, "schema", jsonx_get(format, "schema"));
        jsonx_set_bool(inner, "strict", true);
        jsonx_set_str(outer, "type", "json_schema");
        jsonx_set(outer, "json_schema", inner);
        jsonx_set(chat, "response_format", outer);
    }
    return chat;
}

/* Two ways of saying the same become one: a lone text as string, what is the default not said, any
 * budget. */
static void normalise_text(struct json_object *obj, const char *key)
{
    struct json_object *list = jsonx_array(obj, key);

    if (list != NULL && json_object_array_length(list) == 1 &&
        jsonx_get(json_object_array_get_idx(list, 0), "cache_control") == NULL &&
        is_type(json_object_array_get_idx(list, 0), "text"))
        jsonx_set_ref(obj, key, jsonx_get(json_object_array_get_idx(list, 0), "text"));
}

static void normalise(struct json_object *body)
{
    struct json_object *thinking = jsonx_object(body, "thinking");
    struct json_object *list = jsonx_array(body, "messages");

    normalise_text(body, "system");
    if (!jsonx_bool(body, "stream", true))
        json_object_object_del(body, "stream");
    if (thinking != NULL) {
        int64_t budget = jsonx_i64(thinking, "budget_tokens", 0);
        assert_true(budget >= 1024 && budget < jsonx_i64(body, "max_tokens", 0));
        json_object_object_del(thinking, "budget_tokens");
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *content = jsonx_array(json_object_array_get_idx(list, i), "content");
        for (size_t k = 0; k < json_object_array_length(content); k++) {
            struct json_object *block = json_object_array_get_idx(content, k);
            if (!jsonx_bool(block, "is_error", true))
                json_object_object_del(block, "is_error");
            if (is_type(block, "tool_result"))
                normalise_text(block, "content");
        }
    }
}

/* Not among them: requests with the provider's own tools, and the one with a bad model name, which
 * has nothing in it. */
static const char *const recorded[] = {
    "anthropic.anthropic-cache-real-api.1",
    "anthropic.anthropic-model-thinking-part-redacted.1",
    "anthropic.anthropic-model-thinking-part-stream.0",
    "anthropic.anthropic-tool-with-thinking.0",
    "anthropic.anthropic-tool-with-thinking.1",
    "anthropic.image-url-input.0",
    "anthropic.request-stream-fallback-for-high-max-tokens.0",
    "cache-prefix-stability.anthropic-thinking-agui-0-1-10-drops-prefix.1",
    "model-name-suggestions.model-name-suggestion-anthropic.0",
    "output.mixed-tools-native-output.0",
    "output.no-tools-native-output-strict-true.0",
    "settings.stop-settings-anthropic.0",
};

static void test_recorded_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recorded); i++) {
        struct json_object *file = read_json(recorded[i], "request.json");
        struct json_object *body = jsonx_object(file, "body");
        struct json_object *chat = chat_of(body);
        struct err err;
        if (jsonx_bool(body, "stream", false))
            jsonx_set_bool(chat, "stream", true);
        struct json_object *out = write_chat(chat, jsonx_str(body, "model", ""), "claude-4.5",
                                             jsonx_i64(body, "max_tokens", 0), &err);
        if (out == NULL)
            fail_msg("%s: %s", recorded[i], err.message);
        normalise(body);
        normalise(out);
        if (!json_object_equal(body, out))
            fail_msg("%s: %s", recorded[i], json_object_to_json_string(out));
        json_object_put(out);
        json_object_put(chat);
        json_object_put(file);
    }
}

/* A file that lies at the provider belongs to an account there, not to our client. */
static void test_recorded_file_id(void **state)
{
    struct json_object *file =
        read_json("multimodal-tool-returns.multimodal-tool-return-matrix-tool-return-71b2ec2d.1",
                  "request.json");
    struct json_object *chat = chat_of(jsonx_object(file, "body"));
    struct err err;

    (void)state;
    assert_null(write_chat(chat, "up", "claude-4.5", 4096, &err));
    assert_int_equal(err.status, 400);
    assert_string_equal(err.param, "messages[3].content[0]");
    json_object_put(chat);
    json_object_put(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_requests),
        cmocka_unit_test(test_recorded_file_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
