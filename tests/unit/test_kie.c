/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/secret.h"
#include "unit.h"
#include "wire/kie.h"

#include <stdio.h>
#include <string.h>

#define UP  "up-1"
#define OUR "tsk_1"

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

static struct span text_span(const char *text)
{
    return (struct span){.ptr = text, .len = strlen(text)};
}

static void test_requests(void **state)
{
    (void)state;
    struct json_object *input = json_object_new_object();
    struct buf out;

    jsonx_set_str(input, "prompt", "a \"b\"");
    buf_init(&out, 1000);
    kie_write_request(&out, MEDIA_KIE, "wan/2", input, "https://us/cb");
    assert_string_equal(out.data, "{\"model\":\"wan/2\",\"input\":{\"prompt\":\"a \\\"b\\\"\"},"
                                  "\"callBackUrl\":\"https://us/cb\"}");
    buf_fini(&out);
    buf_init(&out, 1000);
    kie_write_request(&out, MEDIA_VEO, "veo-3-1", input, NULL);
    assert_string_equal(out.data, "{\"prompt\":\"a \\\"b\\\"\"}");
    buf_fini(&out);
    json_object_put(input);
    assert_string_equal(kie_create_path(MEDIA_SUNO), "/api/v1/generate");
    assert_string_equal(kie_query_path(MEDIA_FLUX), "/api/v1/flux/kontext/record-info");
    assert_true(kie_needs_callback(MEDIA_SUNO));
    assert_false(kie_needs_callback(MEDIA_KIE));
}

static int created(bool *sure, int status, const char *body)
{
    err_clear(&err);
    return kie_read_created(&news, sure, arena, status, text_span(body), &err);
}

static void test_created(void **state)
{
    (void)state;
    bool sure = true;

    assert_int_equal(created(&sure, 200,
                             "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":"
                             "\"" UP "\",\"recordId\":\"r\"}}"),
                     0);
    assert_string_equal(news.upstream_id, UP);
    assert_int_equal(created(&sure, 200, "{\"code\":200,\"data\":{\"task_id\":\"" UP "\"}}"), 0);
    assert_string_equal(news.upstream_id, UP);
}

