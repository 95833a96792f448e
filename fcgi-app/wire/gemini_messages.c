/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/gemini_messages.h"

#include <stdio.h>
#include <string.h>

/* Google's documented stand-in for a signature that the client did not bring back: base64 of
 * "skip_thought_signature_validator". */
static const char dummy_signature[] = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/* What `contents` is made of. Results of functions are sent as a user's content, but never together
 * with other parts: such a content is taken for the model's. */
enum turn { TURN_NONE, TURN_USER, TURN_MODEL, TURN_RESULTS };

enum { PATH_SIZE = 96 };

struct writing {
    const struct neutral_content *content;
    const struct dialect *dialect;
    const char *model;
    struct err *err;
    struct json_object *contents;
    struct json_object *system; /* parts, or NULL */
    struct json_object *names;  /* of functions by the id of their call */
    struct json_object *media;  /* parts that tools gave and that may not stand among results */
    struct json_object *parts;  /* of the content that is open, borrowed */
    enum turn turn;             /* which is open */
    bool called;                /* the open TURN_MODEL has a functionCall */
    size_t message;
    size_t turn_start; /* the current turn: the messages after the last one of the user */
};

/* Contents. */

static void add_text(struct json_object *parts, struct span text)
{
    struct json_object *part = json_object_new_object();

    jsonx_set_strn(part, "text", text.ptr, text.len);
    json_object_array_add(parts, part);
}

static void begin_content(struct writing *w, enum turn turn)
{
    struct json_object *content = json_object_new_object();

    w->parts = json_object_new_array();
    w->turn = turn;
    w->called = false;
    jsonx_set_str(content, "role", turn == TURN_MODEL ? "model" : "user");
    jsonx_set(content, "parts", w->parts);
    json_object_array_add(w->contents, content);
}

/* Media that tools gave follow the results as the user's. */
static void flush_media(struct writing *w)
{
    if (w->media == NULL)
        return;
    begin_content(w, TURN_USER);
    for (size_t i = 0; i < json_object_array_length(w->media); i++)
        json_object_array_add(w->parts, json_object_get(json_object_array_get_idx(w->media, i)));
    json_object_put(w->media);
    w->media = NULL;
}

/* Neighbours of one kind share a content; the first one is always the user's. */
static struct json_object *open_turn(struct writing *w, enum turn turn)
{
    if (w->turn == TURN_RESULTS && turn != TURN_RESULTS)
        flush_media(w);
    if (w->turn == TURN_NONE && turn != TURN_USER) {
        begin_content(w, TURN_USER);
        add_text(w->parts, span_of(""));
    }
    if (w->turn != turn)
        begin_content(w, turn);
    return w->parts;
}

/* Parts. */

static int refuse(const struct writing *w, const char *path, const char *what)
{
    return err_set(w->err, ERR_UNSUPPORTED_VALUE, path, "'%s': the model '%.100s' %s", path,
                   w->model, what);
}

static int refuse_part(const struct writing *w, size_t part, const char *what)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "messages[%zu].content[%zu]", w->message, part);
    return refuse(w, path, what);
}

static struct json_object *inline_data(const struct neutral_part *part)
{
    struct json_object *blob = json_object_new_object();

    jsonx_set_str(blob, "mimeType", part->media_type);
    jsonx_set_strn(blob, "data", part->data.ptr, part->data.len);
    return blob;
}

static struct json_object *file_data(const struct neutral_part *part)
{
    struct json_object *file = json_object_new_object();

    jsonx_set_strn(file, "fileUri", part->url.ptr, part->url.len);
    if (part->media_type != NULL && part->media_type[0] != '\0')
        jsonx_set_str(file, "mimeType", part->media_type);
    return file;
}

static int check_media(const struct writing *w, const struct neutral_part *part, size_t index)
{
    if (part->data.ptr == NULL && part->url.len == 0)
        return refuse_part(w, index,
                           "takes files as data: URLs only; a 'file_id' names a file that lies "
                           "elsewhere.");
    if (part->data.ptr != NULL && (part->media_type == NULL || part->media_type[0] == '\0'))
        return refuse_part(w, index, "needs the media type in the data: URL (data:image/png;...).");
    return 0;
}

