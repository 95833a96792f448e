/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_pass.h"

#include "wire/responses_carry.h"
#include "wire/responses_failure.h"
#include "wire/responses_usage.h"

#include <string.h>

/* The request. */

static bool is_type(struct json_object *v, const char *type)
{
    return strcmp(jsonx_str(v, "type", ""), type) == 0;
}

/* Reasoning without OpenAI's own state: another provider's, or that of an answer which is kept
 * nowhere. OpenAI would look for it in vain. */
static bool is_foreign(struct json_object *item)
{
    struct json_object *state = jsonx_get(item, "encrypted_content");

    if (!is_type(item, "reasoning"))
        return false;
    if (!json_object_is_type(state, json_type_string) || json_object_get_string_len(state) == 0)
        return true;
    struct span text = {json_object_get_string(state), (size_t)json_object_get_string_len(state)};
    return responses_carry_is(text);
}

/* What belonged to reasoning that is left out must not name it: its id does. */
static struct json_object *without_id(struct json_object *item)
{
    bool owned = is_type(item, "message") || is_type(item, "function_call") ||
                 jsonx_get(item, "role") != NULL;

    if (!owned || jsonx_get(item, "id") == NULL)
        return json_object_get(item);
    struct json_object *copy = json_object_new_object();
    json_object_object_foreach(item, key, member)
    {
        if (strcmp(key, "id") != 0)
            jsonx_set_ref(copy, key, member);
    }
    return copy;
}

static struct json_object *own_input(struct json_object *input)
{
    size_t count =
        json_object_is_type(input, json_type_array) ? json_object_array_length(input) : 0;
    size_t i = 0;

    while (i < count && !is_foreign(json_object_array_get_idx(input, i)))
        i++;
    if (i == count)
        return json_object_get(input);
    struct json_object *own = json_object_new_array();
    for (i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(input, i);
        if (!is_foreign(item))
            json_object_array_add(own, without_id(item));
    }
    return own;
}

/* The client's list with the encrypted reasoning in it. */
static struct json_object *include_list(struct json_object *asked)
{
    static const char encrypted[] = "reasoning.encrypted_content";
    struct json_object *list = json_object_new_array();
    bool has = false;

    for (size_t i = 0; asked != NULL && i < json_object_array_length(asked); i++) {
        struct json_object *v = json_object_array_get_idx(asked, i);
        has = has || (json_object_is_type(v, json_type_string) &&
                      strcmp(json_object_get_string(v), encrypted) == 0);
        json_object_array_add(list, json_object_get(v));
    }
    if (!has)
        json_object_array_add(list, json_object_new_string(encrypted));
    return list;
}

void responses_pass_request(struct buf *out, const struct neutral_request *request,
                            const struct neutral_target *target, bool reasoning)
{
    struct json_object *body = json_object_new_object();

    json_object_object_foreach(request->body, key, member)
    {
        if (strcmp(key, "previous_response_id") != 0)
            jsonx_set_ref(body, key, member);
    }
    jsonx_set_str(body, "model", target->upstream_model);
    jsonx_set(body, "input", own_input(jsonx_get(request->body, "input")));
    jsonx_set_i64(body, "max_output_tokens", target->output_limit);
    jsonx_set_bool(body, "store", false);
    if (request->hosted.kinds != 0)
        jsonx_set_i64(body, "max_tool_calls", request->hosted.max_calls);
    if (reasoning)
        jsonx_set(body, "include", include_list(jsonx_array(request->body, "include")));
    jsonx_write(out, body);
    json_object_put(body);
}

/* Answers. */

static int64_t text_bytes(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    return json_object_is_type(v, json_type_string) ? json_object_get_string_len(v) : 0;
}

/* Text that an item gives to the client. */
static int64_t item_bytes(struct json_object *item)
{
    static const char *const lists[] = {"content", "summary"};
    int64_t n =
        text_bytes(item, "name") + text_bytes(item, "arguments") + text_bytes(item, "input");

    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        struct json_object *list = jsonx_array(item, lists[k]);
        for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
            struct json_object *part = json_object_array_get_idx(list, i);
            n += text_bytes(part, "text") + text_bytes(part, "refusal");
        }
    }
    return n;
}

/* The output of a whole response says best which tools ran. */
static void tally_output(struct responses_tally *tally, const struct format_reader *reader,
                         struct json_object *output)
{
    const struct neutral_hosted *hosted = &reader->request->hosted;

    responses_tally_begin(tally, hosted);
    for (size_t i = 0; output != NULL && i < json_object_array_length(output); i++)
        responses_tally_add(tally, hosted, json_object_array_get_idx(output, i), reader->arena);
}

