/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "google_recording.h"
#include "responses_session.h"
#include "unit.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/responses_request.h"

#include <string.h>

enum { LIMIT = 100 };

/* A chat request as the provider would get it; NULL with err set: it was refused. */
static struct json_object *translate(const char *chat, int64_t limit, struct err *err)
{
    struct neutral_request request;
    struct neutral_target target = {.upstream_model = "gpt-x",
                                    .dialect = "openai-responses",
                                    .model = "our-gpt",
                                    .output_limit = limit};
    struct arena *arena = arena_new();
    struct json_object *written = NULL;
    struct err parse;
    struct buf out;

    err_clear(err);
    buf_init(&out, 1 << 24);
    if (completions_read_request(&request, chat, strlen(chat), &parse) != 0 ||
        completions_read_content(&request, arena, &parse) != 0)
        fail_msg("%s: %s", chat, parse.message);
    if (responses_format.write_request(&out, &request, &target, err) == 0)
        assert_int_equal(jsonx_parse(&written, out.data, out.len, &parse), 0);
    else
        assert_int_equal(out.len, 0);
    neutral_request_fini(&request);
    arena_free(arena);
    buf_fini(&out);
    return written;
}

static void assert_same(struct json_object *got, struct json_object *expected)
{
    if (json_object_equal(got, expected))
        return;
    fail_msg("got\n%s\nexpected\n%s", json_object_to_json_string(got),
             json_object_to_json_string(expected));
}

/* Recordings: the request that was sent, and a chat request that means the same. */

struct recorded {
    const char *name;
    const char *chat;
    const char *changes; /* members that differ in the recorded body on purpose: a summary is always
                            "auto", a choice among some of the tools is not in the neutral form */
};

#define USER(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define RESULT(id, content)                                                                        \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":" content "}"

/* The recorded model has no reasoning that would have to be switched off. */
#define WITHOUT_REASONING                                                                          \
    "{\"include\":[\"reasoning.encrypted_content\",\"message.output_text.logprobs\"],"             \
    "\"reasoning\":{\"effort\":\"none\"}}"

