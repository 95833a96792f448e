/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions_turns.h"

#include "base/secret.h"
#include "wire/callid.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 64, DATA_URL_HEAD_MAX = 512, LABEL_SIZE = 128 };

struct writing {
    const struct neutral_content *content;
    const char *model;
    bool extensions;
    struct err *err;
    struct json_object *list;
    struct json_object *media; /* parts that tools gave: they follow the results */
    size_t message;
    size_t part;
};

static int refuse(const struct writing *w, const char *what)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "messages[%zu].content[%zu]", w->message, w->part);
    return err_set(w->err, ERR_UNSUPPORTED_VALUE, path, "'%s': the model '%.100s' %s", path,
                   w->model, what);
}

static struct json_object *new_typed(const char *type)
{
    struct json_object *v = json_object_new_object();

    jsonx_set_str(v, "type", type);
    return v;
}

/* Parts. */

static bool is_text(const struct neutral_part *part)
{
    return part->kind == PART_TEXT || part->kind == PART_REFUSAL;
}

static bool has_type(const struct neutral_part *part, const char *prefix)
{
    return part->media_type != NULL && strncmp(part->media_type, prefix, strlen(prefix)) == 0;
}

static struct json_object *text_json(struct span text)
{
    struct json_object *json = new_typed("text");

    jsonx_set_strn(json, "text", text.ptr, text.len);
    return json;
}

static int set_data_url(struct json_object *json, const char *key, const struct neutral_part *part,
                        const struct writing *w)
{
    struct buf url;
    int rc = 0;

    if (part->media_type == NULL || part->media_type[0] == '\0')
        return refuse(w, "takes content as a data: URL with a media type only.");
    buf_init(&url, part->data.len + DATA_URL_HEAD_MAX);
    buf_printf(&url, "data:%.256s;base64,", part->media_type);
    buf_append(&url, part->data.ptr, part->data.len);
    if (buf_failed(&url))
        rc = err_set(w->err, ERR_TOO_LARGE, "messages", "The request is too large.");
    else
        jsonx_set_strn(json, key, url.data, url.len);
    buf_fini(&url);
    return rc;
}

static int image_json(struct json_object **out, const struct neutral_part *part,
                      const struct writing *w)
{
    struct json_object *image = json_object_new_object();

    *out = new_typed("image_url");
    jsonx_set(*out, "image_url", image);
    if (part->detail != NULL)
        jsonx_set_str(image, "detail", part->detail);
    if (part->url.len > 0) {
        jsonx_set_strn(image, "url", part->url.ptr, part->url.len);
        return 0;
    }
    if (part->data.len == 0)
        return refuse(w, "takes images by their URL or content only, not by an id.");
    return set_data_url(image, "url", part, w);
}

static int audio_json(struct json_object **out, const struct neutral_part *part,
                      const struct writing *w)
{
    static const char prefix[] = "audio/";
    struct json_object *audio = json_object_new_object();

    *out = new_typed("input_audio");
    jsonx_set(*out, "input_audio", audio);
    if (part->data.len == 0 || !has_type(part, prefix))
        return refuse(w, "takes audio by its content only.");
    jsonx_set_strn(audio, "data", part->data.ptr, part->data.len);
    jsonx_set_str(audio, "format", part->media_type + sizeof prefix - 1);
    return 0;
}

