/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages.h"

#include "wire/messages_failure.h"
#include "wire/messages_fence.h"
#include "wire/messages_pass.h"
#include "wire/messages_request.h"
#include "wire/messages_usage.h"

#include <string.h>

enum {
    OPEN_BLOCKS_MAX = 256,
    THOUGHTS_BYTES_MAX = 8 * 1024 * 1024, /* of one answer: above it, none is offered */
    PLAIN_MAX = 21333, /* ten minutes at 128,000 tokens an hour: where the provider's own SDKs
                          refuse to do without a stream */
    ARGUMENTS_MAX = 256 * 1024 * 1024, /* above what a whole answer can hold */
};

enum block_kind { BLOCK_OTHER, BLOCK_TEXT, BLOCK_THINKING, BLOCK_REDACTED, BLOCK_CALL };

/* A block of thinking as it will be offered for the next turn. */
struct thought {
    struct thought *next;
    int64_t position;
    bool redacted;
    char *text; /* or a redacted block's data */
    size_t len;
    size_t size;
    struct span signature;
};

/* A content block that has begun and not ended. */
struct block {
    struct block *next;
    int64_t index; /* the provider's */
    enum block_kind kind;
    int64_t call;            /* BLOCK_CALL: its number among the calls */
    bool has_arguments;      /* a fragment of them has come */
    struct span whole;       /* BLOCK_CALL: arguments that came with the beginning */
    struct thought *thought; /* BLOCK_THINKING */
};

/* What reading an answer has to remember; the format's state. */
struct state {
    struct block *open;
    size_t open_count;
    int64_t calls;
    int64_t position; /* blocks of the message that a client will send back */
    bool has_text;
    struct thought *thoughts;
    struct thought **thoughts_end;
    size_t thoughts_bytes;
    struct messages_counts counts;
    struct messages_fence fence;
    bool finished;
    bool done;
};

/* One call of read_answer or read_event. */
struct reading {
    struct format_reader *reader;
    struct state *state;
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

static struct span keep(struct reading *r, struct span s)
{
    return (struct span){arena_strndup(r->reader->arena, s.ptr, s.len), s.len};
}

static int emit(struct reading *r, const struct event *event)
{
    return r->fn(event, r->arg);
}

static int emit_text(struct reading *r, enum event_kind kind, struct span text)
{
    if (text.len == 0)
        return 0;
    return emit(
        r, &(struct event){
               .kind = kind, .content = true, .output_bytes = (int64_t)text.len, .text = text});
}

/* Usage. */

static int emit_usage(struct reading *r, struct json_object *json, bool known)
{
    struct usage usage;

    if (json == NULL)
        return 0;
    messages_usage_read(&usage, &r->state->counts, json, known);
    return emit(r, &(struct event){.kind = EVENT_USAGE, .usage = &usage});
}

/* Thinking to be carried back. */

static struct thought *new_thought(struct reading *r, bool redacted)
{
    struct state *s = r->state;
    struct thought *t = arena_zalloc(r->reader->arena, sizeof *t);

    t->position = s->position++;
    t->redacted = redacted;
    if (s->thoughts_end == NULL)
        s->thoughts_end = &s->thoughts;
    *s->thoughts_end = t;
    s->thoughts_end = &t->next;
    return t;
}

static void grow_thought(struct reading *r, struct thought *t, struct span text)
{
    r->state->thoughts_bytes += text.len;
    if (text.len == 0 || r->state->thoughts_bytes > THOUGHTS_BYTES_MAX)
        return;
    if (t->len + text.len > t->size) {
        size_t size = (t->len + text.len) * 2;
        char *longer = arena_alloc(r->reader->arena, size);
        if (t->len > 0)
            memcpy(longer, t->text, t->len);
        t->text = longer;
        t->size = size;
    }
    memcpy(t->text + t->len, text.ptr, text.len);
    t->len += text.len;
}

static struct json_object *thought_json(const struct thought *t)
{
    struct json_object *detail = json_object_new_object();

