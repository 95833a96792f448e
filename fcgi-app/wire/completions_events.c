/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions_events.h"

#include "wire/completions.h"

#include <inttypes.h>
#include <string.h>

enum {
    CALLS_MAX = 1024,
    DETAILS_BYTES_MAX = 8 * 1024 * 1024, /* of one answer: above it, none is offered */
    FRAGMENT_MAX = 64 * 1024 * 1024,
};

/* A tool call that has begun. */
struct completions_events_call {
    struct completions_events_call *next;
    int64_t index;   /* the provider's; -1: it gives none */
    const char *key; /* the provider's id; NULL: none */
    int64_t number;  /* among the calls of the answer */
    bool has_arguments;
};

/* One entry of reasoning_details, whose text may come in pieces. */
struct completions_events_detail {
    struct completions_events_detail *next;
    struct span first; /* its first piece, as JSON */
    const char *type;
    int64_t index;
    char *text; /* pieces so far */
    size_t len;
    size_t size;
    struct span signature;
};

/* One call of completions_events_answer or _chunk. */
struct reading {
    struct format_reader *reader;
    struct completions_events *state;
    event_fn *fn;
    void *arg;
    struct err *err;
};

static struct span member_span(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    if (!json_object_is_type(v, json_type_string))
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

static struct span keep(const struct reading *r, struct span s)
{
    return (struct span){arena_strndup(r->reader->arena, s.ptr, s.len), s.len};
}

static int emit(const struct reading *r, const struct event *event)
{
    return r->fn(event, r->arg);
}

static int emit_text(const struct reading *r, enum event_kind kind, struct span text)
{
    if (text.len == 0)
        return 0;
    return emit(
        r, &(struct event){
               .kind = kind, .content = true, .output_bytes = (int64_t)text.len, .text = text});
}

/* Reasoning state. */

/* The member that holds a detail's text. */
static const char *text_member(const char *type)
{
    if (strcmp(type, "reasoning.text") == 0)
        return "text";
    return strcmp(type, "reasoning.summary") == 0 ? "summary" : "data";
}

static struct completions_events_detail *last_detail(const struct reading *r)
{
    struct completions_events_detail *d = r->state->details;

    while (d != NULL && d->next != NULL)
        d = d->next;
    return d;
}

static struct completions_events_detail *new_detail(const struct reading *r,
                                                    struct json_object *json)
{
    struct completions_events *s = r->state;
    struct completions_events_detail *d = arena_zalloc(r->reader->arena, sizeof *d);
    struct buf text;

    buf_init(&text, FRAGMENT_MAX);
    jsonx_write(&text, json);
    d->first = keep(r, buf_span(&text));
    buf_fini(&text);
    d->type = arena_strdup(r->reader->arena, jsonx_str(json, "type", ""));
    d->index = jsonx_i64(json, "index", -1);
    if (s->details_end == NULL)
        s->details_end = &s->details;
    *s->details_end = d;
    s->details_end = &d->next;
    return d;
}

static void grow_detail(const struct reading *r, struct completions_events_detail *d,
                        struct span text)
{
    if (text.len == 0)
        return;
    if (d->len + text.len > d->size) {
        size_t size = (d->len + text.len) * 2;
        char *longer = arena_alloc(r->reader->arena, size);
        if (d->len > 0)
            memcpy(longer, d->text, d->len);
        d->text = longer;
        d->size = size;
    }
    memcpy(d->text + d->len, text.ptr, text.len);
    d->len += text.len;
}

/* Pieces of one text follow each other with the same index; what is encrypted comes whole. */
static void take_detail(const struct reading *r, struct json_object *json)
{
    const char *type = jsonx_str(json, "type", "");
    struct span text = member_span(json, text_member(type));
    struct span signature = member_span(json, "signature");
    struct completions_events_detail *d = last_detail(r);
    size_t before = r->state->details_bytes;

    if (!json_object_is_type(json, json_type_object))
        return;
    r->state->details_bytes += text.len + signature.len + sizeof *d;
    if (before > DETAILS_BYTES_MAX)
        return;
    if (d == NULL || strcmp(d->type, type) != 0 || d->index != jsonx_i64(json, "index", -1) ||
        strcmp(text_member(type), "data") == 0)
        d = new_detail(r, json);
    grow_detail(r, d, text);
    if (signature.len > 0)
        d->signature = keep(r, signature);
}

static void take_details(const struct reading *r, struct json_object *list)
{
    size_t count = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < count; i++)
        take_detail(r, json_object_array_get_idx(list, i));
}

