/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_items.h"

#include "wire/responses_carry.h"
#include "wire/responses_parts.h"
#include "wire/responses_settings.h"

#include <string.h>

/* The conversation under way. An answer of the model is a run of items (text, calls, reasoning),
 * which become one message. */
struct turns {
    struct responses_place at;
    struct neutral_content *content;
    struct json_object *carried;  /* the request's, an array: owns what is read of its items */
    struct neutral_message *open; /* the assistant's, which may still grow; or NULL */
    size_t call_room;             /* calls that have room in it */
    size_t calls_left;            /* calls in the whole request that are still to come */
};

static struct neutral_message *new_message(struct turns *t, enum neutral_role role)
{
    struct neutral_message *m = &t->content->messages[t->content->message_count++];

    *m = (struct neutral_message){.role = role};
    t->open = NULL;
    return m;
}

/* The assistant's message that items of an answer are added to. */
static struct neutral_message *answer_message(struct turns *t)
{
    if (t->open == NULL) {
        t->open = new_message(t, ROLE_ASSISTANT);
        t->call_room = 0;
    }
    return t->open;
}

/* Messages. */

static const struct {
    const char *name;
    enum neutral_role role;
} roles[] = {
    {"system", ROLE_SYSTEM},
    {"developer", ROLE_SYSTEM},
    {"user", ROLE_USER},
    {"assistant", ROLE_ASSISTANT},
};

static int read_role(enum neutral_role *out, struct json_object *item, struct turns *t)
{
    const char *role = jsonx_str(item, "role", "");

    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (strcmp(roles[i].name, role) == 0) {
            *out = roles[i].role;
            return 0;
        }
    }
    return responses_bad(&t->at, responses_path(&t->at, ".role"),
                         "must be one of user, assistant, system, developer.");
}

/* A text after calls, or a second one, is a message of its own; those of one answer follow each
 * other. */
static int read_message(struct turns *t, struct json_object *item)
{
    enum neutral_role role = ROLE_USER;
    struct neutral_message *m;

    if (read_role(&role, item, t) != 0)
        return -1;
    if (role != ROLE_ASSISTANT) {
        m = new_message(t, role);
    } else {
        m = answer_message(t);
        if (m->part_count > 0 || m->call_count > 0) {
            t->open = NULL;
            m = answer_message(t);
        }
    }
    return responses_read_parts(m, jsonx_get(item, "content"), "content", &t->at);
}

/* Calls and results. */

static int read_call(struct turns *t, struct json_object *item)
{
    struct neutral_message *m = answer_message(t);

    if (t->call_room == 0) {
        t->call_room = t->calls_left;
        m->calls = arena_zalloc(t->at.arena, (t->call_room + 1) * sizeof *m->calls);
    }
    struct neutral_call *call = &m->calls[m->call_count++];
    call->id = jsonx_str(item, "call_id", "");
    call->name = jsonx_str(item, "name", "");
    call->arguments = responses_span(jsonx_get(item, "arguments"));
    t->calls_left--;
    if (call->id[0] == '\0' || call->name[0] == '\0')
        return responses_bad(&t->at, responses_path(&t->at, ""),
                             "must have 'call_id', 'name' and 'arguments'.");
    return 0;
}

static int read_output(struct turns *t, struct json_object *item)
{
    struct neutral_message *m = new_message(t, ROLE_TOOL);

    m->tool_call_id = jsonx_str(item, "call_id", "");
    if (m->tool_call_id[0] == '\0')
        return responses_bad(&t->at, responses_path(&t->at, ".call_id"),
                             "is missing: an output names the call that it answers.");
    return responses_read_parts(m, jsonx_get(item, "output"), "output", &t->at);
}

/* Reasoning. */

static void add_details(struct neutral_message *m, struct json_object *details)
{
    if (m->reasoning_details == NULL) {
        m->reasoning_details = details;
        return;
    }
    for (size_t i = 0; i < json_object_array_length(details); i++)
        json_object_array_add(m->reasoning_details,
                              json_object_get(json_object_array_get_idx(details, i)));
}

/* State of a call that is part of this answer. */
static void add_call_state(struct neutral_message *m, struct json_object *calls)
{
    for (size_t i = 0; i < m->call_count; i++) {
        struct json_object *extra = jsonx_object(calls, m->calls[i].id);
        if (extra != NULL)
            m->calls[i].extra = extra;
    }
}