    jsonx_set_str(detail, "type", t->redacted ? "reasoning.encrypted" : "reasoning.text");
    jsonx_set_strn(detail, t->redacted ? "data" : "text", t->len > 0 ? t->text : "", t->len);
    if (!t->redacted)
        jsonx_set_strn(detail, "signature", t->signature.ptr, t->signature.len);
    jsonx_set_str(detail, "format", "anthropic-claude-v1");
    jsonx_set_i64(detail, "index", t->position);
    return detail;
}

static bool was_forced(const struct reading *r)
{
    const struct neutral_content *c = r->reader->request->content;

    return c != NULL && neutral_forces_call(c);
}

static int emit_thoughts(struct reading *r)
{
    struct json_object *details = json_object_new_array();
    int rc = 0;

    if (r->state->thoughts_bytes <= THOUGHTS_BYTES_MAX && !was_forced(r))
        for (const struct thought *t = r->state->thoughts; t != NULL; t = t->next)
            if (t->redacted ? t->len > 0 : t->signature.len > 0)
                json_object_array_add(details, thought_json(t));
    if (json_object_array_length(details) > 0)
        rc = emit(r, &(struct event){.kind = EVENT_REASONING_STATE, .json = details});
    json_object_put(details);
    return rc;
}

/* Text. */

/* The model was told to write JSON, perhaps in words only. */
static bool wants_json(const struct reading *r)
{
    const struct neutral_content *c = r->reader->request->content;

    return c != NULL && c->output != OUTPUT_TEXT;
}

static int take_text(struct reading *r, struct span text)
{
    struct state *s = r->state;

    if (text.len == 0)
        return 0;
    if (!s->has_text)
        s->position++;
    s->has_text = true;
    if (wants_json(r))
        text = messages_fence_take(&s->fence, text, r->reader->arena);
    return emit_text(r, EVENT_TEXT, text);
}

static int take_thinking(struct reading *r, struct block *b, struct span text)
{
    grow_thought(r, b->thought, text);
    return emit_text(r, EVENT_REASONING, text);
}

static void take_signature(struct reading *r, struct block *b, struct span signature)
{
    if (signature.len > 0)
        b->thought->signature = keep(r, signature);
}

static int take_arguments(struct reading *r, struct block *b, struct span text)
{
    if (text.len == 0)
        return 0;
    b->has_arguments = true;
    return emit(r, &(struct event){.kind = EVENT_CALL_ARGUMENTS,
                                   .content = true,
                                   .output_bytes = (int64_t)text.len,
                                   .index = b->call,
                                   .text = text});
}

/* Blocks. */

static enum block_kind kind_of(struct json_object *json)
{
    static const struct {
        const char *type;
        enum block_kind kind;
    } kinds[] = {{"text", BLOCK_TEXT},
                 {"thinking", BLOCK_THINKING},
                 {"redacted_thinking", BLOCK_REDACTED},
                 {"tool_use", BLOCK_CALL}};
    const char *type = jsonx_str(json, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].type, type) == 0)
            return kinds[i].kind;
    return BLOCK_OTHER;
}

/* Arguments that came whole, as a JSON text; a string is passed on as it is. */
static struct span whole_arguments(struct reading *r, struct json_object *input)
{
    struct span whole = {"", 0};
    struct buf text;

    if (input == NULL || json_object_is_type(input, json_type_string))
        return input == NULL ? whole
                             : keep(r, (struct span){json_object_get_string(input),
                                                     (size_t)json_object_get_string_len(input)});
    buf_init(&text, ARGUMENTS_MAX);
    jsonx_write(&text, input);
    if (!buf_failed(&text))
        whole = keep(r, buf_span(&text));
    buf_fini(&text);
    return whole;
}

static int open_call(struct reading *r, struct block *b, struct json_object *json)
{
    const char *id = jsonx_str(json, "id", NULL);
    const char *name = jsonx_str(json, "name", NULL);

    if (id == NULL || name == NULL)
        return format_nonsense(r->err, "a tool_use block without id or name");
    b->call = r->state->calls++;
    r->state->position++;
    b->whole = whole_arguments(r, jsonx_get(json, "input"));
    return emit(r, &(struct event){.kind = EVENT_CALL_BEGIN,
                                   .content = true,
                                   .output_bytes = (int64_t)strlen(name),
                                   .index = b->call,
                                   .id = id,
                                   .name = name});
}