static void add_media(struct json_object *parts, const struct neutral_part *part)
{
    struct json_object *media = json_object_new_object();

    if (part->data.ptr != NULL)
        jsonx_set(media, "inlineData", inline_data(part));
    else
        jsonx_set(media, "fileData", file_data(part));
    json_object_array_add(parts, media);
}

static bool is_text(const struct neutral_part *part)
{
    return part->kind == PART_TEXT || part->kind == PART_REFUSAL;
}

/* Messages. */

static int write_system(struct writing *w, const struct neutral_message *m)
{
    if (w->system == NULL)
        w->system = json_object_new_array();
    for (size_t i = 0; i < m->part_count; i++) {
        if (!is_text(&m->parts[i]))
            return refuse_part(w, i, "takes only text in system and developer messages.");
        add_text(w->system, m->parts[i].text);
    }
    return 0;
}

static int write_user(struct writing *w, const struct neutral_message *m)
{
    struct json_object *parts = open_turn(w, TURN_USER);

    for (size_t i = 0; i < m->part_count; i++) {
        if (is_text(&m->parts[i])) {
            add_text(parts, m->parts[i].text);
            continue;
        }
        if (check_media(w, &m->parts[i], i) != 0)
            return -1;
        add_media(parts, &m->parts[i]);
    }
    if (json_object_array_length(parts) == 0)
        add_text(parts, span_of(""));
    return 0;
}

/* A JSON text as what stands in a Struct: an object is itself, anything else becomes its member
 * `key`; a text that is no JSON is a string there. */
static struct json_object *object_of(struct span text, const char *key)
{
    struct json_object *v = NULL;
    struct err parse;
    bool is_json = jsonx_parse(&v, text.ptr, text.len, &parse) == 0;

    if (is_json && json_object_is_type(v, json_type_object))
        return v;
    struct json_object *object = json_object_new_object();
    if (is_json)
        jsonx_set(object, key, v);
    else
        jsonx_set_strn(object, key, text.ptr, text.len);
    return object;
}

static struct json_object *call_json(const struct neutral_call *call)
{
    struct json_object *json = json_object_new_object();
    bool empty = call->arguments.len == 0;

    jsonx_set_str(json, "id", call->id);
    jsonx_set_str(json, "name", call->name);
    jsonx_set(json, "args",
              empty ? json_object_new_object() : object_of(call->arguments, "arguments"));
    return json;
}

/* The signature that Google gave with the call; Gemini 3 refuses the current turn's calls without
 * one on the first of each step. */
static const char *signature_of(const struct writing *w, const struct neutral_call *call)
{
    const char *signature =
        jsonx_str(jsonx_object(call->extra, "google"), "thought_signature", NULL);

    if (signature != NULL && signature[0] != '\0')
        return signature;
    bool needed =
        w->dialect->thinking == THINKING_LEVEL && !w->called && w->message >= w->turn_start;
    return needed ? dummy_signature : NULL;
}

static void write_calls(struct writing *w, const struct neutral_message *m)
{
    for (size_t i = 0; i < m->call_count; i++) {
        const struct neutral_call *call = &m->calls[i];
        struct json_object *parts = open_turn(w, TURN_MODEL);
        struct json_object *part = json_object_new_object();
        const char *signature = signature_of(w, call);
        jsonx_set(part, "functionCall", call_json(call));
        if (signature != NULL)
            jsonx_set_str(part, "thoughtSignature", signature);
        json_object_array_add(parts, part);
        jsonx_set_str(w->names, call->id, call->name);
        w->called = true;
    }
}

static int write_assistant(struct writing *w, const struct neutral_message *m)
{
    for (size_t i = 0; i < m->part_count; i++) {
        if (!is_text(&m->parts[i]))
            return refuse_part(w, i, "takes only text in assistant messages.");
        if (m->parts[i].text.len > 0)
            add_text(open_turn(w, TURN_MODEL), m->parts[i].text);
    }
    write_calls(w, m);
    return 0;
}

/* Results of functions. */

static struct json_object *result_json(const struct neutral_message *m)
{
    struct buf text;

    buf_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < m->part_count; i++)
        if (is_text(&m->parts[i]))
            buf_append(&text, m->parts[i].text.ptr, m->parts[i].text.len);
    struct json_object *v = object_of(buf_span(&text), "result");
    buf_fini(&text);
    return v;
}

