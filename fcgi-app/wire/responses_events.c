/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_events.h"

#include "wire/responses_carry.h"
#include "wire/responses_object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum item_kind { ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL };
enum part_kind { PART_NONE, PART_OUTPUT, PART_REFUSED, PART_SUMMARY };

enum { ID_SIZE = 48 };

struct responses_item {
    enum item_kind kind;
    char id[ID_SIZE];
    int64_t call;    /* ITEM_CALL: its index in the neutral events */
    char *call_id;   /* ITEM_CALL */
    char *name;      /* ITEM_CALL */
    struct buf text; /* of the part under way, or a call's arguments */
    enum part_kind part;
    struct json_object *parts;   /* whole parts of a message or of a summary */
    struct json_object *carried; /* ITEM_REASONING: encrypted_content, or NULL */
    bool done;
    bool cut; /* the answer ended before the item did */
};

/* Events. All of them are appended as text: deltas are on the way of every token. */

static void event_open(struct buf *out, struct responses_writer *w, const char *type)
{
    buf_printf(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%lld", type, type,
               (long long)w->sequence++);
}

static void event_close(struct buf *out)
{
    buf_append_str(out, "}\n\n");
}

void responses_event_response(struct buf *out, struct responses_writer *w, const char *type,
                              struct json_object *response)
{
    event_open(out, w, type);
    buf_append_str(out, ",\"response\":");
    jsonx_write(out, response);
    event_close(out);
}

static size_t index_of(const struct responses_writer *w, const struct responses_item *item)
{
    return (size_t)(item - w->items);
}

/* An event about a part of an item: its text, or an object. `key` names what it carries. */
struct note {
    const char *type;
    const struct responses_item *item;
    const char *key;
    struct span text;
    struct json_object *object; /* instead of text */
};

static void write_note(struct buf *out, struct responses_writer *w, const struct note *n)
{
    const struct responses_item *item = n->item;

    if (!w->stream)
        return;
    event_open(out, w, n->type);
    buf_printf(out, ",\"item_id\":\"%s\",\"output_index\":%zu", item->id, index_of(w, item));
    if (item->kind != ITEM_CALL)
        buf_printf(out, ",\"%s\":%zu",
                   item->kind == ITEM_MESSAGE ? "content_index" : "summary_index",
                   json_object_array_length(item->parts));
    buf_printf(out, ",\"%s\":", n->key);
    if (n->object != NULL)
        jsonx_write(out, n->object);
    else
        jsonx_write_string(out, n->text.ptr, n->text.len);
    if (item->kind == ITEM_MESSAGE && item->part == PART_OUTPUT && n->object == NULL)
        buf_append_str(out, ",\"logprobs\":[]");
    event_close(out);
}

/* Items as JSON. */

static struct json_object *typed(const char *type)
{
    struct json_object *v = json_object_new_object();

    jsonx_set_str(v, "type", type);
    return v;
}

static const char *status_of(const struct responses_item *item)
{
    if (!item->done)
        return "in_progress";
    return item->cut ? "incomplete" : "completed";
}

static struct json_object *item_json(const struct responses_item *item)
{
    static const char *const types[] = {
        [ITEM_MESSAGE] = "message", [ITEM_REASONING] = "reasoning", [ITEM_CALL] = "function_call"};
    struct json_object *v = json_object_new_object();

    jsonx_set_str(v, "id", item->id);
    jsonx_set_str(v, "type", types[item->kind]);
    switch (item->kind) {
    case ITEM_MESSAGE:
        jsonx_set_str(v, "status", status_of(item));
        jsonx_set_str(v, "role", "assistant");
        jsonx_set_ref(v, "content", item->parts);
        break;
    case ITEM_REASONING:
        jsonx_set_ref(v, "summary", item->parts);
        if (item->carried != NULL)
            jsonx_set_ref(v, "encrypted_content", item->carried);
        break;
    case ITEM_CALL:
        jsonx_set_str(v, "status", status_of(item));
        jsonx_set_str(v, "call_id", item->call_id);
        jsonx_set_str(v, "name", item->name);
        jsonx_set_strn(v, "arguments", item->done ? item->text.data : "",
                       item->done ? item->text.len : 0);
        break;
    }
    return v;
}

static struct json_object *part_json(enum part_kind kind, struct span text)
{
    struct json_object *v = NULL;

    switch (kind) {
    case PART_OUTPUT:
        v = typed("output_text");
        jsonx_set_strn(v, "text", text.ptr, text.len);
        jsonx_set(v, "annotations", json_object_new_array());
        jsonx_set(v, "logprobs", json_object_new_array());
        break;
    case PART_REFUSED:
        v = typed("refusal");
        jsonx_set_strn(v, "refusal", text.ptr, text.len);
        break;
    case PART_SUMMARY:
        v = typed("summary_text");
        jsonx_set_strn(v, "text", text.ptr, text.len);
        break;
    case PART_NONE:
        break;
    }
    return v;
}

