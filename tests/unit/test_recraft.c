/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/recraft.h"

#include <string.h>

static struct arena *arena;
static struct media_news news;
static struct err err;

static int group_start(void **state)
{
    (void)state;
    arena = arena_new();
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static int answer(int status, const char *body)
{
    err_clear(&err);
    return recraft_read_answer(&news, arena, status,
                               (struct span){.ptr = body, .len = strlen(body)}, &err);
}

static void test_request(void **state)
{
    (void)state;
    struct json_object *input = json_object_new_object();
    struct buf out;

    jsonx_set_str(input, "prompt", "x");
    jsonx_set_str(input, "response_format", "b64_json");
    buf_init(&out, 1000);
    recraft_write_request(&out, input);
    assert_string_equal(out.data, "{\"prompt\":\"x\",\"response_format\":\"url\"}");
    buf_fini(&out);
    json_object_put(input);
}

static void test_images(void **state)
{
    (void)state;
    assert_int_equal(answer(200, "{\"created\":1,\"credits\":80,\"data\":[{\"image_id\":\"i\","
                                 "\"url\":\"https://a/1\"},{\"url\":\"https://a/2\"}]}"),
                     0);
    assert_int_equal(news.state, MEDIA_SUCCESS);
    assert_string_equal(news.result, "{\"resultUrls\":[\"https://a/1\",\"https://a/2\"]}");
    assert_string_equal(news.cost, "80");
    assert_string_equal(news.cost_rate, "0.001");
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(answer(400, "{\"code\":\"invalid_style\",\"message\":\"No such style.\"}"), 0);
    assert_int_equal(news.state, MEDIA_FAIL);
    assert_string_equal(news.fail_code, "400");
    assert_string_equal(news.fail_msg, "No such style.");
    assert_int_equal(answer(422, "{}"), 0);
    assert_string_equal(news.fail_msg, "The provider refused it.");
}

static void test_our_trouble(void **state)
{
    (void)state;
    static const int statuses[] = {401, 402, 403, 429, 500, 503, 302, 204};

    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        assert_int_equal(answer(statuses[i], "{\"message\":\"secret\"}"), -1);
        assert_null(strstr(err.message, "secret"));
    }
    assert_int_equal(answer(200, "garbage"), -1);
    assert_int_equal(answer(200, "{\"data\":[]}"), -1);
    assert_int_equal(answer(200, "[]"), -1);
    assert_int_equal(answer(200, ""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_our_trouble),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
