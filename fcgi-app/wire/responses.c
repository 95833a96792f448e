/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses.h"

#include "wire/completions.h"
#include "wire/responses_failure.h"
#include "wire/responses_pass.h"
#include "wire/responses_request.h"
#include "wire/responses_thoughts.h"
#include "wire/responses_usage.h"

#include <string.h>

enum { CALLS_MAX = 1024 };

/* A call that has begun. */
struct call {
    struct call *next;
    int64_t item;   /* the provider's index among all items */
    int64_t number; /* among the calls */
    bool has_arguments;
};

/* What reading an answer has to remember; the format's state. */
struct state {
    struct call *calls; /* the last one first */
    int64_t call_count;
    int64_t position; /* items of the message that a client will send back */
    bool has_text;
    int64_t text_item; /* from which the last text came */
    bool has_summary;
    int64_t summary_item;
    int64_t summary_part;
    struct responses_thoughts thoughts;
    bool began;
    bool done;
    struct responses_pass pass;
};

/* One call of read_answer or read_event. */
struct reading {
    struct format_reader *reader;
    struct state *state;
    event_fn *fn;
    void *arg;
    struct err *err;
};

/* Absent or null: empty. -1: another type. */
static int member_text(struct span *out, const struct reading *r, struct json_object *obj,
                       const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    *out = (struct span){"", 0};
    if (v == NULL)
        return 0;
    if (!json_object_is_type(v, json_type_string))
        return format_nonsense(r->err, "a text in the answer is no string");
    *out = (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
    return 0;
}

static int begin(struct reading *r, const char *id)
{
    if (r->state->began)
        return 0;
    r->state->began = true;
    return r->fn(&(struct event){.kind = EVENT_BEGIN, .id = id}, r->arg);
}

static int emit(struct reading *r, const struct event *event)
{
    int rc = begin(r, NULL);

    return rc != 0 ? rc : r->fn(event, r->arg);
}

static int emit_text(struct reading *r, enum event_kind kind, struct span text)
{
    if (text.len == 0)
        return 0;
    return emit(
        r, &(struct event){
               .kind = kind, .content = true, .output_bytes = (int64_t)text.len, .text = text});
}

static int emit_usage(struct reading *r, struct json_object *json)
{
    struct usage usage;

    if (json == NULL)
        return 0;
    responses_read_usage(&usage, json);
    return emit(r, &(struct event){.kind = EVENT_USAGE, .usage = &usage});
}

/* Text. */

static bool wants_json(const struct reading *r)
{
    const struct neutral_content *c = r->reader->request->content;

    return c != NULL && c->output != OUTPUT_TEXT;
}

/* NULL: not asked for, or none. */
static struct json_object *logprobs_of(const struct reading *r, struct json_object *json)
{
    const struct neutral_content *c = r->reader->request->content;
    struct json_object *list = c != NULL && c->logprobs ? jsonx_array(json, "logprobs") : NULL;

    return list != NULL && json_object_array_length(list) > 0 ? list : NULL;
}

/* Several messages in one answer (notes before the answer proper) become one: as paragraphs, but
 * JSON is left as it is. */
static int take_text(struct reading *r, enum event_kind kind, int64_t item, struct span text,
                     struct json_object *logprobs)
{
    struct state *s = r->state;
    int rc = 0;

    if (text.len == 0)
        return 0;
    if (!s->has_text)
        s->position++;
    else if (s->text_item != item && kind == EVENT_TEXT && !wants_json(r))
        rc = emit_text(r, kind, span_of("\n\n"));
    s->has_text = true;
    s->text_item = item;
    if (rc != 0)
        return rc;
    return emit(r, &(struct event){.kind = kind,
                                   .json = logprobs,
                                   .content = true,
                                   .output_bytes = (int64_t)text.len,
                                   .text = text});
}

/* The parts of a summary have no end of their own. */
static int take_summary(struct reading *r, int64_t item, int64_t part, struct span text)
{
    struct state *s = r->state;
    int rc = 0;

    if (text.len == 0)
        return 0;
    if (s->has_summary && (s->summary_item != item || s->summary_part != part))
        rc = emit_text(r, EVENT_REASONING, span_of("\n\n"));
    s->has_summary = true;
    s->summary_item = item;
    s->summary_part = part;
    return rc != 0 ? rc : emit_text(r, EVENT_REASONING, text);
}

static int read_message(struct reading *r, int64_t item, struct json_object *json)
{
    struct json_object *content = jsonx_array(json, "content");
    size_t count = content != NULL ? json_object_array_length(content) : 0;
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        bool refusal = strcmp(jsonx_str(part, "type", ""), "refusal") == 0;
        struct span text;
        if (!refusal && strcmp(jsonx_str(part, "type", ""), "output_text") != 0)
            continue;
        if (member_text(&text, r, part, refusal ? "refusal" : "text") != 0)
            return -1;
        rc = take_text(r, refusal ? EVENT_REFUSAL : EVENT_TEXT, item, text, logprobs_of(r, part));
    }
    return rc;
}

