/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/media_provider.h"

#include "wire/kie.h"
#include "wire/mureka.h"
#include "wire/recraft.h"
#include "wire/replicate.h"

#include <string.h>

enum conf_provider media_provider_of(enum media_api api)
{
    return api == MEDIA_RECRAFT     ? PROVIDER_RECRAFT
           : api == MEDIA_MUREKA    ? PROVIDER_MUREKA
           : api == MEDIA_REPLICATE ? PROVIDER_REPLICATE
                                    : PROVIDER_KIE;
}

struct media_provider_head media_provider_head(struct arena *arena, const struct conf *conf,
                                               enum media_api api)
{
    return (struct media_provider_head){
        .lines = {arena_printf(arena, "Authorization: Bearer %s",
                               conf->key[media_provider_of(api)]),
                  "Content-Type: application/json", "Accept: application/json"},
        .count = 3,
    };
}

const char *media_provider_create_path(enum media_api api)
{
    return api == MEDIA_RECRAFT     ? RECRAFT_CREATE_PATH
           : api == MEDIA_MUREKA    ? MUREKA_CREATE_PATH
           : api == MEDIA_REPLICATE ? REPLICATE_PATH
                                    : kie_create_path(api);
}

/* Ids are of visible ASCII without quotes; what has a meaning in a URL is escaped. */
static const char *escaped(struct arena *arena, const char *id)
{
    struct buf out;

    buf_init(&out, 3 * MEDIA_UPSTREAM_ID_MAX);
    for (const char *p = id; *p != '\0'; p++)
        if (strchr("%&+/?#=;:@<>[]\\^`{|}\"' ", *p) != NULL)
            buf_printf(&out, "%%%02X", (unsigned char)*p);
        else
            buf_append_char(&out, *p);
    const char *text = arena_strdup(arena, out.data);
    buf_fini(&out);
    return text;
}

const char *media_provider_query_url(struct arena *arena, const struct conf *conf,
                                     enum media_api api, const char *upstream_id)
{
    const char *base = conf->url[media_provider_of(api)];
    const char *id = escaped(arena, upstream_id);

    if (api == MEDIA_MUREKA)
        return arena_printf(arena, "%s%s%s", base, MUREKA_QUERY_PATH, id);
    if (api == MEDIA_REPLICATE)
        return arena_printf(arena, "%s%s/%s", base, REPLICATE_PATH, id);
    return arena_printf(arena, "%s%s?taskId=%s", base, kie_query_path(api), id);
}

struct batch_limits media_provider_limits(const struct conf *conf, size_t at_once)
{
    return (struct batch_limits){
        .at_once = at_once,
        .connect_timeout_ms = conf->connect_timeout_ms,
        .timeout_ms = conf->first_byte_timeout_ms,
        .body_max = MEDIA_ANSWER_MAX,
    };
}

int media_provider_silent(const struct batch_result *r, const char *provider, struct err *err)
{
    if (r->end == TRANSFER_TIMEOUT)
        err_set(err, ERR_TIMEOUT, NULL, "The media provider did not answer in time.");
    else
        err_set(err, ERR_UPSTREAM, NULL,
                "The media provider could not be reached. Nothing was charged; please try again.");
    return err_detail(err, "%s: %s", provider, r->detail);
}

int media_provider_created(struct media_news *news, bool *sure, struct arena *arena,
                           enum media_api api, const struct batch_result *r, struct err *err)
{
    struct span body = buf_span(&r->body);

    *sure = r->end == TRANSFER_UNREACHABLE || r->end == TRANSFER_FAILED;
    if (r->end != TRANSFER_DONE)
        return media_provider_silent(r, media_api_name(api), err);
    if (api == MEDIA_MUREKA)
        return mureka_read_created(news, sure, arena, r->status, body, err);
    if (api == MEDIA_REPLICATE)
        return replicate_read_created(news, sure, arena, r->status, body, err);
    return kie_read_created(news, sure, arena, r->status, body, err);
}

int media_provider_news(struct media_news *news, struct arena *arena, enum media_api api,
                        const struct task *t, const struct batch_result *r, struct err *err)
{
    struct span body = buf_span(&r->body);

    if (r->end != TRANSFER_DONE)
        return media_provider_silent(r, media_api_name(api), err);
    if (api == MEDIA_MUREKA)
        return mureka_read_task(news, arena, t->upstream_id, t->id, r->status, body, err);
    if (api == MEDIA_REPLICATE)
        return replicate_read_prediction(news, arena, t->upstream_id, t->id, r->status, body, err);
    return kie_read_record(news, arena, api, t->upstream_id, t->id, r->status, body, err);
}
