/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_turns.h"

#include "wire/messages_blocks.h"

#include <string.h>

const struct neutral_message *messages_last(const struct neutral_content *content,
                                            enum neutral_role role)
{
    for (size_t i = content->message_count; i > 0; i--)
        if (content->messages[i - 1].role == role)
            return &content->messages[i - 1];
    return NULL;
}

/* Neighbours of one side become one message; the results of calls stand first in it. */
struct assembly {
    const struct messages_turns_rules *rules;
    const struct neutral_message *last_user;
    struct json_object *messages;
    struct json_object *results; /* of the message that is being put together */
    struct json_object *blocks;
    bool assistant;
};

static void add_message(struct assembly *a, bool assistant, struct json_object *content)
{
    struct json_object *message = json_object_new_object();

    jsonx_set_str(message, "role", assistant ? "assistant" : "user");
    jsonx_set(message, "content", content);
    json_object_array_add(a->messages, message);
}

/* A conversation must begin with the user. */
static void add_beginning(struct assembly *a)
{
    struct json_object *content = json_object_new_array();

    json_object_array_add(
        content, messages_text_block(span_of("(The conversation begins with your words.)"), NULL));
    add_message(a, false, content);
}

static void close_message(struct assembly *a)
{
    for (size_t i = 0; i < json_object_array_length(a->blocks); i++)
        json_object_array_add(a->results, json_object_get(json_object_array_get_idx(a->blocks, i)));
    if (json_object_array_length(a->results) > 0) {
        if (a->assistant && json_object_array_length(a->messages) == 0)
            add_beginning(a);
        add_message(a, a->assistant, json_object_get(a->results));
    }
    json_object_put(a->results);
    json_object_put(a->blocks);
    a->results = json_object_new_array();
    a->blocks = json_object_new_array();
}

static int add_parts(struct json_object *list, const struct neutral_message *m,
                     struct messages_place *place)
{
    for (place->part = 0; place->part < m->part_count; place->part++) {
        struct json_object *block = NULL;
        if (messages_part_block(&block, &m->parts[place->part], place) != 0)
            return -1;
        if (block != NULL)
            json_object_array_add(list, block);
    }
    return 0;
}

static void mark_last(struct json_object *list, struct json_object *cache_control)
{
    size_t count = json_object_array_length(list);

    if (cache_control != NULL && count > 0)
        jsonx_set_ref(json_object_array_get_idx(list, count - 1), "cache_control", cache_control);
}

/* Thoughts go where they stood among the blocks, but never last. */
static void add_with_thoughts(struct json_object *out, struct json_object *blocks,
                              struct json_object *thoughts)
{
    size_t count = json_object_array_length(blocks);
    size_t next = 0;

    for (size_t i = 0; i < count; i++) {
        for (; next < json_object_array_length(thoughts); next++) {
            struct json_object *thought = json_object_array_get_idx(thoughts, next);
            if (i + 1 < count && jsonx_i64(thought, "index", 0) > (int64_t)(i + next))
                break;
            json_object_array_add(out, json_object_get(jsonx_get(thought, "block")));
        }
        json_object_array_add(out, json_object_get(json_object_array_get_idx(blocks, i)));
    }
}

/* Thoughts that are bound to what went before them go back only for the turn under way: clients
 * shorten and edit what is older, and the provider would refuse the request for good. */
static bool takes_thoughts(const struct assembly *a, const struct neutral_message *m)
{
    return a->rules->thoughts &&
           (!a->rules->thoughts_bound || a->last_user == NULL || m > a->last_user);
}

static int add_assistant(struct assembly *a, const struct neutral_message *m,
                         struct messages_place *place)
{
    struct json_object *blocks = json_object_new_array();
    struct json_object *thoughts =
        messages_thought_blocks(takes_thoughts(a, m) ? m->reasoning_details : NULL);
    int rc = add_parts(blocks, m, place);

    for (size_t i = 0; i < m->call_count && rc == 0; i++)
        json_object_array_add(blocks, messages_call_block(&m->calls[i]));
    mark_last(blocks, m->cache_control);
    add_with_thoughts(a->blocks, blocks, thoughts);
    json_object_put(blocks);
    json_object_put(thoughts);
    return rc;
}

static int add_user(struct assembly *a, const struct neutral_message *m,
                    struct messages_place *place)
{
    struct json_object *block = NULL;

    if (m->role == ROLE_TOOL) {
        if (messages_result_block(&block, m, place) != 0)
            return -1;
        json_object_array_add(a->results, block);
        return 0;
    }
    size_t before = json_object_array_length(a->blocks);
    if (add_parts(a->blocks, m, place) != 0)
        return -1;
    if (json_object_array_length(a->blocks) > before)
        mark_last(a->blocks, m->cache_control);
    return 0;
}

static int assemble(struct assembly *a, const struct neutral_content *content, struct err *err)
{
    struct messages_place place = {.model = a->rules->model, .err = err};

    for (size_t i = 0; i < content->message_count; i++) {
        const struct neutral_message *m = &content->messages[i];
        bool assistant = m->role == ROLE_ASSISTANT;
        if (m->role == ROLE_SYSTEM)
            continue;
        if (assistant != a->assistant)
            close_message(a);
        a->assistant = assistant;
        place.message = i;
        if ((assistant ? add_assistant(a, m, &place) : add_user(a, m, &place)) != 0)
            return -1;
    }
    close_message(a);
    return 0;
}

/* A text to be continued must not end in blanks. */
static void trim_end(struct json_object *message)
{
    struct json_object *content = jsonx_array(message, "content");
    struct json_object *last =
        json_object_array_get_idx(content, json_object_array_length(content) - 1);
    struct json_object *text = jsonx_get(last, "text");

    if (text == NULL)
        return;
    const char *s = json_object_get_string(text);
    size_t n = (size_t)json_object_get_string_len(text);
    while (n > 0 && messages_is_blank((struct span){s + n - 1, 1}))
        n--;
    struct json_object *trimmed = json_object_new_string_len(s, (int)n);
    jsonx_set(last, "text", trimmed);
}

static int check_turns(const struct messages_turns_rules *rules, struct json_object *messages,
                       struct err *err)
{
    size_t count = json_object_array_length(messages);

    if (count == 0)
        return err_set(err, ERR_BAD_REQUEST, "messages",
                       "'messages' must hold at least one message with text for the model "
                       "'%.100s'.",
                       rules->model);
    struct json_object *last = json_object_array_get_idx(messages, count - 1);
    if (strcmp(jsonx_str(last, "role", ""), "assistant") != 0)
        return 0;
    if (!rules->prefill)
        return err_set(err, ERR_UNSUPPORTED_VALUE, "messages",
                       "'messages' must not end with a message of the assistant's for the model "
                       "'%.100s': it cannot continue one.",
                       rules->model);
    trim_end(last);
    return 0;
}

int messages_turns(struct json_object **out, const struct neutral_content *content,
                   const struct messages_turns_rules *rules, struct err *err)
{
    struct assembly a = {
        .rules = rules,
        .last_user = messages_last(content, ROLE_USER),
        .messages = json_object_new_array(),
        .results = json_object_new_array(),
        .blocks = json_object_new_array(),
    };
    int rc = assemble(&a, content, err);

    if (rc == 0)
        rc = check_turns(rules, a.messages, err);
    json_object_put(a.results);
    json_object_put(a.blocks);
    if (rc != 0) {
        json_object_put(a.messages);
        return -1;
    }
    *out = a.messages;
    return 0;
}