static const struct recorded recordings[] = {
    {"bedrock.bedrock-model-thinking-part-from-other-model.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"content\":\"You are a helpful "
     "assistant.\",\"role\":\"system\"},{\"content\":\"How do I cross the "
     "street?\",\"role\":\"user\"}],\"reasoning_effort\":\"high\",\"stream\":false}",
     "{\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"}}"},
    {"multimodal-tool-returns.multimodal-tool-return-matrix-direct-url-a-c7ad074a.1",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"Use the get_file tool "
     "now to retrieve a audio file, then describe what you "
     "received.\"},{\"role\":\"assistant\",\"content\":null,\"reasoning_details\":[{\"type\":"
     "\"reasoning.encrypted\",\"format\":\"openai-responses-v1\",\"id\":\"rs_"
     "086d88ab1ff8c0ba00698a2ab2ea3881a084a296bdb50b9625\",\"data\":\"REDACTED-fernet-"
     "3ddc596cac78\",\"index\":0}],\"tool_calls\":[{\"id\":\"call_gFG8Zu1R4MRxNk3cCbTbucuT\","
     "\"type\":\"function\",\"function\":{\"name\":\"get_file\",\"arguments\":\"{}\"}}]},{\"role\":"
     "\"tool\",\"tool_call_id\":\"call_gFG8Zu1R4MRxNk3cCbTbucuT\",\"content\":[{\"type\":\"file\","
     "\"file\":{\"file_data\":\"https://download.samplelib.com/mp3/"
     "sample-3s.mp3\"}}]}],\"tool_choice\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":"
     "{\"name\":\"get_file\",\"parameters\":{\"additionalProperties\":false,\"type\":\"object\","
     "\"properties\":{}}}}]}",
     "{}"},
    {"multimodal-tool-returns.multimodal-tool-return-matrix-tool-return-39449b58.1",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"Use the get_file tool "
     "now to retrieve a document file, then describe what you "
     "received.\"},{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning."
     "encrypted\",\"format\":\"openai-responses-v1\",\"id\":\"rs_"
     "06c11e78445396410069a8979fcf6481a0b00db80211d4e335\",\"data\":\"REDACTED-fernet-"
     "a16af38c1a47\",\"index\":0}],\"tool_calls\":[{\"id\":\"call_0dLg6EZvKf7uI7MHQDSctpC1\","
     "\"type\":\"function\",\"function\":{\"name\":\"get_file\",\"arguments\":\"{}\"}}]},{\"role\":"
     "\"tool\",\"tool_call_id\":\"call_0dLg6EZvKf7uI7MHQDSctpC1\",\"content\":\"File "
     "attached\"},{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"file-"
     "7qh8AjzrjyRGiQ7kaFybfG\"}}]}],\"tool_choice\":\"auto\",\"tools\":[{\"type\":\"function\","
     "\"function\":{\"name\":\"get_file\",\"parameters\":{\"additionalProperties\":false,\"type\":"
     "\"object\",\"properties\":{}}}}]}",
     "{}"},
    {"openai-responses.openai-include-raw-annotations-streaming.2",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"developer\",\"content\":\"Answer "
     "directly.\"},{\"role\":\"user\",\"content\":\"What is 2+2?\"}],\"stream\":true}",
     "{}"},
    {"openai-responses.openai-responses-image-url-input.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
     "\"text\":\"hello\"},{\"type\":\"image_url\",\"image_url\":{\"detail\":\"auto\",\"url\":"
     "\"https://t3.ftcdn.net/jpg/00/85/79/92/"
     "360_F_85799278_0BBGV9OAdQDTLnKwAPBCcg1J7QtiieJY.jpg\"}}]}]}",
     "{}"},
    {"openai-responses.openai-responses-model-retry.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"content\":\"What is the location of Londos and "
     "London?\",\"role\":\"user\"}],\"tool_choice\":\"auto\",\"tools\":[{\"type\":\"function\","
     "\"function\":{\"name\":\"get_location\",\"parameters\":{\"additionalProperties\":false,"
     "\"type\":\"object\",\"properties\":{\"loc_name\":{\"type\":\"string\"}},\"required\":[\"loc_"
     "name\"]},\"strict\":true}}]}",
     "{}"},
    {"openai-responses.openai-responses-stream.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"content\":\"What is the capital of "
     "France?\",\"role\":\"user\"}],\"stream\":true,\"tool_choice\":\"auto\",\"tools\":[{\"type\":"
     "\"function\",\"function\":{\"name\":\"get_capital\",\"parameters\":{\"additionalProperties\":"
     "false,\"type\":\"object\",\"properties\":{\"country\":{\"type\":\"string\"}},\"required\":["
     "\"country\"]},\"strict\":true}}]}",
     "{}"},
    {"openai-responses.openai-responses-stream.1",
     "{\"model\":\"our-gpt\",\"messages\":[{\"content\":\"What is the capital of "
     "France?\",\"role\":\"user\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
     "\"id\":\"fc_67e554a1de488191af0831d35cbe082e0794405d35281ae2\",\"type\":\"function\","
     "\"function\":{\"name\":\"get_capital\",\"arguments\":\"{\\\"country\\\":\\\"France\\\"}\"}}]}"
     ",{\"role\":\"tool\",\"tool_call_id\":\"fc_67e554a1de488191af0831d35cbe082e0794405d35281ae2\","
     "\"content\":[{\"type\":\"text\",\"text\":\"Paris\"}]}],\"stream\":true,\"tool_choice\":"
     "\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_capital\","
     "\"parameters\":{\"additionalProperties\":false,\"type\":\"object\",\"properties\":{"
     "\"country\":{\"type\":\"string\"}},\"required\":[\"country\"]},\"strict\":true}}]}",
     "{}"},
    {"openai-responses.openai-responses-streaming-usage.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"content\":\"Calculate 100 * 200 / "
     "3\",\"role\":\"user\"}],\"reasoning_effort\":\"low\",\"service_tier\":\"flex\",\"stream\":"
     "true,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
     "\"final_result\",\"parameters\":{\"additionalProperties\":false,\"type\":\"object\","
     "\"properties\":{\"result\":{\"type\":\"integer\"}},\"required\":[\"result\"]},\"strict\":"
     "true}}]}",
     "{\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"}}"},
    {"openai-responses.prompted-output.1",
     "{\"model\":\"our-gpt\",\"messages\":[{\"content\":\"Always respond with a JSON object that's "
     "compatible with this schema:\\n\\n{\\\"properties\\\": {\\\"city\\\": {\\\"type\\\": "
     "\\\"string\\\"}, \\\"country\\\": {\\\"type\\\": \\\"string\\\"}}, \\\"required\\\": "
     "[\\\"city\\\", \\\"country\\\"], \\\"title\\\": \\\"CityLocation\\\", \\\"type\\\": "
     "\\\"object\\\"}\\n\\nDon't include any text or Markdown fencing before or "
     "after.\",\"role\":\"system\"},{\"content\":\"What is the largest city in the user "
     "country?\",\"role\":\"user\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
     "\"id\":\"call_FrlL4M0CbAy8Dhv4VqF1Shom\",\"type\":\"function\",\"function\":{\"name\":\"get_"
     "user_country\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_"
     "FrlL4M0CbAy8Dhv4VqF1Shom\",\"content\":\"Mexico\"}],\"response_format\":{\"type\":\"json_"
     "object\"},\"tool_choice\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
     "\"get_user_country\",\"parameters\":{\"additionalProperties\":false,\"type\":\"object\","
     "\"properties\":{}}}}]}",
     "{}"},
    {"openai.openai-instructions-with-responses-logprobs.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
     "assistant.\"},{\"role\":\"user\",\"content\":\"What is the capital of Minas "
     "Gerais?\"}],\"logprobs\":true,\"reasoning_effort\":\"none\"}",
     WITHOUT_REASONING},
    {"openai.openai-instructions-with-responses-logprobs-streaming.0",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful "
     "assistant.\"},{\"role\":\"user\",\"content\":\"What is the capital of Minas "
     "Gerais?\"}],\"logprobs\":true,\"reasoning_effort\":\"none\",\"stream\":true}",
     WITHOUT_REASONING},
    {"tool-choice-matrix.tool-choice-matrix-tools-plus-output-openai-responses.1",
     "{\"model\":\"our-gpt\",\"messages\":[{\"role\":\"user\",\"content\":\"Get weather for Paris "
     "and "
     "summarize\"},{\"role\":\"assistant\",\"reasoning_details\":[{\"type\":\"reasoning."
     "encrypted\",\"format\":\"openai-responses-v1\",\"id\":\"rs_"
     "0cf3aa21510b301d00697bce166304819f8ef31bb76106cd84\",\"data\":\"REDACTED-fernet-"
     "b9d824bbad19\",\"index\":0}],\"tool_calls\":[{\"id\":\"call_CV6BaAADlqML8HxE2Y7aSYVR\","
     "\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":"
     "\\\"Paris\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_CV6BaAADlqML8HxE2Y7aSYVR\","
     "\"content\":\"Sunny, 22C in "
     "Paris\"}],\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{"
     "\"name\":\"get_weather\",\"parameters\":{\"additionalProperties\":false,\"type\":\"object\","
     "\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]},\"strict\":true}},{"
     "\"type\":\"function\",\"function\":{\"name\":\"get_time\",\"parameters\":{"
     "\"additionalProperties\":false,\"type\":\"object\",\"properties\":{\"timezone\":{\"type\":"
     "\"string\"}},\"required\":[\"timezone\"]},\"strict\":true}},{\"type\":\"function\","
     "\"function\":{\"name\":\"final_result\",\"parameters\":{\"additionalProperties\":false,"
     "\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"summary\":{\"type\":"
     "\"string\"}},\"required\":[\"city\",\"summary\"]},\"strict\":true}}]}",
     "{\"tool_choice\":\"required\"}"},
};

