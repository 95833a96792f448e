/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "gemini_chat.h"
#include "google_recording.h"
#include "unit.h"
#include "wire/gemini_messages.h"

#include <ctype.h>
#include <string.h>

/* Recorded requests. The equivalent chat request is made from what the client sent to Google. */

static void set_text_part(struct json_object *parts, const char *text)
{
    struct json_object *part = json_object_new_object();

    jsonx_set_str(part, "type", "text");
    jsonx_set_str(part, "text", text);
    json_object_array_add(parts, part);
}

static void set_data_part(struct json_object *parts, struct json_object *blob)
{
    struct json_object *part = json_object_new_object();
    struct json_object *inner = json_object_new_object();
    const char *type = jsonx_str(blob, "mimeType", "");
    bool image = strncmp(type, "image/", 6) == 0;
    struct buf url;

    buf_init(&url, RECORDING_MAX);
    buf_printf(&url, "data:%s;base64,%s", type, jsonx_str(blob, "data", ""));
    jsonx_set_str(part, "type", image ? "image_url" : "file");
    jsonx_set_str(inner, image ? "url" : "file_data", url.data);
    jsonx_set(part, image ? "image_url" : "file", inner);
    json_object_array_add(parts, part);
    buf_fini(&url);
}

static struct json_object *chat_call(struct json_object *call, const char *signature)
{
    struct json_object *chat = json_object_new_object();
    struct json_object *function = json_object_new_object();

    jsonx_set_str(chat, "id", jsonx_str(call, "id", ""));
    jsonx_set_str(chat, "type", "function");
    jsonx_set_str(function, "name", jsonx_str(call, "name", ""));
    jsonx_set_str(function, "arguments", json_object_to_json_string(jsonx_object(call, "args")));
    jsonx_set(chat, "function", function);
    if (signature != NULL) {
        struct json_object *extra = json_object_new_object();
        struct json_object *google = json_object_new_object();
        jsonx_set_str(google, "thought_signature", signature);
        jsonx_set(extra, "google", google);
        jsonx_set(chat, "extra_content", extra);
    }
    return chat;
}

static void add_message(struct json_object *messages, const char *role, struct json_object *content,
                        struct json_object *calls)
{
    struct json_object *message = json_object_new_object();

    jsonx_set_str(message, "role", role);
    if (json_object_array_length(content) > 0)
        jsonx_set_ref(message, "content", content);
    if (json_object_array_length(calls) > 0)
        jsonx_set_ref(message, "tool_calls", calls);
    json_object_array_add(messages, message);
    json_object_put(content);
    json_object_put(calls);
}

static void add_result(struct json_object *messages, struct json_object *response)
{
    struct json_object *message = json_object_new_object();

    jsonx_set_str(message, "role", "tool");
    jsonx_set_str(message, "tool_call_id", jsonx_str(response, "id", ""));
    jsonx_set_str(message, "content",
                  json_object_to_json_string(jsonx_object(response, "response")));
    json_object_array_add(messages, message);
}

/* Signatures on text cannot be carried by chat clients: they are taken out of what is expected. */
static void chat_content(struct json_object *messages, struct json_object *content)
{
    bool model = strcmp(jsonx_str(content, "role", ""), "model") == 0;
    struct json_object *parts = jsonx_array(content, "parts");
    struct json_object *texts = json_object_new_array();
    struct json_object *calls = json_object_new_array();
    size_t results = 0;

    for (size_t i = 0; i < json_object_array_length(parts); i++) {
        struct json_object *part = json_object_array_get_idx(parts, i);
        if (jsonx_object(part, "functionResponse") != NULL) {
            add_result(messages, jsonx_object(part, "functionResponse"));
            results++;
        } else if (jsonx_object(part, "functionCall") != NULL) {
            json_object_array_add(calls, chat_call(jsonx_object(part, "functionCall"),
                                                   jsonx_str(part, "thoughtSignature", NULL)));
        } else if (jsonx_object(part, "inlineData") != NULL) {
            set_data_part(texts, jsonx_object(part, "inlineData"));
        } else if (!jsonx_bool(part, "thought", false)) {
            set_text_part(texts, jsonx_str(part, "text", ""));
        }
    }
    if (results == 0) {
        add_message(messages, model ? "assistant" : "user", texts, calls);
    } else {
        json_object_put(texts);
        json_object_put(calls);
    }
}

