/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of another language to providers of chat completions. */
#include "base/base.h"

#include "google_recording.h"
#include "unit.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/format.h"

#include <stdio.h>
#include <string.h>

enum { OUT_MAX = 64 * 1024 * 1024, LIMIT = 99 };

struct writing {
    const char *provider;
    const char *dialect;
    bool hedge;
    bool wish;
    enum language language;
};

static const struct writing chat = {.provider = "openai", .dialect = "openai-chat"};
static const struct writing reasoning = {.provider = "openai", .dialect = "openai-reasoning"};
static const struct writing router = {.provider = "openrouter", .dialect = "openrouter"};
static const struct writing hedge = {
    .provider = "openrouter", .dialect = "openai-responses", .hedge = true};
static const struct writing chat_wish = {
    .provider = "openai", .dialect = "openai-chat", .wish = true};
static const struct writing reasoning_wish = {
    .provider = "openai", .dialect = "openai-reasoning", .wish = true};
static const struct writing router_wish = {
    .provider = "openrouter", .dialect = "openrouter", .wish = true};
static const struct writing responses = {
    .provider = "openai", .dialect = "openai-chat", .language = LANGUAGE_RESPONSES};

/* A chat request is taken apart and then taken for one of another language. */
static int write_text(struct buf *out, const struct writing *how, const char *text, struct err *err)
{
    struct neutral_target target = {.upstream_model = "up",
                                    .dialect = how->dialect,
                                    .output_limit = LIMIT,
                                    .model = "the-model",
                                    .hedge = how->hedge};
    struct neutral_content *content = NULL;
    struct arena *arena = arena_new();
    struct neutral_request r;

    if (completions_read_request(&r, text, strlen(text), err) != 0)
        fail_msg("%s: %s", text, err->message);
    if (completions_read_content(&r, arena, err) != 0)
        fail_msg("%s: %s", text, err->message);
    content = arena_zalloc(arena, sizeof *content);
    *content = *r.content;
    content->effort_is_wish = how->wish;
    r.content = content;
    r.language = how->language != LANGUAGE_COMPLETIONS ? how->language : LANGUAGE_MESSAGES;
    buf_clear(out);
    int rc = format_find(how->provider)->write_request(out, &r, &target, err);
    neutral_request_fini(&r);
    arena_free(arena);
    return rc;
}

/* What becomes of a request, whole. */

#define SAY(text)      "{\"role\":\"user\",\"content\":\"" text "\"}"
#define ASK(more)      "{\"model\":\"m\",\"messages\":[" SAY("hi") "]" more "}"
#define MESSAGES(list) "{\"model\":\"m\",\"messages\":[" list "]}"
#define SENT(messages, more)                                                                       \
    "{\"model\":\"up\",\"messages\":[" messages "],\"max_completion_tokens\":99" more "}"
#define ROUTED(messages, more)                                                                     \
    "{\"model\":\"up\",\"messages\":[" messages "],\"max_tokens\":99" more "}"
#define TOOL "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"
#define CALL(id)                                                                                   \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
#define CALLS(id) "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL(id) "]}"
#define LONG_ID   "call_0123456789012345678901234567890123456789"
#define SCHEMA    "{\"type\":\"object\"}"
#define HEDGED    ",\"provider\":{\"require_parameters\":true}"
#define DETAILS   "[{\"type\":\"reasoning.text\",\"text\":\"t\",\"signature\":\"s\",\"index\":0}]"
#define CACHED    ",\"cache_control\":{\"type\":\"ephemeral\"}"
#define PNG       "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}"

struct write_case {
    const struct writing *how;
    const char *request;
    const char *want;
};

