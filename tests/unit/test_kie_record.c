/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/kie_record.h"

#include <string.h>

static const struct kie_record done = {
    .task_id = "tsk_1",
    .model = "wan-2.7",
    .state = MEDIA_SUCCESS,
    .param = "{\"model\":\"wan/2-7\",\"input\":{}}",
    .result = "{\"resultUrls\":[\"https://a/1.mp4\"]}",
    .fail_code = "",
    .fail_msg = "",
    .created_ms = 1000000,
    .updated_ms = 1009000,
    .completed_ms = 1009000,
    .charge_usd = "0.448",
};

static void check(enum media_api shape, const struct kie_record *r, const char *want)
{
    struct buf out;

    buf_init(&out, 10000);
    kie_write_record(&out, shape, r);
    assert_string_equal(out.data, want);
    buf_fini(&out);
}

static void test_job(void **state)
{
    (void)state;
    struct kie_record open = done;

    check(MEDIA_KIE, &done,
          "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"tsk_1\",\"model\":\"wan/2-7\","
          "\"state\":\"success\",\"param\":\"{\\\"model\\\":\\\"wan/2-7\\\",\\\"input\\\":{}}\","
          "\"resultJson\":\"{\\\"resultUrls\\\":[\\\"https://a/1.mp4\\\"]}\",\"failCode\":\"\","
          "\"failMsg\":\"\",\"costTime\":9,\"creditsConsumed\":0.448,\"createTime\":1000000,"
          "\"updateTime\":1009000,\"completeTime\":1009000}}");
    open.state = MEDIA_QUEUING;
    open.result = NULL;
    open.charge_usd = NULL;
    open.completed_ms = 0;
    open.param = "{}";
    check(MEDIA_KIE, &open,
          "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"tsk_1\",\"model\":\"wan-2.7\","
          "\"state\":\"queuing\",\"param\":\"{}\",\"resultJson\":\"\",\"failCode\":\"\","
          "\"failMsg\":\"\",\"costTime\":0,\"creditsConsumed\":null,\"createTime\":1000000,"
          "\"updateTime\":1009000,\"completeTime\":null}}");
}

static void test_old_shapes(void **state)
{
    (void)state;
    struct kie_record failed = done;

    failed.state = MEDIA_FAIL;
    failed.result = NULL;
    failed.fail_code = "422";
    failed.fail_msg = "No.";
    failed.param = "{}";
    check(MEDIA_VEO, &failed,
          "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"tsk_1\",\"paramJson\":\"{}\","
          "\"createTime\":1000000,\"completeTime\":1009000,\"response\":null,\"successFlag\":3,"
          "\"errorCode\":\"422\",\"errorMessage\":\"No.\"}}");
    check(MEDIA_SUNO, &failed,
          "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"tsk_1\",\"param\":\"{}\","
          "\"createTime\":1000000,\"completeTime\":1009000,\"response\":null,"
          "\"status\":\"GENERATE_AUDIO_FAILED\",\"errorCode\":\"422\",\"errorMessage\":\"No.\"}}");
    check(MEDIA_RUNWAY, &failed,
          "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"tsk_1\",\"parentTaskId\":\"\","
          "\"generateParam\":\"{}\",\"state\":\"fail\",\"generateTime\":1009000,"
          "\"videoInfo\":null,\"expireFlag\":0,\"failCode\":\"422\",\"failMsg\":\"No.\"}}");
    struct kie_record image = done;
    image.param = "{}";
    check(MEDIA_4O, &image,
          "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":\"tsk_1\",\"paramJson\":\"{}\","
          "\"createTime\":1000000,\"completeTime\":1009000,\"response\":{\"resultUrls\":["
          "\"https://a/1.mp4\"],\"taskId\":\"tsk_1\"},\"successFlag\":1,\"status\":\"SUCCESS\","
          "\"progress\":\"1.00\",\"errorCode\":null,\"errorMessage\":null}}");
}

/* The database puts the charge in. */
static void test_charge_to_come(void **state)
{
    (void)state;
    struct kie_record r = done;
    struct buf out;

    r.charge_usd = KIE_RECORD_CHARGE;
    buf_init(&out, 10000);
    kie_write_record(&out, MEDIA_KIE, &r);
    assert_non_null(strstr(out.data, "\"creditsConsumed\":\"@charge\","));
    buf_fini(&out);
}

static void test_created_and_error(void **state)
{
    (void)state;
    struct err err;
    struct buf out;

    buf_init(&out, 10000);
    kie_write_created(&out, "tsk_1", "req_1");
    assert_string_equal(out.data, "{\"code\":200,\"msg\":\"success\",\"data\":{\"taskId\":"
                                  "\"tsk_1\",\"recordId\":\"req_1\"}}");
    buf_fini(&out);
    err_clear(&err);
    err_set(&err, ERR_BAD_REQUEST, "input.n", "No.");
    buf_init(&out, 10000);
    kie_write_error(&out, &err);
    assert_non_null(strstr(out.data, "{\"code\":400,\"msg\":\"No.\",\"data\":null,\"error\":{"
                                     "\"message\":\"No.\",\"type\":\"invalid_request_error\","
                                     "\"param\":\"input.n\""));
    buf_fini(&out);
}

static void test_list_entry(void **state)
{
    (void)state;
    struct json_object *v = kie_list_entry(&done);

    assert_string_equal(
        json_object_to_json_string_ext(v, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
        "{\"taskId\":\"tsk_1\",\"model\":\"wan-2.7\",\"state\":\"success\","
        "\"createTime\":1000000,\"completeTime\":1009000,\"charge_usd\":0.448,"
        "\"resultUrls\":[\"https://a/1.mp4\"],\"failMsg\":null}");
    json_object_put(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job),
        cmocka_unit_test(test_old_shapes),
        cmocka_unit_test(test_charge_to_come),
        cmocka_unit_test(test_created_and_error),
        cmocka_unit_test(test_list_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
