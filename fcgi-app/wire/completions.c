/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions.h"

#include "base/log.h"
#include "wire/completions_events.h"
#include "wire/completions_upstream.h"
#include "wire/responses.h"
#include "wire/responses_failure.h"

#include <stdio.h>
#include <string.h>

/* Upstream's request. */

struct json_object *completions_upstream_body(const struct neutral_request *request,
                                              const struct neutral_target *target)
{
    struct json_object *body = json_object_new_object();
    struct json_object *options = NULL;

    json_object_object_foreach(request->body, key, member)
    {
        jsonx_set_ref(body, key, member);
    }
    jsonx_set_str(body, "model", target->upstream_model);
    if (request->stream) {
        options = json_object_new_object();
        struct json_object *asked = jsonx_object(request->body, "stream_options");
        if (asked != NULL) {
            json_object_object_foreach(asked, option, value)
            {
                jsonx_set_ref(options, option, value);
            }
        }
        jsonx_set_bool(options, "include_usage", true);
        jsonx_set(body, "stream_options", options);
    }
    return body;
}

/* Reasoning models refuse max_tokens; all chat models take its successor. A client's max_tokens
 * stays what it is where the model knows it. */
static void set_output_limit(struct json_object *body, const struct neutral_target *target)
{
    bool old_name = jsonx_get(body, "max_tokens") != NULL &&
                    jsonx_get(body, "max_completion_tokens") == NULL &&
                    strcmp(target->dialect, "openai-chat") == 0;

    if (old_name) {
        jsonx_set_i64(body, "max_tokens", target->output_limit);
    } else {
        json_object_object_del(body, "max_tokens");
        jsonx_set_i64(body, "max_completion_tokens", target->output_limit);
    }
}

/* OpenAI's own dialects say which of its models this is. */
static int write_request(struct buf *out, const struct neutral_request *request,
                         const struct neutral_target *target, struct err *err)
{
    const struct completions_rules rules = {.dialect = target->dialect,
                                            .limit_field = "max_completion_tokens"};
    struct json_object *body = NULL;

    if (format_passes(&completions_format, request)) {
        body = completions_upstream_body(request, target);
        set_output_limit(body, target);
    } else if (completions_upstream_request(&body, request, target, &rules, err) != 0) {
        return -1;
    }
    jsonx_write(out, body);
    json_object_put(body);
    return 0;
}

/* Answers. */

void completions_read_usage(struct usage *out, struct json_object *usage)
{
    struct json_object *prompt = jsonx_object(usage, "prompt_tokens_details");
    struct json_object *completion = jsonx_object(usage, "completion_tokens_details");

    memset(out, 0, sizeof *out);
    out->known =
        jsonx_get(usage, "prompt_tokens") != NULL || jsonx_get(usage, "completion_tokens") != NULL;
    out->prompt = jsonx_i64(usage, "prompt_tokens", 0);
    out->cached = jsonx_i64(prompt, "cached_tokens", 0);
    out->cache_write_5m = jsonx_i64(prompt, "cache_write_tokens", 0);
    out->completion = jsonx_i64(usage, "completion_tokens", 0);
    out->reasoning = jsonx_i64(completion, "reasoning_tokens", 0);
}

static int64_t string_bytes(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    return json_object_is_type(v, json_type_string) ? json_object_get_string_len(v) : 0;
}

/* Text that a delta or a message gives to the client. */
static int64_t message_bytes(struct json_object *message)
{
    int64_t n = string_bytes(message, "content") + string_bytes(message, "refusal") +
                string_bytes(message, "reasoning") + string_bytes(message, "reasoning_content");
    struct json_object *calls = jsonx_array(message, "tool_calls");
    size_t count = calls != NULL ? json_object_array_length(calls) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *function =
            jsonx_object(json_object_array_get_idx(calls, i), "function");
        n += string_bytes(function, "name") + string_bytes(function, "arguments");
    }
    struct json_object *old = jsonx_object(message, "function_call");
    n += string_bytes(old, "name") + string_bytes(old, "arguments");
    n += string_bytes(jsonx_object(message, "audio"), "transcript");
    return n;
}

int completions_hidden_failure(struct err *err, struct json_object *answer)
{
    struct json_object *error = jsonx_get(answer, "error");
    int64_t status = jsonx_i64(error, "code", 0);

    if (error == NULL)
        return 0;
    if (status < 400 || status >= 500)
        return responses_hidden_failure(err, error);
    format_failure(err, (int)status, 0, jsonx_str(error, "message", NULL), NULL, NULL, NULL);
    return -1;
}

