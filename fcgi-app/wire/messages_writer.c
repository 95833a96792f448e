/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_writer.h"

#include "base/sse.h"
#include "wire/messages_carry.h"
#include "wire/messages_content.h"
#include "wire/messages_usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum block_kind { BLOCK_TEXT, BLOCK_THINKING, BLOCK_CALL, BLOCK_STATE };
enum block_phase { PHASE_WAITING, PHASE_OPEN, PHASE_CLOSED };

struct messages_writer_block {
    enum block_kind kind;
    enum block_phase phase;
    int64_t index; /* in the answer, once it is open */
    int64_t call;  /* BLOCK_CALL: its number */
    char *id;      /* BLOCK_CALL */
    char *name;
    struct buf text; /* plain answers; a call's arguments and a state's data always */
};

void messages_writer_init(void *writer, const struct neutral_request *request,
                          const char *request_id, int64_t created_s)
{
    struct messages_writer *w = writer;
    const char *thinking = jsonx_str(jsonx_object(request->body, "thinking"), "type", "disabled");

    (void)created_s;
    memset(w, 0, sizeof *w);
    w->stream = request->stream;
    w->thinks = strcmp(thinking, "disabled") != 0;
    w->shows = messages_shows_thoughts(request);
    w->model = request->model;
    w->request_id = request_id;
    snprintf(w->id, sizeof w->id, "msg_%s", request_id);
}

void messages_writer_fini(void *writer)
{
    struct messages_writer *w = writer;

    for (size_t i = 0; i < w->block_count; i++) {
        mem_free(w->blocks[i].id);
        mem_free(w->blocks[i].name);
        buf_fini(&w->blocks[i].text);
    }
    mem_free(w->blocks);
    json_object_put(w->states);
    json_object_put(w->answer);
    json_object_put(w->last);
    memset(w, 0, sizeof *w);
}

/* Events of a stream. Their texts are put together here: this is on the way of every token. */

static void write_json(struct buf *out, const char *type, struct json_object *json)
{
    buf_printf(out, "event: %s\ndata: ", type);
    jsonx_write(out, json);
    buf_append_str(out, "\n\n");
}

static void open_event(struct buf *out, const char *type, int64_t index)
{
    buf_printf(out, "event: %s\ndata: {\"type\":\"%s\",\"index\":%lld", type, type,
               (long long)index);
}

static void close_event(struct buf *out)
{
    buf_append_str(out, "}\n\n");
}