/* The same meaning in the members that are always sent. */

static void normalise_item(struct json_object *item)
{
    if (strcmp(jsonx_str(item, "role", ""), "system") == 0)
        jsonx_set_str(item, "role", "developer");
    if (strcmp(jsonx_str(item, "type", ""), "function_call") == 0)
        json_object_object_del(item, "id");
}

/* An empty message before calls says nothing. */
static bool is_empty(struct json_object *item)
{
    return strcmp(jsonx_str(item, "role", ""), "assistant") == 0 &&
           jsonx_str(item, "content", "x")[0] == '\0';
}

/* The instructions as a message. */
static struct json_object *normal_input(struct json_object *input, const char *instructions)
{
    struct json_object *list = json_object_new_array();

    if (instructions[0] != '\0') {
        struct json_object *item = json_object_new_object();
        jsonx_set_str(item, "role", "developer");
        jsonx_set_str(item, "content", instructions);
        json_object_array_add(list, item);
    }
    for (size_t i = 0; i < json_object_array_length(input); i++) {
        struct json_object *item = json_object_array_get_idx(input, i);
        normalise_item(item);
        if (!is_empty(item))
            json_object_array_add(list, json_object_get(item));
    }
    return list;
}

static void normalise(struct json_object *body, struct json_object *changes)
{
    struct json_object *input = jsonx_array(body, "input");
    struct json_object *tools = jsonx_array(body, "tools");

    jsonx_set(body, "input", normal_input(input, jsonx_str(body, "instructions", "")));
    json_object_object_del(body, "instructions");
    json_object_object_del(body, "previous_response_id");
    for (size_t i = 0; tools != NULL && i < json_object_array_length(tools); i++)
        json_object_object_del(json_object_array_get_idx(tools, i), "description");
    if (!jsonx_bool(body, "stream", false))
        json_object_object_del(body, "stream");
    jsonx_set_str(body, "model", "gpt-x");
    jsonx_set_bool(body, "store", false);
    jsonx_set_i64(body, "max_output_tokens", LIMIT);
    struct json_object *include = json_object_new_array();
    json_object_array_add(include, json_object_new_string("reasoning.encrypted_content"));
    jsonx_set(body, "include", include);
    json_object_object_foreach(changes, key, value)
    {
        jsonx_set_ref(body, key, value);
    }
}

