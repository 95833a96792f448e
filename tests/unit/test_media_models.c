/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/media_models.h"

#include <string.h>

static struct json_object *parse(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    assert_int_equal(jsonx_parse(&v, text, strlen(text), &err), 0);
    return v;
}

/* What an input costs, and what goes to the provider. */
static void check(const char *model, const char *input, const char *variant, int64_t milli,
                  const char *sent)
{
    struct json_object *v = parse(input);
    struct media_price price;
    struct err err;

    err_clear(&err);
    if (media_model_price(&price, media_model_find(model), v, "input.", &err) != 0)
        fail_msg("%s %s: %s", model, input, err.message);
    assert_string_equal(price.variant, variant);
    assert_int_equal(price.quantity_milli, milli);
    struct json_object *want = parse(sent);
    if (!json_object_equal(v, want))
        fail_msg("%s %s: sent %s", model, input, json_object_to_json_string(v));
    json_object_put(want);
    json_object_put(v);
}

static void check_refused(const char *model, const char *input, const char *param)
{
    struct json_object *v = parse(input);
    struct media_price price;
    struct err err;

    err_clear(&err);
    assert_int_equal(media_model_price(&price, media_model_find(model), v, "input.", &err), -1);
    assert_int_equal(err.status, 400);
    assert_string_equal(err.param, param);
    assert_true(strstr(err.message, param) != NULL);
    json_object_put(v);
}

static void test_find(void **state)
{
    (void)state;
    assert_non_null(media_model_find("meta/musicgen:abc"));
    assert_non_null(media_model_find("meta/musicgen"));
    assert_null(media_model_find("meta/music"));
    assert_null(media_model_find("meta/musicgenx"));
    assert_int_equal(media_model_find("veo-3-1")->api, MEDIA_KIE);
    assert_string_equal(media_model_find_api("veo-3-1", MEDIA_VEO)->params[0].dflt, "veo3_fast");
    assert_string_equal(media_model_find("veo-3-1")->params[0].dflt, "veo3");
    assert_null(media_model_find_api("veo-3-1", MEDIA_SUNO));
}

/* What was left out is said, so that a provider's default cannot be dearer. */
static void test_defaults_are_sent(void **state)
{
    (void)state;
    check("wan/2-7-text-to-video", "{}", "resolution=720p", 5000,
          "{\"resolution\":\"720p\",\"duration\":5}");
    check("wan/2-7-text-to-video", "{\"resolution\":null,\"duration\":null,\"prompt\":\"x\"}",
          "resolution=720p", 5000, "{\"prompt\":\"x\",\"resolution\":\"720p\",\"duration\":5}");
    check("kling-3.0/video", "{\"sound\":\"true\",\"duration\":10}", "mode=std,sound=yes", 10000,
          "{\"sound\":true,\"duration\":\"10\",\"mode\":\"std\"}");
    check("ideogram/v3-text-to-image", "{\"num_images\":2}", "rendering_speed=BALANCED", 2000,
          "{\"num_images\":\"2\",\"rendering_speed\":\"BALANCED\"}");
    check("ideogram/v3-text-to-image", "{}", "rendering_speed=BALANCED", 1000,
          "{\"rendering_speed\":\"BALANCED\"}");
}

static void test_quantities(void **state)
{
    (void)state;
    check("qwen/text-to-image", "{}", "", 1000, "{\"image_size\":\"square_hd\"}");
    check("qwen/text-to-image", "{\"image_size\":\"square\"}", "", 1000,
          "{\"image_size\":\"square\"}");
    check("elevenlabs/text-to-speech-turbo-2-5", "{\"text\":\"\xc3\xa4\xe2\x82\xac!\"}", "", 3,
          "{\"text\":\"\xc3\xa4\xe2\x82\xac!\"}");
    /* What stands behind a NUL goes to the provider, too. */
    check("elevenlabs/text-to-speech-turbo-2-5", "{\"text\":\"a\\u0000bcd\"}", "", 5,
          "{\"text\":\"a\\u0000bcd\"}");
    check("elevenlabs/text-to-dialogue-v3", "{\"dialogue\":[{\"text\":\"\\u0000ab\"}]}", "", 3,
          "{\"dialogue\":[{\"text\":\"\\u0000ab\"}]}");
    check("elevenlabs/text-to-dialogue-v3", "{\"dialogue\":[{\"text\":\"ab\"},{\"text\":\"cde\"}]}",
          "", 5, "{\"dialogue\":[{\"text\":\"ab\"},{\"text\":\"cde\"}]}");
    check("recraft/generations", "{\"n\":3,\"style\":\"icon/outline\"}",
          "model=recraftv3,vector=yes", 3000,
          "{\"n\":3,\"style\":\"icon/outline\",\"model\":\"recraftv3\"}");
    check("recraft/generations", "{\"model\":\"recraftv4_vector\"}",
          "model=recraftv4_vector,vector=yes", 1000, "{\"model\":\"recraftv4_vector\",\"n\":1}");
    check("mureka/song", "{}", "model=mureka-9", 2000, "{\"model\":\"mureka-9\",\"n\":2}");
    check("google/nano-banana", "{\"num_images\":1}", "", 1000, "{\"num_images\":1}");
}

