/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/replicate.h"

#include "base/decimal.h"
#include "wire/media_http.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    enum media_state state;
} states[] = {
    {"starting", MEDIA_WAITING}, {"processing", MEDIA_GENERATING}, {"succeeded", MEDIA_SUCCESS},
    {"failed", MEDIA_FAIL},      {"canceled", MEDIA_FAIL},         {"aborted", MEDIA_FAIL},
};

void replicate_write_request(struct buf *out, const char *upstream_model, struct json_object *input)
{
    struct json_object *body = json_object_new_object();
    const char *colon = strchr(upstream_model, ':');

    jsonx_set_str(body, "version", colon != NULL ? colon + 1 : upstream_model);
    jsonx_set_ref(body, "input", input);
    jsonx_write(out, body);
    json_object_put(body);
}

static int nonsense(struct err *err, int http_status, struct span body)
{
    err_set(err, ERR_UPSTREAM, NULL, "The media provider's answer was not understood.");
    return err_detail(err, "replicate: HTTP %d: %.*s", http_status, MEDIA_BEGINNING(body));
}

int replicate_read_created(struct media_news *news, bool *sure, struct arena *arena,
                           int http_status, struct span body, struct err *err)
{
    struct json_object *root;
    int rc = 0;

    *news = (struct media_news){.state = MEDIA_WAITING};
    media_http_open(&root, body);
    *sure = media_http_sure(http_status, root);
    const char *id = jsonx_str(root, "id", "");
    if (http_status < 200 || http_status > 299)
        rc =
            media_http_refuse(err, "replicate", http_status, jsonx_str(root, "detail", NULL), body);
    else if (!media_id_valid(id))
        rc = nonsense(err, http_status, body);
    else
        news->upstream_id = arena_strdup(arena, id);
    json_object_put(root);
    return rc;
}

/* A number as it stands in the answer, as decimal text. NULL: none, or none that can be one. */
static const char *decimal_of(struct arena *arena, struct json_object *v)
{
    char text[DECIMAL_SIZE];

    if (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int))
        return NULL;
    if (decimal_normalise(text, json_object_get_string(v)) != 0 || decimal_is_negative(text))
        return NULL;
    return arena_strdup(arena, text);
}

static void read_output(struct media_news *news, struct arena *arena, struct json_object *root,
                        const char *upstream_id, const char *task_id)
{
    struct json_object *result = json_object_new_object();
    struct json_object *urls;

    jsonx_set_ref(result, "output", jsonx_get(root, "output"));
    urls = media_result_urls(result);
    json_object_object_del(result, "output");
    bool any = json_object_array_length(urls) > 0;
    jsonx_set(result, "resultUrls", urls);
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

int replicate_read_prediction(struct media_news *news, struct arena *arena, const char *upstream_id,
                              const char *task_id, int http_status, struct span body,
                              struct err *err)
{
    struct json_object *root;
    int rc = 0;

    *news = (struct media_news){.state = MEDIA_WAITING};
    media_http_open(&root, body);
    if (http_status < 200 || http_status > 299) {
        rc =
            media_http_refuse(err, "replicate", http_status, jsonx_str(root, "detail", NULL), body);
    } else if (read_state(news, root) != 0) {
        rc = nonsense(err, http_status, body);
    } else {
        news->took = decimal_of(arena, jsonx_get(jsonx_object(root, "metrics"), "predict_time"));
        if (news->state == MEDIA_SUCCESS)
            read_output(news, arena, root, upstream_id, task_id);
    }
    if (rc == 0 && news->state == MEDIA_FAIL && news->fail_msg == NULL) {
        const char *reason = jsonx_str(root, "error", "The provider could not make it.");
        news->fail_msg = media_words(arena, reason);
    }
    json_object_put(root);
    return rc;
}
