/* SPDX-License-Identifier: Apache-2.0 */
/* Failures of Anthropic with a status of their own. */
#include "base/base.h"

#include "unit.h"
#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1024 * 1024 };

/* In this file's JSON texts ' stands for ". */
static char *quoted(const char *text)
{
    char *s = mem_strdup(text);

    for (char *p = s; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    return s;
}

static bool read_recording(struct buf *out, const char *dir, const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    char chunk[4096];
    size_t n;

    snprintf(path, sizeof path, "%s/tests/upstream/recordings/anthropic/%s/%s",
             srcdir != NULL ? srcdir : ".", dir, name);
    FILE *f = fopen(path, "rb");
    buf_clear(out);
    if (f == NULL)
        return false;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(out, chunk, n);
    fclose(f);
    return true;
}

static const struct {
    int status;
    const char *body;
    enum err_code code;
    int becomes;
    bool retryable;
    const char *type;
    const char *code_text;
    const char *says; /* a part of the message, or NULL */
    const char *hides;
} cases[] = {
    {400, "{'type':'error','error':{'type':'invalid_request_error','message':'max_tokens: x'}}",
     ERR_UPSTREAM_STATUS, 400, false, "invalid_request_error", "", "max_tokens: x", NULL},
    {400,
     "{'type':'error','error':{'type':'invalid_request_error','message':'Your credit balance "
     "is too low to access the Anthropic API.'}}",
     ERR_UPSTREAM_AUTH, 502, false, NULL, NULL, NULL, "credit"},
    {400,
     "{'type':'error','error':{'type':'invalid_request_error','message':'prompt is too long: "
     "208310 tokens > 200000 maximum'}}",
     ERR_UPSTREAM_STATUS, 400, false, "invalid_request_error", "context_length_exceeded", "208310",
     NULL},
    {401, "{'type':'error','error':{'type':'authentication_error','message':'invalid x'}}",
     ERR_UPSTREAM_AUTH, 502, false, NULL, NULL, NULL, "invalid x"},
    {402, "{'type':'error','error':{'type':'billing_error','message':'pay'}}", ERR_UPSTREAM_AUTH,
     502, false, NULL, NULL, NULL, "pay"},
    {403, "{'type':'error','error':{'type':'permission_error','message':'Your API key'}}",
     ERR_UPSTREAM_AUTH, 502, false, NULL, NULL, NULL, "Your API key"},
    {404, "{'type':'error','error':{'type':'not_found_error','message':'model: x'}}",
     ERR_UPSTREAM_STATUS, 404, false, "invalid_request_error", "model_not_found", "model: x", NULL},
    {413, "{'type':'error','error':{'type':'request_too_large','message':'big'}}",
     ERR_UPSTREAM_STATUS, 413, false, "request_too_large", "", "big", NULL},
    {429,
     "{'type':'error','error':{'type':'rate_limit_error','message':'your organization "
     "7f0c5c55-4f6b rate limit of 50'}}",
     ERR_UPSTREAM_STATUS, 429, false, "rate_limit_error", "rate_limit_exceeded", "rate limit",
     "7f0c5c55"},
    {500, "{'type':'error','error':{'type':'api_error','message':'boom'}}", ERR_UPSTREAM, 502, true,
     NULL, NULL, NULL, "boom"},
    {504, "{'type':'error','error':{'type':'timeout_error','message':'late'}}", ERR_TIMEOUT, 504,
     true, NULL, NULL, NULL, NULL},
    {529, "{'type':'error','error':{'type':'overloaded_error','message':'Overloaded'}}",
     ERR_UPSTREAM_BUSY, 503, true, NULL, NULL, NULL, NULL},
    {500, "<html>", ERR_UPSTREAM, 502, true, NULL, NULL, NULL, "html"},
    {400, "", ERR_UPSTREAM_STATUS, 400, false, NULL, NULL, NULL, NULL},
    {400, "{'error':'x'}", ERR_UPSTREAM_STATUS, 400, false, NULL, NULL, NULL, NULL},
    {429, "[]", ERR_UPSTREAM_STATUS, 429, false, "rate_limit_error", "rate_limit_exceeded", NULL,
     NULL},
};

static void test_read_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *body = quoted(cases[i].body);
        struct err err;
        err_clear(&err);
        messages_format.read_failure(&err, cases[i].status, 9, span_of(body));
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(err.status, cases[i].becomes);
        assert_int_equal(err.retry_after_s, 9);
        assert_true(err.message[0] != '\0');
        if (cases[i].code != ERR_UPSTREAM_STATUS)
            assert_int_equal(err.retryable, cases[i].retryable);
        if (cases[i].type != NULL)
            assert_string_equal(err.type, cases[i].type);
        if (cases[i].code_text != NULL)
            assert_string_equal(err.code_text, cases[i].code_text);
        if (cases[i].says != NULL)
            assert_non_null(strstr(err.message, cases[i].says));
        if (cases[i].hides != NULL)
            assert_null(strstr(err.message, cases[i].hides));
        mem_free(body);
    }
}

static void test_recorded_failure(void **state)
{
    struct buf text;
    struct err err;

    (void)state;
    buf_init(&text, TEXT_MAX);
    assert_true(read_recording(&text, "model-name-suggestions.model-name-suggestion-anthropic.0",
                               "response.json"));
    err_clear(&err);
    messages_format.read_failure(&err, 404, 0, buf_span(&text));
    assert_int_equal(err.status, 404);
    assert_string_equal(err.code_text, "model_not_found");
    assert_string_equal(err.message, "model: claude-sonet-4-5");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_failure),
        cmocka_unit_test(test_recorded_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
