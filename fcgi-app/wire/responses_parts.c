/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_parts.h"

#include <string.h>

const char *responses_path(const struct responses_place *at, const char *member)
{
    return arena_printf(at->arena, "input[%zu]%s", at->item, member);
}

int responses_bad(const struct responses_place *at, const char *path, const char *what)
{
    return err_set(at->err, ERR_BAD_REQUEST, path, "'%s' %s", path, what);
}

struct span responses_span(struct json_object *v)
{
    if (!json_object_is_type(v, json_type_string))
        return (struct span){"", 0};
    return (struct span){json_object_get_string(v), (size_t)json_object_get_string_len(v)};
}

/* One part and where it stands. */
struct reading {
    const struct responses_place *at;
    const char *member;
    size_t index;
    struct json_object *json;
};

static const char *part_path(const struct reading *r, const char *member)
{
    return arena_printf(r->at->arena, "input[%zu].%s[%zu]%s", r->at->item, r->member, r->index,
                        member);
}

static int bad(const struct reading *r, const char *member, const char *what)
{
    return responses_bad(r->at, part_path(r, member), what);
}

static bool is_web_url(struct span url)
{
    return (url.len >= 8 && strncmp(url.ptr, "https://", 8) == 0) ||
           (url.len >= 7 && strncmp(url.ptr, "http://", 7) == 0);
}

/* "data:image/png;base64,AAAA" (RFC 2397) into media type and payload. */
static int read_data_url(struct neutral_part *part, const struct reading *r, struct span url,
                         const char *member)
{
    static const char marker[] = ";base64,";
    const char *end = strstr(url.ptr, marker);

    if (end == NULL)
        return bad(r, member, "must be a base64 data: URL (data:image/png;base64,...).");
    const char *type = url.ptr + strlen("data:");
    const char *type_end = memchr(type, ';', (size_t)(end - type) + 1);
    part->media_type = arena_strndup(r->at->arena, type, (size_t)(type_end - type));
    part->data.ptr = end + sizeof marker - 1;
    part->data.len = url.len - (size_t)(part->data.ptr - url.ptr);
    return 0;
}

static int read_url(struct neutral_part *part, const struct reading *r, struct span url,
                    const char *member)
{
    if (url.len >= 5 && strncmp(url.ptr, "data:", 5) == 0)
        return read_data_url(part, r, url, member);
    if (!is_web_url(url))
        return bad(r, member, "must be an http(s) URL or a data: URL.");
    part->url = url;
    return 0;
}

static int read_text(struct neutral_part *part, const struct reading *r)
{
    bool refusal = part->kind == PART_REFUSAL;
    struct json_object *text = jsonx_get(r->json, refusal ? "refusal" : "text");

    if (!json_object_is_type(text, json_type_string))
        return bad(r, refusal ? ".refusal" : ".text", "must be a string.");
    part->text = responses_span(text);
    return 0;
}

static int read_image(struct neutral_part *part, const struct reading *r)
{
    struct json_object *url = jsonx_get(r->json, "image_url");

    part->detail = jsonx_str(r->json, "detail", NULL);
    part->file_id = jsonx_str(r->json, "file_id", NULL);
    if (json_object_is_type(url, json_type_string))
        return read_url(part, r, responses_span(url), ".image_url");
    if (part->file_id == NULL)
        return bad(r, "", "needs 'image_url', a string.");
    return 0;
}

static int read_file(struct neutral_part *part, const struct reading *r)
{
    struct json_object *data = jsonx_get(r->json, "file_data");
    struct json_object *url = jsonx_get(r->json, "file_url");

    part->name = jsonx_str(r->json, "filename", NULL);
    part->file_id = jsonx_str(r->json, "file_id", NULL);
    if (json_object_is_type(data, json_type_string))
        return read_url(part, r, responses_span(data), ".file_data");
    if (json_object_is_type(url, json_type_string))
        return read_url(part, r, responses_span(url), ".file_url");
    if (part->file_id == NULL)
        return bad(r, "", "needs 'file_data', 'file_url' or 'file_id'.");
    return 0;
}

static int read_audio(struct neutral_part *part, const struct reading *r)
{
    struct json_object *audio = jsonx_object(r->json, "input_audio");
    struct json_object *data = jsonx_get(audio, "data");

    if (!json_object_is_type(data, json_type_string))
        return bad(r, ".input_audio.data", "must be a string of base64.");
    part->data = responses_span(data);
    part->media_type = arena_printf(r->at->arena, "audio/%s", jsonx_str(audio, "format", "wav"));
    return 0;
}

static const struct {
    const char *type;
    enum neutral_part_kind kind;
    int (*read)(struct neutral_part *part, const struct reading *r);
} part_readers[] = {
    {"input_text", PART_TEXT, read_text},    {"output_text", PART_TEXT, read_text},
    {"text", PART_TEXT, read_text},          {"refusal", PART_REFUSAL, read_text},
    {"input_image", PART_IMAGE, read_image}, {"input_file", PART_FILE, read_file},
    {"input_audio", PART_AUDIO, read_audio},
};

static int read_part(struct neutral_part *part, const struct reading *r)
{
    const char *type = jsonx_str(r->json, "type", "");

    for (size_t i = 0; i < ARRAY_LEN(part_readers); i++) {
        if (strcmp(part_readers[i].type, type) == 0) {
            part->kind = part_readers[i].kind;
            return part_readers[i].read(part, r);
        }
    }
    return bad(r, ".type",
               "must be one of input_text, input_image, input_file, input_audio, output_text, "
               "refusal.");
}

int responses_read_parts(struct neutral_message *m, struct json_object *content, const char *member,
                         const struct responses_place *at)
{
    struct reading r = {.at = at, .member = member};

    if (content == NULL)
        return 0;
    if (json_object_is_type(content, json_type_string)) {
        m->parts = arena_zalloc(at->arena, sizeof *m->parts);
        m->parts[0] = (struct neutral_part){.kind = PART_TEXT, .text = responses_span(content)};
        m->part_count = 1;
        return 0;
    }
    /* responses_read_request has checked it: an array. */
    size_t count = json_object_array_length(content);
    m->parts = arena_zalloc(at->arena, (count + 1) * sizeof *m->parts);
    for (r.index = 0; r.index < count; r.index++) {
        r.json = json_object_array_get_idx(content, r.index);
        if (read_part(&m->parts[m->part_count++], &r) != 0)
            return -1;
    }
    return 0;
}
