/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/mureka.h"

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

static int created(bool *sure, int status, const char *body)
{
    err_clear(&err);
    return mureka_read_created(&news, sure, arena, status,
                               (struct span){.ptr = body, .len = strlen(body)}, &err);
}

static int query(int status, const char *body)
{
    err_clear(&err);
    return mureka_read_task(&news, arena, "1", "tsk_1", status,
                            (struct span){.ptr = body, .len = strlen(body)}, &err);
}

static void check_state(const char *body, enum media_state want)
{
    if (query(200, body) != 0)
        fail_msg("%s: %s", body, err.detail);
    assert_int_equal(news.state, want);
    assert_int_equal(news.result != NULL, want == MEDIA_SUCCESS);
}

static void test_created(void **state)
{
    (void)state;
    bool sure = false;

    assert_int_equal(created(&sure, 201, "{\"id\":\"abc\",\"status\":\"starting\"}"), 0);
    assert_string_equal(news.upstream_id, "abc");
    assert_int_equal(created(&sure, 201, "{\"id\":\"\"}"), -1);
    assert_false(sure);
    assert_int_equal(created(&sure, 200, "garbage"), -1);
    assert_false(sure);
    assert_int_equal(created(&sure, 502, "<html>"), -1);
    assert_false(sure);
    assert_int_equal(created(&sure, 400, "{}"), -1);
    assert_true(sure);
    assert_int_equal(err.status, 400);
    assert_int_equal(created(&sure, 402, "{}"), -1);
    assert_true(sure);
    assert_int_equal(err.code, ERR_UPSTREAM_AUTH);
    assert_int_equal(created(&sure, 429, ""), -1);
    assert_true(sure);
    assert_int_equal(err.code, ERR_UPSTREAM_BUSY);
}

static void test_request(void **state)
{
    (void)state;
    struct json_object *input = json_object_new_object();
    struct buf out;

    jsonx_set_str(input, "lyrics", "x");
    jsonx_set_bool(input, "stream", true);
    buf_init(&out, 1000);
    mureka_write_request(&out, input);
    assert_string_equal(out.data, "{\"lyrics\":\"x\",\"stream\":false}");
    buf_fini(&out);
    json_object_put(input);
}

static void test_states(void **state)
{
    (void)state;
    check_state("{\"id\":\"1\",\"status\":\"preparing\"}", MEDIA_WAITING);
    check_state("{\"status\":\"queued\"}", MEDIA_QUEUING);
    check_state("{\"status\":\"running\"}", MEDIA_GENERATING);
    check_state("{\"status\":\"streaming\"}", MEDIA_GENERATING);
    check_state("{\"status\":\"timeouted\"}", MEDIA_FAIL);
    check_state("{\"status\":\"cancelled\"}", MEDIA_FAIL);
    check_state("{\"status\":\"failed\",\"failed_reason\":\"No lyrics.\"}", MEDIA_FAIL);
    assert_string_equal(news.fail_code, "failed");
    assert_string_equal(news.fail_msg, "No lyrics.");
    check_state("{\"status\":\"succeeded\",\"choices\":[]}", MEDIA_FAIL);
    assert_string_equal(news.fail_code, "no_result");
    check_state("{\"status\":\"succeeded\",\"choices\":[{\"id\":\"1\",\"url\":\"https://a/1.mp3\","
                "\"duration\":9}]}",
                MEDIA_SUCCESS);
    assert_string_equal(news.result, "{\"resultUrls\":[\"https://a/1.mp3\"],\"choices\":[{\"id\":"
                                     "\"tsk_1\",\"url\":\"https://a/1.mp3\",\"duration\":9}]}");
}

static void test_not_understood(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "", "[]", "{}", "garbage", "{\"status\":\"odd\"}", "{\"status\":5}"};

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        assert_int_equal(query(200, bodies[i]), -1);
        assert_int_equal(err.code, ERR_UPSTREAM);
    }
    assert_int_equal(query(404, "{}"), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(query(500, "{\"status\":\"failed\"}"), -1);
    assert_int_equal(err.code, ERR_UPSTREAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_created),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_not_understood),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