static void recorded_requests_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct json_object *recording =
            recording_json("openai", recordings[i].name, "request.json");
        struct json_object *body = jsonx_object(recording, "body");
        struct json_object *changes = parsed(recordings[i].changes);
        struct err err;
        normalise(body, changes);
        struct json_object *written = translate(recordings[i].chat, LIMIT, &err);
        if (written == NULL)
            fail_msg("%s: %s", recordings[i].name, err.message);
        assert_same(written, body);
        json_object_put(written);
        json_object_put(changes);
        json_object_put(recording);
    }
}

/* Requests by hand: what stands in `chat` besides the model, and in `body` besides what is always
 * sent. */

struct request_case {
    const char *chat;
    const char *body;
};

#define HI            "\"messages\":[" USER("hi") "]"
#define INPUT_HI      "\"input\":[" USER("hi") "]"
#define CHAT(message) "\"messages\":[" USER("hi") "," message "]"
#define INPUT(items)  "\"input\":[" USER("hi") "," items "]"
#define FUNCTION_CALL(id)                                                                          \
    "{\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"f\",\"arguments\":\"{}\"}"
#define TOOL_F "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define FLAT_F                                                                                     \
    "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"strict\":false,\"parameters\":{\"type\":"  \
    "\"object\",\"properties\":{}}}]"