static bool is_utf8(const struct buf *text)
{
    for (size_t i = 0; i < text->len;) {
        size_t n = jsontext_utf8_len(text->data + i, text->len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* The providers take documents as PDF: a text is shown as one. */
static int text_file_json(struct json_object **out, const struct neutral_part *part,
                          const struct writing *w)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, part->data.len + ERR_MESSAGE_MAX);
    if (part->name != NULL && part->name[0] != '\0')
        buf_printf(&text, "%.256s:\n", part->name);
    if (secret_unbase64(&text, part->data) != 0 || !is_utf8(&text))
        rc = refuse(w, "takes text files in UTF-8, sent as base64.");
    else
        *out = text_json(buf_span(&text));
    buf_fini(&text);
    return rc;
}

static int pdf_json(struct json_object **out, const struct neutral_part *part,
                    const struct writing *w)
{
    struct json_object *file = json_object_new_object();
    bool named = part->name != NULL && part->name[0] != '\0';

    *out = new_typed("file");
    jsonx_set(*out, "file", file);
    if (part->url.len > 0 && w->extensions) {
        jsonx_set_str(file, "filename", named ? part->name : "file.pdf");
        jsonx_set_strn(file, "file_data", part->url.ptr, part->url.len);
        return 0;
    }
    if (part->url.len > 0)
        return refuse(w, "takes files by their content only, not by a URL.");
    if (part->data.len == 0)
        return refuse(w, "takes a file's content only, not its id.");
    jsonx_set_str(file, "filename", named ? part->name : "file.pdf");
    return set_data_url(file, "file_data", part, w);
}

static int file_json(struct json_object **out, const struct neutral_part *part,
                     const struct writing *w)
{
    bool bytes = part->data.len > 0 && part->url.len == 0;

    if (bytes && has_type(part, "image/"))
        return image_json(out, part, w);
    if (bytes && (has_type(part, "text/") || has_type(part, "application/json")))
        return text_file_json(out, part, w);
    return pdf_json(out, part, w);
}

/* On failure *out may be there; it is the caller's all the same. */
static int part_json(struct json_object **out, const struct neutral_part *part, bool assistant,
                     const struct writing *w)
{
    *out = NULL;
    if (assistant && !is_text(part))
        return refuse(w, "takes messages of the assistant with text only.");
    switch (part->kind) {
    case PART_TEXT:
        *out = text_json(part->text);
        return 0;
    case PART_REFUSAL:
        if (!assistant || w->extensions) {
            *out = text_json(part->text);
            return 0;
        }
        *out = new_typed("refusal");
        jsonx_set_strn(*out, "refusal", part->text.ptr, part->text.len);
        return 0;
    case PART_IMAGE:
        return image_json(out, part, w);
    case PART_AUDIO:
        return audio_json(out, part, w);
    case PART_FILE:
        return file_json(out, part, w);
    }
    return 0;
}

static int add_part(struct json_object *parts, const struct neutral_part *part, bool assistant,
                    const struct writing *w)
{
    struct json_object *json = NULL;
    int rc = part_json(&json, part, assistant, w);

    if (rc != 0) {
        json_object_put(json);
        return -1;
    }
    if (w->extensions && part->cache_control != NULL)
        jsonx_set_ref(json, "cache_control", part->cache_control);
    json_object_array_add(parts, json);
    return 0;
}

/* Messages. */

static struct json_object *add_message(struct json_object *list, const char *role)
{
    struct json_object *m = json_object_new_object();

    jsonx_set_str(m, "role", role);
    json_object_array_add(list, m);
    return m;
}

static void mark_last(const struct writing *w, struct json_object *parts,
                      struct json_object *cache_control)
{
    size_t count = json_object_array_length(parts);

    if (w->extensions && cache_control != NULL && count > 0)
        jsonx_set_ref(json_object_array_get_idx(parts, count - 1), "cache_control", cache_control);
}

/* One plain text as a string, anything else as parts. */
static void set_content(struct json_object *m, struct json_object *parts)
{
    struct json_object *first = json_object_array_get_idx(parts, 0);
    bool plain = json_object_array_length(parts) == 1 && jsonx_get(first, "text") != NULL &&
                 json_object_object_length(first) == 2;

    if (plain)
        jsonx_set_ref(m, "content", jsonx_get(first, "text"));
    else if (json_object_array_length(parts) > 0)
        jsonx_set_ref(m, "content", parts);
    else
        jsonx_set_str(m, "content", "");
}

static int write_spoken(struct writing *w, const struct neutral_message *m, const char *role)
{
    struct json_object *parts = json_object_new_array();
    int rc = 0;

    for (w->part = 0; w->part < m->part_count && rc == 0; w->part++) {
        if (m->role == ROLE_SYSTEM && !is_text(&m->parts[w->part]))
            rc = refuse(w, "takes only text in system and developer messages.");
        else
            rc = add_part(parts, &m->parts[w->part], false, w);
    }
    if (rc == 0) {
        mark_last(w, parts, m->cache_control);
        set_content(add_message(w->list, role), parts);
    }
    json_object_put(parts);
    return rc;
}

static void set_id(const struct writing *w, struct json_object *json, const char *key,
                   const char *id)
{
    char text[CALLID_SIZE];

    if (w->extensions) {
        jsonx_set_str(json, key, id);
        return;
    }
    callid_fit(text, id, CALLID_CHAT_MAX);
    jsonx_set_str(json, key, text);
}

static struct json_object *call_json(const struct writing *w, const struct neutral_call *call)
{
    struct json_object *json = json_object_new_object();
    struct json_object *function = json_object_new_object();
    struct span arguments = call->arguments.len > 0 ? call->arguments : span_of("{}");

    set_id(w, json, "id", call->id);
    jsonx_set_str(json, "type", "function");
    jsonx_set_str(function, "name", call->name);
    jsonx_set_strn(function, "arguments", arguments.ptr, arguments.len);
    jsonx_set(json, "function", function);
    return json;
}

static int write_assistant(struct writing *w, const struct neutral_message *m)
{
    struct json_object *parts = json_object_new_array();
    int rc = 0;

    for (w->part = 0; w->part < m->part_count && rc == 0; w->part++)
        if (m->parts[w->part].text.len > 0 || !is_text(&m->parts[w->part]))
            rc = add_part(parts, &m->parts[w->part], true, w);
    if (rc == 0) {
        struct json_object *json = add_message(w->list, "assistant");
        mark_last(w, parts, m->cache_control);
        set_content(json, parts);
        if (json_object_array_length(parts) == 0 && m->call_count > 0)
            jsonx_set_null(json, "content");
        if (m->call_count > 0) {
            struct json_object *calls = json_object_new_array();
            for (size_t i = 0; i < m->call_count; i++)
                json_object_array_add(calls, call_json(w, &m->calls[i]));
            jsonx_set(json, "tool_calls", calls);
        }
        if (w->extensions && m->reasoning_details != NULL)
            jsonx_set_ref(json, "reasoning_details", m->reasoning_details);
    }
    json_object_put(parts);
    return rc;
}

/* Results. */

static const char *function_of(const struct writing *w, const char *id)
{
    for (size_t i = w->message; i > 0; i--) {
        const struct neutral_message *m = &w->content->messages[i - 1];
        for (size_t k = 0; k < m->call_count; k++)
            if (strcmp(m->calls[k].id, id) == 0)
                return m->calls[k].name;
    }
    return "";
}

static int keep_media(struct writing *w, const struct neutral_message *m,
                      const struct neutral_part *part)
{
    char label[LABEL_SIZE];

    if (w->media == NULL)
        w->media = json_object_new_array();
    snprintf(label, sizeof label, "From the function %.64s:", function_of(w, m->tool_call_id));
    json_object_array_add(w->media, text_json(span_of(label)));
    return add_part(w->media, part, false, w);
}

static int write_result(struct writing *w, const struct neutral_message *m)
{
    struct json_object *parts = json_object_new_array();
    int rc = 0;

    for (w->part = 0; w->part < m->part_count && rc == 0; w->part++) {
        const struct neutral_part *part = &m->parts[w->part];
        rc = is_text(part) ? add_part(parts, part, false, w) : keep_media(w, m, part);
    }
    if (rc == 0) {
        struct json_object *json = add_message(w->list, "tool");
        set_id(w, json, "tool_call_id", m->tool_call_id);
        if (json_object_array_length(parts) == 0 && w->media != NULL)
            json_object_array_add(parts, text_json(span_of("(The content follows.)")));
        mark_last(w, parts, m->cache_control);
        set_content(json, parts);
    }
    json_object_put(parts);
    return rc;
}

static void flush_media(struct writing *w)
{
    if (w->media == NULL)
        return;
    jsonx_set(add_message(w->list, "user"), "content", w->media);
    w->media = NULL;
}

static int write_message(struct writing *w, const struct neutral_message *m)
{
    if (m->role != ROLE_TOOL)
        flush_media(w);
    switch (m->role) {
    case ROLE_SYSTEM:
        return write_spoken(w, m, "system");
    case ROLE_USER:
        return write_spoken(w, m, "user");
    case ROLE_ASSISTANT:
        return write_assistant(w, m);
    case ROLE_TOOL:
        return write_result(w, m);
    }
    return 0;
}

int completions_turns(struct json_object **out, const struct neutral_content *content,
                      bool extensions, const char *model, struct err *err)
{
    struct writing w = {.content = content, .model = model, .extensions = extensions, .err = err};
    int rc = 0;

    w.list = json_object_new_array();
    for (; w.message < content->message_count && rc == 0; w.message++)
        rc = write_message(&w, &content->messages[w.message]);
    flush_media(&w);
    if (rc != 0) {
        json_object_put(w.list);
        return -1;
    }
    *out = w.list;
    return 0;
}