static struct json_object *detail_json(const struct completions_events_detail *d)
{
    struct json_object *json = NULL;
    struct err err;

    if (jsonx_parse(&json, d->first.ptr, d->first.len, &err) != 0 ||
        !json_object_is_type(json, json_type_object)) {
        json_object_put(json);
        return NULL;
    }
    if (d->len > 0)
        jsonx_set_strn(json, text_member(d->type), d->text, d->len);
    if (d->signature.len > 0)
        jsonx_set_strn(json, "signature", d->signature.ptr, d->signature.len);
    return json;
}

static int emit_details(const struct reading *r)
{
    struct json_object *list = json_object_new_array();
    int rc = 0;

    if (r->state->details_bytes <= DETAILS_BYTES_MAX) {
        for (const struct completions_events_detail *d = r->state->details; d != NULL;
             d = d->next) {
            struct json_object *json = detail_json(d);
            if (json != NULL)
                json_object_array_add(list, json);
        }
    }
    if (json_object_array_length(list) > 0)
        rc = emit(r, &(struct event){.kind = EVENT_REASONING_STATE, .json = list});
    json_object_put(list);
    return rc;
}

/* Shown thoughts: providers have them under several names, some under two at once. */
static int take_reasoning(const struct reading *r, struct json_object *delta)
{
    struct span text = member_span(delta, "reasoning");
    struct json_object *details = jsonx_array(delta, "reasoning_details");
    size_t count = details != NULL ? json_object_array_length(details) : 0;
    int rc = 0;

    take_details(r, details);
    if (text.len == 0)
        text = member_span(delta, "reasoning_content");
    if (text.len > 0)
        return emit_text(r, EVENT_REASONING, text);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct json_object *d = json_object_array_get_idx(details, i);
        const char *member = text_member(jsonx_str(d, "type", ""));
        if (strcmp(member, "data") != 0)
            rc = emit_text(r, EVENT_REASONING, member_span(d, member));
    }
    return rc;
}

/* Calls. */

static struct completions_events_call *find_call(const struct reading *r, int64_t index,
                                                 const char *id)
{
    struct completions_events_call *c = r->state->calls;

    if (index < 0 && id == NULL)
        return c; /* goes on with the latest */
    while (c != NULL &&
           (index >= 0 ? c->index != index : c->key == NULL || strcmp(c->key, id) != 0))
        c = c->next;
    /* Some count all calls as the first one; a new id then says that it is another. */
    if (c != NULL && id != NULL && c->key != NULL && strcmp(c->key, id) != 0)
        return NULL;
    return c;
}

/* Without an id of the provider's: one that differs from all others of the conversation. */
static const char *call_id(const struct reading *r, const char *id)
{
    if (id != NULL)
        return id;
    return arena_printf(r->reader->arena, "call_%s_%" PRId64,
                        r->state->id != NULL ? r->state->id : "0", r->state->call_count);
}

static int open_call(const struct reading *r, struct completions_events_call **out, int64_t index,
                     const char *id, const char *name)
{
    struct completions_events *s = r->state;

    if (name == NULL)
        return format_nonsense(r->err, "a tool call without a name");
    if (s->call_count >= CALLS_MAX)
        return format_nonsense(r->err, "too many tool calls");
    struct completions_events_call *c = arena_zalloc(r->reader->arena, sizeof *c);
    *c = (struct completions_events_call){
        .next = s->calls,
        .index = index,
        .key = id != NULL ? arena_strdup(r->reader->arena, id) : NULL,
        .number = s->call_count,
    };
    s->calls = c;
    *out = c;
    struct event event = {.kind = EVENT_CALL_BEGIN,
                          .content = true,
                          .output_bytes = (int64_t)strlen(name),
                          .index = c->number,
                          .id = call_id(r, id),
                          .name = name};
    s->call_count++;
    return emit(r, &event);
}