#define ENCRYPTED(id, data, index)                                                                 \
    "{\"type\":\"reasoning.encrypted\",\"format\":\"openai-responses-v1\",\"id\":\"" id            \
    "\",\"data\":\"" data "\",\"index\":" index "}"
#define REASONING(id, data)                                                                        \
    "{\"type\":\"reasoning\",\"id\":\"" id "\",\"encrypted_content\":\"" data "\",\"summary\":[]}"
#define LONG_ID "call_0123456789012345678901234567890123456789012345678901234567890"

static const struct request_case request_cases[] = {
    {HI ",\"logprobs\":true,\"top_logprobs\":3,\"reasoning_effort\":\"none\"",
     INPUT_HI ",\"top_logprobs\":3,\"include\":[\"reasoning.encrypted_content\","
              "\"message.output_text.logprobs\"],\"reasoning\":{\"effort\":\"none\"}"},
    {HI, INPUT_HI},
    {HI ",\"stream\":true", INPUT_HI ",\"stream\":true"},
    {HI ",\"max_tokens\":7", INPUT_HI}, /* the limit is the target's */
    /* Sampling, and what has the same name. */
    {HI ",\"temperature\":0.50,\"top_p\":1", INPUT_HI ",\"temperature\":0.50,\"top_p\":1"},
    {HI ",\"seed\":5,\"n\":1,\"frequency_penalty\":0,\"presence_penalty\":0.0,\"logit_bias\":{},"
        "\"stop\":[],\"logprobs\":false,\"store\":true",
     INPUT_HI},
    {HI ",\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"service_tier\":\"flex\",\"safety_identifier\""
        ":\"s\",\"prompt_cache_key\":\"k\",\"prompt_cache_retention\":\"24h\","
        "\"prompt_cache_options\":{\"mode\":\"explicit\"}",
     INPUT_HI ",\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"service_tier\":\"flex\","
              "\"safety_identifier\":\"s\",\"prompt_cache_key\":\"k\",\"prompt_cache_retention\":"
              "\"24h\""},
    /* Reasoning. */
    {HI ",\"reasoning_effort\":\"none\"", INPUT_HI ",\"reasoning\":{\"effort\":\"none\"}"},
    {HI ",\"reasoning_effort\":\"xhigh\"",
     INPUT_HI ",\"reasoning\":{\"effort\":\"xhigh\",\"summary\":\"auto\"}"},
    /* The form of the answer. */
    {HI ",\"response_format\":{\"type\":\"text\"}", INPUT_HI},
    {HI ",\"response_format\":{\"type\":\"json_object\"},\"verbosity\":\"low\"",
     INPUT_HI ",\"text\":{\"format\":{\"type\":\"json_object\"},\"verbosity\":\"low\"}"},
    {HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":"
        "{\"type\":\"object\"},\"strict\":true,\"description\":\"d\"}}",
     INPUT_HI ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":"
              "\"object\"},\"strict\":true,\"description\":\"d\"}}"},
    {HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":"
        "{}}}",
     INPUT_HI ",\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{}}}"},
    /* Tools. */
    {HI "," TOOL_F, INPUT_HI "," FLAT_F},
    {HI "," TOOL_F ",\"tool_choice\":\"auto\"", INPUT_HI "," FLAT_F ",\"tool_choice\":\"auto\""},
    {HI "," TOOL_F ",\"tool_choice\":\"none\"", INPUT_HI "," FLAT_F ",\"tool_choice\":\"none\""},
    {HI "," TOOL_F ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false",
     INPUT_HI "," FLAT_F ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false"},
    {HI "," TOOL_F ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
        "\"parallel_tool_calls\":true",
     INPUT_HI
     "," FLAT_F
     ",\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"parallel_tool_calls\":true"},
    {HI ",\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,\"tools\":[]", INPUT_HI},
    {HI ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
        "\"parameters\":{\"type\":\"object\"},\"strict\":true}}]",
     INPUT_HI ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
              "\"parameters\":{\"type\":\"object\"},\"strict\":true}]"},
    /* Parts. */
    {CHAT("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
          "\"data:image/png;base64,AAAA\",\"detail\":\"low\"}}]}"),
     INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":"
           "\"data:image/png;base64,AAAA\",\"detail\":\"low\"}]}")},
    {CHAT("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\","
          "\"file_data\":\"data:application/pdf;base64,AAAA\"}},{\"type\":\"file\",\"file\":{"
          "\"file_data\":\"data:application/pdf;base64,AAAA\"}},{\"type\":\"text\",\"text\":"
          "\"t\"}]}"),
     INPUT("{\"role\":\"user\",\"content\":[{\"type\":\"input_file\",\"filename\":\"a.pdf\","
           "\"file_data\":\"data:application/pdf;base64,AAAA\"},{\"type\":\"input_file\","
           "\"filename\":\"file.pdf\",\"file_data\":\"data:application/pdf;base64,AAAA\"},{"
           "\"type\":\"input_text\",\"text\":\"t\"}]}")},
    {CHAT("{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
          "\"text\":\"b\"}]}"),
     INPUT("{\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":\"a\"},{"
           "\"type\":\"input_text\",\"text\":\"b\"}]}")},
    {CHAT("{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
          "\"refusal\",\"refusal\":\"b\"}]}"),
     INPUT("{\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"},{"
           "\"type\":\"refusal\",\"refusal\":\"b\"}]}")},
    {CHAT("{\"role\":\"assistant\",\"content\":null}"),
     INPUT("{\"role\":\"assistant\",\"content\":\"\"}")},
    /* Calls and results. */
    {CHAT("{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[{\"id\":\"c\",\"type\":"
          "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}},{\"id\":\"d\",\"type\":"
          "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"no json\"}}]},{\"role\":"
          "\"tool\",\"tool_call_id\":\"c\",\"content\":[{\"type\":\"text\",\"text\":\"r\"},{"
          "\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y\"}}]},{\"role\":\"tool\","
          "\"tool_call_id\":\"d\",\"content\":\"\"}"),
     INPUT("{\"role\":\"assistant\",\"content\":\"t\"}," FUNCTION_CALL(
         "c") ",{\"type\":\"function_call\",\"call_id\":\"d\",\"name\":\"f\",\"arguments\":\"no "
              "json\"},{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[{\"type\":"
              "\"input_text\",\"text\":\"r\"},{\"type\":\"input_image\",\"image_url\":"
              "\"https://x/y\"}]},{\"type\":\"function_call_output\",\"call_id\":\"d\",\"output\":"
              "\"\"}")},
    /* Reasoning goes where it stood, once, never last, and only our own. */
    {CHAT("{\"role\":\"assistant\",\"content\":\"t\",\"reasoning_details\":[" ENCRYPTED(
         "a", "1",
         "0") "," ENCRYPTED("b", "2",
                            "2") "," ENCRYPTED("b", "2",
                                               "2") "," ENCRYPTED("c", "3",
                                                                  "9") ",{\"type\":\"reasoning."
                                                                       "summary\",\"summary\":"
                                                                       "\"s\"},{\"type\":"
                                                                       "\"reasoning.encrypted\","
                                                                       "\"format\":\"anthropic-"
                                                                       "claude-v1\",\"data\":\"x\"}"
                                                                       ","
                                                                       "{\"type\":\"reasoning."
                                                                       "encrypted\",\"data\":\"x\"}"
                                                                       ",7],"
                                                                       "\"tool_calls\":[{\"id\":"
                                                                       "\"c\",\"type\":"
                                                                       "\"function\",\"function\":{"
                                                                       "\"name\":"
                                                                       "\"f\",\"arguments\":\"{}\"}"
                                                                       "},{\"id\":\"d\",\"type\":"
                                                                       "\"function\","
                                                                       "\"function\":{\"name\":"
                                                                       "\"f\",\"arguments\":\"{}\"}"
                                                                       "}]}"),
     INPUT(REASONING("a", "1") ",{\"role\":\"assistant\",\"content\":\"t\"}," REASONING(
         "b", "2") "," FUNCTION_CALL("c") "," REASONING("c", "3") "," FUNCTION_CALL("d"))},
    {CHAT("{\"role\":\"assistant\",\"content\":\"\",\"reasoning_details\":[" ENCRYPTED("a", "1",
                                                                                       "0") "]}"),
     INPUT("{\"role\":\"assistant\",\"content\":\"\"}")},
    {CHAT("{\"role\":\"assistant\",\"content\":\"t\",\"reasoning_details\":[{\"type\":"
          "\"reasoning.encrypted\",\"format\":\"openai-responses-v1\",\"data\":\"1\"}]}"),
     INPUT("{\"type\":\"reasoning\",\"encrypted_content\":\"1\",\"summary\":[]},{\"role\":"
           "\"assistant\",\"content\":\"t\"}")},
};

