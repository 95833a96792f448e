/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const finish_names[] = {
    [FINISH_STOP] = "stop",
    [FINISH_LENGTH] = "length",
    [FINISH_TOOL_CALLS] = "tool_calls",
    [FINISH_CONTENT_FILTER] = "content_filter",
};

void completions_writer_init(void *writer, const struct neutral_request *request,
                             const char *request_id, int64_t created_s)
{
    struct completions_writer *w = writer;

    memset(w, 0, sizeof *w);
    w->stream = request->stream;
    w->include_usage = request->include_usage;
    w->model = request->model;
    w->created_s = created_s;
    snprintf(w->id, sizeof w->id, "chatcmpl-%s", request_id);
    for (size_t i = 0; i < ARRAY_LEN(w->choices); i++) {
        buf_init(&w->choices[i].text, COMPLETIONS_WRITER_TEXT_MAX);
        buf_init(&w->choices[i].refusal, COMPLETIONS_WRITER_TEXT_MAX);
        buf_init(&w->choices[i].reasoning, COMPLETIONS_WRITER_TEXT_MAX);
    }
}

static void choice_fini(struct completions_choice *c)
{
    buf_fini(&c->text);
    buf_fini(&c->refusal);
    buf_fini(&c->reasoning);
    for (size_t i = 0; i < c->call_count; i++)
        buf_fini(&c->call_arguments[i]);
    mem_free(c->call_arguments);
    json_object_put(c->calls);
    json_object_put(c->reasoning_details);
    json_object_put(c->logprobs);
}

void completions_writer_fini(void *writer)
{
    struct completions_writer *w = writer;

    for (size_t i = 0; i < ARRAY_LEN(w->choices); i++)
        choice_fini(&w->choices[i]);
    json_object_put(w->answer);
    json_object_put(w->frame);
    json_object_put(w->usage);
    memset(w, 0, sizeof *w);
}

/* Streams that pass through. */

/* What the usage chunk repeats of the other chunks. */
static struct json_object *frame_of(struct json_object *chunk)
{
    static const char *const members[] = {"id",    "object",       "created",
                                          "model", "service_tier", "system_fingerprint"};
    struct json_object *frame = json_object_new_object();

    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        if (jsonx_has(chunk, members[i]))
            jsonx_set_ref(frame, members[i], jsonx_get(chunk, members[i]));
    return frame;
}

static void write_data(struct buf *out, struct json_object *json)
{
    buf_append_str(out, "data: ");
    jsonx_write(out, json);
    buf_append_str(out, "\n\n");
}

static void pass_chunk(struct buf *out, struct completions_writer *w, struct json_object *chunk)
{
    if (w->frame == NULL)
        w->frame = frame_of(chunk);
    if (w->include_usage)
        jsonx_set_null(chunk, "usage");
    write_data(out, chunk);
}

/* Streams that are written here. Chunks are put together as text: this is on the way of every
 * token. */

static void write_frame(struct buf *out, const struct completions_writer *w)
{
    buf_printf(out,
               "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,"
               "\"model\":",
               w->id, (long long)w->created_s);
    jsonx_write_string(out, w->model, strlen(w->model));
    buf_append_str(out, ",\"choices\":[");
}

static void open_delta(struct buf *out, const struct completions_writer *w, int64_t choice)
{
    write_frame(out, w);
    buf_printf(out, "{\"index\":%lld,\"delta\":{", (long long)choice);
}

static void close_delta_with(struct buf *out, const struct completions_writer *w,
                             const char *finish, struct json_object *logprobs)
{
    buf_append_str(out, "},\"logprobs\":");
    if (logprobs != NULL) {
        buf_append_str(out, "{\"content\":");
        jsonx_write(out, logprobs);
        buf_append_str(out, ",\"refusal\":null}");
    } else {
        buf_append_str(out, "null");
    }
    buf_append_str(out, ",\"finish_reason\":");
    if (finish != NULL)
        buf_printf(out, "\"%s\"}]", finish);
    else
        buf_append_str(out, "null}]");
    buf_append_str(out, w->include_usage ? ",\"usage\":null}\n\n" : "}\n\n");
}