/* OpenAI's own reasoning is of no use to others. */
static int read_reasoning(struct turns *t, struct json_object *item)
{
    struct json_object *details = NULL;
    struct json_object *calls = NULL;

    if (!responses_carry_read(&details, &calls,
                              responses_span(jsonx_get(item, "encrypted_content"))))
        return 0;
    struct neutral_message *m = answer_message(t);
    if (details != NULL) {
        json_object_array_add(t->carried, details);
        add_details(m, details);
    }
    if (calls != NULL) {
        json_object_array_add(t->carried, calls);
        add_call_state(m, calls);
    }
    return 0;
}

static int skip(struct turns *t, struct json_object *item)
{
    (void)t;
    (void)item;
    return 0;
}

static int refuse_reference(struct turns *t, struct json_object *item)
{
    (void)item;
    return responses_bad(&t->at, responses_path(&t->at, ""),
                         "names an item that is not kept here.");
}

/* All. */

/* An answer that waits for the client's leave to go on with a tool of OpenAI's. */
static int refuse_approval(struct turns *t, struct json_object *item)
{
    return err_set(t->at.err, ERR_UNSUPPORTED_VALUE, responses_path(&t->at, ".type"),
                   "'%s': the model '%.100s' cannot go on with an item of the type '%.40s'; use "
                   "the model of OpenAI that it came from.",
                   responses_path(&t->at, ".type"), t->at.model, jsonx_str(item, "type", ""));
}

/* What OpenAI's tools left behind says nothing to another model. */
static const struct {
    const char *type;
    int (*read)(struct turns *t, struct json_object *item);
} item_readers[] = {
    {"message", read_message},
    {"function_call", read_call},
    {"function_call_output", read_output},
    {"reasoning", read_reasoning},
    {"web_search_call", skip},
    {"file_search_call", skip},
    {"code_interpreter_call", skip},
    {"mcp_list_tools", skip},
    {"mcp_call", skip},
    {"mcp_approval_request", refuse_approval},
    {"mcp_approval_response", refuse_approval},
    {"item_reference", refuse_reference},
};

static int read_item(struct turns *t, struct json_object *item)
{
    const char *type = jsonx_str(item, "type", "message");

    for (size_t i = 0; i < ARRAY_LEN(item_readers); i++)
        if (strcmp(item_readers[i].type, type) == 0)
            return item_readers[i].read(t, item);
    return err_set(t->at.err, ERR_UNSUPPORTED_VALUE, responses_path(&t->at, ".type"),
                   "'%s': the model '%.100s' takes no items of the type '%.40s'.",
                   responses_path(&t->at, ".type"), t->at.model, type);
}

static size_t count_calls(struct json_object *items)
{
    size_t n = 0;

    for (size_t i = 0; i < json_object_array_length(items); i++)
        n += strcmp(jsonx_str(json_object_array_get_idx(items, i), "type", ""), "function_call") ==
             0;
    return n;
}

static int read_items(struct turns *t, struct json_object *items)
{
    t->calls_left = count_calls(items);
    for (t->at.item = 0; t->at.item < json_object_array_length(items); t->at.item++) {
        struct json_object *item = json_object_array_get_idx(items, t->at.item);
        /* Whatever is not the model's own ends its answer. */
        if (read_item(t, item) != 0)
            return -1;
    }
    return 0;
}

static void add_text(struct turns *t, enum neutral_role role, struct json_object *text)
{
    struct neutral_message *m = new_message(t, role);

    m->parts = arena_zalloc(t->at.arena, sizeof *m->parts);
    m->parts[0] = (struct neutral_part){.kind = PART_TEXT, .text = responses_span(text)};
    m->part_count = 1;
}

static int read_conversation(struct turns *t, struct json_object *body)
{
    struct json_object *instructions = jsonx_get(body, "instructions");
    struct json_object *input = jsonx_get(body, "input");
    bool listed = json_object_is_type(input, json_type_array);
    size_t count = listed ? json_object_array_length(input) : 1;

    /* At most one message an item, and the instructions. */
    t->content->messages = arena_zalloc(t->at.arena, (count + 1) * sizeof *t->content->messages);
    if (instructions != NULL && json_object_get_string_len(instructions) > 0)
        add_text(t, ROLE_SYSTEM, instructions);
    if (listed)
        return read_items(t, input);
    if (input != NULL)
        add_text(t, ROLE_USER, input);
    return 0;
}

int responses_read_content(struct neutral_request *request, struct arena *arena, struct err *err)
{
    struct neutral_content *c = arena_zalloc(arena, sizeof *c);

    json_object_put(request->made);
    request->made = json_object_new_array();
    struct turns t = {
        .at = {.arena = arena, .err = err, .model = request->model},
        .content = c,
        .carried = request->made,
    };
    if (responses_read_settings(c, request, arena, err) != 0 ||
        read_conversation(&t, request->body) != 0)
        return -1;
    request->content = c;
    return 0;
}
