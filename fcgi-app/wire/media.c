/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/media.h"

#include "base/jsontext.h"
#include "base/log.h"

#include <string.h>
#include <strings.h>

static const char *const api_names[] = {
    [MEDIA_KIE] = "kie",       [MEDIA_VEO] = "veo",
    [MEDIA_SUNO] = "suno",     [MEDIA_RUNWAY] = "runway",
    [MEDIA_ALEPH] = "aleph",   [MEDIA_FLUX] = "flux",
    [MEDIA_4O] = "4o",         [MEDIA_RECRAFT] = "recraft",
    [MEDIA_MUREKA] = "mureka", [MEDIA_REPLICATE] = "replicate",
};
static_assert(ARRAY_LEN(api_names) == MEDIA_API__COUNT, "a name for every interface");

static const char *const state_names[] = {
    [MEDIA_WAITING] = "waiting", [MEDIA_QUEUING] = "queuing", [MEDIA_GENERATING] = "generating",
    [MEDIA_SUCCESS] = "success", [MEDIA_FAIL] = "fail",
};

/* Members that hold addresses of finished files; those of previews and of what the customer gave
 * are not among them. */
static const char *const url_names[] = {
    "resultUrls", "resultUrl", "resultVideoUrl", "resultImageUrl",
    "videoUrl",   "video_url", "audioUrl",       "audio_url",
    "url",        "output",    "urls",
};

enum { WALK_DEPTH_MAX = 16, WORDS_MAX = 400 };

const char *media_api_name(enum media_api api)
{
    return api_names[api];
}

int media_api_find(enum media_api *out, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(api_names); i++)
        if (strcmp(api_names[i], name) == 0) {
            *out = (enum media_api)i;
            return 0;
        }
    return -1;
}

const char *media_state_name(enum media_state state)
{
    return state_names[state];
}

int media_state_find(enum media_state *out, const char *name)
{
    if (strcmp(name, "creating") == 0) {
        *out = MEDIA_WAITING;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        if (strcmp(state_names[i], name) == 0) {
            *out = (enum media_state)i;
            return 0;
        }
    return -1;
}

char *media_words(struct arena *arena, const char *text)
{
    /* Half a character would be no text for the database and for JSON. */
    char *words = arena_strndup(arena, text, jsontext_cut(text, WORDS_MAX));

    log_mask(words, strlen(words));
    return words;
}

bool media_id_valid(const char *id)
{
    size_t len = strnlen(id, MEDIA_UPSTREAM_ID_MAX + 1);

    if (len == 0 || len > MEDIA_UPSTREAM_ID_MAX)
        return false;
    for (const char *p = id; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
            return false;
    return true;
}

static bool is_text(struct json_object *v, const char *text)
{
    return json_object_is_type(v, json_type_string) && strcmp(json_object_get_string(v), text) == 0;
}

/* Puts `to` in place of every text that is `from`. Recursive, but no deeper than WALK_DEPTH_MAX. */
static void replace(struct json_object *v, const char *from, const char *to, int depth)
{
    if (depth > WALK_DEPTH_MAX)
        return;
    if (is_text(v, from)) {
        json_object_set_string(v, to);
    } else if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++)
            replace(json_object_array_get_idx(v, i), from, to, depth + 1);
    } else if (json_object_is_type(v, json_type_object)) {
        json_object_object_foreach(v, key, member)
        {
            (void)key;
            replace(member, from, to, depth + 1);
        }
    }
}

const char *media_result_text(struct arena *arena, struct json_object *result,
                              const char *upstream_id, const char *task_id)
{
    struct buf out;
    const char *text = NULL;

    if (upstream_id != NULL)
        replace(result, upstream_id, task_id, 0);
    buf_init(&out, MEDIA_RESULT_MAX);
    jsonx_write(&out, result);
    if (!buf_failed(&out))
        text = arena_strndup(arena, out.data, out.len);
    buf_fini(&out);
    return text;
}

static bool is_url_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(url_names); i++)
        if (strcmp(url_names[i], name) == 0)
            return true;
    return false;
}

static void collect_text(struct json_object *urls, const char *text)
{
    if (strncasecmp(text, "https://", 8) != 0 && strncasecmp(text, "http://", 7) != 0)
        return;
    size_t count = json_object_array_length(urls);
    for (size_t i = 0; i < count; i++)
        if (strcmp(json_object_get_string(json_object_array_get_idx(urls, i)), text) == 0)
            return;
    if (count < MEDIA_URLS_MAX)
        json_object_array_add(urls, json_object_new_string(text));
}

/* Recursive, but no deeper than WALK_DEPTH_MAX. */
static void collect(struct json_object *urls, struct json_object *v, bool named, int depth)
{
    if (v == NULL || depth > WALK_DEPTH_MAX)
        return;
    if (json_object_is_type(v, json_type_string) && named) {
        collect_text(urls, json_object_get_string(v));
    } else if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++)
            collect(urls, json_object_array_get_idx(v, i), named, depth + 1);
    } else if (json_object_is_type(v, json_type_object)) {
        json_object_object_foreach(v, key, member)
        {
            collect(urls, member, is_url_name(key), depth + 1);
        }
    }
}

struct json_object *media_result_urls(struct json_object *result)
{
    struct json_object *urls = json_object_new_array();

    collect(urls, result, false, 0);
    return urls;
}
