/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_said.h"

#include "base/secret.h"
#include "wire/messages_carry.h"

#include <string.h>
#include <strings.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

struct reading {
    struct neutral_request *request;
    struct neutral_content *content;
    struct arena *arena;
    struct err *err;
    const char *place; /* of the message under way: "messages[2]" */
    size_t block;
};

static int bad(const struct reading *r, const char *member, const char *what)
{
    const char *path = arena_printf(r->arena, "%s.content[%zu]%s", r->place, r->block, member);

    return err_set(r->err, ERR_BAD_REQUEST, path, "'%s' %s", path, what);
}

static int refuse(const struct reading *r, const char *type)
{
    const char *path = arena_printf(r->arena, "%s.content[%zu]", r->place, r->block);

    return err_set(r->err, ERR_UNSUPPORTED_VALUE, path,
                   "'%s': the model '%.100s' takes no blocks of type '%.64s'.", path,
                   r->request->model, type);
}

static struct span span_member(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    if (!json_object_is_type(v, json_type_string))
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

static struct span keep(const struct reading *r, const struct buf *text)
{
    return (struct span){arena_strndup(r->arena, text->data, text->len), text->len};
}

/* Parts. */

static struct neutral_part *add_part(struct neutral_message *m, enum neutral_part_kind kind)
{
    struct neutral_part *part = &m->parts[m->part_count++];

    part->kind = kind;
    return part;
}

static int read_text(const struct reading *r, struct neutral_message *m, struct json_object *block)
{
    if (!json_object_is_type(jsonx_get(block, "text"), json_type_string))
        return bad(r, ".text", "must be a string.");
    struct neutral_part *part = add_part(m, PART_TEXT);
    part->text = span_member(block, "text");
    part->cache_control = jsonx_object(block, "cache_control");
    return 0;
}

/* A source by content or URL. */
static int read_source(const struct reading *r, struct neutral_part *part,
                       struct json_object *source, const char *media_type)
{
    const char *type = jsonx_str(source, "type", "");

    if (strcmp(type, "base64") == 0) {
        part->data = span_member(source, "data");
        part->media_type = jsonx_str(source, "media_type", media_type);
    } else if (strcmp(type, "url") == 0) {
        part->url = span_member(source, "url");
        if (strncmp(part->url.ptr, "https://", 8) != 0 && strncmp(part->url.ptr, "http://", 7) != 0)
            return bad(r, ".source.url", "must be an http(s) URL.");
    } else {
        return bad(r, ".source.type", "must be 'base64' or 'url'.");
    }
    if (part->data.len == 0 && part->url.len == 0)
        return bad(r, ".source.data", "must be a string of base64.");
    return 0;
}

static int read_image(const struct reading *r, struct neutral_message *m, struct json_object *block)
{
    struct neutral_part *part = add_part(m, PART_IMAGE);

    part->cache_control = jsonx_object(block, "cache_control");
    return read_source(r, part, jsonx_object(block, "source"), NULL);
}

static void join(struct buf *out, struct span text)
{
    if (out->len > 0 && text.len > 0)
        buf_append_char(out, '\n');
    buf_append(out, text.ptr, text.len);
}

/* A text, or those of a list of blocks, one under the other. */
static void join_texts(struct buf *out, struct json_object *owner, const char *key)
{
    struct json_object *content = jsonx_get(owner, key);
    size_t count =
        json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;

    join(out, span_member(owner, key));
    for (size_t i = 0; i < count; i++)
        join(out, span_member(json_object_array_get_idx(content, i), "text"));
}

/* What is a text with a title is shown as one. */
static int add_titled(const struct reading *r, struct neutral_message *m, struct json_object *block,
                      struct json_object *owner, const char *key)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, TEXT_MAX);
    join(&text, span_member(block, "title"));
    join(&text, span_member(block, "context"));
    join_texts(&text, owner, key);
    if (buf_failed(&text)) {
        rc = bad(r, "", "is too large.");
    } else {
        struct neutral_part *part = add_part(m, PART_TEXT);
        part->text = keep(r, &text);
        part->cache_control = jsonx_object(block, "cache_control");
    }
    buf_fini(&text);
    return rc;
}

static int read_document(const struct reading *r, struct neutral_message *m,
                         struct json_object *block)
{
    struct json_object *source = jsonx_object(block, "source");
    const char *type = jsonx_str(source, "type", "");

    if (strcmp(type, "text") == 0)
        return add_titled(r, m, block, source, "data");
    if (strcmp(type, "content") == 0)
        return add_titled(r, m, block, source, "content");
    struct neutral_part *part = add_part(m, PART_FILE);
    part->name = jsonx_str(block, "title", NULL);
    part->cache_control = jsonx_object(block, "cache_control");
    return read_source(r, part, source, "application/pdf");
}

static int read_search_result(const struct reading *r, struct neutral_message *m,
                              struct json_object *block)
{
    return add_titled(r, m, block, block, "content");
}

static const struct {
    const char *type;
    int (*read)(const struct reading *r, struct neutral_message *m, struct json_object *block);
} part_readers[] = {
    {"text", read_text},
    {"image", read_image},
    {"document", read_document},
    {"search_result", read_search_result},
};