static void requests_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(request_cases); i++) {
        const struct request_case *c = &request_cases[i];
        struct buf chat;
        struct buf body;
        struct err err;
        buf_init(&chat, 1 << 20);
        buf_init(&body, 1 << 20);
        buf_printf(&chat, "{\"model\":\"our-gpt\",%s}", c->chat);
        buf_printf(&body,
                   "{\"model\":\"gpt-x\",\"max_output_tokens\":%d,\"store\":false,\"include\":["
                   "\"reasoning.encrypted_content\"],%s}",
                   LIMIT, c->body);
        struct json_object *expected = parsed(body.data);
        struct json_object *written = translate(chat.data, LIMIT, &err);
        if (written == NULL)
            fail_msg("%s: %s", chat.data, err.message);
        assert_same(written, expected);
        json_object_put(written);
        json_object_put(expected);
        buf_fini(&chat);
        buf_fini(&body);
    }
}

/* A long id becomes a short one, the same in the call and in its result, another for another. */
static void long_call_ids_are_shortened(void **state)
{
    (void)state;
    static const char chat[] =
        "{\"model\":\"m\"," CHAT("{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" LONG_ID
                                 "1\",\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"id\":"
                                 "\"" LONG_ID "2\",\"type\":\"function\",\"function\":{\"name\":"
                                 "\"f\"}}]}," RESULT(LONG_ID "1", "\"r\"")) "}";
    struct err err;
    struct json_object *written = translate(chat, LIMIT, &err);
    struct json_object *input = jsonx_array(written, "input");
    const char *ids[3];

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        ids[i] = jsonx_str(json_object_array_get_idx(input, i + 1), "call_id", "");
        assert_in_range(strlen(ids[i]), 40, 64);
    }
    assert_string_equal(ids[0], ids[2]);
    assert_string_not_equal(ids[0], ids[1]);
    json_object_put(written);
}