/* HTTP says 200 and means no: then nothing was made. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int code;
        int status;
    } cases[] = {{401, 502}, {402, 502}, {403, 502}, {433, 502}, {429, 503},
                 {455, 503}, {400, 400}, {404, 400}, {413, 413}, {422, 422},
                 {500, 502}, {501, 502}, {505, 502}, {0, 502},   {-7, 502}};
    char body[200];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool sure = false;
        snprintf(body, sizeof body, "{\"code\":%d,\"msg\":\"words of theirs\",\"data\":null}",
                 cases[i].code);
        assert_int_equal(created(&sure, 200, body), -1);
        assert_true(sure);
        assert_int_equal(err.status, cases[i].status);
        bool ours = cases[i].status == 400 || cases[i].status == 413 || cases[i].status == 422;
        assert_int_equal(strstr(err.message, "words of theirs") != NULL, ours);
        assert_true(strstr(err.detail, "words of theirs") != NULL);
    }
}

static void test_no_answer_at_all(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "[]",
                                         "{}",
                                         "{\"code\":\"200\"}",
                                         "{\"code\":200}",
                                         "{\"code\":200,\"data\":{\"taskId\":5}}",
                                         "{\"code\":200,\"data\":{\"taskId\":\"a b\"}}",
                                         "{\"code\":200,\"data\":\"x\"}"};

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        bool sure = true;
        assert_int_equal(created(&sure, 200, bodies[i]), -1);
        assert_false(sure);
        assert_int_equal(err.status, 502);
    }
}

static int record(enum media_api api, const char *data)
{
    char body[2000];

    snprintf(body, sizeof body, "{\"code\":200,\"msg\":\"success\",\"data\":%s}", data);
    err_clear(&err);
    return kie_read_record(&news, arena, api, UP, OUR, 200, text_span(body), &err);
}

static void check_state(enum media_api api, const char *data, enum media_state want)
{
    if (record(api, data) != 0)
        fail_msg("%s: %s", data, err.detail);
    assert_int_equal(news.state, want);
    assert_int_equal(news.result != NULL, want == MEDIA_SUCCESS);
}

static void test_states(void **state)
{
    (void)state;
    check_state(MEDIA_KIE, "{\"taskId\":\"" UP "\",\"state\":\"waiting\"}", MEDIA_WAITING);
    check_state(MEDIA_KIE, "{\"state\":\"queuing\"}", MEDIA_QUEUING);
    check_state(MEDIA_KIE, "{\"state\":\"generating\"}", MEDIA_GENERATING);
    check_state(MEDIA_KIE, "{\"state\":\"fail\"}", MEDIA_FAIL);
    check_state(MEDIA_VEO, "{\"successFlag\":0}", MEDIA_GENERATING);
    check_state(MEDIA_VEO, "{\"successFlag\":2}", MEDIA_FAIL);
    check_state(MEDIA_VEO, "{\"successFlag\":1,\"response\":{\"resultUrls\":[\"https://a\"]}}",
                MEDIA_SUCCESS);
    check_state(MEDIA_FLUX, "{\"successFlag\":1,\"response\":{\"resultImageUrl\":\"https://a\"}}",
                MEDIA_SUCCESS);
    check_state(MEDIA_SUNO, "{\"status\":\"PENDING\"}", MEDIA_WAITING);
    check_state(MEDIA_SUNO, "{\"status\":\"FIRST_SUCCESS\"}", MEDIA_GENERATING);
    check_state(MEDIA_SUNO, "{\"status\":\"CALLBACK_EXCEPTION\"}", MEDIA_GENERATING);
    check_state(MEDIA_SUNO, "{\"status\":\"CREATE_TASK_FAILED\"}", MEDIA_FAIL);
    check_state(MEDIA_SUNO,
                "{\"status\":\"SUCCESS\",\"response\":{\"sunoData\":[{\"audioUrl\":"
                "\"https://a\"}]}}",
                MEDIA_SUCCESS);
    check_state(MEDIA_RUNWAY, "{\"state\":\"wait\"}", MEDIA_WAITING);
    check_state(MEDIA_RUNWAY, "{\"state\":\"success\",\"videoInfo\":{\"videoUrl\":\"https://a\"}}",
                MEDIA_SUCCESS);
}

static void test_success(void **state)
{
    (void)state;
    check_state(MEDIA_KIE,
                "{\"state\":\"success\",\"creditsConsumed\":12.5,\"resultJson\":"
                "\"{\\\"resultUrls\\\":[\\\"https://a/1.png\\\"],\\\"taskId\\\":\\\"" UP "\\\"}\"}",
                MEDIA_SUCCESS);
    assert_string_equal(news.result,
                        "{\"resultUrls\":[\"https://a/1.png\"],\"taskId\":\"" OUR "\"}");
    assert_string_equal(news.cost, "12.5");
    assert_string_equal(news.cost_rate, "0.005");
}

/* A success without files cannot be sold. */
static void test_empty_success(void **state)
{
    (void)state;
    static const char *const data[] = {
        "{\"state\":\"success\"}",
        "{\"state\":\"success\",\"resultJson\":\"\"}",
        "{\"state\":\"success\",\"resultJson\":\"garbage\"}",
        "{\"state\":\"success\",\"resultJson\":\"[]\"}",
        "{\"state\":\"success\",\"resultJson\":\"{\\\"resultUrls\\\":[]}\"}",
        "{\"state\":\"success\",\"resultJson\":{\"resultUrls\":[\"javascript:x\"]}}",
    };

    for (size_t i = 0; i < ARRAY_LEN(data); i++) {
        check_state(MEDIA_KIE, data[i], MEDIA_FAIL);
        assert_string_equal(news.fail_code, "no_result");
    }
}

static void test_failure(void **state)
{
    (void)state;
    check_state(MEDIA_KIE, "{\"state\":\"fail\",\"failCode\":500,\"failMsg\":\"It is forbidden.\"}",
                MEDIA_FAIL);
    assert_string_equal(news.fail_code, "500");
    assert_string_equal(news.fail_msg, "It is forbidden.");
    check_state(MEDIA_VEO,
                "{\"successFlag\":3,\"errorCode\":\"501\",\"errorMessage\":\"task " UP " broke\"}",
                MEDIA_FAIL);
    assert_string_equal(news.fail_code, "501");
    assert_true(strstr(news.fail_msg, UP) == NULL);
}

static void test_not_understood(void **state)
{
    (void)state;
    assert_int_equal(record(MEDIA_KIE, "{\"state\":\"odd\"}"), -1);
    assert_int_equal(record(MEDIA_KIE, "{\"taskId\":\"other\",\"state\":\"success\"}"), -1);
    assert_int_equal(record(MEDIA_VEO, "{}"), -1);
    assert_int_equal(record(MEDIA_VEO, "{\"successFlag\":9}"), -1);
    assert_int_equal(record(MEDIA_KIE, "null"), -1);
    assert_int_equal(err.status, 502);
}