static void begin(struct buf *out, struct messages_writer *w)
{
    if (w->began)
        return;
    w->began = true;
    if (!w->stream)
        return;
    struct json_object *usage = messages_usage_json(&w->usage, NULL);
    json_object_object_del(usage, "cost");
    buf_printf(out,
               "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"%s\","
               "\"type\":\"message\",\"role\":\"assistant\",\"model\":",
               w->id);
    jsonx_write_string(out, w->model, strlen(w->model));
    buf_append_str(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    jsonx_write(out, usage);
    buf_append_str(out, "}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n");
    json_object_put(usage);
}

static void write_start(struct buf *out, const struct messages_writer_block *b)
{
    open_event(out, "content_block_start", b->index);
    buf_append_str(out, ",\"content_block\":{\"type\":");
    switch (b->kind) {
    case BLOCK_TEXT:
        buf_append_str(out, "\"text\",\"text\":\"\"}");
        break;
    case BLOCK_THINKING:
        buf_append_str(out, "\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
        break;
    case BLOCK_CALL:
        buf_append_str(out, "\"tool_use\",\"id\":");
        jsonx_write_string(out, b->id, strlen(b->id));
        buf_append_str(out, ",\"name\":");
        jsonx_write_string(out, b->name, strlen(b->name));
        buf_append_str(out, ",\"input\":{}}");
        break;
    case BLOCK_STATE:
        buf_append_str(out, "\"redacted_thinking\",\"data\":");
        jsonx_write_string(out, b->text.data, b->text.len);
        buf_append_char(out, '}');
        break;
    }
    close_event(out);
}

static void write_delta(struct buf *out, const struct messages_writer_block *b, const char *type,
                        const char *member, struct span text)
{
    open_event(out, "content_block_delta", b->index);
    buf_printf(out, ",\"delta\":{\"type\":\"%s\",\"%s\":", type, member);
    jsonx_write_string(out, text.ptr, text.len);
    buf_append_char(out, '}');
    close_event(out);
}

/* Blocks. */

static struct messages_writer_block *add_block(struct messages_writer *w, enum block_kind kind)
{
    struct messages_writer_block *longer =
        mem_try_realloc(w->blocks, (w->block_count + 1) * sizeof *w->blocks);

    if (longer == NULL)
        abort();
    w->blocks = longer;
    struct messages_writer_block *b = &w->blocks[w->block_count++];
    memset(b, 0, sizeof *b);
    b->kind = kind;
    buf_init(&b->text, MESSAGES_WRITER_TEXT_MAX);
    return b;
}

static void open_block(struct buf *out, struct messages_writer *w, struct messages_writer_block *b)
{
    assert(b->phase == PHASE_WAITING);
    begin(out, w);
    b->phase = PHASE_OPEN;
    b->index = w->next_index++;
    if (w->stream)
        write_start(out, b);
}

static void close_block(struct buf *out, const struct messages_writer *w,
                        struct messages_writer_block *b)
{
    assert(b->phase == PHASE_OPEN);
    b->phase = PHASE_CLOSED;
    if (!w->stream)
        return;
    if (b->kind == BLOCK_THINKING)
        write_delta(out, b, "signature_delta", "signature", span_of(MESSAGES_CARRY_SIGNATURE));
    open_event(out, "content_block_stop", b->index);
    close_event(out);
}

static bool is_whole(const struct buf *arguments)
{
    struct jsontext_fault fault;

    return jsontext_check(&fault, arguments->data, arguments->len) == 0;
}

/* Another block comes: what is open closes, but calls only if nothing can follow or `all`. */
static void close_open(struct buf *out, struct messages_writer *w, bool all)
{
    for (size_t i = 0; i < w->block_count; i++) {
        struct messages_writer_block *b = &w->blocks[i];
        if (b->phase == PHASE_OPEN && (all || b->kind != BLOCK_CALL || is_whole(&b->text)))
            close_block(out, w, b);
    }
}

static struct messages_writer_block *last_block(const struct messages_writer *w)
{
    return w->block_count > 0 ? &w->blocks[w->block_count - 1] : NULL;
}

/* A call waits for its state, which comes before its arguments if there is any. */
static void open_waiting(struct buf *out, struct messages_writer *w)
{
    struct messages_writer_block *last = last_block(w);

    if (last != NULL && last->phase == PHASE_WAITING)
        open_block(out, w, last);
}

static void say(struct buf *out, struct messages_writer *w, enum block_kind kind, struct span text)
{
    struct messages_writer_block *b = NULL;

    open_waiting(out, w);
    b = last_block(w);
    if (b == NULL || b->kind != kind || b->phase != PHASE_OPEN) {
        close_open(out, w, false);
        b = add_block(w, kind);
        open_block(out, w, b);
    }
    if (!w->stream)
        buf_append(&b->text, text.ptr, text.len);
    else if (kind == BLOCK_TEXT)
        write_delta(out, b, "text_delta", "text", text);
    else
        write_delta(out, b, "thinking_delta", "thinking", text);
}

/* Calls. */

static void begin_call(struct buf *out, struct messages_writer *w, const struct event *event)
{
    open_waiting(out, w);
    close_open(out, w, false);
    struct messages_writer_block *b = add_block(w, BLOCK_CALL);
    b->call = event->index;
    b->id = mem_strdup(event->id);
    b->name = mem_strdup(event->name);
    w->called = true;
}

static struct messages_writer_block *find_call(const struct messages_writer *w, int64_t number)
{
    for (size_t i = w->block_count; i > 0; i--)
        if (w->blocks[i - 1].kind == BLOCK_CALL && w->blocks[i - 1].call == number)
            return &w->blocks[i - 1];
    return NULL;
}

static void add_arguments(struct buf *out, struct messages_writer *w, const struct event *event)
{
    open_waiting(out, w);
    struct messages_writer_block *b = find_call(w, event->index);
    if (b == NULL || b->phase != PHASE_OPEN)
        return;
    buf_append(&b->text, event->text.ptr, event->text.len);
    if (w->stream)
        write_delta(out, b, "input_json_delta", "partial_json", event->text);
}

/* Reasoning state. */

static void state_block(struct buf *out, struct messages_writer *w, const char *call_id,
                        struct json_object *state)
{
    struct messages_writer_block *b = add_block(w, BLOCK_STATE);

    messages_carry_write(&b->text, call_id, state);
    open_block(out, w, b);
    close_block(out, w, b);
}

static void keep_state(struct messages_writer *w, const char *call_id, struct json_object *state)
{
    struct json_object *entry = json_object_new_object();

    if (w->states == NULL)
        w->states = json_object_new_array();
    if (call_id != NULL)
        jsonx_set_str(entry, "call", call_id);
    jsonx_set_ref(entry, "state", state);
    json_object_array_add(w->states, entry);
}

static void call_state(struct buf *out, struct messages_writer *w, const struct event *event)
{
    struct messages_writer_block *b = find_call(w, event->index);

    if (b == NULL)
        return;
    if (b->phase != PHASE_WAITING) {
        keep_state(w, b->id, event->json);
        return;
    }
    /* The block of the state goes before the one that waits. */
    struct messages_writer_block waiting = *b;
    w->block_count--;
    state_block(out, w, waiting.id, event->json);
    struct messages_writer_block *again = add_block(w, BLOCK_CALL);
    buf_fini(&again->text);
    *again = waiting;
    open_block(out, w, again);
}

static void write_states(struct buf *out, struct messages_writer *w)
{
    size_t count = w->states != NULL ? json_object_array_length(w->states) : 0;

    if (!w->called && !w->thinks)
        return;
    for (size_t i = 0; i < count; i++) {
        struct json_object *entry = json_object_array_get_idx(w->states, i);
        state_block(out, w, jsonx_str(entry, "call", NULL), jsonx_get(entry, "state"));
    }
}

static void finish(struct buf *out, struct messages_writer *w, enum finish_reason reason)
{
    static const char *const names[] = {
        [FINISH_STOP] = "end_turn",
        [FINISH_LENGTH] = "max_tokens",
        [FINISH_TOOL_CALLS] = "tool_use",
        [FINISH_CONTENT_FILTER] = "refusal",
    };

    begin(out, w);
    open_waiting(out, w);
    close_open(out, w, true);
    write_states(out, w);
    w->stop_reason = reason == FINISH_STOP && w->refused ? "refusal" : names[reason];
}

/* What passes through. */

/* The last message_delta waits for the cost. */
static void flush_last(struct buf *out, struct messages_writer *w)
{
    if (w->last != NULL)
        write_json(out, "message_delta", w->last);
    json_object_put(w->last);
    w->last = NULL;
}

static void pass_chunk(struct buf *out, struct messages_writer *w, struct json_object *json)
{
    const char *type = jsonx_str(json, "type", "message");

    flush_last(out, w);
    w->began = true;
    if (strcmp(type, "message_delta") == 0)
        w->last = json_object_get(json);
    else if (strpbrk(type, "\r\n") == NULL)
        write_json(out, type, json);
}

/* All. */

void messages_write_event(struct buf *out, void *writer, const struct event *event)
{
    struct messages_writer *w = writer;

    switch (event->kind) {
    case EVENT_CHUNK:
        pass_chunk(out, w, event->json);
        break;
    case EVENT_ANSWER:
        json_object_put(w->answer);
        w->answer = json_object_get(event->json);
        break;
    case EVENT_TEXT:
        say(out, w, BLOCK_TEXT, event->text);
        break;
    case EVENT_REFUSAL:
        w->refused = true;
        say(out, w, BLOCK_TEXT, event->text);
        break;
    case EVENT_REASONING:
        if (w->shows)
            say(out, w, BLOCK_THINKING, event->text);
        break;
    case EVENT_CALL_BEGIN:
        begin_call(out, w, event);
        break;
    case EVENT_CALL_ARGUMENTS:
        add_arguments(out, w, event);
        break;
    case EVENT_CALL_STATE:
        call_state(out, w, event);
        break;
    case EVENT_REASONING_STATE:
        keep_state(w, NULL, event->json);
        break;
    case EVENT_FINISH:
        finish(out, w, event->finish);
        break;
    case EVENT_USAGE:
        w->usage = *event->usage;
        break;
    case EVENT_BEGIN:
    case EVENT_DONE:
        break;
    }
}

static struct json_object *input_of(const struct messages_writer_block *b)
{
    struct json_object *input = NULL;
    struct err err;

    if (jsonx_parse(&input, b->text.data, b->text.len, &err) == 0 &&
        json_object_is_type(input, json_type_object))
        return input;
    json_object_put(input);
    input = json_object_new_object();
    if (b->text.len > 0)
        jsonx_set_strn(input, "arguments", b->text.data, b->text.len);
    return input;
}

static struct json_object *block_json(const struct messages_writer_block *b)
{
    struct json_object *v = json_object_new_object();

    switch (b->kind) {
    case BLOCK_TEXT:
        jsonx_set_str(v, "type", "text");
        jsonx_set_strn(v, "text", b->text.data, b->text.len);
        break;
    case BLOCK_THINKING:
        jsonx_set_str(v, "type", "thinking");
        jsonx_set_strn(v, "thinking", b->text.data, b->text.len);
        jsonx_set_str(v, "signature", MESSAGES_CARRY_SIGNATURE);
        break;
    case BLOCK_CALL:
        jsonx_set_str(v, "type", "tool_use");
        jsonx_set_str(v, "id", b->id);
        jsonx_set_str(v, "name", b->name);
        jsonx_set(v, "input", input_of(b));
        break;
    case BLOCK_STATE:
        jsonx_set_str(v, "type", "redacted_thinking");
        jsonx_set_strn(v, "data", b->text.data, b->text.len);
        break;
    }
    return v;
}

static struct json_object *answer_json(const struct messages_writer *w, const struct usage *usage,
                                       const char *cost_usd)
{
    struct json_object *answer = json_object_new_object();
    struct json_object *content = json_object_new_array();

    for (size_t i = 0; i < w->block_count; i++)
        json_object_array_add(content, block_json(&w->blocks[i]));
    jsonx_set_str(answer, "id", w->id);
    jsonx_set_str(answer, "type", "message");
    jsonx_set_str(answer, "role", "assistant");
    jsonx_set_str(answer, "model", w->model);
    jsonx_set(answer, "content", content);
    jsonx_set_str(answer, "stop_reason", w->stop_reason != NULL ? w->stop_reason : "end_turn");
    jsonx_set_null(answer, "stop_sequence");
    jsonx_set(answer, "usage", messages_usage_json(usage, cost_usd));
    return answer;
}

/* The provider's usage object, or one of the counts, with our price. */
static void set_cost(struct json_object *owner, const struct usage *usage, const char *cost_usd)
{
    struct json_object *v = jsonx_object(owner, "usage");

    if (v != NULL)
        jsonx_set_decimal(v, "cost", cost_usd);
    else
        jsonx_set(owner, "usage", messages_usage_json(usage, cost_usd));
}

static void write_last(struct buf *out, struct messages_writer *w, const struct usage *usage,
                       const char *cost_usd)
{
    if (w->last == NULL) {
        struct json_object *delta = json_object_new_object();
        w->last = json_object_new_object();
        jsonx_set_str(delta, "stop_reason", w->stop_reason != NULL ? w->stop_reason : "end_turn");
        jsonx_set_null(delta, "stop_sequence");
        jsonx_set_str(w->last, "type", "message_delta");
        jsonx_set(w->last, "delta", delta);
    }
    set_cost(w->last, usage, cost_usd);
    flush_last(out, w);
    buf_append_str(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

void messages_write_end(struct buf *out, void *writer, const struct usage *usage,
                        const char *cost_usd)
{
    struct messages_writer *w = writer;

    if (w->stream) {
        begin(out, w);
        write_last(out, w, usage, cost_usd);
        return;
    }
    if (w->answer == NULL)
        w->answer = answer_json(w, usage, cost_usd);
    else
        set_cost(w->answer, usage, cost_usd);
    jsonx_write(out, w->answer);
    buf_append_char(out, '\n');
}

void messages_write_keepalive(struct buf *out, void *writer)
{
    const struct messages_writer *w = writer;

    if (w->began)
        buf_append_str(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    else
        sse_write_comment(out, "keep-alive");
}