/* What cannot be done names the field and the model. */

struct refusal {
    const char *chat;
    const char *param;
    int64_t limit;
};

static const struct refusal refusals[] = {
    {HI ",\"n\":2", "n", LIMIT},
    {HI ",\"stop\":\"x\"", "stop", LIMIT},
    {HI ",\"logprobs\":true", "logprobs", LIMIT},
    {HI ",\"logprobs\":true,\"reasoning_effort\":\"low\"", "logprobs", LIMIT},
    {HI ",\"frequency_penalty\":0.5", "frequency_penalty", LIMIT},
    {HI ",\"presence_penalty\":-1", "presence_penalty", LIMIT},
    {HI ",\"logit_bias\":{\"5\":1}", "logit_bias", LIMIT},
    {HI ",\"top_k\":5", "top_k", LIMIT},
    {HI ",\"reasoning_effort\":\"much\"", "reasoning_effort", LIMIT},
    {HI ",\"tool_choice\":\"required\"", "tool_choice", LIMIT},
    {HI "," TOOL_F ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}",
     "tool_choice", LIMIT},
    {HI ",\"max_tokens\":15", "max_tokens", 15},
    {HI ",\"max_completion_tokens\":1", "max_completion_tokens", 1},
    {HI, "max_tokens", 0},
    {CHAT("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"t\"},{\"type\":"
          "\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"wav\"}}]}"),
     "messages[1].content[1]", LIMIT},
    {CHAT("{\"role\":\"assistant\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
          "\"https://x/y\"}}]}"),
     "messages[1].content[0]", LIMIT},
};