static void close_delta(struct buf *out, const struct completions_writer *w, const char *finish)
{
    close_delta_with(out, w, finish, NULL);
}

static void text_delta(struct buf *out, const struct completions_writer *w,
                       const struct event *event, const char *member)
{
    open_delta(out, w, event->choice);
    buf_printf(out, "\"%s\":", member);
    jsonx_write_string(out, event->text.ptr, event->text.len);
    close_delta_with(out, w, NULL, event->json);
}

static void call_begin_delta(struct buf *out, const struct completions_writer *w,
                             const struct event *event)
{
    open_delta(out, w, event->choice);
    buf_printf(out, "\"tool_calls\":[{\"index\":%lld,\"id\":", (long long)event->index);
    jsonx_write_string(out, event->id, strlen(event->id));
    buf_append_str(out, ",\"type\":\"function\",\"function\":{\"name\":");
    jsonx_write_string(out, event->name, strlen(event->name));
    buf_append_str(out, ",\"arguments\":\"\"}}]");
    close_delta(out, w, NULL);
}

static void call_arguments_delta(struct buf *out, const struct completions_writer *w,
                                 const struct event *event)
{
    open_delta(out, w, event->choice);
    buf_printf(out, "\"tool_calls\":[{\"index\":%lld,\"function\":{\"arguments\":",
               (long long)event->index);
    jsonx_write_string(out, event->text.ptr, event->text.len);
    buf_append_str(out, "}}]");
    close_delta(out, w, NULL);
}

static void state_delta(struct buf *out, const struct completions_writer *w,
                        const struct event *event)
{
    open_delta(out, w, event->choice);
    if (event->kind == EVENT_CALL_STATE) {
        /* Clients look into `function` of every part of a call (LangChain). */
        buf_printf(out,
                   "\"tool_calls\":[{\"index\":%lld,\"function\":{\"arguments\":\"\"},"
                   "\"extra_content\":",
                   (long long)event->index);
        jsonx_write(out, event->json);
        buf_append_str(out, "}]");
    } else {
        buf_append_str(out, "\"reasoning_details\":");
        jsonx_write(out, event->json);
    }
    close_delta(out, w, NULL);
}

static void finish_delta(struct buf *out, const struct completions_writer *w,
                         const struct event *event)
{
    open_delta(out, w, event->choice);
    close_delta(out, w, finish_names[event->finish]);
}

