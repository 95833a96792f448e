/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "gemini_chat.h"
#include "unit.h"

#include <string.h>

static const struct request_case tool_cases[] = {
    /* Tools. */
    {"gemini-3", USER_HI "," TOOL_F, GOOGLE_HI "," GOOGLE_F},
    {"gemini-3", USER_HI ",\"tools\":[],\"tool_choice\":\"auto\"", GOOGLE_HI},
    {"gemini-3",
     USER_HI
     ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
     "\"parameters\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#/x\"}},"
     "\"additionalProperties\":false}}}]",
     GOOGLE_HI ",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\",\"description\":\"d\","
               "\"parametersJsonSchema\":{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":"
               "\"#/x\"}},\"additionalProperties\":false}}]}]"},
    {"gemini-3", USER_HI "," TOOL_F ",\"tool_choice\":\"auto\"",
     GOOGLE_HI "," GOOGLE_F "," MODE("AUTO", "")},
    {"gemini-3", USER_HI "," TOOL_F ",\"tool_choice\":\"none\"",
     GOOGLE_HI "," GOOGLE_F "," MODE("NONE", "")},
    {"gemini-3", USER_HI "," TOOL_F ",\"tool_choice\":\"required\"",
     GOOGLE_HI "," GOOGLE_F "," MODE("ANY", "")},
    {"gemini-3",
     USER_HI "," TOOL_F ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
             "\"parallel_tool_calls\":false",
     GOOGLE_HI "," GOOGLE_F "," MODE("ANY", ",\"allowedFunctionNames\":[\"f\"]")},
    {"gemini-3",
     USER_HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}}],"
             "\"tool_choice\":\"auto\"",
     GOOGLE_HI "," GOOGLE_F "," MODE("VALIDATED", "")},
    {"gemini-3",
     USER_HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}}]",
     GOOGLE_HI "," GOOGLE_F "," MODE("VALIDATED", "")},
    {"gemini-3",
     USER_HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}}],"
             "\"tool_choice\":\"required\"",
     GOOGLE_HI "," GOOGLE_F "," MODE("ANY", "")},
    /* Fields without an effect here. */
    {"gemini-3",
     USER_HI ",\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"store\":true,\"logit_bias\":{},"
             "\"logprobs\":false,\"verbosity\":\"medium\",\"frequency_penalty\":0,"
             "\"presence_penalty\":0.0,\"n\":1,\"stop\":[\"\"],\"seed\":null",
     GOOGLE_HI},
};

static void tools_are_written(void **state)
{
    (void)state;
    assert_cases(tool_cases, ARRAY_LEN(tool_cases));
}

/* generationConfig. */

static const struct request_case config_cases[] = {
    {"gemini-3", "\"temperature\":0.70,\"top_p\":1,\"top_k\":40",
     "\"temperature\":0.70,\"topP\":1,\"topK\":40"},
    {"gemini-3", "\"seed\":7", "\"seed\":7"},
    {"gemini-3", "\"seed\":9223372036854775807", "\"seed\":2147483647"},
    {"gemini-3", "\"seed\":-1", "\"seed\":2147483647"},
    {"gemini-3", "\"stop\":\"a\"", "\"stopSequences\":[\"a\"]"},
    {"gemini-3", "\"stop\":[\"a\",\"\",\"b\",\"c\",\"d\"]",
     "\"stopSequences\":[\"a\",\"b\",\"c\",\"d\"]"},
    {"gemini-2.5", "\"n\":2", "\"candidateCount\":2"},
    {"gemini-3", "\"response_format\":{\"type\":\"text\"}", ""},
    {"gemini-3", "\"response_format\":{\"type\":\"json_object\"}",
     "\"responseMimeType\":\"application/json\""},
    {"gemini-3",
     "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"strict\":"
     "true,\"schema\":{\"type\":\"object\",\"additionalProperties\":false}}}",
     "\"responseMimeType\":\"application/json\",\"responseJsonSchema\":{\"type\":\"object\","
     "\"additionalProperties\":false}"},
    {"gemini-3", "\"reasoning_effort\":\"low\"",
     "\"thinkingConfig\":{\"thinkingLevel\":\"low\",\"includeThoughts\":true}"},
    {"gemini-3", "\"reasoning_effort\":\"medium\"",
     "\"thinkingConfig\":{\"thinkingLevel\":\"medium\",\"includeThoughts\":true}"},
    {"gemini-3", "\"reasoning_effort\":\"max\"",
     "\"thinkingConfig\":{\"thinkingLevel\":\"high\",\"includeThoughts\":true}"},
    {"gemini-2.5", "\"reasoning_effort\":\"none\"", "\"thinkingConfig\":{\"thinkingBudget\":0}"},
    {"gemini-2.5", "\"reasoning_effort\":\"minimal\"",
     "\"thinkingConfig\":{\"thinkingBudget\":1024,\"includeThoughts\":true}"},
    {"gemini-2.5", "\"reasoning_effort\":\"medium\"",
     "\"thinkingConfig\":{\"thinkingBudget\":8192,\"includeThoughts\":true}"},
    {"gemini-2.5", "\"reasoning_effort\":\"xhigh\"",
     "\"thinkingConfig\":{\"thinkingBudget\":24576,\"includeThoughts\":true}"},
};

