/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_blocks.h"

#include <stdio.h>
#include <string.h>

enum { ID_MAX = 256, PATH_SIZE = 64 };

static const char thought_format[] = "anthropic-claude-v1";

bool messages_is_blank(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr(" \t\r\n\f\v", text.ptr[i]) == NULL || text.ptr[i] == '\0')
            return false;
    return true;
}

static int refuse(const struct messages_place *place, const char *what)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "messages[%zu].content[%zu]", place->message, place->part);
    return err_set(place->err, ERR_UNSUPPORTED_VALUE, path, "'%s': the model '%.100s' %s", path,
                   place->model, what);
}

static struct json_object *new_block(const char *type, struct json_object *cache_control)
{
    struct json_object *block = json_object_new_object();

    jsonx_set_str(block, "type", type);
    if (cache_control != NULL)
        jsonx_set_ref(block, "cache_control", cache_control);
    return block;
}

struct json_object *messages_text_block(struct span text, struct json_object *cache_control)
{
    struct json_object *block = new_block("text", cache_control);

    jsonx_set_strn(block, "text", text.ptr, text.len);
    return block;
}

/* Images and documents. */

static struct json_object *source_of(const struct neutral_part *part)
{
    struct json_object *source = json_object_new_object();

    if (part->url.len > 0) {
        jsonx_set_str(source, "type", "url");
        jsonx_set_strn(source, "url", part->url.ptr, part->url.len);
    } else {
        jsonx_set_str(source, "type", "base64");
        jsonx_set_str(source, "media_type", part->media_type);
        jsonx_set_strn(source, "data", part->data.ptr, part->data.len);
    }
    return source;
}

static bool is_https(struct span url)
{
    return url.len > 8 && strncmp(url.ptr, "https://", 8) == 0;
}

static bool is_image_type(const char *media_type)
{
    static const char *const types[] = {"image/jpeg", "image/png", "image/gif", "image/webp"};

    for (size_t i = 0; media_type != NULL && i < ARRAY_LEN(types); i++)
        if (strcmp(types[i], media_type) == 0)
            return true;
    return false;
}

static int image_block(struct json_object **out, const struct neutral_part *part,
                       const struct messages_place *place)
{
    if (part->url.len > 0 && !is_https(part->url))
        return refuse(place, "takes images by https: or data: URL only.");
    /* What many clients write. */
    bool jpg = part->media_type != NULL && strcmp(part->media_type, "image/jpg") == 0;
    if (part->url.len == 0 && !jpg && !is_image_type(part->media_type))
        return refuse(place, "takes images as image/jpeg, image/png, image/gif or image/webp.");
    *out = new_block("image", part->cache_control);
    struct json_object *source = source_of(part);
    if (jpg)
        jsonx_set_str(source, "media_type", "image/jpeg");
    jsonx_set(*out, "source", source);
    return 0;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* -1: no base64. */
static int decode_base64(struct buf *out, struct span text)
{
    unsigned bits = 0;
    int count = 0;

    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0)
            return -1;
        bits = (bits << 6 | (unsigned)digit) & 0xffffU;
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_append_char(out, (char)(bits >> count & 0xffU));
        }
    }
    return buf_failed(out) ? -1 : 0;
}

static bool is_utf8(struct span text)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = jsontext_utf8_len(text.ptr + i, text.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

static int text_document(struct json_object *block, const struct neutral_part *part,
                         const struct messages_place *place)
{
    struct json_object *source = json_object_new_object();
    struct buf text;
    int rc = -1;

    buf_init(&text, part->data.len + 1);
    jsonx_set(block, "source", source);
    if (decode_base64(&text, part->data) != 0 || !is_utf8(buf_span(&text))) {
        (void)refuse(place, "takes text files in UTF-8, sent as base64.");
        goto out;
    }
    jsonx_set_str(source, "type", "text");
    jsonx_set_str(source, "media_type", "text/plain");
    jsonx_set_strn(source, "data", text.data, text.len);
    rc = 0;
out:
    buf_fini(&text);
    return rc;
}

static bool is_text_type(const char *media_type)
{
    return strncmp(media_type, "text/", 5) == 0 || strcmp(media_type, "application/json") == 0;
}

static int file_block(struct json_object **out, const struct neutral_part *part,
                      const struct messages_place *place)
{
    const char *type = part->media_type != NULL ? part->media_type : "";
    bool url = part->url.len > 0;

    if (!url && part->data.len == 0)
        return refuse(place, "takes a file's content only ('file_data'), not its id.");
    if (url && !is_https(part->url))
        return refuse(place, "takes files by https: or data: URL only.");
    if (!url && is_image_type(type))
        return image_block(out, part, place);
    if (!url && strcmp(type, "application/pdf") != 0 && !is_text_type(type))
        return refuse(place, "takes files as application/pdf or text.");
    struct json_object *block = new_block("document", part->cache_control);
    if (part->name != NULL && part->name[0] != '\0')
        jsonx_set_str(block, "title", part->name);
    if (!url && is_text_type(type)) {
        if (text_document(block, part, place) != 0) {
            json_object_put(block);
            return -1;
        }
    } else {
        jsonx_set(block, "source", source_of(part));
    }
    *out = block;
    return 0;
}

int messages_part_block(struct json_object **out, const struct neutral_part *part,
                        const struct messages_place *place)
{
    *out = NULL;
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        if (!messages_is_blank(part->text))
            *out = messages_text_block(part->text, part->cache_control);
        return 0;
    case PART_IMAGE:
        return image_block(out, part, place);
    case PART_FILE:
        return file_block(out, part, place);
    case PART_AUDIO:
        break;
    }
    return refuse(place, "takes no audio.");
}