static const struct write_case writes[] = {
    {&chat, ASK(""), SENT(SAY("hi"), "")},
    {&router, ASK(""), ROUTED(SAY("hi"), "")},
    {&chat, ASK(",\"stream\":true"),
     SENT(SAY("hi"), ",\"stream\":true,\"stream_options\":{\"include_usage\":true}")},
    /* Roles and parts. */
    {&chat,
     MESSAGES("{\"role\":\"developer\",\"content\":\"be brief\"}," SAY(
         "hi") ",{\"role\":"
               "\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
               "\"refusal\","
               "\"refusal\":\"no\"}]}," SAY("go on")),
     SENT("{\"role\":\"system\",\"content\":\"be brief\"}," SAY(
              "hi") ",{\"role\":\"assistant\","
                    "\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"refusal\","
                    "\"refusal\":"
                    "\"no\"}]}," SAY("go on"),
          "")},
    {&router,
     MESSAGES(
         "{\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"no\"}]}," SAY(
             "go on")),
     ROUTED("{\"role\":\"assistant\",\"content\":\"no\"}," SAY("go on"), "")},
    {&chat,
     MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"" CACHED "},{"
              "\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.png\",\"detail\":\"low\""
              "}}," PNG ",{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":"
              "\"mp3\"}}]}"),
     SENT("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":"
          "\"image_url\",\"image_url\":{\"detail\":\"low\",\"url\":\"https://x/y.png\"}}," PNG
          ",{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"mp3\"}}]}",
          "")},
    {&router,
     MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"" CACHED "}]}"),
     ROUTED("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"" CACHED "}]}",
            "")},
    /* Files. */
    {&chat,
     MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\","
              "\"file_data\":\"data:application/pdf;base64,AAAA\"}},{\"type\":\"file\",\"file\":{"
              "\"filename\":\"n.txt\",\"file_data\":\"data:text/plain;base64,aGVsbG8=\"}},{"
              "\"type\":\"file\",\"file\":{\"file_data\":\"data:image/png;base64,AAAA\"}}]}"),
     SENT("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\","
          "\"file_data\":\"data:application/pdf;base64,AAAA\"}},{\"type\":\"text\",\"text\":"
          "\"n.txt:\\nhello\"}," PNG "]}",
          "")},
    {&router,
     MESSAGES("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
              "\"https://x/a.pdf\"}}]}"),
     ROUTED("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"file."
            "pdf\",\"file_data\":\"https://x/a.pdf\"}}]}",
            "")},
    /* Calls and their results; what is no text in these follows them. */
    {&chat,
     MESSAGES(SAY("hi") "," CALLS("c1") ",{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
                                        "\"42\"}"),
     SENT(SAY("hi") "," CALLS("c1") ",{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
                                    "\"42\"}",
          "")},
    {&chat,
     MESSAGES(SAY("hi") ",{\"role\":\"assistant\",\"tool_calls\":[" CALL("c1") "," CALL(
         "c2") "]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":[" PNG "]},{\"role\":"
               "\"tool\",\"tool_call_id\":\"c2\",\"content\":\"ok\"}," SAY("so?")),
     SENT(
         SAY("hi") ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL("c1") "," CALL(
             "c2") "]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"(The content "
                   "follows.)\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"ok\"},{"
                   "\"role\":"
                   "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"From the function "
                   "f:\"}," PNG "]}," SAY("so?"),
         "")},
    {&chat,
     MESSAGES(CALLS(LONG_ID) ",{\"role\":\"tool\",\"tool_call_id\":\"" LONG_ID
                             "\",\"content\":\"\"}"),
     SENT(CALLS("call_012345678901234567_c61892538151ae52") ",{\"role\":\"tool\",\"tool_call_id\":"
                                                            "\"call_012345678901234567_"
                                                            "c61892538151ae52\",\"content\":\"\"}",
          "")},
    {&router, MESSAGES(CALLS(LONG_ID) "," SAY("so?")), ROUTED(CALLS(LONG_ID) "," SAY("so?"), "")},
    /* Reasoning goes back where it can be read. */
    {&router,
     MESSAGES("{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_details\":" DETAILS
              "}," SAY("so?")),
     ROUTED("{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_details\":" DETAILS
            "}," SAY("so?"),
            "")},
    {&chat,
     MESSAGES("{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_details\":" DETAILS
              "}," SAY("so?")),
     SENT("{\"role\":\"assistant\",\"content\":\"a\"}," SAY("so?"), "")},
    /* Tools. */
    {&chat,
     ASK(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
         "\"parameters\":" SCHEMA ",\"strict\":true}" CACHED "}],\"parallel_tool_calls\":false"),
     SENT(SAY("hi"),
          ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\","
          "\"parameters\":" SCHEMA ",\"strict\":true}}],\"parallel_tool_calls\":false")},
    {&router, ASK(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}" CACHED "}]"),
     ROUTED(SAY("hi"),
            ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}" CACHED "}]")},
    {&chat, ASK(",\"tools\":[" TOOL "],\"tool_choice\":\"auto\""),
     SENT(SAY("hi"), ",\"tools\":[" TOOL "],\"tool_choice\":\"auto\"")},
    {&chat, ASK(",\"tools\":[" TOOL "],\"tool_choice\":\"none\""),
     SENT(SAY("hi"), ",\"tools\":[" TOOL "],\"tool_choice\":\"none\"")},
    {&chat, ASK(",\"tools\":[" TOOL "],\"tool_choice\":\"required\""),
     SENT(SAY("hi"), ",\"tools\":[" TOOL "],\"tool_choice\":\"required\"")},
    {&chat,
     ASK(",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
         "\"f\"}}"),
     SENT(SAY("hi"), ",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\",\"function\":{"
                     "\"name\":\"f\"}}")},
    {&chat, ASK(",\"parallel_tool_calls\":true"), SENT(SAY("hi"), "")},
    /* The form of the answer. */
    {&chat, ASK(",\"response_format\":{\"type\":\"json_object\"}"),
     SENT(SAY("hi"), ",\"response_format\":{\"type\":\"json_object\"}")},
    {&chat,
     ASK(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\""
         ":" SCHEMA ",\"strict\":true}}"),
     SENT(SAY("hi"), ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                     "\"n\",\"schema\":" SCHEMA ",\"strict\":true}}")},
    /* Sampling. */
    {&chat, ASK(",\"temperature\":0.50,\"top_p\":0.9,\"seed\":7,\"stop\":\"END\""),
     SENT(SAY("hi"), ",\"temperature\":0.50,\"top_p\":0.9,\"seed\":7,\"stop\":[\"END\"]")},
    {&chat, ASK(",\"temperature\":1,\"presence_penalty\":0.1,\"logit_bias\":{\"5\":1}"),
     SENT(SAY("hi"), ",\"temperature\":1,\"presence_penalty\":0.1,\"logit_bias\":{\"5\":1}")},
    {&reasoning, ASK(",\"temperature\":1.0,\"top_p\":1"), SENT(SAY("hi"), "")},
    {&reasoning, ASK(",\"temperature\":0.2"), SENT(SAY("hi"), ",\"temperature\":0.2")},
    {&router, ASK(",\"top_k\":5,\"stop\":[\"a\",\"b\"]"),
     ROUTED(SAY("hi"), ",\"top_k\":5,\"stop\":[\"a\",\"b\"]")},
    /* What a model that stands in lacks is left out. */
    {&hedge,
     ASK(",\"temperature\":0.5,\"seed\":1,\"logit_bias\":{\"5\":1},\"frequency_penalty\":1,"
         "\"presence_penalty\":1,\"logprobs\":true,\"reasoning_effort\":\"low\",\"verbosity\":"
         "\"low\""),
     ROUTED(SAY("hi"), ",\"temperature\":0.5,\"reasoning\":{\"effort\":\"low\"}" HEDGED)},
    /* Reasoning: an effort goes as it is, a wish only where it can be followed. */
    {&reasoning, ASK(",\"reasoning_effort\":\"minimal\""),
     SENT(SAY("hi"), ",\"reasoning_effort\":\"minimal\"")},
    {&chat, ASK(",\"reasoning_effort\":\"high\""),
     SENT(SAY("hi"), ",\"reasoning_effort\":\"high\"")},
    {&chat_wish, ASK(",\"reasoning_effort\":\"high\""), SENT(SAY("hi"), "")},
    {&chat_wish, ASK(",\"reasoning_effort\":\"none\""), SENT(SAY("hi"), "")},
    {&reasoning_wish, ASK(""), SENT(SAY("hi"), "")},
    {&reasoning_wish, ASK(",\"reasoning_effort\":\"none\""),
     SENT(SAY("hi"), ",\"reasoning_effort\":\"low\"")},
    {&reasoning_wish, ASK(",\"reasoning_effort\":\"minimal\""),
     SENT(SAY("hi"), ",\"reasoning_effort\":\"low\"")},
    {&reasoning_wish, ASK(",\"reasoning_effort\":\"max\""),
     SENT(SAY("hi"), ",\"reasoning_effort\":\"high\"")},
    {&router_wish, ASK(",\"reasoning_effort\":\"none\""), ROUTED(SAY("hi"), "")},
    {&router_wish, ASK(",\"reasoning_effort\":\"medium\""),
     ROUTED(SAY("hi"), ",\"reasoning_effort\":\"medium\"")},
    /* Same names on OpenAI's surfaces. */
    {&responses, ASK(",\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\",\"user\":\"u\""),
     SENT(SAY("hi"), ",\"service_tier\":\"flex\",\"prompt_cache_key\":\"k\",\"user\":\"u\"")},
    {&chat, ASK(",\"service_tier\":\"flex\",\"verbosity\":\"low\""),
     SENT(SAY("hi"), ",\"verbosity\":\"low\"")},
};