static int emit_arguments(const struct reading *r, struct completions_events_call *c,
                          struct span text)
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

/* A string, as documented; some providers of OpenRouter's give the object itself. */
static int take_arguments(const struct reading *r, struct completions_events_call *c,
                          struct json_object *arguments)
{
    struct buf text;

    if (!json_object_is_type(arguments, json_type_object))
        return json_object_is_type(arguments, json_type_string)
                   ? emit_arguments(r, c,
                                    (struct span){json_object_get_string(arguments),
                                                  (size_t)json_object_get_string_len(arguments)})
                   : 0;
    buf_init(&text, FRAGMENT_MAX);
    jsonx_write(&text, arguments);
    int rc = buf_failed(&text) ? format_nonsense(r->err, "the arguments of a call are too large")
                               : emit_arguments(r, c, buf_span(&text));
    buf_fini(&text);
    return rc;
}

static const char *non_empty(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static int take_call(const struct reading *r, struct json_object *json)
{
    struct json_object *function = jsonx_object(json, "function");
    const char *id = non_empty(jsonx_str(json, "id", NULL));
    int64_t index = jsonx_i64(json, "index", -1);

    if (!json_object_is_type(json, json_type_object))
        return 0;
    struct completions_events_call *c = find_call(r, index, id);
    if (c == NULL && open_call(r, &c, index, id, non_empty(jsonx_str(function, "name", NULL))) != 0)
        return -1;
    return take_arguments(r, c, jsonx_get(function, "arguments"));
}

/* Calls of a whole message stand for themselves, whatever they are called. */
static int take_whole_call(const struct reading *r, struct json_object *json)
{
    struct json_object *function = jsonx_object(json, "function");
    struct completions_events_call *c = NULL;

    if (!json_object_is_type(json, json_type_object))
        return 0;
    if (open_call(r, &c, -1, non_empty(jsonx_str(json, "id", NULL)),
                  non_empty(jsonx_str(function, "name", NULL))) != 0)
        return -1;
    return take_arguments(r, c, jsonx_get(function, "arguments"));
}

static int fill_arguments(const struct reading *r)
{
    int rc = 0;

    for (int64_t number = 0; number < r->state->call_count && rc == 0; number++) {
        struct completions_events_call *c = r->state->calls;
        while (c->number != number)
            c = c->next;
        if (!c->has_arguments)
            rc = emit_arguments(r, c, span_of("{}"));
    }
    return rc;
}

/* Choices. */

static int take_delta(const struct reading *r, struct json_object *delta, bool whole)
{
    struct json_object *calls = jsonx_array(delta, "tool_calls");
    size_t count = calls != NULL ? json_object_array_length(calls) : 0;
    int rc = take_reasoning(r, delta);

    if (rc == 0)
        rc = emit_text(r, EVENT_TEXT, member_span(delta, "content"));
    if (rc == 0)
        rc = emit_text(r, EVENT_REFUSAL, member_span(delta, "refusal"));
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);
        rc = whole ? take_whole_call(r, call) : take_call(r, call);
    }
    return rc;
}

/* What ends an answer is kept until nothing can follow it; the first one counts. */
static void take_finish(const struct reading *r, struct json_object *choice)
{
    static const struct {
        const char *reason;
        enum finish_reason finish;
    } reasons[] = {
        {"length", FINISH_LENGTH},
        {"content_filter", FINISH_CONTENT_FILTER},
    };
    const char *reason = jsonx_str(choice, "finish_reason", NULL);

    if (reason == NULL || r->state->finished)
        return;
    r->state->finished = true;
    r->state->finish = FINISH_STOP;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i].reason, reason) == 0)
            r->state->finish = reasons[i].finish;
}