/* May this stand within a functionResponse? Only bytes, only some types, and not before Gemini 3.
 */
static bool fits_result(const struct writing *w, const struct neutral_part *part)
{
    static const char *const types[] = {"image/png", "image/jpeg", "image/webp", "application/pdf",
                                        "text/plain"};

    if (w->dialect->thinking != THINKING_LEVEL || part->data.ptr == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(types[i], part->media_type) == 0)
            return true;
    return false;
}

static void keep_media(struct writing *w, const struct neutral_part *part, const char *function)
{
    char label[128];

    if (w->media == NULL)
        w->media = json_object_new_array();
    snprintf(label, sizeof label, "From the function %.64s:", function);
    add_text(w->media, span_of(label));
    add_media(w->media, part);
}

static int write_result_media(struct writing *w, const struct neutral_message *m,
                              const char *function, struct json_object *response)
{
    struct json_object *inner = NULL;

    for (size_t i = 0; i < m->part_count; i++) {
        const struct neutral_part *part = &m->parts[i];
        if (is_text(part))
            continue;
        if (check_media(w, part, i) != 0)
            return -1;
        if (!fits_result(w, part)) {
            keep_media(w, part, function);
            continue;
        }
        if (inner == NULL) {
            inner = json_object_new_array();
            jsonx_set(response, "parts", inner);
        }
        add_media(inner, part);
    }
    return 0;
}

static int write_result(struct writing *w, const struct neutral_message *m)
{
    const char *function = jsonx_str(w->names, m->tool_call_id, NULL);
    char path[PATH_SIZE];

    if (function == NULL) {
        snprintf(path, sizeof path, "messages[%zu].tool_call_id", w->message);
        return err_set(w->err, ERR_BAD_REQUEST, path,
                       "'%s' must be the id of a call in an assistant message before it, but none "
                       "has the id '%.64s'.",
                       path, m->tool_call_id);
    }
    struct json_object *parts = open_turn(w, TURN_RESULTS);
    struct json_object *part = json_object_new_object();
    struct json_object *response = json_object_new_object();
    jsonx_set_str(response, "id", m->tool_call_id);
    jsonx_set_str(response, "name", function);
    jsonx_set(response, "response", result_json(m));
    jsonx_set(part, "functionResponse", response);
    json_object_array_add(parts, part);
    return write_result_media(w, m, function, response);
}

static int write_message(struct writing *w, const struct neutral_message *m)
{
    switch (m->role) {
    case ROLE_SYSTEM:
        return write_system(w, m);
    case ROLE_USER:
        return write_user(w, m);
    case ROLE_ASSISTANT:
        return write_assistant(w, m);
    case ROLE_TOOL:
        return write_result(w, m);
    }
    return 0;
}

static int write_messages(struct writing *w)
{
    const struct neutral_content *c = w->content;

    for (size_t i = 0; i < c->message_count; i++)
        if (c->messages[i].role == ROLE_USER)
            w->turn_start = i + 1;
    for (w->message = 0; w->message < c->message_count; w->message++)
        if (write_message(w, &c->messages[w->message]) != 0)
            return -1;
    flush_media(w);
    if (w->turn == TURN_NONE)
        add_text(open_turn(w, TURN_USER), span_of(""));
    /* For OpenAI's clients an answer may follow an answer; here that needs a user's word between
     * them, where the model does not take its last one as the beginning of the next. */
    if (w->turn == TURN_MODEL && !w->called && !w->dialect->prefill)
        add_text(open_turn(w, TURN_USER), span_of("Continue."));
    return 0;
}

int gemini_write_messages(struct json_object *root, const struct neutral_content *content,
                          const struct dialect *dialect, const char *model, struct err *err)
{
    struct writing w = {.content = content, .dialect = dialect, .model = model, .err = err};

    w.contents = json_object_new_array();
    w.names = json_object_new_object();
    int rc = write_messages(&w);
    jsonx_set(root, "contents", w.contents);
    if (w.system != NULL && json_object_array_length(w.system) > 0) {
        struct json_object *instruction = json_object_new_object();
        jsonx_set_ref(instruction, "parts", w.system);
        jsonx_set(root, "systemInstruction", instruction);
    }
    json_object_put(w.system);
    json_object_put(w.names);
    json_object_put(w.media);
    return rc;
}