static void test_writes(void **state)
{
    (void)state;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        if (write_text(&out, writes[i].how, writes[i].request, &err) != 0)
            fail_msg("case %zu: %s", i, err.message);
        assert_string_equal(out.data, writes[i].want);
    }
    buf_fini(&out);
}

/* What cannot be done is told with field and model. */

struct refusal {
    const struct writing *how;
    const char *request;
    const char *param;
};

#define USER_PART(part) MESSAGES("{\"role\":\"user\",\"content\":[" part "]}")

static const struct refusal refusals[] = {
    {&chat, ASK(",\"tool_choice\":\"required\""), "tool_choice"},
    {&chat,
     ASK(",\"tools\":[" TOOL "],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
         "\"g\"}}"),
     "tool_choice"},
    {&chat, ASK(",\"logprobs\":true"), "logprobs"},
    {&chat, ASK(",\"top_k\":4"), "top_k"},
    {&chat, ASK(",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\"]"), "stop"},
    {&chat, ASK(",\"reasoning_effort\":\"huge\""), "reasoning_effort"},
    {&chat, MESSAGES("{\"role\":\"system\",\"content\":[" PNG "]}," SAY("hi")),
     "messages[0].content[0]"},
    {&chat, MESSAGES(SAY("hi") ",{\"role\":\"assistant\",\"content\":[" PNG "]}," SAY("hi")),
     "messages[1].content[0]"},
    {&chat,
     USER_PART("{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"file\",\"file\":{\"file_id\":"
               "\"file-1\"}}"),
     "messages[0].content[1]"},
    {&chat, USER_PART("{\"type\":\"file\",\"file\":{\"file_data\":\"https://x/a.pdf\"}}"),
     "messages[0].content[0]"},
    {&chat,
     USER_PART("{\"type\":\"file\",\"file\":{\"file_data\":\"data:text/plain;base64,/w==\"}}"),
     "messages[0].content[0]"},
    {&chat, USER_PART("{\"type\":\"file\",\"file\":{\"file_data\":\"data:text/plain;base64,?\"}}"),
     "messages[0].content[0]"},
    {&chat, USER_PART("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:;base64,AA\"}}"),
     "messages[0].content[0]"},
    {&chat, MESSAGES(SAY("hi") ",{\"role\":\"assistant\",\"content\":\"It is\"}"), "messages"},
};