static int take_choices(const struct reading *r, struct json_object *choices, const char *member,
                        bool whole)
{
    size_t count = choices != NULL ? json_object_array_length(choices) : 0;
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct json_object *choice = json_object_array_get_idx(choices, i);
        if (jsonx_i64(choice, "index", 0) != 0)
            continue;
        rc = take_delta(r, jsonx_object(choice, member), whole);
        take_finish(r, choice);
    }
    return rc;
}

static int take_begin(const struct reading *r, struct json_object *json)
{
    const char *id = jsonx_str(json, "id", NULL);

    if (r->state->began)
        return 0;
    r->state->began = true;
    r->state->id = id != NULL ? arena_strdup(r->reader->arena, id) : NULL;
    return emit(r, &(struct event){.kind = EVENT_BEGIN, .id = r->state->id});
}

static int take_usage(const struct reading *r, struct json_object *json, completions_cost_fn *cost)
{
    struct usage usage;

    if (json == NULL)
        return 0;
    completions_read_usage(&usage, json);
    if (cost != NULL)
        cost(&usage, json);
    return emit(r, &(struct event){.kind = EVENT_USAGE, .usage = &usage});
}

static int end_answer(const struct reading *r)
{
    struct completions_events *s = r->state;

    if (!s->finished)
        return format_nonsense(r->err, "the answer ended without a finish_reason");
    if (s->finish == FINISH_STOP && s->call_count > 0)
        s->finish = FINISH_TOOL_CALLS;
    s->done = true;
    int rc = fill_arguments(r);
    if (rc == 0)
        rc = emit_details(r);
    if (rc == 0)
        rc = emit(r, &(struct event){.kind = EVENT_FINISH, .content = true, .finish = s->finish});
    return rc != 0 ? rc : emit(r, &(struct event){.kind = EVENT_DONE});
}

/* A plain answer. */

int completions_events_answer(struct format_reader *reader, struct json_object *answer,
                              completions_cost_fn *cost, event_fn *fn, void *arg, struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};
    struct json_object *choices = jsonx_array(answer, "choices");

    if (!json_object_is_type(answer, json_type_object))
        return format_nonsense(err, "the answer is no JSON object");
    if (completions_hidden_failure(err, answer) != 0)
        return -1;
    if (choices == NULL)
        return format_nonsense(err, "the answer has no choices");
    int rc = take_begin(&r, answer);
    if (rc == 0)
        rc = take_choices(&r, choices, "message", true);
    if (rc == 0)
        rc = take_usage(&r, jsonx_object(answer, "usage"), cost);
    return rc != 0 ? rc : end_answer(&r);
}

/* Streams. */

static int read_chunk(const struct reading *r, struct json_object *chunk, completions_cost_fn *cost)
{
    if (!json_object_is_type(chunk, json_type_object))
        return format_nonsense(r->err, "an event of the stream is no JSON object");
    if (completions_hidden_failure(r->err, chunk) != 0)
        return -1;
    int rc = take_begin(r, chunk);
    if (rc == 0)
        rc = take_usage(r, jsonx_object(chunk, "usage"), cost);
    return rc != 0 ? rc : take_choices(r, jsonx_array(chunk, "choices"), "delta", false);
}

int completions_events_chunk(struct format_reader *reader, struct span data,
                             completions_cost_fn *cost, event_fn *fn, void *arg, struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};
    struct json_object *chunk = NULL;
    struct err parse;

    if (r.state->done)
        return 0;
    if (span_equals(data, "[DONE]"))
        return end_answer(&r);
    if (jsonx_parse(&chunk, data.ptr, data.len, &parse) != 0) {
        json_object_put(chunk);
        return format_nonsense(err, "an event of the stream is no JSON");
    }
    int rc = read_chunk(&r, chunk, cost);
    json_object_put(chunk);
    return rc;
}
