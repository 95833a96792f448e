/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an answer of a media provider, as a callback, and as a customer's input. An end of a
 * job has a result that is JSON with files, or a reason; a price has a variant and a quantity.
 */
#include "base/base.h"

#include "fuzz.h"
#include "wire/kie.h"
#include "wire/kie_record.h"
#include "wire/media_models.h"
#include "wire/mureka.h"
#include "wire/recraft.h"
#include "wire/replicate.h"

#include <string.h>

enum { OUT_MAX = 64 * 1024 * 1024 };

static const int statuses[] = {200, 404, 422, 500};

static const char *const models[] = {
    "wan/2-7-text-to-video",
    "kling-3.0/video",
    "bytedance/seedance-2",
    "veo-3-1",
    "qwen/text-to-image",
    "ideogram/v3-text-to-image",
    "elevenlabs/text-to-dialogue-v3",
    "ai-music-api/generate",
    "recraft/generations",
    "mureka/song",
    "meta/musicgen:1",
    "4o-image-api",
};

/* As customers see it, in the shape of one family. */
static void check_record(const struct media_news *news, enum media_api shape)
{
    const struct kie_record r = {.task_id = "tsk_1",
                                 .model = "m",
                                 .state = news->state,
                                 .param = "{}",
                                 .result = news->result,
                                 .fail_code = news->fail_code != NULL ? news->fail_code : "",
                                 .fail_msg = news->fail_msg != NULL ? news->fail_msg : "",
                                 .created_ms = 1};
    struct json_object *written = NULL;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    kie_write_record(&out, shape, &r);
    FUZZ_REQUIRE(jsonx_parse(&written, out.data, out.len, &err) == 0);
    json_object_put(written);
    written = kie_list_entry(&r);
    FUZZ_REQUIRE((news->state == MEDIA_SUCCESS) ==
                 (json_object_array_length(jsonx_array(written, "resultUrls")) > 0));
    json_object_put(written);
    buf_fini(&out);
}

static void check_news(int rc, const struct media_news *news, const struct err *err,
                       enum media_api shape)
{
    if (rc != 0) {
        FUZZ_REQUIRE(err->status >= 400 && err->message[0] != '\0');
        return;
    }
    FUZZ_REQUIRE((news->state == MEDIA_SUCCESS) == (news->result != NULL));
    FUZZ_REQUIRE(news->state != MEDIA_FAIL || news->fail_msg != NULL);
    check_record(news, shape);
}

static void check_answers(struct arena *arena, struct span body)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        int status = statuses[i];
        struct media_news news;
        struct err err;
        for (int api = 0; api < MEDIA_KIE__COUNT; api++) {
            err_clear(&err);
            check_news(kie_read_record(&news, arena, (enum media_api)api, "up-1", "tsk_1", status,
                                       body, &err),
                       &news, &err, (enum media_api)api);
        }
        err_clear(&err);
        check_news(mureka_read_task(&news, arena, "up-1", "tsk_1", status, body, &err), &news, &err,
                   MEDIA_KIE);
        err_clear(&err);
        check_news(replicate_read_prediction(&news, arena, "up-1", "tsk_1", status, body, &err),
                   &news, &err, MEDIA_KIE);
        err_clear(&err);
        check_news(recraft_read_answer(&news, arena, status, body, &err), &news, &err, MEDIA_KIE);
    }
}

static void check_created(struct arena *arena, struct span body)
{
    struct media_news news;
    struct err err;
    bool sure;

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        int status = statuses[i];
        err_clear(&err);
        if (kie_read_created(&news, &sure, arena, status, body, &err) == 0)
            FUZZ_REQUIRE(media_id_valid(news.upstream_id));
        else
            FUZZ_REQUIRE(err.status >= 400);
        if (mureka_read_created(&news, &sure, arena, status, body, &err) == 0)
            FUZZ_REQUIRE(media_id_valid(news.upstream_id));
        if (replicate_read_created(&news, &sure, arena, status, body, &err) == 0)
            FUZZ_REQUIRE(media_id_valid(news.upstream_id));
    }
}

/* Nobody here knows the key. */
static void check_callback(struct arena *arena, struct span body)
{
    struct kie_callback callback;
    struct err err;

    err_clear(&err);
    FUZZ_REQUIRE(
        kie_read_callback(&callback, arena, "key", "1000", "c2lnbmF0dXJl", body, 1000, &err) != 0);
    FUZZ_REQUIRE(err.status == 403);
}

static void check_input(struct arena *arena, struct span body)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        const struct media_model *model = media_model_find(models[i]);
        struct json_object *input = NULL;
        struct media_price price;
        struct err err;
        err_clear(&err);
        FUZZ_REQUIRE(model != NULL);
        if (jsonx_parse(&input, body.ptr, body.len, &err) != 0)
            return;
        if (json_object_is_type(input, json_type_object)) {
            if (media_model_price(&price, model, input, "input.", &err) == 0) {
                FUZZ_REQUIRE(price.quantity_milli > 0 && price.quantity_milli <= 1000000000);
                FUZZ_REQUIRE(media_model_param(arena, model, "m", input)[0] == '{');
            } else {
                FUZZ_REQUIRE(err.status == 400 && err.param[0] != '\0');
            }
        }
        json_object_put(input);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new();
    struct span body = {.ptr = (const char *)data, .len = size};

    check_answers(arena, body);
    check_created(arena, body);
    check_callback(arena, body);
    check_input(arena, body);
    arena_free(arena);
    return 0;
}
