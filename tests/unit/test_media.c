/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/media.h"

#include <stdio.h>
#include <string.h>

static struct json_object *parse(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    assert_int_equal(jsonx_parse(&v, text, strlen(text), &err), 0);
    return v;
}

static void check_urls(const char *result, const char *want)
{
    struct json_object *v = parse(result);
    struct json_object *urls = media_result_urls(v);

    assert_string_equal(json_object_to_json_string_ext(urls, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE),
                        want);
    json_object_put(urls);
    json_object_put(v);
}

static void test_urls(void **state)
{
    (void)state;
    check_urls("{\"resultUrls\":[\"https://a/1\",\"https://a/2\",\"https://a/1\"]}",
               "[\"https://a/1\",\"https://a/2\"]");
    check_urls("{\"data\":[{\"url\":\"http://a/1\"},{\"url\":\"ftp://a/2\"},{\"url\":5}]}",
               "[\"http://a/1\"]");
    check_urls("{\"output\":\"https://a/1\",\"originImageUrl\":\"https://a/in\",\"prompt\":"
               "\"https://a/2\"}",
               "[\"https://a/1\"]");
    check_urls("{\"sunoData\":[{\"audioUrl\":\"HTTPS://a/1\"}]}", "[\"HTTPS://a/1\"]");
    check_urls("{}", "[]");
    struct json_object *urls = media_result_urls(NULL);
    assert_int_equal(json_object_array_length(urls), 0);
    json_object_put(urls);
}

static void test_urls_have_a_limit(void **state)
{
    (void)state;
    struct json_object *list = json_object_new_array();
    struct json_object *v = json_object_new_object();
    char url[40];

    for (int i = 0; i < 2 * MEDIA_URLS_MAX; i++) {
        snprintf(url, sizeof url, "https://a/%d", i);
        json_object_array_add(list, json_object_new_string(url));
    }
    jsonx_set(v, "urls", list);
    struct json_object *urls = media_result_urls(v);
    assert_int_equal(json_object_array_length(urls), MEDIA_URLS_MAX);
    json_object_put(urls);
    json_object_put(v);
}

/* Wherever a text is the provider's own id, ours stands instead. */
static void test_result_text(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    struct json_object *v =
        parse("{\"taskId\":\"up1\",\"deep\":[{\"id\":\"up1\"},\"up1 and more\"],\"n\":5}");

    assert_string_equal(
        media_result_text(arena, v, "up1", "tsk_1"),
        "{\"taskId\":\"tsk_1\",\"deep\":[{\"id\":\"tsk_1\"},\"up1 and more\"],\"n\":5}");
    json_object_put(v);
    char *large = arena_alloc(arena, MEDIA_RESULT_MAX + 1);
    memset(large, 'x', MEDIA_RESULT_MAX);
    large[MEDIA_RESULT_MAX] = '\0';
    v = json_object_new_object();
    jsonx_set_str(v, "url", large);
    assert_null(media_result_text(arena, v, NULL, ""));
    json_object_put(v);
    arena_free(arena);
}

static void test_names(void **state)
{
    (void)state;
    enum media_api api;
    enum media_state found;

    for (int i = 0; i < MEDIA_API__COUNT; i++) {
        assert_int_equal(media_api_find(&api, media_api_name((enum media_api)i)), 0);
        assert_int_equal(api, i);
    }
    assert_int_equal(media_api_find(&api, "odd"), -1);
    for (int i = MEDIA_WAITING; i <= MEDIA_FAIL; i++) {
        assert_int_equal(media_state_find(&found, media_state_name((enum media_state)i)), 0);
        assert_int_equal(found, i);
    }
    assert_int_equal(media_state_find(&found, "creating"), 0);
    assert_int_equal(found, MEDIA_WAITING);
    assert_int_equal(media_state_find(&found, "open"), -1);
}

static void test_ids(void **state)
{
    (void)state;
    char longest[MEDIA_UPSTREAM_ID_MAX + 2];

    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_false(media_id_valid(longest));
    longest[MEDIA_UPSTREAM_ID_MAX] = '\0';
    assert_true(media_id_valid(longest));
    assert_true(media_id_valid("veo_task_Ab-1.2:3/4"));
    assert_false(media_id_valid(""));
    assert_false(media_id_valid("a b"));
    assert_false(media_id_valid("a\"b"));
    assert_false(media_id_valid("a\\b"));
    assert_false(media_id_valid("\xc3\xa4"));
    assert_false(media_id_valid("a\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),        cmocka_unit_test(test_urls_have_a_limit),
        cmocka_unit_test(test_result_text), cmocka_unit_test(test_names),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