static void role_delta(struct buf *out, const struct completions_writer *w, int64_t choice)
{
    open_delta(out, w, choice);
    buf_append_str(out, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null");
    close_delta(out, w, NULL);
}

static void stream_event(struct buf *out, struct completions_writer *w,
                         struct completions_choice *c, const struct event *event)
{
    if (!c->began)
        role_delta(out, w, event->choice);
    c->began = true;
    switch (event->kind) {
    case EVENT_TEXT:
        text_delta(out, w, event, "content");
        break;
    case EVENT_REFUSAL:
        text_delta(out, w, event, "refusal");
        break;
    case EVENT_REASONING:
        text_delta(out, w, event, "reasoning_content");
        break;
    case EVENT_CALL_BEGIN:
        call_begin_delta(out, w, event);
        break;
    case EVENT_CALL_ARGUMENTS:
        call_arguments_delta(out, w, event);
        break;
    case EVENT_CALL_STATE:
    case EVENT_REASONING_STATE:
        state_delta(out, w, event);
        break;
    case EVENT_FINISH:
        finish_delta(out, w, event);
        break;
    case EVENT_BEGIN:
    case EVENT_CHUNK:
    case EVENT_ANSWER:
    case EVENT_USAGE:
    case EVENT_DONE:
        break;
    }
}

/* Plain answers that are written here. */

static void keep_call(struct completions_choice *c, const struct event *event)
{
    struct json_object *call = json_object_new_object();
    struct json_object *function = json_object_new_object();
    struct buf *longer =
        mem_try_realloc(c->call_arguments, (c->call_count + 1) * sizeof *c->call_arguments);

    if (longer == NULL)
        abort();
    c->call_arguments = longer;
    buf_init(&c->call_arguments[c->call_count++], COMPLETIONS_WRITER_TEXT_MAX);
    if (c->calls == NULL)
        c->calls = json_object_new_array();
    jsonx_set_str(function, "name", event->name);
    jsonx_set_str(call, "id", event->id);
    jsonx_set_str(call, "type", "function");
    jsonx_set(call, "function", function);
    json_object_array_add(c->calls, call);
}

static void keep_call_part(struct completions_choice *c, const struct event *event)
{
    if (event->index < 0 || (size_t)event->index >= c->call_count)
        return;
    if (event->kind == EVENT_CALL_ARGUMENTS)
        buf_append(&c->call_arguments[event->index], event->text.ptr, event->text.len);
    else
        jsonx_set_ref(json_object_array_get_idx(c->calls, (size_t)event->index), "extra_content",
                      event->json);
}

static void keep_logprobs(struct completions_choice *c, struct json_object *list)
{
    size_t count = list != NULL ? json_object_array_length(list) : 0;

    if (c->logprobs == NULL && count > 0)
        c->logprobs = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(c->logprobs, json_object_get(json_object_array_get_idx(list, i)));
}

static void keep_event(struct completions_choice *c, const struct event *event)
{
    c->began = true;
    switch (event->kind) {
    case EVENT_TEXT:
        c->has_text = true;
        buf_append(&c->text, event->text.ptr, event->text.len);
        keep_logprobs(c, event->json);
        break;
    case EVENT_REFUSAL:
        buf_append(&c->refusal, event->text.ptr, event->text.len);
        break;
    case EVENT_REASONING:
        buf_append(&c->reasoning, event->text.ptr, event->text.len);
        break;
    case EVENT_CALL_BEGIN:
        keep_call(c, event);
        break;
    case EVENT_CALL_ARGUMENTS:
    case EVENT_CALL_STATE:
        keep_call_part(c, event);
        break;
    case EVENT_REASONING_STATE:
        json_object_put(c->reasoning_details);
        c->reasoning_details = json_object_get(event->json);
        break;
    case EVENT_FINISH:
        c->finish = finish_names[event->finish];
        break;
    case EVENT_BEGIN:
    case EVENT_CHUNK:
    case EVENT_ANSWER:
    case EVENT_USAGE:
    case EVENT_DONE:
        break;
    }
}

static struct json_object *message_json(struct completions_choice *c)
{
    struct json_object *m = json_object_new_object();

    jsonx_set_str(m, "role", "assistant");
    if (c->has_text || c->calls == NULL)
        jsonx_set_strn(m, "content", c->text.data, c->text.len);
    else
        jsonx_set_null(m, "content");
    if (c->refusal.len > 0)
        jsonx_set_strn(m, "refusal", c->refusal.data, c->refusal.len);
    else
        jsonx_set_null(m, "refusal");
    if (c->reasoning.len > 0)
        jsonx_set_strn(m, "reasoning_content", c->reasoning.data, c->reasoning.len);
    if (c->reasoning_details != NULL)
        jsonx_set_ref(m, "reasoning_details", c->reasoning_details);
    for (size_t i = 0; i < c->call_count; i++)
        jsonx_set_strn(jsonx_object(json_object_array_get_idx(c->calls, i), "function"),
                       "arguments", c->call_arguments[i].data, c->call_arguments[i].len);
    if (c->calls != NULL)
        jsonx_set_ref(m, "tool_calls", c->calls);
    return m;
}

static struct json_object *logprobs_json(const struct completions_choice *c)
{
    if (c->logprobs == NULL)
        return NULL;
    struct json_object *logprobs = json_object_new_object();
    jsonx_set_ref(logprobs, "content", c->logprobs);
    jsonx_set_null(logprobs, "refusal");
    return logprobs;
}

static struct json_object *answer_json(struct completions_writer *w)
{
    struct json_object *answer = json_object_new_object();
    struct json_object *choices = json_object_new_array();

    for (size_t i = 0; i < ARRAY_LEN(w->choices); i++) {
        struct completions_choice *c = &w->choices[i];
        if (!c->began)
            continue;
        struct json_object *choice = json_object_new_object();
        jsonx_set_i64(choice, "index", (int64_t)i);
        jsonx_set(choice, "message", message_json(c));
        jsonx_set(choice, "logprobs", logprobs_json(c));
        jsonx_set_str(choice, "finish_reason", c->finish != NULL ? c->finish : "stop");
        json_object_array_add(choices, choice);
    }
    jsonx_set_str(answer, "id", w->id);
    jsonx_set_str(answer, "object", "chat.completion");
    jsonx_set_i64(answer, "created", w->created_s);
    jsonx_set_str(answer, "model", w->model);
    jsonx_set(answer, "choices", choices);
    return answer;
}

/* Both. */

void completions_write_event(struct buf *out, void *writer, const struct event *event)
{
    struct completions_writer *w = writer;

    if (event->kind == EVENT_CHUNK) {
        pass_chunk(out, w, event->json);
    } else if (event->kind == EVENT_ANSWER) {
        json_object_put(w->answer);
        w->answer = json_object_get(event->json);
    } else if (event->kind == EVENT_USAGE) {
        json_object_put(w->usage);
        w->usage = json_object_get(event->json);
    } else if (event->kind != EVENT_BEGIN && event->kind != EVENT_DONE) {
        if (event->choice < 0 || event->choice >= COMPLETIONS_WRITER_CHOICES)
            return;
        if (w->stream)
            stream_event(out, w, &w->choices[event->choice], event);
        else
            keep_event(&w->choices[event->choice], event);
    }
}

static struct json_object *usage_json(const struct usage *usage)
{
    struct json_object *v = json_object_new_object();
    struct json_object *prompt = json_object_new_object();
    struct json_object *completion = json_object_new_object();

    jsonx_set_i64(v, "prompt_tokens", usage->prompt);
    jsonx_set_i64(v, "completion_tokens", usage->completion);
    jsonx_set_i64(v, "total_tokens", usage->prompt + usage->completion);
    jsonx_set_i64(prompt, "cached_tokens", usage->cached);
    jsonx_set_i64(prompt, "cache_write_tokens", usage->cache_write_5m + usage->cache_write_1h);
    jsonx_set_i64(completion, "reasoning_tokens", usage->reasoning);
    jsonx_set(v, "prompt_tokens_details", prompt);
    jsonx_set(v, "completion_tokens_details", completion);
    return v;
}

/* The provider's usage object, or one of the counts, with our price. */
static struct json_object *priced_usage(const struct completions_writer *w,
                                        const struct usage *usage, const char *cost_usd)
{
    struct json_object *v = w->usage != NULL ? json_object_get(w->usage) : usage_json(usage);

    jsonx_set_decimal(v, "cost", cost_usd);
    return v;
}

static void write_usage_chunk(struct buf *out, const struct completions_writer *w,
                              const struct usage *usage, const char *cost_usd)
{
    struct json_object *priced = priced_usage(w, usage, cost_usd);

    if (w->frame != NULL) {
        jsonx_set(w->frame, "choices", json_object_new_array());
        jsonx_set_ref(w->frame, "usage", priced);
        write_data(out, w->frame);
    } else {
        write_frame(out, w);
        buf_append_str(out, "],\"usage\":");
        jsonx_write(out, priced);
        buf_append_str(out, "}\n\n");
    }
    json_object_put(priced);
}

void completions_write_end(struct buf *out, void *writer, const struct usage *usage,
                           const char *cost_usd)
{
    struct completions_writer *w = writer;

    if (w->stream) {
        if (w->include_usage)
            write_usage_chunk(out, w, usage, cost_usd);
        buf_append_str(out, "data: [DONE]\n\n");
        return;
    }
    if (w->answer == NULL)
        w->answer = answer_json(w);
    jsonx_set(w->answer, "usage", priced_usage(w, usage, cost_usd));
    jsonx_write(out, w->answer);
    buf_append_char(out, '\n');
}