/* Only "I do not know it" is that; all else is a matter of asking again. */
static void test_unknown_task(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum err_code code;
    } cases[] = {
        {"{\"code\":404,\"msg\":\"x\"}", ERR_NOT_FOUND},
        {"{\"code\":422,\"msg\":\"recordInfo is null\",\"data\":null}", ERR_NOT_FOUND},
        {"{\"code\":429,\"data\":{\"state\":\"fail\"}}", ERR_UPSTREAM_BUSY},
        {"{\"code\":401,\"data\":{\"state\":\"fail\"}}", ERR_UPSTREAM_AUTH},
        {"{\"code\":500,\"data\":null}", ERR_UPSTREAM},
        {"garbage", ERR_UPSTREAM},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err_clear(&err);
        assert_int_equal(
            kie_read_record(&news, arena, MEDIA_KIE, UP, OUR, 200, text_span(cases[i].body), &err),
            -1);
        assert_int_equal(err.code, cases[i].code);
    }
}

/* base64(HMAC-SHA256("key", "up-1.1000")), worked out with openssl. */
#define SIGNATURE "sTVYUSlYHTVlNjyLDorFcXmbNDvCn80tiBvRsYmot48="

static int callback(const char *key, const char *ts, const char *signature, const char *body,
                    int64_t now, struct kie_callback *out)
{
    err_clear(&err);
    return kie_read_callback(out, arena, key, ts, signature, text_span(body), now, &err);
}

static void test_callback(void **state)
{
    (void)state;
    static const char body[] = "{\"code\":200,\"data\":{\"taskId\":\"" UP "\"}}";
    struct kie_callback c;

    assert_int_equal(callback("key", "1000", SIGNATURE, body, 1000, &c), 0);
    assert_string_equal(c.upstream_id, UP);
    assert_int_equal(c.ts, 1000);
    assert_int_equal(
        callback("key", "1000", SIGNATURE, "{\"data\":{\"task_id\":\"" UP "\"}}", 1300, &c), 0);
    assert_int_equal(callback("key", "1000", SIGNATURE, "{\"taskId\":\"" UP "\"}", 700, &c), 0);
}

static void test_callback_denied(void **state)
{
    (void)state;
    static const char body[] = "{\"data\":{\"taskId\":\"" UP "\"}}";
    static const struct {
        const char *key;
        const char *ts;
        const char *signature;
        const char *body;
        int64_t now;
    } cases[] = {
        {"other", "1000", SIGNATURE, body, 1000},
        {"key", "1001", SIGNATURE, body, 1000},
        {"key", NULL, SIGNATURE, body, 1000},
        {"key", "1000", NULL, body, 1000},
        {"key", "1000", "", body, 1000},
        {"key", "1000", SIGNATURE "=", body, 1000},
        {"key", "1000", SIGNATURE, body, 1301},
        {"key", "1000", SIGNATURE, body, 699},
        {"key", "1000x", SIGNATURE, body, 1000},
        {"key", "-1000", SIGNATURE, body, 1000},
        {"key", "1000000000000000", SIGNATURE, body, 1000},
        {"key", "", SIGNATURE, body, 1000},
        {"key", "1000", SIGNATURE, "{\"data\":{\"taskId\":\"up-2\"}}", 1000},
        {"key", "1000", SIGNATURE, "{\"data\":{\"taskId\":\"\"}}", 1000},
        {"key", "1000", SIGNATURE, "{}", 1000},
        {"key", "1000", SIGNATURE, "garbage", 1000},
        {"key", "1000", SIGNATURE, "", 1000},
    };
    struct kie_callback c;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(callback(cases[i].key, cases[i].ts, cases[i].signature, cases[i].body,
                                  cases[i].now, &c),
                         -1);
        assert_int_equal(err.status, 403);
        assert_true(err.detail[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),       cmocka_unit_test(test_created),
        cmocka_unit_test(test_refusals),       cmocka_unit_test(test_no_answer_at_all),
        cmocka_unit_test(test_states),         cmocka_unit_test(test_success),
        cmocka_unit_test(test_empty_success),  cmocka_unit_test(test_failure),
        cmocka_unit_test(test_not_understood), cmocka_unit_test(test_unknown_task),
        cmocka_unit_test(test_callback),       cmocka_unit_test(test_callback_denied),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