/* "OBJECT" -> "object": the types of OpenAPI schemas as those of JSON Schema. */
static void lower_types(struct json_object *schema)
{
    if (!json_object_is_type(schema, json_type_object))
        return;
    json_object_object_foreach(schema, key, member)
    {
        if (strcmp(key, "type") == 0 && json_object_is_type(member, json_type_string)) {
            char text[32];
            snprintf(text, sizeof text, "%s", json_object_get_string(member));
            for (char *p = text; *p != '\0'; p++)
                *p = (char)tolower((unsigned char)*p);
            json_object_set_string(member, text);
        } else {
            lower_types(member);
        }
    }
}

static const char *mode_of(struct json_object *body)
{
    return jsonx_str(jsonx_object(jsonx_object(body, "toolConfig"), "functionCallingConfig"),
                     "mode", "");
}

static struct json_object *functions_of(struct json_object *body)
{
    struct json_object *tools = jsonx_array(body, "tools");

    return tools != NULL ? jsonx_array(json_object_array_get_idx(tools, 0), "functionDeclarations")
                         : NULL;
}

static void drop(struct json_object *object, const char *key)
{
    if (object != NULL)
        json_object_object_del(object, key);
}

/* Brings the recorded body into the form that this program writes, without a change of meaning. */
static void normalise(struct json_object *body)
{
    struct json_object *functions = functions_of(body);
    size_t count = functions != NULL ? json_object_array_length(functions) : 0;
    struct json_object *config = jsonx_object(body, "generationConfig");
    struct json_object *contents = jsonx_array(body, "contents");

    for (size_t i = 0; i < count; i++) {
        struct json_object *f = json_object_array_get_idx(functions, i);
        struct json_object *schema = jsonx_object(f, "parameters_json_schema");
        if (schema == NULL)
            schema = jsonx_object(f, "parameters");
        lower_types(schema);
        jsonx_set_ref(f, "parametersJsonSchema", schema);
        drop(f, "parameters_json_schema");
        drop(f, "parameters");
    }
    /* All functions are allowed: the same as naming none. */
    struct json_object *calling =
        jsonx_object(jsonx_object(body, "toolConfig"), "functionCallingConfig");
    struct json_object *allowed = jsonx_array(calling, "allowedFunctionNames");
    if (allowed != NULL && json_object_array_length(allowed) == count)
        drop(calling, "allowedFunctionNames");
    drop(jsonx_object(body, "systemInstruction"), "role");
    drop(body, "safetySettings"); /* chat clients have none */
    drop(config, "responseModalities");
    drop(config, "thinkingConfig"); /* thoughts without an effort */
    for (size_t i = 0; i < json_object_array_length(contents); i++) {
        struct json_object *parts = jsonx_array(json_object_array_get_idx(contents, i), "parts");
        for (size_t k = json_object_array_length(parts); k-- > 0;) {
            struct json_object *part = json_object_array_get_idx(parts, k);
            if (jsonx_bool(part, "thought", false))
                json_object_array_del_idx(parts, k, 1);
            else if (jsonx_get(part, "text") != NULL)
                drop(part, "thoughtSignature");
        }
    }
}

static struct json_object *chat_messages(struct json_object *body)
{
    struct json_object *messages = json_object_new_array();
    struct json_object *contents = jsonx_array(body, "contents");
    struct json_object *system = jsonx_array(jsonx_object(body, "systemInstruction"), "parts");