static int read_part(const struct reading *r, struct neutral_message *m, struct json_object *block)
{
    const char *type = jsonx_str(block, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(part_readers); i++)
        if (strcmp(part_readers[i].type, type) == 0)
            return part_readers[i].read(r, m, block);
    return refuse(r, type);
}

/* Messages. */

static struct neutral_message *add_message(const struct reading *r, enum neutral_role role,
                                           size_t parts)
{
    struct neutral_message *m = &r->content->messages[r->content->message_count++];

    m->role = role;
    m->place = r->place;
    m->parts = arena_zalloc(r->arena, (parts + 1) * sizeof *m->parts);
    return m;
}

static size_t length_of(struct json_object *content)
{
    return json_object_is_type(content, json_type_array) ? json_object_array_length(content) : 0;
}

static void add_string(struct neutral_message *m, struct json_object *text)
{
    struct neutral_part *part = add_part(m, PART_TEXT);

    part->text =
        (struct span){json_object_get_string(text), (size_t)json_object_get_string_len(text)};
}

/* No other provider is told apart from the text that a call failed. */
static void mark_failed(const struct reading *r, struct neutral_message *m)
{
    static const char word[] = "Error";
    struct neutral_part *first = m->part_count > 0 ? &m->parts[0] : NULL;

    if (first != NULL && first->kind == PART_TEXT &&
        !(first->text.len >= sizeof word - 1 &&
          strncasecmp(first->text.ptr, word, sizeof word - 1) == 0)) {
        struct buf text;
        buf_init(&text, TEXT_MAX);
        buf_printf(&text, "%s: ", word);
        buf_append(&text, first->text.ptr, first->text.len);
        if (!buf_failed(&text))
            first->text = keep(r, &text);
        buf_fini(&text);
    } else if (first == NULL) {
        add_part(m, PART_TEXT)->text = span_of(word);
    }
}

static int read_result(const struct reading *r, struct json_object *block)
{
    struct json_object *content = jsonx_get(block, "content");
    const char *id = jsonx_str(block, "tool_use_id", NULL);
    size_t count = length_of(content);
    int rc = 0;

    if (id == NULL)
        return bad(r, ".tool_use_id", "is missing: a result names the call that it answers.");
    struct neutral_message *m = add_message(r, ROLE_TOOL, count + 1);
    m->tool_call_id = id;
    m->cache_control = jsonx_object(block, "cache_control");
    if (json_object_is_type(content, json_type_string))
        add_string(m, content);
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct json_object *part = json_object_array_get_idx(content, i);
        if (strcmp(jsonx_str(part, "type", ""), "tool_reference") != 0)
            rc = read_part(r, m, part);
    }
    if (rc == 0 && jsonx_bool(block, "is_error", false))
        mark_failed(r, m);
    return rc;
}

static int read_user(struct reading *r, struct json_object *content)
{
    size_t count = length_of(content);
    size_t others = 0;
    int rc = 0;

    for (r->block = 0; r->block < count && rc == 0; r->block++) {
        struct json_object *block = json_object_array_get_idx(content, r->block);
        if (strcmp(jsonx_str(block, "type", ""), "tool_result") == 0)
            rc = read_result(r, block);
        else
            others++;
    }
    if (rc != 0 || others == 0)
        return rc;
    struct neutral_message *m = add_message(r, ROLE_USER, others);
    for (r->block = 0; r->block < count && rc == 0; r->block++) {
        struct json_object *block = json_object_array_get_idx(content, r->block);
        if (strcmp(jsonx_str(block, "type", ""), "tool_result") != 0)
            rc = read_part(r, m, block);
    }
    return rc;
}

/* The assistant's own. */

static int read_call(const struct reading *r, struct neutral_message *m, struct json_object *block)
{
    struct neutral_call *call = &m->calls[m->call_count];
    struct json_object *input = jsonx_get(block, "input");
    struct buf text;

    call->id = jsonx_str(block, "id", NULL);
    call->name = jsonx_str(block, "name", NULL);
    if (call->id == NULL || call->name == NULL)
        return bad(r, "", "must have 'id' and 'name': it is a tool_use.");
    buf_init(&text, TEXT_MAX);
    if (input != NULL)
        jsonx_write(&text, input);
    call->arguments = keep(r, &text);
    buf_fini(&text);
    m->call_count++;
    return 0;
}

/* What is made here lives as long as the body. */
static void adopt(const struct reading *r, struct json_object *made)
{
    if (r->request->made == NULL)
        r->request->made = json_object_new_array();
    json_object_array_add(r->request->made, made);
}

static struct json_object *details_of(const struct reading *r, struct neutral_message *m)
{
    if (m->reasoning_details == NULL) {
        m->reasoning_details = json_object_new_array();
        adopt(r, m->reasoning_details);
    }
    return m->reasoning_details;
}

/* Claude's own thoughts, as the gateway offers them elsewhere (wire/messages.h). */
static void add_thought(const struct reading *r, struct neutral_message *m,
                        struct json_object *block, bool redacted)
{
    struct json_object *detail = json_object_new_object();
    struct span text = span_member(block, redacted ? "data" : "thinking");