static void what_cannot_be_done_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct buf chat;
        struct err err;
        buf_init(&chat, 1 << 20);
        buf_printf(&chat, "{\"model\":\"our-gpt\",%s}", refusals[i].chat);
        struct json_object *written = translate(chat.data, refusals[i].limit, &err);
        if (written != NULL)
            fail_msg("%s: written", chat.data);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, refusals[i].param);
        buf_fini(&chat);
    }
}

static void least_limit_is_taken(void **state)
{
    (void)state;
    struct err err;
    struct json_object *written = translate("{\"model\":\"m\"," HI "}", RESPONSES_OUTPUT_MIN, &err);
    assert_int_equal(jsonx_i64(written, "max_output_tokens", 0), 16);
    json_object_put(written);
}

/* The catalog names a dialect that does not exist, or one without reasoning. */
static void dialects_matter(void **state)
{
    (void)state;
    struct neutral_message message = {.role = ROLE_USER};
    struct neutral_content content = {
        .messages = &message, .message_count = 1, .parallel_tool_calls = -1, .top_logprobs = -1};
    struct neutral_request request = {.model = "m", .choices = 1, .content = &content};
    struct neutral_target target = {
        .upstream_model = "u", .dialect = "none", .model = "m", .output_limit = LIMIT};
    struct buf out;
    struct err err;

    buf_init(&out, 1 << 16);
    assert_int_equal(responses_write_request(&out, &request, &target, &err), -1);
    assert_int_equal(err.status, 500);
    target.dialect = "openai-chat";
    assert_int_equal(responses_write_request(&out, &request, &target, &err), 0);
    assert_string_equal(out.data, "{\"model\":\"u\",\"input\":[{\"role\":\"user\",\"content\":\"\"}"
                                  "],\"max_output_tokens\":100,\"store\":false}");
    buf_fini(&out);
}

/* Content that is not of a chat request: an image by id, content without a media type. */
static void parts_of_other_surfaces(void **state)
{
    (void)state;
    struct neutral_part part = {.kind = PART_IMAGE, .file_id = "file-1"};
    struct neutral_message message = {.role = ROLE_USER, .parts = &part, .part_count = 1};
    struct neutral_content content = {.messages = &message, .message_count = 1};
    struct neutral_request request = {.model = "m", .choices = 1, .content = &content};
    struct neutral_target target = {
        .upstream_model = "u", .dialect = "openai-chat", .model = "m", .output_limit = LIMIT};
    struct buf out;
    struct err err;

    buf_init(&out, 1 << 16);
    assert_int_equal(responses_write_request(&out, &request, &target, &err), 0);
    assert_non_null(strstr(out.data, "{\"type\":\"input_image\",\"file_id\":\"file-1\"}"));
    buf_clear(&out);
    part = (struct neutral_part){.kind = PART_FILE, .data = span_of("AAAA")};
    assert_int_equal(responses_write_request(&out, &request, &target, &err), -1);
    assert_string_equal(err.param, "messages[0].content[0]");
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_requests_are_written),
        cmocka_unit_test(requests_are_written),
        cmocka_unit_test(long_call_ids_are_shortened),
        cmocka_unit_test(what_cannot_be_done_is_refused),
        cmocka_unit_test(least_limit_is_taken),
        cmocka_unit_test(dialects_matter),
        cmocka_unit_test(parts_of_other_surfaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