    if (system != NULL) {
        struct json_object *texts = json_object_new_array();
        for (size_t i = 0; i < json_object_array_length(system); i++)
            set_text_part(texts, jsonx_str(json_object_array_get_idx(system, i), "text", ""));
        add_message(messages, "system", texts, json_object_new_array());
    }
    for (size_t i = 0; i < json_object_array_length(contents); i++)
        chat_content(messages, json_object_array_get_idx(contents, i));
    return messages;
}

static struct json_object *chat_tools(struct json_object *body)
{
    struct json_object *tools = json_object_new_array();
    struct json_object *functions = functions_of(body);

    for (size_t i = 0; i < json_object_array_length(functions); i++) {
        struct json_object *f = json_object_array_get_idx(functions, i);
        struct json_object *tool = json_object_new_object();
        struct json_object *function = json_object_new_object();
        jsonx_set_ref(function, "name", jsonx_get(f, "name"));
        jsonx_set_ref(function, "description", jsonx_get(f, "description"));
        jsonx_set_ref(function, "parameters", jsonx_get(f, "parametersJsonSchema"));
        if (strcmp(mode_of(body), "VALIDATED") == 0)
            jsonx_set_bool(function, "strict", true);
        jsonx_set_str(tool, "type", "function");
        jsonx_set(tool, "function", function);
        json_object_array_add(tools, tool);
    }
    return tools;
}

static void set_format(struct json_object *chat, struct json_object *config)
{
    struct json_object *schema = jsonx_object(config, "responseJsonSchema");
    struct json_object *format = json_object_new_object();

    jsonx_set_str(format, "type", schema != NULL ? "json_schema" : "json_object");
    if (schema != NULL) {
        struct json_object *named = json_object_new_object();
        jsonx_set_str(named, "name", "answer");
        jsonx_set_ref(named, "schema", schema);
        jsonx_set(format, "json_schema", named);
    }
    jsonx_set(chat, "response_format", format);
}

static struct json_object *chat_of(struct json_object *body)
{
    struct json_object *chat = json_object_new_object();
    struct json_object *config = jsonx_object(body, "generationConfig");

    jsonx_set_str(chat, "model", "our-gemini");
    jsonx_set(chat, "messages", chat_messages(body));
    if (functions_of(body) != NULL)
        jsonx_set(chat, "tools", chat_tools(body));
    if (strcmp(mode_of(body), "ANY") == 0)
        jsonx_set_str(chat, "tool_choice", "required");
    if (jsonx_get(config, "temperature") != NULL)
        jsonx_set_ref(chat, "temperature", jsonx_get(config, "temperature"));
    if (jsonx_get(config, "responseMimeType") != NULL)
        set_format(chat, config);
    return chat;
}

static const char *const recorded_names[] = {
    "google.google-instructions-only-with-tool-calls.0",
    "google.google-model-image-url-input.1",
    "google.google-model-iter-stream.0",
    "google.google-model-iter-stream.1",
    "google.google-model-iter-stream.2",
    "google.google-model-max-tokens-thinking-model-empty-response.0",
    "google.google-model-safety-settings.0",
    "google.google-model-thinking-part-iter.0",
    "google.google-model-thinking-part.1",
    "google.google-native-output.0",
    "google.google-prompted-output.0",
    "model-name-suggestions.model-name-suggestion-google.0",
    "multimodal-tool-returns.mixed-content-ordering-google-2-5.1",
    "multimodal-tool-returns.multimodal-tool-return-matrix-direct-url-d-c5a648fd.2",
    "output.google-default-tools-use-validated-mode.1",
    "stream-close.cancel-recorded-provider-stream-google.0",
    "structured-output.native-output-with-function-tools-stream.0",
    "structured-output.native-output-with-function-tools-stream.1",
    "tool-search.cross-provider-capability-replay-google-gemini-3-flash-79b64d44.1",
};

