/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "google_recording.h"
#include "unit.h"
#include "wire/gemini_failure.h"

#include <string.h>

struct failure_case {
    int status;
    int retry_after_s;
    const char *body;
    int got_status;
    const char *code;
    const char *message; /* a part of it */
    int got_retry_after_s;
};

static const struct failure_case failure_cases[] = {
    {400, 0,
     "{\"error\":{\"code\":400,\"message\":\"Invalid value at 'x'\",\"status\":\"INVALID_"
     "ARGUMENT\"}}",
     400, "", "Invalid value at 'x'", 0},
    {400, 0,
     "[{\"error\":{\"code\":400,\"message\":\"Penalty is not enabled for this model\",\"status\":"
     "\"INVALID_ARGUMENT\"}}\n]",
     400, "", "Penalty is not enabled", 0},
    {400, 0,
     "{\"error\":{\"message\":\"The input token count (1048577) exceeds the maximum number of "
     "tokens allowed (1048576).\",\"status\":\"INVALID_ARGUMENT\"}}",
     400, "context_length_exceeded", "1048577", 0},
    /* Our key, our project. */
    {400, 0,
     "{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\","
     "\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"x\",\"reason\":\"API_KEY_INVALID\"}"
     "]}}",
     502, "upstream_unavailable", "not available", 0},
    {400, 0,
     "{\"error\":{\"message\":\"User location is not supported for the API use.\",\"status\":"
     "\"FAILED_PRECONDITION\"}}",
     502, "upstream_unavailable", "not available", 0},
    {403, 0,
     "{\"error\":{\"message\":\"Generative Language API has not been used in project 123456 "
     "before\",\"status\":\"PERMISSION_DENIED\"}}",
     502, "upstream_unavailable", "not available", 0},
    {401, 0, "{\"error\":{\"status\":\"UNAUTHENTICATED\"}}", 502, "upstream_unavailable",
     "not available", 0},
    {429, 0,
     "{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, project 123456\","
     "\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"violations\":[]},{\"retryDelay\":"
     "\"34.07s\"}]}}",
     429, "rate_limit_exceeded", "rate limit", 35},
    {429, 7, "{\"error\":{\"details\":[{\"retryDelay\":\"34s\"}]}}", 429, "rate_limit_exceeded",
     "rate limit", 7},
    {429, 0, "{\"error\":{\"details\":[{\"retryDelay\":\"34s\"}]}}", 429, "rate_limit_exceeded",
     "rate limit", 34},
    {429, 0, "{\"error\":{\"details\":[{\"retryDelay\":\"-34s\"},{\"retryDelay\":\"9\"},5]}}", 429,
     "rate_limit_exceeded", "rate limit", 0},
    {429, 0, "{\"error\":{\"details\":[{\"retryDelay\":\"99999999999999999999.5s\"}]}}", 429,
     "rate_limit_exceeded", "rate limit", 24 * 3600},
    {500, 0, "{\"error\":{\"code\":500,\"message\":\"secret\",\"status\":\"INTERNAL\"}}", 502,
     "upstream_error", "HTTP 500", 0},
    {503, 3, "{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}", 503, "upstream_overloaded",
     "overloaded", 3},
    {504, 0, "{\"error\":{\"status\":\"DEADLINE_EXCEEDED\"}}", 504, "upstream_timeout", "", 0},
    {502, 0, "<html>Bad Gateway</html>", 502, "upstream_error", "", 0},
    {400, 0, "", 400, "", "refused", 0},
    {400, 0, "{\"error\":7}", 400, "", "refused", 0},
    {400, 0, "[]", 400, "", "refused", 0},
    {400, 0, "{\"error\":{\"message\":5,\"details\":{},\"status\":[]}}", 400, "", "refused", 0},
    {200, 0, "{}", 502, "upstream_error", "", 0},
};

static void failures_become_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(failure_cases); i++) {
        const struct failure_case *c = &failure_cases[i];
        struct err err;
        memset(&err, 0, sizeof err);
        gemini_read_failure(&err, c->status, c->retry_after_s, span_of(c->body));
        assert_int_equal(err.status, c->got_status);
        assert_string_equal(err.code_text, c->code);
        assert_non_null(strstr(err.message, c->message));
        assert_int_equal(err.retry_after_s, c->got_retry_after_s);
        assert_null(strstr(err.message, "123456 "));
        assert_null(strstr(err.message, "secret"));
    }
}

static void recorded_failure_is_read(void **state)
{
    (void)state;
    struct buf body;
    struct err err;
    recording_read(&body, "google", "model-name-suggestions.model-name-suggestion-google.0",
                   "response.json");
    gemini_read_failure(&err, 404, 0, buf_span(&body));
    assert_int_equal(err.status, 404);
    assert_string_equal(err.code_text, "model_not_found");
    assert_string_equal(err.type, "invalid_request_error");
    assert_non_null(strstr(err.message, "gemini-3.6-flahs is not found"));
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_become_errors),
        cmocka_unit_test(recorded_failure_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