/* Calls. */

static struct call *find_call(const struct state *s, int64_t item)
{
    struct call *c = s->calls;

    while (c != NULL && c->item != item)
        c = c->next;
    return c;
}

static int open_call(struct reading *r, int64_t item, struct json_object *json)
{
    struct state *s = r->state;
    const char *id = jsonx_str(json, "call_id", "");
    const char *name = jsonx_str(json, "name", "");

    if (id[0] == '\0' || name[0] == '\0')
        return format_nonsense(r->err, "a function_call without call_id or name");
    if (s->call_count >= CALLS_MAX)
        return format_nonsense(r->err, "too many calls in one answer");
    struct call *c = arena_zalloc(r->reader->arena, sizeof *c);
    *c = (struct call){.next = s->calls, .item = item, .number = s->call_count++};
    s->calls = c;
    s->position++;
    return emit(r, &(struct event){.kind = EVENT_CALL_BEGIN,
                                   .content = true,
                                   .output_bytes = (int64_t)strlen(name),
                                   .index = c->number,
                                   .id = id,
                                   .name = name});
}

static int take_arguments(struct reading *r, struct call *c, struct span text)
{
    if (text.len == 0)
        return 0;
    c->has_arguments = true;
    return emit(r, &(struct event){.kind = EVENT_CALL_ARGUMENTS,
                                   .content = true,
                                   .output_bytes = (int64_t)text.len,
                                   .index = c->number,
                                   .text = text});
}

/* `json` holds the arguments as a whole: of use only where no fragments came before. */
static int take_whole_arguments(struct reading *r, struct call *c, struct json_object *json)
{
    struct span whole;

    if (member_text(&whole, r, json, "arguments") != 0)
        return -1;
    return c->has_arguments ? 0 : take_arguments(r, c, whole);
}

/* A function without parameters may be called with an empty text, which is no JSON. */
static int complete_calls(struct reading *r)
{
    int rc = 0;

    for (struct call *c = r->state->calls; c != NULL && rc == 0; c = c->next)
        if (!c->has_arguments)
            rc = take_arguments(r, c, span_of("{}"));
    return rc;
}

static int read_call(struct reading *r, int64_t item, struct json_object *json)
{
    struct call *c = find_call(r->state, item);
    int rc = 0;

    if (c == NULL) {
        rc = open_call(r, item, json);
        c = r->state->calls;
    }
    return rc != 0 ? rc : take_whole_arguments(r, c, json);
}

/* Reasoning. */

static int keep_thought(struct reading *r, struct json_object *json)
{
    struct state *s = r->state;
    struct span data;
    struct span id;

    if (member_text(&data, r, json, "encrypted_content") != 0 ||
        member_text(&id, r, json, "id") != 0)
        return -1;
    responses_thoughts_keep(&s->thoughts, r->reader->arena, s->position++, id, data);
    return 0;
}

static int emit_thoughts(struct reading *r)
{
    struct json_object *details = responses_thoughts_json(&r->state->thoughts);

    if (details == NULL)
        return 0;
    int rc = emit(r, &(struct event){.kind = EVENT_REASONING_STATE, .json = details});
    json_object_put(details);
    return rc;
}