static void test_refusals(void **state)
{
    (void)state;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        if (write_text(&out, refusals[i].how, refusals[i].request, &err) == 0)
            fail_msg("case %zu: %s", i, out.data);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, refusals[i].param);
        assert_int_equal(out.len, 0);
    }
    /* Only Anthropic's clients mean it to be continued. */
    assert_int_equal(write_text(&out, &responses,
                                MESSAGES(SAY("hi") ",{\"role\":\"assistant\",\"content\":\"a\"}"),
                                &err),
                     0);
    struct writing unknown = {.provider = "openai", .dialect = "x"};
    assert_int_equal(write_text(&out, &unknown, ASK(""), &err), -1);
    assert_int_equal(err.status, 500);
    buf_fini(&out);
}

/* Recorded chat requests, taken apart and written again, still say the same. */

static const char *const recorded[][2] = {
    {"openai", "dbos.dbos-agent-with-hitl-tool-sync.0"},
    {"openai", "model-name-suggestions.model-name-suggestion-openai-chat.0"},
    {"openai", "openai.image-url-input-force-download.1"},
    {"openai", "openai.openai-native-output-multiple.1"},
    {"openai", "openai.openai-o1-mini-system-role-developer.0"},
    {"openai", "openai.openai-prompted-output-multiple.1"},
    {"openai", "openai.openai-tool-output.1"},
    {"openai", "openai.run-stream-sync-streams-real-model.1"},
    {"openai", "prefect.multiple-agents.3"},
    {"openai", "tool-choice-matrix.tool-choice-matrix-required-openai.0"},
    {"openai", "tool-search.tool-search-eval-openai-chat.1"},
    {"openrouter", "cache.openrouter-cache-all-settings-real-api.1"},
    {"openrouter", "cache.openrouter-cache-point-image-e2e.0"},
    {"openrouter", "openrouter.openrouter-file-annotation.0"},
    {"openrouter", "openrouter.openrouter-preserve-reasoning-block.1"},
    {"openrouter", "openrouter.openrouter-stream-with-reasoning.0"},
};