static void test_metered(void **state)
{
    (void)state;
    struct json_object *v = parse("{\"duration\":10}");
    struct media_price price;
    struct err err;

    assert_int_equal(media_model_price(&price, media_model_find("meta/musicgen:1"), v, "", &err),
                     0);
    assert_true(price.metered);
    assert_int_equal(price.quantity_milli, (30 + 5 * 10) * 1000);
    json_object_put(v);
    v = parse("{\"reference_video_urls\":[\"https://a/b\"],\"duration\":4}");
    assert_int_equal(
        media_model_price(&price, media_model_find("bytedance/seedance-2"), v, "", &err), 0);
    assert_true(price.metered);
    assert_string_equal(price.variant, "resolution=720p,video=yes");
    assert_int_equal(price.quantity_milli, (15 + 4) * 1000);
    json_object_put(v);
    v = parse("{\"reference_video_urls\":[],\"duration\":4}");
    assert_int_equal(
        media_model_price(&price, media_model_find("bytedance/seedance-2"), v, "", &err), 0);
    assert_false(price.metered);
    assert_int_equal(price.quantity_milli, 4000);
    json_object_put(v);
}

static void test_discontinued_words(void **state)
{
    (void)state;
    struct json_object *v = parse("{\"model\":\"V4_5PLUS\"}");
    struct media_price price;
    struct err err;

    assert_int_equal(
        media_model_price(&price, media_model_find("ai-music-api/generate"), v, "", &err), 0);
    assert_true(price.substituted);
    assert_string_equal(price.variant, "model=V6");
    assert_string_equal(jsonx_str(v, "model", ""), "V6");
    json_object_put(v);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("wan/2-7-text-to-video", "{\"duration\":1}", "input.duration");
    check_refused("wan/2-7-text-to-video", "{\"duration\":16}", "input.duration");
    check_refused("wan/2-7-text-to-video", "{\"duration\":5.5}", "input.duration");
    check_refused("wan/2-7-text-to-video", "{\"duration\":\"5 \"}", "input.duration");
    check_refused("wan/2-7-text-to-video", "{\"duration\":999999999999}", "input.duration");
    check_refused("wan/2-7-text-to-video", "{\"resolution\":\"a,b=c\"}", "input.resolution");
    check_refused("wan/2-7-text-to-video", "{\"resolution\":720}", "input.resolution");
    check_refused("wan/2-7-text-to-video", "{\"resolution\":\"\"}", "input.resolution");
    check_refused("google/nano-banana", "{\"num_images\":2}", "input.num_images");
    check_refused("google/nano-banana", "{\"quality\":\"high\"}", "input.quality");
    check_refused("kling-3.0/video", "{\"sound\":1}", "input.sound");
    check_refused("kling-3.0/video", "{\"multi_shots\":true,\"sound\":false}", "input.sound");
    check_refused("kling-3.0/video",
                  "{\"duration\":5,\"multi_prompt\":[{\"duration\":3},{\"duration\":3}]}",
                  "input.multi_prompt");
    check_refused("kling-3.0/video", "{\"duration\":5,\"multi_prompt\":[{}]}",
                  "input.multi_prompt");
    check_refused("qwen/text-to-image", "{\"image_size\":{\"width\":4096,\"height\":4096}}",
                  "input.image_size");
    check_refused("elevenlabs/text-to-speech-turbo-2-5", "{}", "input.text");
    check_refused("wan/2-7-text-to-video", "{\"resolution\":\"720p\\u0000\"}", "input.resolution");
    check_refused("wan/2-7-text-to-video", "{\"duration\":\"5\\u00000\"}", "input.duration");
    check_refused("elevenlabs/text-to-dialogue-v3", "{\"dialogue\":[{\"text\":\"a\"},5]}",
                  "input.dialogue");
    check_refused("bytedance/seedance-2", "{\"reference_video_urls\":5}",
                  "input.reference_video_urls");
    check_refused("recraft/generations", "{\"style\":5}", "input.style");
    check_refused("4o-image-api", "{\"nVariants\":0}", "input.nVariants");
}

/* No prompt, no addresses: only what makes the price. */
static void test_param(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct json_object *v = parse("{\"prompt\":\"secret\",\"image_urls\":[\"https://a\"]}");
    const struct media_model *m = media_model_find("wan/2-7-text-to-video");
    struct media_price price;
    struct err err;

    assert_int_equal(media_model_price(&price, m, v, "", &err), 0);
    assert_string_equal(
        media_model_param(arena, m, "wan-2.7", v),
        "{\"model\":\"wan-2.7\",\"input\":{\"resolution\":\"720p\",\"duration\":5}}");
    json_object_put(v);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_defaults_are_sent),
        cmocka_unit_test(test_quantities),
        cmocka_unit_test(test_metered),
        cmocka_unit_test(test_discontinued_words),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_param),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