static int emit_usage(const struct format_reader *reader, struct json_object *response,
                      event_fn *fn, void *arg)
{
    struct json_object *json = jsonx_object(response, "usage");
    bool hosted = reader->request->hosted.kinds != 0;
    struct responses_tally tally;
    struct usage usage;

    if (json == NULL && !hosted)
        return 0;
    responses_read_usage(&usage, json);
    if (hosted) {
        tally_output(&tally, reader, jsonx_array(response, "output"));
        usage.tools = tally.counts;
    }
    return fn(&(struct event){.kind = EVENT_USAGE, .json = json, .usage = &usage}, arg);
}

int responses_pass_answer(const struct format_reader *reader, struct json_object *answer,
                          event_fn *fn, void *arg, struct err *err)
{
    const char *status = jsonx_str(answer, "status", "");
    struct json_object *output = jsonx_array(answer, "output");
    struct event whole = {.kind = EVENT_ANSWER, .json = answer, .content = true};

    if (!json_object_is_type(answer, json_type_object))
        return format_nonsense(err, "the answer is no JSON object");
    if (jsonx_get(answer, "error") != NULL || strcmp(status, "failed") == 0)
        return responses_hidden_failure(err, jsonx_object(answer, "error"));
    if (output == NULL || (strcmp(status, "completed") != 0 && strcmp(status, "incomplete") != 0))
        return format_nonsense(err, "the answer has no output or no final status");
    for (size_t i = 0; i < json_object_array_length(output); i++)
        whole.output_bytes += item_bytes(json_object_array_get_idx(output, i));
    int rc = emit_usage(reader, answer, fn, arg);
    if (rc == 0)
        rc = fn(&whole, arg);
    return rc != 0 ? rc : fn(&(struct event){.kind = EVENT_DONE}, arg);
}

/* Streams. */

/* A client shows it or acts on it: text, arguments, a call that opens. */
static bool has_content(struct json_object *event, const char *type)
{
    static const char delta[] = ".delta";
    size_t len = strlen(type);

    if (len >= sizeof delta - 1 && strcmp(type + len - (sizeof delta - 1), delta) == 0)
        return true;
    struct json_object *item = jsonx_object(event, "item");
    return strcmp(type, "response.output_item.added") == 0 && !is_type(item, "message") &&
           !is_type(item, "reasoning");
}

/* The error stands in the response, in the event or in a member of it. */
static int read_failure(struct json_object *event, struct err *err)
{
    struct json_object *response = jsonx_object(event, "response");
    struct json_object *error = jsonx_object(response != NULL ? response : event, "error");

    return responses_hidden_failure(err, error != NULL ? error : event);
}

/* For a client that leaves before the end: what it is charged for so far. */
static int tally_event(struct responses_pass *pass, const struct format_reader *reader,
                       struct json_object *event, const char *type, event_fn *fn, void *arg)
{
    const struct neutral_hosted *hosted = &reader->request->hosted;
    struct usage_tools before = pass->tally.counts;

    if (hosted->kinds == 0)
        return 0;
    if (!pass->began)
        responses_tally_begin(&pass->tally, hosted);
    pass->began = true;
    if (strcmp(type, "response.output_item.done") == 0)
        responses_tally_add(&pass->tally, hosted, jsonx_object(event, "item"), reader->arena);
    if (memcmp(&before, &pass->tally.counts, sizeof before) == 0)
        return 0;
    struct usage usage = {.tools = pass->tally.counts};
    return fn(&(struct event){.kind = EVENT_USAGE, .usage = &usage}, arg);
}

static int read_end(struct responses_pass *pass, const struct format_reader *reader,
                    struct json_object *event, event_fn *fn, void *arg, struct err *err)
{
    struct json_object *response = jsonx_object(event, "response");

    if (response == NULL)
        return format_nonsense(err, "the last event has no response");
    int rc = emit_usage(reader, response, fn, arg);
    if (rc == 0)
        rc = fn(&(struct event){.kind = EVENT_CHUNK, .json = event, .content = true}, arg);
    if (rc != 0)
        return rc;
    pass->done = true;
    return fn(&(struct event){.kind = EVENT_DONE}, arg);
}

int responses_pass_event(struct responses_pass *pass, const struct format_reader *reader,
                         struct json_object *event, event_fn *fn, void *arg, struct err *err)
{
    const char *type = jsonx_str(event, "type", "");
    int rc;

    if (strcmp(type, "response.failed") == 0 || strcmp(type, "error") == 0)
        return read_failure(event, err);
    if (strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0)
        return read_end(pass, reader, event, fn, arg, err);
    rc = tally_event(pass, reader, event, type, fn, arg);
    if (rc != 0)
        return rc;
    struct event chunk = {
        .kind = EVENT_CHUNK,
        .json = event,
        .content = has_content(event, type),
        .output_bytes = text_bytes(event, "delta"),
    };
    return fn(&chunk, arg);
}
