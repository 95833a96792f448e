/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/images.h"

#include "base/secret.h"
#include "base/timing.h"
#include "net/fetch.h"
#include "store/apikey.h"

#include <string.h>

struct fetching {
    const struct images_call *call;
    struct err *err;
    struct buf bytes; /* of the part under way */
    struct buf text;  /* its base64 */
    size_t bytes_left;
    int64_t deadline_ms;
};

/* Some provider that may serve does not take this by its URL. */
static bool is_wanted(const struct route_list *routes, const struct neutral_part *part)
{
    bool file = part->kind == PART_FILE;

    if (part->url.len == 0 || (part->kind != PART_IMAGE && !file))
        return false;
    for (size_t i = 0; i < routes->count; i++)
        if (routes->routes[i].format->wants_bytes ||
            (file && routes->routes[i].format->wants_file_bytes))
            return true;
    return false;
}

static size_t count_wanted(const struct route_list *routes, const struct neutral_content *content)
{
    size_t count = 0;

    for (size_t i = 0; i < content->message_count; i++)
        for (size_t j = 0; j < content->messages[i].part_count; j++)
            count += is_wanted(routes, &content->messages[i].parts[j]) ? 1 : 0;
    return count;
}

static const char sum_too_large[] =
    "the images and files that a request names by URL may have 50 MiB together; send fewer or "
    "smaller ones.";
static_assert(IMAGES_BYTES_MAX == 50 * 1024 * 1024, "the message says 50 MiB");

static int fetch_part(struct fetching *f, struct neutral_part *part, const char *path)
{
    const struct images_call *call = f->call;
    const struct conf *conf = call->app->conf;
    bool tight = f->bytes_left < FETCH_BYTES_MAX;
    struct fetch_request want = {
        .url = arena_strndup(call->arena, part->url.ptr, part->url.len),
        .path = path,
        .allow_private = conf->allow_private_webhooks,
        .bytes_max = tight ? f->bytes_left : FETCH_BYTES_MAX,
        .too_large = tight ? sum_too_large : NULL,
        .connect_timeout_ms = conf->connect_timeout_ms,
        .deadline_ms = f->deadline_ms,
        .gone = call->gone,
        .gone_arg = call->gone_arg,
    };

    if (memchr(part->url.ptr, '\0', part->url.len) != NULL)
        return err_set(f->err, ERR_BAD_REQUEST, path, "'%s': this is no valid URL.", path);
    if (fetch_media(&f->bytes, &part->media_type, &want, f->err) != 0)
        return -1;
    f->bytes_left -= f->bytes.len;
    buf_clear(&f->text);
    secret_base64(&f->text, f->bytes.data, f->bytes.len);
    if (buf_failed(&f->text))
        return err_set(f->err, ERR_INTERNAL, NULL, "Not enough memory for the images.");
    part->data.ptr = arena_strndup(call->arena, f->text.data, f->text.len);
    part->data.len = f->text.len;
    part->url = (struct span){NULL, 0};
    return 0;
}

static int fetch_all(struct fetching *f, const struct neutral_content *content)
{
    for (size_t i = 0; i < content->message_count; i++) {
        const struct neutral_message *m = &content->messages[i];
        for (size_t j = 0; j < m->part_count; j++) {
            if (!is_wanted(f->call->routes, &m->parts[j]))
                continue;
            const char *member =
                m->parts[j].kind == PART_IMAGE ? "image_url.url" : "file.file_data";
            const char *path =
                arena_printf(f->call->arena, "messages[%zu].content[%zu].%s", i, j, member);
            if (fetch_part(f, &m->parts[j], path) != 0)
                return -1;
        }
    }
    return 0;
}

int images_fetch(const struct images_call *call, const struct neutral_request *request,
                 struct err *err)
{
    const struct neutral_content *content = request->content;
    struct fetching f = {.call = call, .err = err, .bytes_left = IMAGES_BYTES_MAX};
    struct apikey_principal principal;

    if (content == NULL)
        return 0;
    size_t count = count_wanted(call->routes, content);
    if (count == 0)
        return 0;
    if (count > IMAGES_COUNT_MAX)
        return err_set(err, ERR_BAD_REQUEST, "messages",
                       "The request names %zu images and files by URL; for the model '%.100s' at "
                       "most %d are fetched. Send the others as data: URLs.",
                       count, request->model, IMAGES_COUNT_MAX);
    if (apikey_find(&principal, &call->app->store, call->arena, call->key_hash, err) != 0)
        return -1;
    buf_init(&f.bytes, FETCH_BYTES_MAX);
    buf_init(&f.text, (size_t)FETCH_BYTES_MAX / 3 * 4 + 8);
    f.deadline_ms = timing_mono_ms() + IMAGES_TIME_MAX_MS;
    int rc = fetch_all(&f, content);
    buf_fini(&f.text);
    buf_fini(&f.bytes);
    return rc;
}
