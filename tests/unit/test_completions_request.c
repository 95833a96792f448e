/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/completions_request.h"

#include <stdio.h>
#include <string.h>

static int read_text(struct neutral_request *r, const char *text, struct err *err)
{
    return completions_read_request(r, text, strlen(text), err);
}

static void test_fields(void **state)
{
    (void)state;
    struct neutral_request r;
    struct err err;

    assert_int_equal(read_text(&r,
                               "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
                               "\"hi\"}]}",
                               &err),
                     0);
    assert_string_equal(r.model, "m");
    assert_false(r.stream);
    assert_false(r.include_usage);
    assert_int_equal(r.output_limit, 0);
    assert_int_equal(r.choices, 1);
    assert_null(r.content);
    neutral_request_fini(&r);
    assert_null(r.body);

    assert_int_equal(read_text(&r,
                               "{\"model\":\"m\",\"messages\":[{\"role\":\"x\"}],\"n\":128,"
                               "\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                               "\"max_tokens\":5,\"max_completion_tokens\":7,"
                               "\"service_tier\":\"flex\"}",
                               &err),
                     0);
    assert_true(r.stream && r.include_usage);
    assert_int_equal(r.output_limit, 7);
    assert_int_equal(r.choices, 128);
    neutral_request_fini(&r);
}

#define M   "\"model\":\"m\""
#define MSG "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

struct refusal {
    const char *text;
    const char *param;
};

static const struct refusal refusals[] = {
    {"", ""},
    {"{", ""},
    {"[]", ""},
    {"null", ""},
    {"5", ""},
    {"\"x\"", ""},
    {"{}", "model"},
    {"{" MSG "}", "model"},
    {"{\"model\":null," MSG "}", "model"},
    {"{\"model\":5," MSG "}", "model"},
    {"{\"model\":\"\"," MSG "}", "model"},
    {"{" M "}", "messages"},
    {"{" M ",\"messages\":null}", "messages"},
    {"{" M ",\"messages\":[]}", "messages"},
    {"{" M ",\"messages\":{}}", "messages"},
    {"{" M ",\"messages\":\"x\"}", "messages"},
    {"{" M ",\"messages\":[5]}", "messages[0]"},
    {"{" M ",\"messages\":[null]}", "messages[0]"},
    {"{" M ",\"messages\":[{\"role\":\"user\"},[]]}", "messages[1]"},
    {"{" M ",\"messages\":[{}]}", "messages[0].role"},
    {"{" M ",\"messages\":[{\"role\":\"\"}]}", "messages[0].role"},
    {"{" M ",\"messages\":[{\"role\":7}]}", "messages[0].role"},
    {"{" M ",\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages[0].content"},
    {"{" M ",\"messages\":[{\"role\":\"user\",\"content\":{}}]}", "messages[0].content"},
    {"{" M "," MSG ",\"stream\":\"true\"}", "stream"},
    {"{" M "," MSG ",\"stream\":0}", "stream"},
    {"{" M "," MSG ",\"stream_options\":[]}", "stream_options"},
    {"{" M "," MSG ",\"stream_options\":{\"include_usage\":1}}", "stream_options.include_usage"},
    {"{" M "," MSG ",\"n\":0}", "n"},
    {"{" M "," MSG ",\"n\":129}", "n"},
    {"{" M "," MSG ",\"n\":-1}", "n"},
    {"{" M "," MSG ",\"n\":1.0}", "n"},
    {"{" M "," MSG ",\"n\":\"1\"}", "n"},
    {"{" M "," MSG ",\"max_tokens\":0}", "max_tokens"},
    {"{" M "," MSG ",\"max_tokens\":-1}", "max_tokens"},
    {"{" M "," MSG ",\"max_tokens\":100000001}", "max_tokens"},
    {"{" M "," MSG ",\"max_tokens\":9223372036854775807}", "max_tokens"},
    {"{" M "," MSG ",\"max_tokens\":18446744073709551615}", "max_tokens"},
    {"{" M "," MSG ",\"max_tokens\":true}", "max_tokens"},
    {"{" M "," MSG ",\"max_completion_tokens\":0}", "max_completion_tokens"},
    {"{" M "," MSG ",\"max_completion_tokens\":\"9\"}", "max_completion_tokens"},
    {"{" M "," MSG ",\"service_tier\":\"priority\"}", "service_tier"},
    {"{" M "," MSG ",\"service_tier\":1}", "service_tier"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct neutral_request r;
        struct err err;
        assert_int_equal(read_text(&r, refusals[i].text, &err), -1);
        assert_int_equal(err.status, 400);
        assert_true(err.message[0] != '\0');
        if (refusals[i].param[0] != '\0')
            assert_string_equal(err.param, refusals[i].param);
    }
}

struct size_case {
    const char *members; /* after the model */
    struct neutral_size want;
};