static void write_item(struct buf *out, struct responses_writer *w, const char *type,
                       const struct responses_item *item)
{
    if (!w->stream)
        return;
    struct json_object *v = item_json(item);
    event_open(out, w, type);
    buf_printf(out, ",\"output_index\":%zu,\"item\":", index_of(w, item));
    jsonx_write(out, v);
    event_close(out);
    json_object_put(v);
}

/* Parts. */

static const struct {
    const char *added;
    const char *delta;
    const char *key; /* of the text in its done event */
    const char *text_done;
    const char *part_done;
} part_events[] = {
    [PART_OUTPUT] = {"response.content_part.added", "response.output_text.delta", "text",
                     "response.output_text.done", "response.content_part.done"},
    [PART_REFUSED] = {"response.content_part.added", "response.refusal.delta", "refusal",
                      "response.refusal.done", "response.content_part.done"},
    [PART_SUMMARY] = {"response.reasoning_summary_part.added",
                      "response.reasoning_summary_text.delta", "text",
                      "response.reasoning_summary_text.done",
                      "response.reasoning_summary_part.done"},
};

static void open_part(struct buf *out, struct responses_writer *w, struct responses_item *item,
                      enum part_kind kind)
{
    struct json_object *empty = part_json(kind, span_of(""));

    item->part = kind;
    write_note(out, w,
               &(struct note){
                   .type = part_events[kind].added, .item = item, .key = "part", .object = empty});
    json_object_put(empty);
}

static void close_part(struct buf *out, struct responses_writer *w, struct responses_item *item)
{
    enum part_kind kind = item->part;

    if (kind == PART_NONE)
        return;
    struct json_object *part = part_json(kind, buf_span(&item->text));
    write_note(out, w,
               &(struct note){.type = part_events[kind].text_done,
                              .item = item,
                              .key = part_events[kind].key,
                              .text = buf_span(&item->text)});
    write_note(
        out, w,
        &(struct note){
            .type = part_events[kind].part_done, .item = item, .key = "part", .object = part});
    json_object_array_add(item->parts, part);
    item->part = PART_NONE;
    buf_clear(&item->text);
}

/* Items. */

static void begin(struct buf *out, struct responses_writer *w)
{
    struct responses_object o = {.id = w->id,
                                 .model = w->model,
                                 .created_s = w->created_s,
                                 .status = "in_progress",
                                 .echo = w->echo};

    if (w->began)
        return;
    w->began = true;
    if (!w->stream)
        return;
    o.output = json_object_new_array();
    struct json_object *response = responses_object(&o);
    responses_event_response(out, w, "response.created", response);
    responses_event_response(out, w, "response.in_progress", response);
    json_object_put(response);
    json_object_put(o.output);
}

static struct responses_item *new_item(struct responses_writer *w, enum item_kind kind)
{
    static const char *const prefixes[] = {
        [ITEM_MESSAGE] = "msg", [ITEM_REASONING] = "rs", [ITEM_CALL] = "fc"};
    struct responses_item *longer =
        mem_try_realloc(w->items, (w->item_count + 1) * sizeof *w->items);

    if (longer == NULL)
        abort();
    w->items = longer;
    struct responses_item *item = &w->items[w->item_count];
    memset(item, 0, sizeof *item);
    item->kind = kind;
    snprintf(item->id, sizeof item->id, "%s%s_%zu", prefixes[kind], w->id + strlen("resp"),
             w->item_count);
    buf_init(&item->text, RESPONSES_TEXT_MAX);
    if (kind != ITEM_CALL)
        item->parts = json_object_new_array();
    w->item_count++;
    return item;
}

static void close_item(struct buf *out, struct responses_writer *w, struct responses_item *item)
{
    if (item->done)
        return;
    if (item->kind == ITEM_CALL) {
        if (item->text.len == 0)
            buf_append_str(&item->text, "{}");
        if (w->stream) {
            event_open(out, w, "response.function_call_arguments.done");
            buf_printf(out, ",\"item_id\":\"%s\",\"output_index\":%zu,\"name\":", item->id,
                       index_of(w, item));
            jsonx_write_string(out, item->name, strlen(item->name));
            buf_append_str(out, ",\"arguments\":");
            jsonx_write_string(out, item->text.data, item->text.len);
            event_close(out);
        }
    }
    close_part(out, w, item);
    item->done = true;
    write_item(out, w, "response.output_item.done", item);
}

static bool is_whole_json(const struct buf *text)
{
    struct jsontext_fault fault;

    return text->len == 0 || jsontext_check(&fault, text->data, text->len) == 0;
}

/* Before a new item begins. Arguments of a call that are no JSON yet may still go on. */
static void close_others(struct buf *out, struct responses_writer *w)
{
    for (size_t i = 0; i < w->item_count; i++) {
        struct responses_item *item = &w->items[i];
        if (item->kind != ITEM_CALL || (item->text.len > 0 && is_whole_json(&item->text)))
            close_item(out, w, item);
    }
}

static struct responses_item *last_open(struct responses_writer *w, enum item_kind kind)
{
    struct responses_item *item = w->item_count > 0 ? &w->items[w->item_count - 1] : NULL;