/* What a block holds at its beginning: in a stream little or nothing, in a plain answer all. */
static int open_block(struct reading *r, int64_t index, struct json_object *json)
{
    struct state *s = r->state;
    struct block *b = arena_zalloc(r->reader->arena, sizeof *b);

    if (++s->open_count > OPEN_BLOCKS_MAX)
        return format_nonsense(r->err, "too many content blocks at once");
    *b = (struct block){.next = s->open, .index = index, .kind = kind_of(json)};
    s->open = b;
    switch (b->kind) {
    case BLOCK_TEXT:
        return take_text(r, member_span(json, "text"));
    case BLOCK_THINKING:
        b->thought = new_thought(r, false);
        take_signature(r, b, member_span(json, "signature"));
        return take_thinking(r, b, member_span(json, "thinking"));
    case BLOCK_REDACTED:
        grow_thought(r, new_thought(r, true), member_span(json, "data"));
        return 0;
    case BLOCK_CALL:
        return open_call(r, b, json);
    case BLOCK_OTHER:
        break;
    }
    return 0;
}

static int close_block(struct reading *r, struct block **at)
{
    struct block *b = *at;

    *at = b->next;
    r->state->open_count--;
    if (b->kind != BLOCK_CALL || b->has_arguments)
        return 0;
    return take_arguments(r, b, b->whole.len > 0 ? b->whole : span_of("{}"));
}

static int close_all(struct reading *r)
{
    int rc = 0;

    while (r->state->open != NULL && rc == 0) {
        struct block **last = &r->state->open;
        while ((*last)->next != NULL)
            last = &(*last)->next;
        rc = close_block(r, last);
    }
    return rc;
}

static struct block **find_block(struct state *s, int64_t index)
{
    struct block **at = &s->open;

    while (*at != NULL && (*at)->index != index)
        at = &(*at)->next;
    return at;
}

/* The end of an answer. */

static enum finish_reason finish_of(const struct reading *r, const char *stop_reason)
{
    static const struct {
        const char *stop;
        enum finish_reason finish;
    } reasons[] = {
        {"end_turn", FINISH_STOP},          {"stop_sequence", FINISH_STOP},
        {"pause_turn", FINISH_STOP},        {"max_tokens", FINISH_LENGTH},
        {"refusal", FINISH_CONTENT_FILTER}, {"model_context_window_exceeded", FINISH_LENGTH},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i].stop, stop_reason) == 0)
            return reasons[i].finish;
    return r->state->calls > 0 ? FINISH_TOOL_CALLS : FINISH_STOP;
}

/* `json` holds stop_reason and stop_details. */
static int finish(struct reading *r, struct json_object *json)
{
    const char *stop_reason = jsonx_str(json, "stop_reason", NULL);
    int rc = close_all(r);

    if (stop_reason == NULL || r->state->finished || rc != 0)
        return rc;
    r->state->finished = true;
    if (wants_json(r))
        rc = emit_text(r, EVENT_TEXT, messages_fence_end(&r->state->fence));
    if (rc == 0 && strcmp(stop_reason, "refusal") == 0)
        rc = emit_text(r, EVENT_REFUSAL,
                       member_span(jsonx_object(json, "stop_details"), "explanation"));
    if (rc == 0)
        rc = emit_thoughts(r);
    if (rc != 0)
        return rc;
    return emit(r, &(struct event){
                       .kind = EVENT_FINISH, .content = true, .finish = finish_of(r, stop_reason)});
}

static int done(struct reading *r)
{
    if (!r->state->finished)
        return format_nonsense(r->err, "the answer ended without a stop_reason");
    r->state->done = true;
    return emit(r, &(struct event){.kind = EVENT_DONE});
}

static int begin(struct reading *r, struct json_object *message)
{
    return emit(r, &(struct event){.kind = EVENT_BEGIN, .id = jsonx_str(message, "id", NULL)});
}

/* A plain answer. */

static int read_whole(struct reading *r, struct json_object *answer)
{
    struct json_object *content = jsonx_array(answer, "content");

    if (content == NULL)
        return format_nonsense(r->err, "the answer has no content");
    int rc = begin(r, answer);
    for (size_t i = 0; i < json_object_array_length(content) && rc == 0; i++) {
        rc = open_block(r, (int64_t)i, json_object_array_get_idx(content, i));
        if (rc == 0)
            rc = close_all(r);
    }
    if (rc == 0)
        rc = emit_usage(r, jsonx_object(answer, "usage"), true);
    if (rc == 0)
        rc = finish(r, answer);
    return rc != 0 ? rc : done(r);
}

static int read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                       void *arg, struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};

    if (!json_object_is_type(answer, json_type_object))
        return format_nonsense(err, "the answer is no JSON object");
    if (strcmp(jsonx_str(answer, "type", ""), "error") == 0)
        return messages_hidden_failure(err, jsonx_object(answer, "error"));
    if (format_passes(&messages_format, reader->request))
        return messages_pass_answer(reader, &r.state->counts, answer, fn, arg, err);
    return read_whole(&r, answer);
}