    jsonx_set_str(detail, "type", redacted ? "reasoning.encrypted" : "reasoning.text");
    jsonx_set_strn(detail, redacted ? "data" : "text", text.ptr, text.len);
    if (!redacted) {
        struct span signature = span_member(block, "signature");
        jsonx_set_strn(detail, "signature", signature.ptr, signature.len);
    }
    jsonx_set_str(detail, "format", "anthropic-claude-v1");
    jsonx_set_i64(detail, "index", (int64_t)r->block);
    json_object_array_add(details_of(r, m), detail);
}

static void set_extra(struct neutral_message *m, const char *call_id, struct json_object *extra)
{
    for (size_t i = 0; i < m->call_count; i++)
        if (strcmp(m->calls[i].id, call_id) == 0)
            m->calls[i].extra = extra;
}

/* What another provider has said through the gateway. */
static void add_carried(const struct reading *r, struct neutral_message *m,
                        struct json_object *block)
{
    struct json_object *state = NULL;
    const char *call_id = NULL;

    if (messages_carry_read(&state, &call_id, r->arena, span_member(block, "data")) != 0)
        return;
    adopt(r, state);
    if (call_id != NULL) {
        set_extra(m, call_id, state);
        return;
    }
    for (size_t i = 0; i < json_object_array_length(state); i++)
        json_object_array_add(details_of(r, m),
                              json_object_get(json_object_array_get_idx(state, i)));
}

/* Thoughts are read when all calls are known. */
static void read_thoughts(struct reading *r, struct neutral_message *m, struct json_object *content)
{
    for (r->block = 0; r->block < length_of(content); r->block++) {
        struct json_object *block = json_object_array_get_idx(content, r->block);
        bool redacted = strcmp(jsonx_str(block, "type", ""), "redacted_thinking") == 0;
        if (messages_carry_is(block))
            add_carried(r, m, block);
        else if (redacted || strcmp(jsonx_str(block, "type", ""), "thinking") == 0)
            add_thought(r, m, block, redacted);
    }
}

static int read_assistant(struct reading *r, struct json_object *content)
{
    size_t count = length_of(content);
    struct neutral_message *m = add_message(r, ROLE_ASSISTANT, count);
    int rc = 0;

    m->calls = arena_zalloc(r->arena, (count + 1) * sizeof *m->calls);
    for (r->block = 0; r->block < count && rc == 0; r->block++) {
        struct json_object *block = json_object_array_get_idx(content, r->block);
        const char *type = jsonx_str(block, "type", "");
        if (strcmp(type, "tool_use") == 0)
            rc = read_call(r, m, block);
        else if (strcmp(type, "thinking") != 0 && strcmp(type, "redacted_thinking") != 0)
            rc = read_part(r, m, block);
    }
    if (rc == 0)
        read_thoughts(r, m, content);
    return rc;
}

static int read_system(struct reading *r, struct json_object *content)
{
    size_t count = length_of(content);
    struct neutral_message *m = add_message(r, ROLE_SYSTEM, count);
    int rc = 0;

    for (r->block = 0; r->block < count && rc == 0; r->block++)
        rc = read_part(r, m, json_object_array_get_idx(content, r->block));
    return rc;
}

static int read_message(struct reading *r, const char *role, struct json_object *content)
{
    static const struct {
        const char *name;
        enum neutral_role role;
        int (*read)(struct reading *r, struct json_object *content);
    } roles[] = {
        {"user", ROLE_USER, read_user},
        {"assistant", ROLE_ASSISTANT, read_assistant},
        {"system", ROLE_SYSTEM, read_system},
    };
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(roles) && strcmp(roles[i].name, role) != 0)
        i++;
    if (!json_object_is_type(content, json_type_string))
        return roles[i].read(r, content);
    add_string(add_message(r, roles[i].role, 1), content);
    return 0;
}

/* The most messages that can come of it: one a block of the user's and one for the rest. */
static size_t count_messages(struct json_object *messages)
{
    size_t count = 1;

    for (size_t i = 0; i < json_object_array_length(messages); i++)
        count += 1 + length_of(jsonx_get(json_object_array_get_idx(messages, i), "content"));
    return count;
}

int messages_read_said(struct neutral_content *content, struct neutral_request *request,
                       struct arena *arena, struct err *err)
{
    struct json_object *messages = jsonx_array(request->body, "messages");
    struct json_object *system = jsonx_get(request->body, "system");
    struct reading r = {
        .request = request, .content = content, .arena = arena, .err = err, .place = "system"};

    content->messages = arena_zalloc(arena, count_messages(messages) * sizeof *content->messages);
    if (system != NULL && read_message(&r, "system", system) != 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(messages); i++) {
        struct json_object *m = json_object_array_get_idx(messages, i);
        r.place = arena_printf(arena, "messages[%zu]", i);
        if (read_message(&r, jsonx_str(m, "role", ""), jsonx_get(m, "content")) != 0)
            return -1;
    }
    return 0;
}