/* Members that one side spells otherwise without saying anything else. */
static void normalise_messages(struct json_object *list)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *m = json_object_array_get_idx(list, i);
        struct json_object *content = jsonx_array(m, "content");
        struct json_object *first = content != NULL ? json_object_array_get_idx(content, 0) : NULL;
        if (strcmp(jsonx_str(m, "role", ""), "developer") == 0)
            jsonx_set_str(m, "role", "system");
        if (content != NULL && json_object_array_length(content) == 1 &&
            jsonx_get(first, "text") != NULL && json_object_object_length(first) == 2)
            jsonx_set_ref(m, "content", jsonx_get(first, "text"));
        if (jsonx_get(m, "content") == NULL)
            json_object_object_del(m, "content");
        json_object_object_del(m, "reasoning");
    }
}

static void normalise(struct json_object *body)
{
    static const char *const own[] = {"model",
                                      "max_tokens",
                                      "max_completion_tokens",
                                      "stream",
                                      "stream_options",
                                      "usage",
                                      "store",
                                      "plugins",
                                      "reasoning",
                                      "prompt_cache_key",
                                      "prompt_cache_options",
                                      "n",
                                      "provider"};

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        json_object_object_del(body, own[i]);
    if (jsonx_array(body, "tools") == NULL ||
        json_object_array_length(jsonx_array(body, "tools")) == 0) {
        json_object_object_del(body, "tools");
        json_object_object_del(body, "tool_choice");
    }
    normalise_messages(jsonx_array(body, "messages"));
}

static void test_recorded(void **state)
{
    (void)state;
    struct buf out;
    struct buf text;
    struct err err;

    buf_init(&out, OUT_MAX);
    buf_init(&text, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(recorded); i++) {
        struct json_object *doc = recording_json(recorded[i][0], recorded[i][1], "request.json");
        struct json_object *body = jsonx_object(doc, "body");
        struct json_object *back = NULL;
        bool routed = strcmp(recorded[i][0], "openrouter") == 0;
        buf_clear(&text);
        jsonx_write(&text, body);
        if (write_text(&out, routed ? &router : &chat, text.data, &err) != 0)
            fail_msg("%s: %s", recorded[i][1], err.message);
        assert_int_equal(jsonx_parse(&back, out.data, out.len, &err), 0);
        normalise(body);
        normalise(back);
        if (!json_object_equal(body, back))
            fail_msg("%s:\n%s\n%s", recorded[i][1], json_object_to_json_string(body),
                     json_object_to_json_string(back));
        json_object_put(back);
        json_object_put(doc);
    }
    buf_fini(&text);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
