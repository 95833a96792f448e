/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_writer.h"

#include "wire/responses_events.h"
#include "wire/responses_object.h"
#include "wire/responses_tools.h"

#include <stdio.h>
#include <string.h>

void responses_writer_init(void *writer, const struct neutral_request *request,
                           const char *request_id, int64_t created_s)
{
    struct responses_writer *w = writer;
    const char *ulid = strchr(request_id, '_');

    memset(w, 0, sizeof *w);
    w->stream = request->stream;
    w->model = request->model;
    w->created_s = created_s;
    w->echo = responses_echo(request->body);
    snprintf(w->id, sizeof w->id, "resp%s", ulid != NULL ? ulid : request_id);
}

void responses_writer_fini(void *writer)
{
    struct responses_writer *w = writer;

    responses_items_fini(w);
    json_object_put(w->echo);
    json_object_put(w->details);
    json_object_put(w->call_states);
    json_object_put(w->frame);
    json_object_put(w->last);
    json_object_put(w->usage);
    json_object_put(w->response);
    memset(w, 0, sizeof *w);
}

static void write_json_event(struct buf *out, struct json_object *event)
{
    buf_printf(out, "event: %s\ndata: ", jsonx_str(event, "type", "message"));
    jsonx_write(out, event);
    buf_append_str(out, "\n\n");
}

/* Passed through. */

/* The provider masks them itself; this keeps them out of what is stored should it ever not. */
static void mask_tools(struct json_object *response)
{
    struct json_object *tools = jsonx_array(response, "tools");

    for (size_t i = 0; tools != NULL && i < json_object_array_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        if (strcmp(jsonx_str(tool, "type", ""), "mcp") == 0)
            json_object_array_put_idx(tools, i, responses_tools_masked(tool));
    }
}

/* A response of the provider's as the client's own: its id, the name of the model as it was asked
 * for, and what is done here instead of there. */
static void adopt(const struct responses_writer *w, struct json_object *response)
{
    static const char *const ours[] = {"store", "previous_response_id"};

    jsonx_set_str(response, "id", w->id);
    jsonx_set_str(response, "model", w->model);
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        jsonx_set_ref(response, ours[i], jsonx_get(w->echo, ours[i]));
    mask_tools(response);
}

static bool is_last(struct json_object *event)
{
    const char *type = jsonx_str(event, "type", "");

    return strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0;
}

static void pass_event(struct buf *out, struct responses_writer *w, struct json_object *event)
{
    struct json_object *response = jsonx_object(event, "response");
    int64_t number = jsonx_i64(event, "sequence_number", -1);

    w->sequence = number >= 0 && number < INT32_MAX ? number + 1 : w->sequence + 1;
    if (response != NULL)
        adopt(w, response);
    if (response != NULL && w->frame == NULL)
        w->frame = json_object_get(response);
    if (!is_last(event)) {
        write_json_event(out, event);
        return;
    }
    json_object_put(w->last);
    w->last = json_object_get(event);
}

/* Both. */

void responses_write_event(struct buf *out, void *writer, const struct event *event)
{
    struct responses_writer *w = writer;

    switch (event->kind) {
    case EVENT_CHUNK:
        pass_event(out, w, event->json);
        break;
    case EVENT_ANSWER:
        adopt(w, event->json);
        json_object_put(w->last);
        w->last = json_object_get(event->json);
        break;
    case EVENT_USAGE:
        json_object_put(w->usage);
        w->usage = json_object_get(event->json);
        break;
    case EVENT_BEGIN:
    case EVENT_DONE:
        break;
    case EVENT_TEXT:
    case EVENT_REFUSAL:
    case EVENT_REASONING:
    case EVENT_CALL_BEGIN:
    case EVENT_CALL_ARGUMENTS:
    case EVENT_CALL_STATE:
    case EVENT_REASONING_STATE:
    case EVENT_FINISH:
        responses_items_event(out, w, event);
        break;
    }
}

static struct json_object *priced_usage(const struct responses_writer *w, const struct usage *usage,
                                        const char *cost_usd)
{
    struct json_object *v =
        w->usage != NULL ? json_object_get(w->usage) : responses_usage_json(usage);

    jsonx_set_decimal(v, "cost", cost_usd);
    return v;
}

