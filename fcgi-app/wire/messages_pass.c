/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_pass.h"

#include "wire/messages_carry.h"
#include "wire/messages_failure.h"

#include <string.h>

/* Upstream's request. */

static struct json_object *pass_body(const struct neutral_request *request,
                                     const char *upstream_model)
{
    struct json_object *body = json_object_new_object();
    struct json_object *messages = jsonx_array(request->body, "messages");

    json_object_object_foreach(request->body, key, member)
    {
        jsonx_set_ref(body, key, member);
    }
    jsonx_set_str(body, "model", upstream_model);
    if (messages != NULL)
        jsonx_set(body, "messages", messages_carry_strip(messages));
    return body;
}

void messages_pass_request(struct buf *out, const struct neutral_request *request,
                           const struct neutral_target *target)
{
    struct json_object *body = pass_body(request, target->upstream_model);

    jsonx_set_i64(body, "max_tokens", target->output_limit);
    jsonx_write(out, body);
    json_object_put(body);
}

void messages_pass_count(struct buf *out, const struct neutral_request *request,
                         const char *upstream_model)
{
    struct json_object *body = pass_body(request, upstream_model);

    jsonx_write(out, body);
    json_object_put(body);
}

int messages_pass_count_answer(int64_t *tokens, struct span answer)
{
    struct json_object *doc = NULL;
    struct err err;
    int rc = -1;

    if (jsonx_parse(&doc, answer.ptr, answer.len, &err) != 0)
        doc = NULL;
    int64_t counted = jsonx_i64(doc, "input_tokens", -1);
    if (counted >= 0) {
        *tokens = counted;
        rc = 0;
    }
    json_object_put(doc);
    return rc;
}

/* Answers. */

static int64_t text_bytes(struct json_object *obj)
{
    static const char *const members[] = {"text", "thinking", "partial_json"};
    int64_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        struct json_object *v = jsonx_get(obj, members[i]);
        if (json_object_is_type(v, json_type_string))
            n += json_object_get_string_len(v);
    }
    return n;
}

static int64_t block_bytes(struct json_object *block)
{
    int64_t n = text_bytes(block) + (int64_t)strlen(jsonx_str(block, "name", ""));
    struct json_object *input = jsonx_object(block, "input");
    size_t len = 0;

    if (input != NULL && json_object_object_length(input) > 0) {
        (void)json_object_to_json_string_length(input, JSON_C_TO_STRING_PLAIN, &len);
        n += (int64_t)len;
    }
    return n;
}

static int emit_usage(struct messages_counts *counts, struct json_object *json, bool final,
                      event_fn *fn, void *arg)
{
    struct usage usage;

    if (json == NULL)
        return 0;
    messages_usage_read(&usage, counts, json, final);
    struct event event = {.kind = EVENT_USAGE, .json = json, .usage = &usage};
    return fn(&event, arg);
}

int messages_pass_answer(struct format_reader *reader, struct messages_counts *counts,
                         struct json_object *answer, event_fn *fn, void *arg, struct err *err)
{
    struct json_object *content = jsonx_array(answer, "content");
    struct event event = {.kind = EVENT_ANSWER, .json = answer, .content = true};
    struct event done = {.kind = EVENT_DONE};

    if (content == NULL)
        return format_nonsense(err, "the answer has no content");
    jsonx_set_str(answer, "model", reader->request->model);
    for (size_t i = 0; i < json_object_array_length(content); i++)
        event.output_bytes += block_bytes(json_object_array_get_idx(content, i));
    int rc = emit_usage(counts, jsonx_object(answer, "usage"), true, fn, arg);
    if (rc == 0)
        rc = fn(&event, arg);
    return rc != 0 ? rc : fn(&done, arg);
}

/* Streams. */

/* Does a client show it or act on it? The beginning of a message or of an empty block is nothing
 * yet. */
static bool is_content(const char *type, struct json_object *json, int64_t bytes)
{
    if (strcmp(type, "message_start") == 0 || strcmp(type, "ping") == 0)
        return false;
    if (strcmp(type, "content_block_start") == 0) {
        const char *kind = jsonx_str(jsonx_object(json, "content_block"), "type", "");
        return bytes > 0 || (strcmp(kind, "text") != 0 && strcmp(kind, "thinking") != 0);
    }
    if (strcmp(type, "content_block_delta") == 0) {
        const char *kind = jsonx_str(jsonx_object(json, "delta"), "type", "");
        return bytes > 0 ||
               (strcmp(kind, "text_delta") != 0 && strcmp(kind, "thinking_delta") != 0);
    }
    return true;
}

static int pass_chunk(const char *type, struct json_object *json, event_fn *fn, void *arg)
{
    int64_t bytes =
        block_bytes(jsonx_object(json, "content_block")) + text_bytes(jsonx_object(json, "delta"));
    struct event event = {.kind = EVENT_CHUNK,
                          .json = json,
                          .content = is_content(type, json, bytes),
                          .output_bytes = bytes};

    return fn(&event, arg);
}

int messages_pass_event(struct format_reader *reader, struct messages_counts *counts,
                        struct json_object *json, event_fn *fn, void *arg, struct err *err)
{
    const char *type = jsonx_str(json, "type", "");
    struct json_object *message = jsonx_object(json, "message");
    int rc = 0;

    if (strcmp(type, "error") == 0)
        return messages_hidden_failure(err, jsonx_object(json, "error"));
    if (strcmp(type, "message_stop") == 0) {
        struct event done = {.kind = EVENT_DONE};
        return fn(&done, arg);
    }
    if (strcmp(type, "message_start") == 0) {
        if (message != NULL)
            jsonx_set_str(message, "model", reader->request->model);
        rc = emit_usage(counts, jsonx_object(message, "usage"), false, fn, arg);
    } else if (strcmp(type, "message_delta") == 0) {
        rc = emit_usage(counts, jsonx_object(json, "usage"), true, fn, arg);
    }
    return rc != 0 ? rc : pass_chunk(type, json, fn, arg);
}
