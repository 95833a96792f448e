/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/mureka.h"

#include "wire/media_http.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    enum media_state state;
} states[] = {
    {"preparing", MEDIA_WAITING},    {"queued", MEDIA_QUEUING},       {"running", MEDIA_GENERATING},
    {"streaming", MEDIA_GENERATING}, {"reviewing", MEDIA_GENERATING}, {"succeeded", MEDIA_SUCCESS},
    {"failed", MEDIA_FAIL},          {"timeouted", MEDIA_FAIL},       {"cancelled", MEDIA_FAIL},
};

void mureka_write_request(struct buf *out, struct json_object *input)
{
    struct json_object *body = json_object_new_object();

    json_object_object_foreach(input, key, v)
    {
        jsonx_set_ref(body, key, v);
    }
    jsonx_set_bool(body, "stream", false);
    jsonx_write(out, body);
    json_object_put(body);
}

static const char *message_of(struct json_object *root)
{
    return jsonx_str(jsonx_object(root, "error"), "message", NULL);
}

static int nonsense(struct err *err, int http_status, struct span body)
{
    err_set(err, ERR_UPSTREAM, NULL, "The media provider's answer was not understood.");
    return err_detail(err, "mureka: HTTP %d: %.*s", http_status, MEDIA_BEGINNING(body));
}

int mureka_read_created(struct media_news *news, bool *sure, struct arena *arena, int http_status,
                        struct span body, struct err *err)
{
    struct json_object *root;
    int rc = 0;

    *news = (struct media_news){.state = MEDIA_WAITING};
    media_http_open(&root, body);
    *sure = media_http_sure(http_status, root);
    struct json_object *id = jsonx_get(root, "id");
    const char *text =
        json_object_is_type(id, json_type_string) || json_object_is_type(id, json_type_int)
            ? json_object_get_string(id)
            : "";
    if (http_status < 200 || http_status > 299)
        rc = media_http_refuse(err, "mureka", http_status, message_of(root), body);
    else if (!media_id_valid(text))
        rc = nonsense(err, http_status, body);
    else
        news->upstream_id = arena_strdup(arena, text);
    json_object_put(root);
    return rc;
}

/* {"resultUrls":[...],"choices":[...]}: choices keep durations and other forms of the songs. */
static void read_songs(struct media_news *news, struct arena *arena, struct json_object *root,
                       const char *upstream_id, const char *task_id)
{
    struct json_object *result = json_object_new_object();
    struct json_object *urls = media_result_urls(jsonx_array(root, "choices"));
    bool any = json_object_array_length(urls) > 0;

    jsonx_set(result, "resultUrls", urls);
    jsonx_set_ref(result, "choices", jsonx_array(root, "choices"));
    news->result = any ? media_result_text(arena, result, upstream_id, task_id) : NULL;
    json_object_put(result);
    if (news->result == NULL) {
        news->state = MEDIA_FAIL;
        news->fail_code = "no_result";
        news->fail_msg = "The provider reported success, but gave no files.";
    }
}

static int read_state(struct media_news *news, struct json_object *root)
{
    const char *status = jsonx_str(root, "status", "");

    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strcmp(states[i].word, status) == 0) {
            news->state = states[i].state;
            news->fail_code = states[i].word;
            return 0;
        }
    return -1;
}

int mureka_read_task(struct media_news *news, struct arena *arena, const char *upstream_id,
                     const char *task_id, int http_status, struct span body, struct err *err)
{
    struct json_object *root;
    int rc = 0;

    *news = (struct media_news){.state = MEDIA_WAITING};
    media_http_open(&root, body);
    if (http_status < 200 || http_status > 299) {
        rc = media_http_refuse(err, "mureka", http_status, message_of(root), body);
    } else if (read_state(news, root) != 0) {
        rc = nonsense(err, http_status, body);
    } else if (news->state == MEDIA_SUCCESS) {
        read_songs(news, arena, root, upstream_id, task_id);
    } else if (news->state == MEDIA_FAIL) {
        const char *reason = jsonx_str(root, "failed_reason", "The provider could not make it.");
        news->fail_msg = media_words(arena, reason);
    }
    json_object_put(root);
    return rc;
}