/* text_bytes counts names and values of everything that a model may be shown. */
static const struct size_case sizes[] = {
    {"\"messages\":[{\"role\":\"user\",\"content\":\"12345\"}]",
     {.messages = 1, .text_bytes = 4 + 4 + 7 + 5}},
    /* Escapes count as what they stand for. */
    {"\"messages\":[{\"role\":\"user\",\"content\":\"\\u00fc\\n\"}]",
     {.messages = 1, .text_bytes = 4 + 4 + 7 + 3}},
    {"\"messages\":[{\"role\":\"u\"},{\"role\":\"u\"}]", {.messages = 2, .text_bytes = 5 + 5}},
    /* What only steers the call is not shown to the model. */
    {"\"messages\":[{\"role\":\"u\"}],\"n\":2,\"seed\":1,\"temperature\":0.5,\"top_p\":1,"
     "\"user\":\"somebody\",\"metadata\":{\"a\":\"b\"},\"logit_bias\":{\"50256\":-100},"
     "\"stream\":true,\"stream_options\":{},\"max_tokens\":5,\"max_completion_tokens\":5",
     {.messages = 1, .text_bytes = 5}},
    /* What is not known counts. */
    {"\"messages\":[{\"role\":\"u\"}],\"unknown\":{\"name\":[\"value\",1,null,true]}",
     {.messages = 1, .text_bytes = 5 + 4 + 5 + 3 * 24}},
    {"\"messages\":[{\"role\":\"u\"}],\"tools\":[{\"a\":\"bc\"},{}],\"functions\":[{}]",
     {.messages = 1, .tools = 3, .text_bytes = 5 + 3}},
    {"\"messages\":[{\"role\":\"u\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
     "\"data:image/png;base64,AAAA\"}}]}]",
     {.messages = 1, .images = 1, .text_bytes = 5 + 7}},
    {"\"messages\":[{\"role\":\"u\",\"content\":[{\"type\":\"input_audio\",\"input_audio\":{"
     "\"data\":\"AAAAAA\",\"format\":\"wav\"}}]}]",
     {.messages = 1, .media_bytes = 6, .text_bytes = 5 + 7}},
    {"\"messages\":[{\"role\":\"u\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
     "\"AAAA\"}}]}]",
     {.messages = 1, .files = 1, .text_bytes = 5 + 7}},
};

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char text[1024];
        struct neutral_request r;
        struct err err;
        snprintf(text, sizeof text, "{\"model\":\"m\",%s}", sizes[i].members);
        assert_int_equal(read_text(&r, text, &err), 0);
        assert_int_equal(r.size.messages, sizes[i].want.messages);
        assert_int_equal(r.size.tools, sizes[i].want.tools);
        assert_int_equal(r.size.images, sizes[i].want.images);
        assert_int_equal(r.size.files, sizes[i].want.files);
        assert_int_equal(r.size.media_bytes, sizes[i].want.media_bytes);
        /* A bound: what is counted beyond the text (types of media parts) does no harm. */
        assert_true(r.size.text_bytes >= sizes[i].want.text_bytes);
        assert_true(r.size.text_bytes <= sizes[i].want.text_bytes + 64);
        neutral_request_fini(&r);
    }
}

/* Text that calls itself an image must count as text, or it would be held for too little. */
static void test_text_in_disguise(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "\"messages\":[{\"role\":\"u\",\"content\":[{\"type\":\"image_url\",\"text\":\"%s\"}]}]",
        "\"messages\":[{\"role\":\"u\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"https://a/b\"},\"title\":\"%s\"}]}]",
        "\"messages\":[{\"role\":\"u\",\"type\":\"image_url\",\"content\":\"%s\"}]",
        "\"messages\":[{\"role\":\"u\"}],\"tools\":[{\"type\":\"image_url\",\"function\":{"
        "\"name\":\"f\",\"description\":\"%s\"}}]",
        "\"messages\":[{\"role\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
        "\"f\",\"parameters\":{\"type\":\"image_url\",\"description\":\"%s\"}}}]",
        "\"messages\":[{\"role\":\"u\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
        "\"f\",\"parameters\":{\"type\":\"input_audio\",\"description\":\"%s\"}}}]",
    };
    enum { LEN = 5000 };
    char filler[LEN + 1];
    char members[LEN + 512];
    char text[LEN + 1024];

    memset(filler, 'x', LEN);
    filler[LEN] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        const char *mark = strstr(forms[i], "%s");
        struct neutral_request r;
        struct err err;
        snprintf(members, sizeof members, "%.*s%s%s", (int)(mark - forms[i]), forms[i], filler,
                 mark + 2);
        snprintf(text, sizeof text, "{\"model\":\"m\",%s}", members);
        assert_int_equal(read_text(&r, text, &err), 0);
        assert_true(r.size.text_bytes >= LEN || r.size.files > 0);
        neutral_request_fini(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_text_in_disguise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