int completions_read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                            void *arg, struct err *err)
{
    (void)reader;
    if (!json_object_is_type(answer, json_type_object))
        return format_nonsense(err, "the answer is no JSON object");
    if (completions_hidden_failure(err, answer) != 0)
        return -1;
    struct json_object *choices = jsonx_array(answer, "choices");
    if (choices == NULL)
        return format_nonsense(err, "the answer has no choices");
    struct event event = {.kind = EVENT_ANSWER, .json = answer, .content = true};
    for (size_t i = 0; i < json_object_array_length(choices); i++)
        event.output_bytes +=
            message_bytes(jsonx_object(json_object_array_get_idx(choices, i), "message"));
    struct usage usage;
    struct json_object *usage_json = jsonx_object(answer, "usage");
    completions_read_usage(&usage, usage_json);
    struct event counts = {.kind = EVENT_USAGE, .json = usage_json, .usage = &usage};
    struct event done = {.kind = EVENT_DONE};
    int rc = usage_json != NULL ? fn(&counts, arg) : 0;
    if (rc == 0)
        rc = fn(&event, arg);
    return rc != 0 ? rc : fn(&done, arg);
}

/* Streams. */

static bool has_text(struct json_object *obj, const char *key)
{
    return string_bytes(obj, key) > 0;
}

static bool delta_has_content(struct json_object *delta)
{
    struct json_object *calls = jsonx_array(delta, "tool_calls");

    return has_text(delta, "content") || has_text(delta, "refusal") ||
           has_text(delta, "reasoning") || has_text(delta, "reasoning_content") ||
           (calls != NULL && json_object_array_length(calls) > 0) ||
           jsonx_get(delta, "function_call") != NULL || jsonx_get(delta, "audio") != NULL;
}

static void describe_chunk(struct event *event, struct json_object *choices)
{
    for (size_t i = 0; i < json_object_array_length(choices); i++) {
        struct json_object *choice = json_object_array_get_idx(choices, i);
        struct json_object *delta = jsonx_object(choice, "delta");
        event->content = event->content || delta_has_content(delta) ||
                         jsonx_get(choice, "finish_reason") != NULL;
        event->output_bytes += message_bytes(delta);
    }
}

static int read_chunk(struct json_object *chunk, event_fn *fn, void *arg, struct err *err)
{
    if (!json_object_is_type(chunk, json_type_object))
        return format_nonsense(err, "an event of the stream is no JSON object");
    if (completions_hidden_failure(err, chunk) != 0)
        return -1;
    struct json_object *choices = jsonx_array(chunk, "choices");
    struct json_object *usage_json = jsonx_object(chunk, "usage");
    if (usage_json != NULL) {
        struct usage usage;
        completions_read_usage(&usage, usage_json);
        struct event event = {.kind = EVENT_USAGE, .json = usage_json, .usage = &usage};
        int rc = fn(&event, arg);
        if (rc != 0)
            return rc;
    }
    /* A chunk that has nothing but usage is written anew at the end, with the cost. */
    if (usage_json != NULL && (choices == NULL || json_object_array_length(choices) == 0))
        return 0;
    json_object_object_del(chunk, "usage");
    struct event event = {.kind = EVENT_CHUNK, .json = chunk};
    if (choices != NULL)
        describe_chunk(&event, choices);
    return fn(&event, arg);
}

int completions_read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                           struct err *err)
{
    struct json_object *chunk = NULL;

    (void)reader;
    if (span_equals(data, "[DONE]")) {
        struct event done = {.kind = EVENT_DONE};
        return fn(&done, arg);
    }
    if (jsonx_parse(&chunk, data.ptr, data.len, err) != 0)
        return format_nonsense(err, "an event of the stream is no JSON");
    int rc = read_chunk(chunk, fn, arg, err);
    json_object_put(chunk);
    return rc;
}

/* Failures. */

void completions_read_failure(struct err *err, int status, int retry_after_s, struct span body)
{
    struct json_object *doc = NULL;

    if (jsonx_parse(&doc, body.ptr, body.len, err) != 0)
        doc = NULL;
    struct json_object *error = jsonx_object(doc, "error");
    format_failure(err, status, retry_after_s, jsonx_str(error, "message", NULL),
                   jsonx_str(error, "type", NULL), jsonx_str(error, "code", NULL),
                   jsonx_str(error, "param", NULL));
    json_object_put(doc);
}

/* The client's language decides. */

static int read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                       void *arg, struct err *err)
{
    if (format_passes(&completions_format, reader->request))
        return completions_read_answer(reader, answer, fn, arg, err);
    return completions_events_answer(reader, answer, NULL, fn, arg, err);
}

static int read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                      struct err *err)
{
    if (format_passes(&completions_format, reader->request))
        return completions_read_event(reader, data, fn, arg, err);
    return completions_events_chunk(reader, data, NULL, fn, arg, err);
}

const struct format completions_format = {
    .name = "openai",
    .account = PROVIDER_OPENAI,
    .auth = FORMAT_AUTH_BEARER,
    .path = "/v1/chat/completions",
    .language = LANGUAGE_COMPLETIONS,
    .wants_file_bytes = true,
    .sibling = &responses_format,
    .write_request = write_request,
    .state_size = sizeof(struct completions_events),
    .read_answer = read_answer,
    .read_event = read_event,
    .read_failure = completions_read_failure,
};