/* Summaries, and the thoughts themselves where a model shows them. */
static int read_reasoning(struct reading *r, int64_t item, struct json_object *json)
{
    static const char *const members[] = {"summary", "content"};
    int64_t part = 0;

    for (size_t k = 0; k < ARRAY_LEN(members); k++) {
        struct json_object *list = jsonx_array(json, members[k]);
        size_t count = list != NULL ? json_object_array_length(list) : 0;
        for (size_t i = 0; i < count; i++) {
            struct span text;
            if (member_text(&text, r, json_object_array_get_idx(list, i), "text") != 0)
                return -1;
            int rc = take_summary(r, item, part++, text);
            if (rc != 0)
                return rc;
        }
    }
    return keep_thought(r, json);
}

/* The end of an answer. */

/* An answer that was cut off must not look whole, whatever cut it. */
static enum finish_reason cut_by(struct json_object *response)
{
    const char *reason = jsonx_str(jsonx_object(response, "incomplete_details"), "reason", "");

    return strcmp(reason, "content_filter") == 0 ? FINISH_CONTENT_FILTER : FINISH_LENGTH;
}

static int finish(struct reading *r, struct json_object *response, bool completed)
{
    enum finish_reason reason = r->state->call_count > 0 ? FINISH_TOOL_CALLS : FINISH_STOP;
    int rc = completed ? complete_calls(r) : 0;

    if (rc == 0)
        rc = emit_usage(r, jsonx_object(response, "usage"));
    if (rc == 0)
        rc = emit_thoughts(r);
    if (rc == 0)
        rc = emit(r, &(struct event){.kind = EVENT_FINISH,
                                     .content = true,
                                     .finish = completed ? reason : cut_by(response)});
    if (rc != 0)
        return rc;
    r->state->done = true;
    return emit(r, &(struct event){.kind = EVENT_DONE});
}

/* A plain answer. */

static bool passes(const struct format_reader *reader)
{
    return format_passes(&responses_format, reader->request);
}

static int read_item(struct reading *r, int64_t item, struct json_object *json)
{
    const char *type = jsonx_str(json, "type", "");

    if (strcmp(type, "message") == 0)
        return read_message(r, item, json);
    if (strcmp(type, "function_call") == 0)
        return read_call(r, item, json);
    return strcmp(type, "reasoning") == 0 ? read_reasoning(r, item, json) : 0;
}

static int read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                       void *arg, struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};

    if (passes(reader))
        return responses_pass_answer(reader, answer, fn, arg, err);
    const char *status = jsonx_str(answer, "status", "");
    struct json_object *output = jsonx_array(answer, "output");
    bool completed = strcmp(status, "completed") == 0;

    if (!json_object_is_type(answer, json_type_object))
        return format_nonsense(err, "the answer is no JSON object");
    if (jsonx_get(answer, "error") != NULL || strcmp(status, "failed") == 0)
        return responses_hidden_failure(err, jsonx_object(answer, "error"));
    if (output == NULL || (!completed && strcmp(status, "incomplete") != 0))
        return format_nonsense(err, "the answer has no output or no final status");
    int rc = begin(&r, jsonx_str(answer, "id", NULL));
    for (size_t i = 0; i < json_object_array_length(output) && rc == 0; i++)
        rc = read_item(&r, (int64_t)i, json_object_array_get_idx(output, i));
    return rc != 0 ? rc : finish(&r, answer, completed);
}

/* Streams. */

static int64_t item_index(struct json_object *event)
{
    return jsonx_i64(event, "output_index", -1);
}

static int on_created(struct reading *r, struct json_object *event)
{
    return begin(r, jsonx_str(jsonx_object(event, "response"), "id", NULL));
}

static int on_item_added(struct reading *r, struct json_object *event)
{
    struct json_object *item = jsonx_object(event, "item");

    if (strcmp(jsonx_str(item, "type", ""), "function_call") != 0)
        return 0;
    return open_call(r, item_index(event), item);
}