/* Calls and results. */

/* Other providers' ids may hold characters that are refused here; the same id always becomes the
 * same. */
static void set_id(struct json_object *block, const char *key, const char *id)
{
    char text[ID_MAX];
    size_t n = 0;

    for (; n < sizeof text - 1 && id[n] != '\0'; n++) {
        bool plain = (id[n] >= 'a' && id[n] <= 'z') || (id[n] >= 'A' && id[n] <= 'Z') ||
                     (id[n] >= '0' && id[n] <= '9') || id[n] == '_' || id[n] == '-';
        text[n] = plain ? id[n] : '_';
    }
    jsonx_set_strn(block, key, text, n);
}

struct json_object *messages_call_block(const struct neutral_call *call)
{
    struct json_object *block = new_block("tool_use", NULL);
    struct json_object *input = NULL;
    struct err err;

    set_id(block, "id", call->id);
    jsonx_set_str(block, "name", call->name);
    if (jsonx_parse(&input, call->arguments.ptr, call->arguments.len, &err) != 0)
        input = NULL;
    if (!json_object_is_type(input, json_type_object)) {
        json_object_put(input);
        input = json_object_new_object();
        if (!messages_is_blank(call->arguments))
            jsonx_set_strn(input, "arguments", call->arguments.ptr, call->arguments.len);
    }
    jsonx_set(block, "input", input);
    return block;
}

int messages_result_block(struct json_object **out, const struct neutral_message *message,
                          const struct messages_place *place)
{
    struct messages_place at = *place;
    struct json_object *block = new_block("tool_result", message->cache_control);
    struct json_object *content = json_object_new_array();
    int rc = 0;

    set_id(block, "tool_use_id", message->tool_call_id);
    for (at.part = 0; at.part < message->part_count && rc == 0; at.part++) {
        struct json_object *part = NULL;
        rc = messages_part_block(&part, &message->parts[at.part], &at);
        if (part != NULL)
            json_object_array_add(content, part);
    }
    struct json_object *first = json_object_array_get_idx(content, 0);
    if (json_object_array_length(content) == 1 && jsonx_get(first, "text") != NULL &&
        jsonx_get(first, "cache_control") == NULL)
        jsonx_set_ref(block, "content", jsonx_get(first, "text"));
    else if (first != NULL)
        jsonx_set_ref(block, "content", content);
    json_object_put(content);
    if (rc != 0) {
        json_object_put(block);
        block = NULL;
    }
    *out = block;
    return rc;
}

/* Thinking. */

static struct span member_span(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    if (!json_object_is_type(v, json_type_string))
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

static struct json_object *thinking_block(struct span text, struct span signature)
{
    struct json_object *block = new_block("thinking", NULL);

    jsonx_set_strn(block, "thinking", text.ptr, text.len);
    jsonx_set_strn(block, "signature", signature.ptr, signature.len);
    return block;
}

static void add_thought(struct json_object *list, struct json_object *detail,
                        struct json_object *block)
{
    struct json_object *entry = json_object_new_object();

    jsonx_set_i64(entry, "index", jsonx_i64(detail, "index", 0));
    jsonx_set(entry, "block", block);
    json_object_array_add(list, entry);
}

/* Clients that keep a stream's pieces send a text in several entries of one index, the signature in
 * the last: `text` collects until it comes. */
static void read_detail(struct json_object *list, struct json_object *detail, struct buf *text,
                        int64_t *index)
{
    const char *type = jsonx_str(detail, "type", "");
    const char *format = jsonx_str(detail, "format", thought_format);

    if (strcmp(format, thought_format) != 0)
        return;
    if (strcmp(type, "reasoning.encrypted") == 0) {
        struct span data = member_span(detail, "data");
        if (data.len == 0)
            return;
        struct json_object *block = new_block("redacted_thinking", NULL);
        jsonx_set_strn(block, "data", data.ptr, data.len);
        add_thought(list, detail, block);
    } else if (strcmp(type, "reasoning.text") == 0) {
        struct span piece = member_span(detail, "text");
        struct span signature = member_span(detail, "signature");
        if (jsonx_i64(detail, "index", 0) != *index)
            buf_clear(text);
        *index = jsonx_i64(detail, "index", 0);
        buf_append(text, piece.ptr, piece.len);
        if (signature.len == 0 || buf_failed(text))
            return;
        add_thought(list, detail, thinking_block(buf_span(text), signature));
        buf_clear(text);
    }
}

struct json_object *messages_thought_blocks(struct json_object *reasoning_details)
{
    enum { THOUGHT_MAX = 16 * 1024 * 1024 };
    struct json_object *list = json_object_new_array();
    size_t count = json_object_is_type(reasoning_details, json_type_array)
                       ? json_object_array_length(reasoning_details)
                       : 0;
    int64_t index = 0;
    struct buf text;

    buf_init(&text, THOUGHT_MAX);
    for (size_t i = 0; i < count; i++)
        read_detail(list, json_object_array_get_idx(reasoning_details, i), &text, &index);
    buf_fini(&text);
    return list;
}