static void recorded_requests_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recorded_names); i++) {
        struct json_object *recorded = recording_json("google", recorded_names[i], "request.json");
        struct json_object *body = jsonx_object(recorded, "body");
        bool three = strstr(jsonx_str(recorded, "path", ""), "gemini-3") != NULL;
        normalise(body);
        struct json_object *chat = chat_of(body);
        const char *text = json_object_to_json_string(chat);
        struct err err;
        struct json_object *written = translate(
            text, strlen(text), three ? "gemini-3" : "gemini-2.5",
            jsonx_i64(jsonx_object(body, "generationConfig"), "maxOutputTokens", 0), &err);
        if (written == NULL)
            fail_msg("%s: %s", recorded_names[i], err.message);
        assert_same(written, body);
        json_object_put(written);
        json_object_put(chat);
        json_object_put(recorded);
    }
}
/* Messages by hand. */

static const struct request_case message_cases[] =
    {
        {"gemini-3", USER_HI, GOOGLE_HI},
        /* Roles. System and developer texts are one instruction; neighbours share a content. */
        {"gemini-3",
         "\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":"
         "\"b\"},"
         "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"c\"}]},{\"role\":"
         "\"developer\","
         "\"content\":\"d\"},{\"role\":\"assistant\",\"content\":\"e\"},{\"role\":\"assistant\","
         "\"content\":[{\"type\":\"refusal\",\"refusal\":\"f\"}]},{\"role\":\"user\",\"content\":"
         "\"\"}]",
         "\"systemInstruction\":{\"parts\":[{\"text\":\"a\"},{\"text\":\"d\"}]},\"contents\":[{"
         "\"role\":\"user\",\"parts\":[{\"text\":\"b\"},{\"text\":\"c\"}]},{\"role\":\"model\","
         "\"parts\":[{\"text\":\"e\"},{\"text\":\"f\"}]},{\"role\":\"user\",\"parts\":[{\"text\":"
         "\"\"}]"
         "}]"},
        {"gemini-3", "\"messages\":[{\"role\":\"system\",\"content\":\"a\"}]",
         "\"systemInstruction\":{\"parts\":[{\"text\":\"a\"}]},\"contents\":[{\"role\":\"user\","
         "\"parts\":[{\"text\":\"\"}]}]"},
        {"gemini-3",
         "\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":"
         "\"b\"}]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[{\"text\":\"a\"}]},{\"role\":\"user\",\"parts\":[{\"text\":\"b\"}]}]"},
        {"gemini-3",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
         "null}"
         ",{\"role\":\"assistant\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"b\"}]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"},{\"text\":\"b\"}]}]"},
        /* Media. */
        {"gemini-3",
         "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}," IMAGE
         ",{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://example.com/a.png\",\"detail\":"
         "\"low\"}},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"BBBB\",\"format\":"
         "\"mp3\"}},{"
         "\"type\":\"file\",\"file\":{\"filename\":\"x.pdf\",\"file_data\":\"data:application/pdf;"
         "base64,CCCC\"}}]}]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}," INLINE_IMAGE
         ",{\"fileData\":{\"fileUri\":\"https://example.com/"
         "a.png\"}},{\"inlineData\":{\"mimeType\":"
         "\"audio/mp3\",\"data\":\"BBBB\"}},{\"inlineData\":{\"mimeType\":\"application/"
         "pdf\",\"data\":"
         "\"CCCC\"}}]}]"},
        /* Calls: a dummy for the first of each step of the current turn, and only for Gemini 3. */
        {
            "gemini-3",
            "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL("1", "") "," TOOL_RESULT("1", "\"x\"") ",{\"role\":\"user\",\"content\":\"b\"}," ASSISTANT_CALL(
                "2",
                "") "," TOOL_RESULT("2",
                                    "\"x\"") "," ASSISTANT_CALL("3",
                                                                "") "," TOOL_RESULT("3",
                                                                                    "\"x\"") "]",
            "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
            "\"parts\":"
            "[" CALL_PART("1", "") "]},{\"role\":\"user\",\"parts\":[" RESULT_PART(
                "1", "{\"result\":\"x\"}") "]},{\"role\":\"user\",\"parts\":[{\"text\":\"b\"}]},{"
                                           "\"role\":\"model\",\"parts\":[" CALL_PART("2", DUMMY) "]},{\"role\":\"user\",\"parts\":[" RESULT_PART(
                                               "2",
                                               "{\"result\":\"x\"}") "]},{\"role\":\"model\","
                                                                     "\"parts\":[" CALL_PART(
                                                                         "3",
                                                                         DUMMY) "]},{\"role\":"
                                                                                "\"user\","
                                                                                "\"parts\":"
                                                                                "[" RESULT_PART(
                                                                                    "3",
                                                                                    "{\"result\":"
                                                                                    "\"x\"}") "]}"
                                                                                              "]"},
        {"gemini-2.5",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL(
             "1", "") "," TOOL_RESULT("1", "\"x\"") "]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[" CALL_PART("1", "") "]},{\"role\":\"user\",\"parts\":[" RESULT_PART(
             "1", "{\"result\":\"x\"}") "]}]"},
        {"gemini-2.5",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL(
             "1", SIGNATURE("sig")) "," TOOL_RESULT("1", "\"x\"") "]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[" CALL_PART("1", ",\"thoughtSignature\":\"sig\"") "]},{\"role\":\"user\",\"parts\":"
                                                             "[" RESULT_PART(
                                                                 "1", "{\"result\":\"x\"}") "]}]"},
        /* Parallel calls and their results; a signature that was carried back; others' state. */
        {"gemini-3",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":"
         "\"t\""
         ",\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
         "\"arguments\":\"{\\\"x\\\":[1.0]}\"}" SIGNATURE(
             "sig") "},{\"id\":\"2\",\"type\":\"function\",\"function\":{\"name\":\"g\","
                    "\"arguments\":\"\"},"
                    "\"extra_content\":{\"google\":{\"thought_signature\":\"\"},\"other\":1}}]}"
                    "," TOOL_RESULT("2", "\"[1]\"") "," TOOL_RESULT(
                        "1",
                        "[{\"type\":\"text\",\"text\":\"{\\\"a\\\":\"},{\"type\":\"text\",\"text\":"
                        "\"1}\"}]") "]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[{\"text\":\"t\"},{\"functionCall\":{\"id\":\"1\",\"name\":\"f\",\"args\":{\"x\":[1.0]}},"
         "\"thoughtSignature\":\"sig\"},{\"functionCall\":{\"id\":\"2\",\"name\":\"g\",\"args\":{}}"
         "}]},"
         "{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"2\",\"name\":\"g\","
         "\"response\":{\"result\":[1]}}},{\"functionResponse\":{\"id\":\"1\",\"name\":\"f\","
         "\"response\":{\"a\":1}}}]}]"},
        /* Text of the user stays out of the content with the results. */
        {"gemini-3",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL(
             "1", "") "," TOOL_RESULT("1", "\"null\"") ",{\"role\":\"user\",\"content\":\"b\"}]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[" CALL_PART("1", "") "]},{\"role\":\"user\",\"parts\":[" RESULT_PART(
             "1", "{\"result\":null}") "]},{\"role\":\"user\",\"parts\":[{\"text\":\"b\"}]}]"},
        /* Arguments that are no object. */
        {"gemini-2.5",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"tool_"
         "calls\":[{"
         "\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{oops\"}}"
         ",{"
         "\"id\":\"2\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"[2]\"}}]}"
         "," TOOL_RESULT("1", "\"\"") "," TOOL_RESULT("2", "[]") "]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[{\"functionCall\":{\"id\":\"1\",\"name\":\"f\",\"args\":{\"arguments\":\"{oops\"}}},{"
         "\"functionCall\":{\"id\":\"2\",\"name\":\"f\",\"args\":{\"arguments\":[2]}}}]},{\"role\":"
         "\"user\",\"parts\":[" RESULT_PART("1", "{\"result\":\"\"}") "," RESULT_PART(
             "2", "{\"result\":\"\"}") "]}]"},
        /* Images that tools gave: within the result for Gemini 3, else after the results. */
        {"gemini-3",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL(
             "1", "") "," TOOL_RESULT("1", "[{\"type\":\"text\",\"text\":\"see\"}," IMAGE "," IMAGE
                                           "]") "]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[" CALL_PART("1", DUMMY) "]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":"
                                   "\"1\",\"name\":\"f\",\"response\":{\"result\":\"see\"},"
                                   "\"parts\":[" INLINE_IMAGE "," INLINE_IMAGE "]}}]}]"},
        {"gemini-2.5",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL(
             "1",
             "") "," ASSISTANT_CALL("2",
                                    "") "," TOOL_RESULT("1",
                                                        "[" IMAGE
                                                        "]") "," TOOL_RESULT("2",
                                                                             "\"x\"") ",{\"role\":"
                                                                                      "\"user\","
                                                                                      "\"content\":"
                                                                                      "\"b\"}]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[" CALL_PART("1", "") "," CALL_PART(
             "2", "") "]},{\"role\":\"user\",\"parts\":"
                      "[" RESULT_PART("1", "{\"result\":\"\"}") "," RESULT_PART(
                          "2", "{\"result\":\"x\"}") "]},{\"role\":"
                                                     "\"user\","
                                                     "\"parts\":[{"
                                                     "\"text\":\"From "
                                                     "the function "
                                                     "f:\"}"
                                                     "," INLINE_IMAGE ",{\"text\":\"b\"}"
                                                     "]}]"},
        {"gemini-3",
         "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}," ASSISTANT_CALL(
             "1", "") "," TOOL_RESULT("1", "[{\"type\":\"image_url\",\"image_url\":{\"url\":"
                                           "\"https://x/y\"}}]") "]",
         "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\"}]},{\"role\":\"model\","
         "\"parts\":"
         "[" CALL_PART("1", DUMMY) "]},{\"role\":\"user\",\"parts\":[" RESULT_PART(
             "1",
             "{\"result\":\"\"}") "]},{\"role\":\"user\",\"parts\":[{\"text\":\"From the "
                                  "function f:\"},{\"fileData\":{\"fileUri\":\"https://x/y\"}}]}]"},
};