/* What came in pieces is not read again. */
static int on_item_done(struct reading *r, struct json_object *event)
{
    const struct state *s = r->state;
    struct json_object *item = jsonx_object(event, "item");
    const char *type = jsonx_str(item, "type", "");
    int64_t index = item_index(event);

    if (strcmp(type, "message") == 0 && s->has_text && s->text_item == index)
        return 0;
    if (strcmp(type, "reasoning") == 0 && s->has_summary && s->summary_item == index)
        return keep_thought(r, item);
    return read_item(r, index, item);
}

static int take_delta(struct reading *r, struct json_object *event, enum event_kind kind)
{
    struct span text;

    if (member_text(&text, r, event, "delta") != 0)
        return -1;
    return take_text(r, kind, item_index(event), text, logprobs_of(r, event));
}

static int on_text(struct reading *r, struct json_object *event)
{
    return take_delta(r, event, EVENT_TEXT);
}

static int on_refusal(struct reading *r, struct json_object *event)
{
    return take_delta(r, event, EVENT_REFUSAL);
}

static int on_summary(struct reading *r, struct json_object *event)
{
    struct span text;

    if (member_text(&text, r, event, "delta") != 0)
        return -1;
    return take_summary(r, item_index(event),
                        jsonx_i64(event, "summary_index", jsonx_i64(event, "content_index", 0)),
                        text);
}

static int on_arguments(struct reading *r, struct json_object *event)
{
    struct call *c = find_call(r->state, item_index(event));
    struct span text;

    if (c == NULL)
        return 0;
    return member_text(&text, r, event, "delta") != 0 ? -1 : take_arguments(r, c, text);
}

static int on_arguments_done(struct reading *r, struct json_object *event)
{
    struct call *c = find_call(r->state, item_index(event));

    return c != NULL ? take_whole_arguments(r, c, event) : 0;
}

static int on_completed(struct reading *r, struct json_object *event)
{
    return finish(r, jsonx_object(event, "response"), true);
}

static int on_incomplete(struct reading *r, struct json_object *event)
{
    return finish(r, jsonx_object(event, "response"), false);
}

/* The error stands in the response, in the event or in a member of it. */
static int on_failure(struct reading *r, struct json_object *event)
{
    struct json_object *response = jsonx_object(event, "response");
    struct json_object *error = jsonx_object(response != NULL ? response : event, "error");

    return responses_hidden_failure(r->err, error != NULL ? error : event);
}

static const struct {
    const char *type;
    int (*read)(struct reading *r, struct json_object *event);
} handlers[] = {
    {"response.output_text.delta", on_text},
    {"response.function_call_arguments.delta", on_arguments},
    {"response.reasoning_summary_text.delta", on_summary},
    {"response.reasoning_text.delta", on_summary},
    {"response.refusal.delta", on_refusal},
    {"response.output_item.added", on_item_added},
    {"response.output_item.done", on_item_done},
    {"response.function_call_arguments.done", on_arguments_done},
    {"response.created", on_created},
    {"response.completed", on_completed},
    {"response.incomplete", on_incomplete},
    {"response.failed", on_failure},
    {"error", on_failure},
};

static int translate_event(struct reading *r, struct json_object *event)
{
    const char *type = jsonx_str(event, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (strcmp(handlers[i].type, type) == 0)
            return handlers[i].read(r, event);
    return 0;
}

static int read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                      struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};
    struct json_object *event = NULL;
    struct err parse;
    int rc = 0;

    if (r.state->done || r.state->pass.done)
        return 0;
    if (jsonx_parse(&event, data.ptr, data.len, &parse) != 0 ||
        !json_object_is_type(event, json_type_object)) {
        json_object_put(event);
        return format_nonsense(err, "an event of the stream is no JSON object");
    }
    if (passes(reader))
        rc = responses_pass_event(&r.state->pass, reader, event, fn, arg, err);
    else
        rc = translate_event(&r, event);
    json_object_put(event);
    return rc;
}

const struct format responses_format = {
    .name = "openai-responses",
    .account = PROVIDER_OPENAI,
    .auth = FORMAT_AUTH_BEARER,
    .path = "/v1/responses",
    .language = LANGUAGE_RESPONSES,
    .wants_reasoning = true,
    .write_request = responses_write_request,
    .state_size = sizeof(struct state),
    .read_answer = read_answer,
    .read_event = read_event,
    .read_failure = completions_read_failure,
};