static void generation_is_configured(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(config_cases); i++) {
        const struct request_case *c = &config_cases[i];
        struct buf chat;
        struct buf google;
        struct err err;
        buf_init(&chat, 1 << 20);
        buf_init(&google, 1 << 20);
        buf_printf(&chat, "{\"model\":\"our-gemini\"," USER_HI ",%s}", c->chat);
        buf_printf(&google, "{\"maxOutputTokens\":500%s%s}", c->google[0] != '\0' ? "," : "",
                   c->google);
        struct json_object *expected = parsed(google.data);
        struct json_object *written = translate(chat.data, chat.len, c->dialect, 500, &err);
        if (written == NULL)
            fail_msg("%s: %s", chat.data, err.message);
        assert_same(jsonx_object(written, "generationConfig"), expected);
        json_object_put(written);
        json_object_put(expected);
        buf_fini(&chat);
        buf_fini(&google);
    }
}

/* What cannot be done. */

struct refused_case {
    const char *dialect;
    const char *chat;
    const char *param;
};

static const struct refused_case refused_cases[] = {
    {"gemini-3", USER_HI ",\"logprobs\":true", "logprobs"},
    {"gemini-3", USER_HI ",\"n\":9", "n"},
    {"gemini-3", USER_HI ",\"logit_bias\":{\"5\":1}", "logit_bias"},
    {"gemini-3", USER_HI ",\"verbosity\":\"low\"", "verbosity"},
    {"gemini-3", USER_HI ",\"reasoning_effort\":\"much\"", "reasoning_effort"},
    {"gemini-3", USER_HI ",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]", "stop"},
    {"gemini-3", USER_HI ",\"tool_choice\":\"required\"", "tool_choice"},
    {"gemini-3",
     USER_HI "," TOOL_F ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}",
     "tool_choice"},
    {"gemini-2.5", USER_HI "," TOOL_F ",\"response_format\":{\"type\":\"json_object\"}",
     "response_format"},
    {"gemini-3", "\"messages\":[{\"role\":\"system\",\"content\":[" IMAGE "]}]",
     "messages[0].content[0]"},
    {"gemini-3", "\"messages\":[{\"role\":\"assistant\",\"content\":[" IMAGE "]}]",
     "messages[0].content[0]"},
    {"gemini-3",
     "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"},{\"type\":"
     "\"file\",\"file\":{\"file_id\":\"file-1\"}}]}]",
     "messages[0].content[1]"},
    {"gemini-3",
     "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
     "\"data:;base64,AAAA\"}}]}]",
     "messages[0].content[0]"},
    {"gemini-3", "\"messages\":[" TOOL_RESULT("1", "\"x\"") "]", "messages[0].tool_call_id"},
    {"gemini-3",
     "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," TOOL_RESULT(
         "1", "\"x\"") "," ASSISTANT_CALL("1", "") "]",
     "messages[1].tool_call_id"},
};

static void refusals_name_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused_cases); i++) {
        const struct refused_case *c = &refused_cases[i];
        struct buf chat;
        struct err err;
        buf_init(&chat, 1 << 20);
        buf_printf(&chat, "{\"model\":\"our-gemini\",%s}", c->chat);
        struct json_object *written = translate(chat.data, chat.len, c->dialect, 500, &err);
        if (written != NULL)
            fail_msg("%s: written", chat.data);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, c->param);
        buf_fini(&chat);
    }
}

static void unknown_dialect_is_an_error(void **state)
{
    (void)state;
    static const char chat[] = "{\"model\":\"m\"," USER_HI "}";
    struct err err;
    assert_null(translate(chat, strlen(chat), "gemini-99", 0, &err));
    assert_int_equal(err.status, 500);
    assert_non_null(strstr(err.detail, "gemini-99"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tools_are_written),
        cmocka_unit_test(generation_is_configured),
        cmocka_unit_test(refusals_name_the_field),
        cmocka_unit_test(unknown_dialect_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