/* Streams. */

static int on_message_start(struct reading *r, struct json_object *event)
{
    struct json_object *message = jsonx_object(event, "message");
    int rc = begin(r, message);

    return rc != 0 ? rc : emit_usage(r, jsonx_object(message, "usage"), false);
}

static int on_block_start(struct reading *r, struct json_object *event)
{
    return open_block(r, jsonx_i64(event, "index", -1), jsonx_object(event, "content_block"));
}

static int on_block_delta(struct reading *r, struct json_object *event)
{
    struct block *b = *find_block(r->state, jsonx_i64(event, "index", -1));
    struct json_object *delta = jsonx_object(event, "delta");
    const char *type = jsonx_str(delta, "type", "");

    if (b == NULL)
        return 0;
    if (b->kind == BLOCK_TEXT && strcmp(type, "text_delta") == 0)
        return take_text(r, member_span(delta, "text"));
    if (b->kind == BLOCK_CALL && strcmp(type, "input_json_delta") == 0)
        return take_arguments(r, b, member_span(delta, "partial_json"));
    if (b->kind == BLOCK_THINKING && strcmp(type, "thinking_delta") == 0)
        return take_thinking(r, b, member_span(delta, "thinking"));
    if (b->kind == BLOCK_THINKING && strcmp(type, "signature_delta") == 0)
        take_signature(r, b, member_span(delta, "signature"));
    return 0;
}

static int on_block_stop(struct reading *r, struct json_object *event)
{
    struct block **at = find_block(r->state, jsonx_i64(event, "index", -1));

    return *at != NULL ? close_block(r, at) : 0;
}

static int on_message_delta(struct reading *r, struct json_object *event)
{
    int rc = emit_usage(r, jsonx_object(event, "usage"), true);

    return rc != 0 ? rc : finish(r, jsonx_object(event, "delta"));
}

static int on_message_stop(struct reading *r, struct json_object *event)
{
    (void)event;
    return done(r);
}

static int on_error(struct reading *r, struct json_object *event)
{
    return messages_hidden_failure(r->err, jsonx_object(event, "error"));
}

static const struct {
    const char *type;
    int (*read)(struct reading *r, struct json_object *event);
} handlers[] = {
    {"content_block_delta", on_block_delta},
    {"content_block_start", on_block_start},
    {"content_block_stop", on_block_stop},
    {"message_start", on_message_start},
    {"message_delta", on_message_delta},
    {"message_stop", on_message_stop},
    {"error", on_error},
};

static int translate_event(struct reading *r, struct json_object *event)
{
    const char *type = jsonx_str(event, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(handlers); i++)
        if (strcmp(handlers[i].type, type) == 0)
            return handlers[i].read(r, event);
    return 0;
}

/* For a client of the same language. */
static int pass_event(struct reading *r, struct json_object *event)
{
    return messages_pass_event(r->reader, &r->state->counts, event, r->fn, r->arg, r->err);
}

static int read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                      struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};
    struct json_object *event = NULL;
    struct err parse;
    int rc = 0;

    if (r.state->done)
        return 0;
    if (jsonx_parse(&event, data.ptr, data.len, &parse) != 0 ||
        !json_object_is_type(event, json_type_object)) {
        json_object_put(event);
        return format_nonsense(err, "an event of the stream is no JSON object");
    }
    if (format_passes(&messages_format, reader->request))
        rc = pass_event(&r, event);
    else
        rc = translate_event(&r, event);
    json_object_put(event);
    return rc;
}

/* The client's language decides. */
static int write_request(struct buf *out, const struct neutral_request *request,
                         const struct neutral_target *target, struct err *err)
{
    if (!format_passes(&messages_format, request))
        return messages_write_request(out, request, target, err);
    messages_pass_request(out, request, target);
    return 0;
}

const struct format messages_format = {
    .name = "anthropic",
    .account = PROVIDER_ANTHROPIC,
    .auth = FORMAT_AUTH_X_API_KEY,
    .extra_header = "anthropic-version: 2023-06-01",
    .path = "/v1/messages",
    .language = LANGUAGE_MESSAGES,
    .wants_reasoning = true,
    .plain_max = PLAIN_MAX,
    .write_request = write_request,
    .state_size = sizeof(struct state),
    .read_answer = read_answer,
    .read_event = read_event,
    .read_failure = messages_read_failure,
};
