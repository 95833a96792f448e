/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/recraft.h"

#include <stdio.h>
#include <string.h>

/* US dollars that one of Recraft's API units costs. */
#define UNIT_USD "0.001"

void recraft_write_request(struct buf *out, struct json_object *input)
{
    struct json_object *body = json_object_new_object();

    json_object_object_foreach(input, key, v)
    {
        jsonx_set_ref(body, key, v);
    }
    jsonx_set_str(body, "response_format", "url");
    jsonx_write(out, body);
    json_object_put(body);
}

static int nonsense(int http_status, struct span body, struct err *err)
{
    err_set(err, ERR_UPSTREAM, NULL, "The media provider failed.");
    return err_detail(err, "recraft: HTTP %d: %.*s", http_status, MEDIA_BEGINNING(body));
}

/* What was asked for is refused: that is the job's outcome. Else it is our trouble. */
static int read_failure(struct media_news *news, struct arena *arena, int http_status,
                        struct json_object *root, struct span body, struct err *err)
{
    const char *msg = jsonx_str(root, "message", "");

    if (http_status == 401 || http_status == 402 || http_status == 403 || http_status == 429 ||
        http_status >= 500 || http_status < 400)
        return nonsense(http_status, body, err);
    news->state = MEDIA_FAIL;
    news->fail_code = arena_printf(arena, "%d", http_status);
    news->fail_msg = msg[0] != '\0' ? media_words(arena, msg) : "The provider refused it.";
    return 0;
}

static int read_images(struct media_news *news, struct arena *arena, struct json_object *root,
                       struct span body, struct err *err)
{
    struct json_object *result = json_object_new_object();
    struct json_object *urls = media_result_urls(root);
    struct json_object *credits = jsonx_get(root, "credits");
    bool any = json_object_array_length(urls) > 0;

    jsonx_set(result, "resultUrls", urls);
    news->result = any ? media_result_text(arena, result, NULL, "") : NULL;
    json_object_put(result);
    if (news->result == NULL)
        return nonsense(200, body, err);
    news->state = MEDIA_SUCCESS;
    if (json_object_is_type(credits, json_type_int) ||
        json_object_is_type(credits, json_type_double)) {
        news->cost = arena_strdup(arena, json_object_get_string(credits));
        news->cost_rate = UNIT_USD;
    }
    return 0;
}

int recraft_read_answer(struct media_news *news, struct arena *arena, int http_status,
                        struct span body, struct err *err)
{
    struct json_object *root = NULL;
    struct err why;

    *news = (struct media_news){.state = MEDIA_WAITING};
    if (jsonx_parse(&root, body.ptr, body.len, &why) != 0)
        return nonsense(http_status, body, err);
    int rc = http_status == 200 ? read_images(news, arena, root, body, err)
                                : read_failure(news, arena, http_status, root, body, err);
    json_object_put(root);
    return rc;
}