    return item != NULL && item->kind == kind && !item->done ? item : NULL;
}

static struct responses_item *open_item(struct buf *out, struct responses_writer *w,
                                        enum item_kind kind)
{
    struct responses_item *item = last_open(w, kind);

    if (item != NULL)
        return item;
    begin(out, w);
    close_others(out, w);
    item = new_item(w, kind);
    write_item(out, w, "response.output_item.added", item);
    return item;
}

static void take_text(struct buf *out, struct responses_writer *w, enum part_kind kind,
                      struct span text)
{
    struct responses_item *item =
        open_item(out, w, kind == PART_SUMMARY ? ITEM_REASONING : ITEM_MESSAGE);

    if (item->part != kind) {
        close_part(out, w, item);
        open_part(out, w, item, kind);
    }
    buf_append(&item->text, text.ptr, text.len);
    write_note(out, w,
               &(struct note){
                   .type = part_events[kind].delta, .item = item, .key = "delta", .text = text});
}

static void begin_call(struct buf *out, struct responses_writer *w, const struct event *event)
{
    begin(out, w);
    close_others(out, w);
    struct responses_item *item = new_item(w, ITEM_CALL);
    item->call = event->index;
    item->call_id = mem_strdup(event->id);
    item->name = mem_strdup(event->name);
    write_item(out, w, "response.output_item.added", item);
}

static struct responses_item *find_call(struct responses_writer *w, int64_t call)
{
    for (size_t i = w->item_count; i > 0; i--)
        if (w->items[i - 1].kind == ITEM_CALL && w->items[i - 1].call == call)
            return &w->items[i - 1];
    return NULL;
}

static void take_arguments(struct buf *out, struct responses_writer *w, const struct event *event)
{
    struct responses_item *item = find_call(w, event->index);

    if (item == NULL || item->done)
        return;
    buf_append(&item->text, event->text.ptr, event->text.len);
    write_note(out, w,
               &(struct note){.type = "response.function_call_arguments.delta",
                              .item = item,
                              .key = "delta",
                              .text = event->text});
}

static void take_call_state(struct responses_writer *w, const struct event *event)
{
    const struct responses_item *item = find_call(w, event->index);

    if (item == NULL)
        return;
    if (w->call_states == NULL)
        w->call_states = json_object_new_object();
    jsonx_set_ref(w->call_states, item->call_id, event->json);
}

void responses_items_event(struct buf *out, struct responses_writer *w, const struct event *event)
{
    switch (event->kind) {
    case EVENT_TEXT:
        take_text(out, w, PART_OUTPUT, event->text);
        break;
    case EVENT_REFUSAL:
        take_text(out, w, PART_REFUSED, event->text);
        break;
    case EVENT_REASONING:
        take_text(out, w, PART_SUMMARY, event->text);
        break;
    case EVENT_CALL_BEGIN:
        begin_call(out, w, event);
        break;
    case EVENT_CALL_ARGUMENTS:
        take_arguments(out, w, event);
        break;
    case EVENT_CALL_STATE:
        take_call_state(w, event);
        break;
    case EVENT_REASONING_STATE:
        json_object_put(w->details);
        w->details = json_object_get(event->json);
        break;
    case EVENT_FINISH:
        w->finish = event->finish;
        break;
    case EVENT_BEGIN:
    case EVENT_CHUNK:
    case EVENT_ANSWER:
    case EVENT_USAGE:
    case EVENT_DONE:
        break;
    }
}

/* The end. */

static void add_state(struct buf *out, struct responses_writer *w)
{
    struct buf text;

    buf_init(&text, RESPONSES_TEXT_MAX);
    responses_carry_write(&text, w->details, w->call_states);
    if (text.len > 0 && !buf_failed(&text)) {
        struct responses_item *item = new_item(w, ITEM_REASONING);
        write_item(out, w, "response.output_item.added", item);
        item->carried = json_object_new_string_len(text.data, (int)text.len);
        close_item(out, w, item);
    }
    buf_fini(&text);
}

/* What was cut off says so, but what came before it is whole. */
void responses_items_end(struct buf *out, struct responses_writer *w)
{
    bool cut = w->finish == FINISH_LENGTH || w->finish == FINISH_CONTENT_FILTER;

    begin(out, w);
    for (size_t i = 0; i < w->item_count; i++) {
        w->items[i].cut = cut && !w->items[i].done;
        close_item(out, w, &w->items[i]);
    }
    add_state(out, w);
}

struct json_object *responses_items_json(const struct responses_writer *w)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < w->item_count; i++)
        json_object_array_add(list, item_json(&w->items[i]));
    return list;
}

void responses_items_fini(struct responses_writer *w)
{
    for (size_t i = 0; i < w->item_count; i++) {
        struct responses_item *item = &w->items[i];
        buf_fini(&item->text);
        mem_free(item->call_id);
        mem_free(item->name);
        json_object_put(item->parts);
        json_object_put(item->carried);
    }
    mem_free(w->items);
    w->items = NULL;
    w->item_count = 0;
}