static void messages_are_written(void **state)
{
    (void)state;
    assert_cases(message_cases, ARRAY_LEN(message_cases));
}

/* Where the model does not continue its last message, a word of the user stands in between; not
 * after a call, which wants its result. */
static void last_word_is_the_users(void **state)
{
    (void)state;
    static const struct {
        const char *last;
        bool prefill;
        size_t contents;
    } cases[] = {
        {"{\"role\":\"assistant\",\"content\":\"b\"}", true, 2},
        {"{\"role\":\"assistant\",\"content\":\"b\"}", false, 3},
        {ASSISTANT_CALL("1", ""), false, 2},
        {"{\"role\":\"user\",\"content\":\"b\"}", false, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dialect dialect = *dialect_find("gemini-3");
        struct neutral_request request;
        struct arena *arena = arena_new();
        struct json_object *root = json_object_new_object();
        struct buf chat;
        struct err err;
        dialect.prefill = cases[i].prefill;
        buf_init(&chat, 1 << 16);
        buf_printf(&chat,
                   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"},%s]}",
                   cases[i].last);
        assert_int_equal(completions_read_request(&request, chat.data, chat.len, &err), 0);
        assert_int_equal(completions_read_content(&request, arena, &err), 0);
        assert_int_equal(gemini_write_messages(root, request.content, &dialect, "m", &err), 0);
        struct json_object *contents = jsonx_array(root, "contents");
        assert_int_equal(json_object_array_length(contents), cases[i].contents);
        json_object_put(root);
        neutral_request_fini(&request);
        arena_free(arena);
        buf_fini(&chat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_requests_are_written),
        cmocka_unit_test(messages_are_written),
        cmocka_unit_test(last_word_is_the_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