static const char *incomplete_reason(const struct responses_writer *w)
{
    if (w->finish == FINISH_LENGTH)
        return "max_output_tokens";
    return w->finish == FINISH_CONTENT_FILTER ? "content_filter" : NULL;
}

/* The response of items that were written here; takes usage over. */
static struct json_object *own_response(const struct responses_writer *w, struct json_object *usage)
{
    const char *reason = incomplete_reason(w);
    struct responses_object o = {
        .id = w->id,
        .model = w->model,
        .created_s = w->created_s,
        .status = reason != NULL ? "incomplete" : "completed",
        .incomplete = reason,
        .echo = w->echo,
        .output = responses_items_json(w),
        .usage = usage,
    };
    struct json_object *response = responses_object(&o);

    json_object_put(o.output);
    json_object_put(usage);
    return response;
}

struct json_object *responses_write_items(struct buf *out, void *writer, const struct usage *usage,
                                          const char *cost_usd)
{
    struct responses_writer *w = writer;
    struct json_object *priced = priced_usage(w, usage, cost_usd);

    json_object_put(w->response);
    if (w->last == NULL) {
        responses_items_end(out, w);
        w->response = own_response(w, priced);
        return w->response;
    }
    struct json_object *response = w->stream ? jsonx_object(w->last, "response") : w->last;
    w->response = response != NULL ? json_object_get(response) : json_object_new_object();
    jsonx_set(w->response, "usage", priced);
    return w->response;
}

void responses_write_response(struct buf *out, void *writer)
{
    struct responses_writer *w = writer;

    if (!w->stream) {
        jsonx_write(out, w->response);
        buf_append_char(out, '\n');
    } else if (w->last != NULL) {
        write_json_event(out, w->last);
    } else {
        bool whole = incomplete_reason(w) == NULL;
        responses_event_response(out, w, whole ? "response.completed" : "response.incomplete",
                                 w->response);
    }
}

/* Failures. */

/* The codes that a response's error can have. */
static const char *response_code(const struct err *err)
{
    if (err->status == 429)
        return "rate_limit_exceeded";
    return err->status >= 400 && err->status < 500 ? "invalid_prompt" : "server_error";
}

static void set_text(struct json_object *v, const char *key, const char *text)
{
    jsonx_set_str(v, key, text[0] != '\0' ? text : NULL);
}

/* As the API's event, and with the `error` that both SDKs look for in every event. */
static void write_error_event(struct buf *out, struct responses_writer *w, const struct err *err)
{
    struct json_object *event = json_object_new_object();
    struct json_object *error = json_object_new_object();

    jsonx_set_str(event, "type", "error");
    jsonx_set_i64(event, "sequence_number", w->sequence++);
    set_text(event, "code", err->code_text);
    jsonx_set_str(event, "message", err->message);
    set_text(event, "param", err->param);
    jsonx_set_str(error, "message", err->message);
    set_text(error, "type", err->type);
    set_text(error, "param", err->param);
    set_text(error, "code", err->code_text);
    jsonx_set(event, "error", error);
    write_json_event(out, event);
    json_object_put(event);
}

static struct json_object *failed_response(const struct responses_writer *w, const struct err *err)
{
    struct json_object *error = json_object_new_object();
    struct json_object *response;

    jsonx_set_str(error, "code", response_code(err));
    jsonx_set_str(error, "message", err->message);
    if (w->frame != NULL) {
        response = json_object_get(w->frame);
        jsonx_set_str(response, "status", "failed");
        jsonx_set_ref(response, "error", error);
    } else {
        struct responses_object o = {
            .id = w->id,
            .model = w->model,
            .created_s = w->created_s,
            .status = "failed",
            .echo = w->echo,
            .output = json_object_new_array(),
            .error = error,
        };
        response = responses_object(&o);
        json_object_put(o.output);
    }
    jsonx_set_bool(response, "store", false); /* what failed is not kept */
    json_object_put(error);
    return response;
}

void responses_write_failure(struct buf *out, void *writer, const struct err *err)
{
    struct responses_writer *w = writer;
    struct json_object *response = failed_response(w, err);

    write_error_event(out, w, err);
    responses_event_response(out, w, "response.failed", response);
    json_object_put(response);
}
