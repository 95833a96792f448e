/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "google_recording.h"
#include "responses_session.h"
#include "unit.h"

#include <string.h>

/* Recordings. */

struct recorded {
    const char *name;
    bool stream;
    const char *text; /* its beginning */
    size_t text_len;
    size_t reasoning_len;
    const char *calls;
    const char *thoughts;
    int finish;
    int64_t prompt;
    int64_t completion;
    int64_t reasoning;
};

/* As OpenAI's answers say. */
static const struct recorded recordings[] = {
    {"bedrock.bedrock-model-thinking-part-from-other-model.0", false,
     "Here\xE2\x80\x99s a simple, safe way to cross:\n\n- G", 1283, 3540, "",
     "0 rs_68c1ffe148588191812b659c6dc35ce60003919771fccd27 REDACTED-fernet-bbf00d1cb532\n",
     FINISH_STOP, 23, 2030, 1728},
    {"multimodal-tool-returns.multimodal-tool-return-matrix-tool-return-39449b58.1", false,
     "I used the get_file tool and retrieved a", 349, 0, "",
     "0 rs_06c11e78445396410069a897a4c5f481a0a240120e4ccbd74e REDACTED-fernet-d751501787e4\n",
     FINISH_STOP, 94, 302, 192},
    {"openai-responses.openai-include-raw-annotations-streaming.2", true, "2+2 = 4", 7, 0, "", "",
     FINISH_STOP, 20, 10, 0},
    {"openai-responses.openai-responses-image-url-input.0", false,
     "Hello! I see you've shared an image of a", 76, 0, "", "", FINISH_STOP, 663, 20, 0},
    {"openai-responses.openai-responses-model-retry.0", false, "", 0, 0,
     "0 call_LWVp74L5HaH2KNvgVz9PJsrj get_location {\"loc_name\":\"Londos\"}\n"
     "1 call_YnRAWeTyxI91m5uNa5bxXwVO get_location {\"loc_name\":\"London\"}",
     "", FINISH_TOOL_CALLS, 0, 0, 0},
    {"openai-responses.openai-responses-stream.0", true, "", 0, 0,
     "0 call_kL0PCQV7M2WMoVX8V8OtYSAL get_capital {\"country\":\"France\"}", "", FINISH_TOOL_CALLS,
     255, 16, 0},
    {"openai-responses.openai-responses-stream.1", true, "The capital of France is Paris.", 31, 0,
     "", "", FINISH_STOP, 278, 9, 0},
    {"openai-responses.openai-responses-streaming-usage.0", true, "", 0, 0,
     "0 call_CWXgs68YprAjp6t0371hiPOI final_result {\"result\":6666}",
     "0 rs_0050471a34b36ae60068c97bac4dcc819595fd0f80d6b3c405 REDACTED-fernet-7ca4dc4d7bc8\n",
     FINISH_TOOL_CALLS, 53, 469, 448},
    {"openai-responses.prompted-output.1", false,
     "{\"city\":\"Mexico City\",\"country\":\"Mexico\"}", 41, 0, "", "", FINISH_STOP, 130, 12, 0},
    {"openai.openai-instructions-with-responses-logprobs-streaming.0", true,
     "The capital of Minas Gerais is Belo Hori", 46, 0, "", "", FINISH_STOP, 25, 10, 0},
    {"openai.openai-instructions-with-responses-logprobs.0", false,
     "The capital of Minas Gerais is Belo Hori", 46, 0, "", "", FINISH_STOP, 25, 10, 0},
    {"tool-choice-matrix.tool-choice-matrix-tools-plus-output-openai-responses.1", false, "", 0, 0,
     "0 call_tiZYSQIyK69kGZoFccuG8ynZ final_result "
     "{\"city\":\"Paris\",\"summary\":\"Current weather: Sunny, 22\xC2\xB0"
     "C. Clear skies, pleasant temperature--ideal for outdoor activities. Light layers "
     "recommended in case of breeze; consider sunglasses and sunscreen.\"}",
     "0 rs_0cf3aa21510b301d00697bce1c39dc819f8dd1f65578c32e5e REDACTED-fernet-1435d48d7446\n",
     FINISH_TOOL_CALLS, 415, 224, 128},
};

static void assert_recorded(const struct session *s, const struct recorded *r)
{
    const struct got *g = &s->got;

    assert_int_equal(s->rc, 0);
    assert_int_equal(g->text.len, r->text_len);
    assert_memory_equal(g->text.data, r->text, strlen(r->text));
    assert_int_equal(g->reasoning.len, r->reasoning_len);
    assert_string_equal(g->calls.data, r->calls);
    assert_string_equal(g->thoughts.data, r->thoughts);
    assert_int_equal(g->finish, r->finish);
    assert_true(g->usage.known && g->done);
    assert_int_equal(g->usage.prompt, r->prompt);
    assert_int_equal(g->usage.completion, r->completion);
    assert_int_equal(g->usage.reasoning, r->reasoning);
    assert_int_equal(g->usage.cached + g->usage.cache_write_5m + g->usage.cache_write_1h, 0);
}

static void recorded_answers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        if (recordings[i].stream)
            continue;
        struct json_object *answer = recording_json("openai", recordings[i].name, "response.json");
        struct session s;
        session_init(&s);
        read_plain(&s, answer);
        assert_recorded(&s, &recordings[i]);
        session_fini(&s);
        json_object_put(answer);
    }
}

static void recorded_streams_are_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct session whole;
        struct buf text;
        if (!recordings[i].stream)
            continue;
        recording_read(&text, "openai", recordings[i].name, "response.sse");
        session_init(&whole);
        read_stream(&whole, text.data, text.len, 0);
        assert_recorded(&whole, &recordings[i]);
        for (size_t cut = 1; cut < text.len; cut++) {
            struct session s;
            session_init(&s);
            read_stream(&s, text.data, text.len, cut);
            assert_int_equal(s.rc, 0);
            assert_int_equal(s.got.trace.len, whole.got.trace.len);
            assert_memory_equal(s.got.trace.data, whole.got.trace.data, whole.got.trace.len);
            session_fini(&s);
        }
        session_fini(&whole);
        buf_fini(&text);
    }
}

/* They come only to those who asked for them. */
static void recorded_log_probabilities_are_read(void **state)
{
    (void)state;
    for (int asked = 0; asked < 2; asked++) {
        struct session plain;
        struct session stream;
        struct buf text;
        struct json_object *answer = recording_json(
            "openai", "openai.openai-instructions-with-responses-logprobs.0", "response.json");
        recording_read(&text, "openai",
                       "openai.openai-instructions-with-responses-logprobs-streaming.0",
                       "response.sse");
        session_init(&plain);
        session_init(&stream);
        plain.content.logprobs = stream.content.logprobs = asked == 1;
        read_plain(&plain, answer);
        read_stream(&stream, text.data, text.len, 0);
        assert_string_equal(plain.got.tokens.data, asked == 1 ? plain.got.text.data : "");
        assert_string_equal(stream.got.tokens.data, asked == 1 ? stream.got.text.data : "");
        assert_int_equal(stream.got.text.len, 46);
        session_fini(&plain);
        session_fini(&stream);
        buf_fini(&text);
        json_object_put(answer);
    }
}

/* A stream that ends early is never whole. */
static void cut_streams_are_not_done(void **state)
{
    (void)state;
    struct buf text;
    recording_read(&text, "openai", "openai-responses.openai-responses-streaming-usage.0",
                   "response.sse");
    for (size_t len = 0; len + 1 < text.len; len += 7) {
        struct session s;
        session_init(&s);
        read_stream(&s, text.data, len, 0);
        assert_int_equal(s.rc, 0);
        assert_false(s.got.done);
        session_fini(&s);
    }
    buf_fini(&text);
}

/* Answers by hand; NULL: a failure. */

struct answer_case {
    const char *answer;
    const char *trace;
};

#define ANSWER(status, output, rest)                                                               \
    "{\"id\":\"r\",\"status\":\"" status "\",\"output\":[" output "]" rest "}"
#define MESSAGE(parts) "{\"type\":\"message\",\"content\":[" parts "]}"
#define OUT(text)      "{\"type\":\"output_text\",\"text\":\"" text "\"}"
#define CALL(arguments)                                                                            \
    "{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c\",\"name\":\"f\","                  \
    "\"arguments\":" arguments "}"
#define CUT(reason) ",\"incomplete_details\":{\"reason\":\"" reason "\"}"

/* finish: 0 stop, 1 length, 2 tool_calls, 3 content_filter */
static const struct answer_case answer_cases[] = {
    {ANSWER("completed", MESSAGE(OUT("hi")), ""), "begin r\ntext 0 hi\nfinish 0\ndone\n"},
    {ANSWER("completed", "", ""), "begin r\nfinish 0\ndone\n"},
    {ANSWER("incomplete", MESSAGE(OUT("hi")), CUT("max_output_tokens")),
     "begin r\ntext 0 hi\nfinish 1\ndone\n"},
    {ANSWER("incomplete", MESSAGE(OUT("hi")), CUT("content_filter")),
     "begin r\ntext 0 hi\nfinish 3\ndone\n"},
    {ANSWER("incomplete", MESSAGE(OUT("hi")), CUT("new")), "begin r\ntext 0 hi\nfinish 1\ndone\n"},
    {ANSWER("incomplete", "", ",\"incomplete_details\":null"), "begin r\nfinish 1\ndone\n"},
    {ANSWER("completed", MESSAGE("{\"type\":\"refusal\",\"refusal\":\"no\"}"), ""),
     "begin r\nrefusal 0 no\nfinish 0\ndone\n"},
    /* Calls: by call_id; whatever the arguments are, as a text. */
    {ANSWER("completed", CALL("\"{\\\"a\\\":1}\""), ""),
     "begin r\ncall 0 c f\narguments 0 {\"a\":1}\nfinish 2\ndone\n"},
    {ANSWER("completed", CALL("\"no json\""), ""),
     "begin r\ncall 0 c f\narguments 0 no json\nfinish 2\ndone\n"},
    {ANSWER("completed", CALL("\"\""), ""),
     "begin r\ncall 0 c f\narguments 0 {}\nfinish 2\ndone\n"},
    {ANSWER("completed", CALL("null"), ""),
     "begin r\ncall 0 c f\narguments 0 {}\nfinish 2\ndone\n"},
    /* Cut off, nothing is made up. */
    {ANSWER("incomplete", CALL("\"\""), ""), "begin r\ncall 0 c f\nfinish 1\ndone\n"},
    {ANSWER("incomplete", CALL("\"{\\\"a\""), ""),
     "begin r\ncall 0 c f\narguments 0 {\"a\nfinish 1\ndone\n"},
    {ANSWER("completed", CALL("{}"), ""), NULL},
    {ANSWER("completed", CALL("7"), ""), NULL},
    {ANSWER("completed", "{\"type\":\"function_call\",\"name\":\"f\"}", ""), NULL},
    {ANSWER("completed", "{\"type\":\"function_call\",\"call_id\":\"c\"}", ""), NULL},
    {ANSWER("completed", "{\"type\":\"function_call\",\"call_id\":\"\",\"name\":\"f\"}", ""), NULL},
    /* Several messages become one, parts of a message stay together. */
    {ANSWER("completed", MESSAGE(OUT("a") "," OUT("b")) "," MESSAGE(OUT("c")), ""),
     "begin r\ntext 0 a\ntext 0 b\ntext 0 \n\n\ntext 0 c\nfinish 0\ndone\n"},
    /* Reasoning. */
    {ANSWER("completed",
            "{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[{\"text\":\"x\"},{\"text\":\"y\"}],"
            "\"encrypted_content\":\"e\"}," MESSAGE(
                OUT("a")) ",{\"type\":\"reasoning\",\"summary\":"
                          "[{\"text\":\"z\"}],\"encrypted_content\":null}," CALL("\"{}\""),
            ""),
     "begin r\nreasoning 0 x\nreasoning 0 \n\n\nreasoning 0 y\ntext 0 a\nreasoning 0 \n\n\n"
     "reasoning 0 z\ncall 0 c f\narguments 0 {}\nthoughts 1\nfinish 2\ndone\n"},
    {ANSWER("completed",
            "{\"type\":\"reasoning\",\"content\":[{\"text\":\"raw\"}],\"encrypted_content\":\"e\"}",
            ""),
     "begin r\nreasoning 0 raw\nthoughts 1\nfinish 0\ndone\n"},
    /* What was not asked for. */
    {ANSWER("completed",
            "{\"type\":\"web_search_call\"},7,null,{},{\"type\":\"message\"}," MESSAGE(
                "7,null,{\"type\":\"new\",\"text\":\"x\"},{\"type\":\"output_text\"}," OUT("hi")),
            ",\"new\":{}"),
     "begin r\ntext 0 hi\nfinish 0\ndone\n"},
    {ANSWER("completed", MESSAGE("{\"type\":\"output_text\",\"text\":7}"), ""), NULL},
    /* Counts. */
    {ANSWER("completed", "",
            ",\"usage\":{\"input_tokens\":4020,\"input_tokens_details\":{\"cached_tokens\":8,"
            "\"cache_write_tokens\":4012},\"output_tokens\":9,\"output_tokens_details\":{"
            "\"reasoning_tokens\":4}}"),
     "begin r\nusage known 4020 8 4012 9 4\nfinish 0\ndone\n"},
    {ANSWER("completed", "", ",\"usage\":{\"input_tokens\":0,\"output_tokens\":0}"),
     "begin r\nusage known 0 0 0 0 0\nfinish 0\ndone\n"},
    {ANSWER("completed", "", ",\"usage\":{\"input_tokens\":3}"),
     "begin r\nusage unknown 3 0 0 0 0\nfinish 0\ndone\n"},
    {ANSWER("completed", "",
            ",\"usage\":{\"input_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":7,"
            "\"cache_write_tokens\":2},\"output_tokens\":-1,\"output_tokens_details\":{"
            "\"reasoning_tokens\":4}}"),
     "begin r\nusage unknown 5 5 0 0 0\nfinish 0\ndone\n"},
    {ANSWER("completed", "", ",\"usage\":7"), "begin r\nfinish 0\ndone\n"},
    /* No answer. */
    {ANSWER("failed", MESSAGE(OUT("hi")), ",\"error\":{\"code\":\"server_error\"}"), NULL},
    {ANSWER("failed", "", ""), NULL},
    {ANSWER("completed", "", ",\"error\":{\"code\":\"server_error\"}"), NULL},
    {ANSWER("cancelled", "", ""), NULL},
    {ANSWER("in_progress", "", ""), NULL},
    {"{\"id\":\"r\",\"output\":[]}", NULL},
    {"{\"id\":\"r\",\"status\":\"completed\",\"output\":{}}", NULL},
    {"{\"error\":{\"message\":\"x\"}}", NULL},
    {"{}", NULL},
    {"[]", NULL},
    {"null", NULL},
    {"\"completed\"", NULL},
};

static void answers_become_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct json_object *answer = parsed(c->answer);
        struct session s;
        session_init(&s);
        read_plain(&s, answer);
        if (c->trace != NULL) {
            assert_string_equal(s.got.trace.data, c->trace);
            assert_int_equal(s.rc, 0);
        } else {
            if (s.rc != -1)
                fail_msg("%s: read", c->answer);
            assert_true(s.err.status >= 500 && s.err.message[0] != '\0' && s.err.retryable);
            assert_false(s.got.done);
        }
        session_fini(&s);
        json_object_put(answer);
    }
}

/* JSON is not put into paragraphs. */
static void json_stays_json(void **state)
{
    (void)state;
    struct json_object *answer =
        parsed(ANSWER("completed", MESSAGE(OUT("[")) "," MESSAGE(OUT("]")), ""));
    struct session s;
    session_init(&s);
    s.content.output = OUTPUT_JSON_OBJECT;
    read_plain(&s, answer);
    assert_string_equal(s.got.text.data, "[]");
    session_fini(&s);
    json_object_put(answer);
}

/* The places of reasoning among what a client sends back: text is one item, each call is one. */
static void reasoning_has_its_place(void **state)
{
    (void)state;
    static const char thought[] = "{\"type\":\"reasoning\",\"encrypted_content\":\"e\"}";
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, ANSWER("completed", "%s,%s,%s,%s,%s,%s", ""), thought, MESSAGE(OUT("a")),
               CALL("\"{}\""), thought, MESSAGE(OUT("b")), thought);
    struct json_object *answer = parsed(text.data);
    struct session s;
    session_init(&s);
    read_plain(&s, answer);
    assert_string_equal(s.got.thoughts.data, "0 - e\n3 - e\n4 - e\n");
    session_fini(&s);
    json_object_put(answer);
    buf_fini(&text);
}

/* Streams by hand. */

struct stream_case {
    const char *stream;
    const char *trace;
    int status; /* 0: no failure */
};

#define EVENT(type, rest) "data: {\"type\":\"" type "\"" rest "}\n\n"
#define DELTA(type, item, delta)                                                                   \
    EVENT("response." type ".delta", ",\"output_index\":" item ",\"delta\":\"" delta "\"")
#define ADDED(item, json)                                                                          \
    EVENT("response.output_item.added", ",\"output_index\":" item ",\"item\":" json)
#define DONE(item, json)                                                                           \
    EVENT("response.output_item.done", ",\"output_index\":" item ",\"item\":" json)
#define CALL_G    "{\"type\":\"function_call\",\"call_id\":\"d\",\"name\":\"g\",\"arguments\":\"\"}"
#define CREATED   EVENT("response.created", ",\"response\":{\"id\":\"r\"}")
#define COMPLETED EVENT("response.completed", "")
#define ERROR(code, message)                                                                       \
    EVENT("error", ",\"code\":\"" code "\",\"message\":\"" message "\",\"param\":null")
#define FAILED(code)                                                                               \
    EVENT("response.failed", ",\"response\":{\"error\":{\"code\":\"" code "\",\"message\":\"m\"}"  \
                             "}")

static const struct stream_case stream_cases[] = {
    {CREATED COMPLETED, "begin r\nfinish 0\ndone\n", 0},
    {COMPLETED, "begin -\nfinish 0\ndone\n", 0},
    {"", "", 0},
    {CREATED, "begin r\n", 0},
    /* Two calls whose fragments mingle; one has none. */
    {CREATED ADDED("1", CALL("\"\"")) ADDED("3", CALL_G) DELTA("function_call_arguments", "3", "{")
         DELTA("function_call_arguments", "1", "[") DELTA("function_call_arguments", "3", "}")
             DELTA("function_call_arguments", "1", "]") DELTA("function_call_arguments", "9", "x")
                 COMPLETED,
     "begin r\ncall 0 c f\ncall 1 d g\narguments 1 {\narguments 0 [\narguments 1 }\narguments 0 ]\n"
     "finish 2\ndone\n",
     0},
    {ADDED("0", CALL("\"\"")) DONE("0", CALL("\"\"")) COMPLETED,
     "begin -\ncall 0 c f\narguments 0 {}\nfinish 2\ndone\n", 0},
    /* Whole arguments without fragments, a call without a beginning. */
    {ADDED("0", CALL("\"\""))
         EVENT("response.function_call_arguments.done", ",\"output_index\":0,\"arguments\":\"[1]\"")
             DONE("0", CALL("\"[1]\"")) DONE("1", CALL_G) COMPLETED,
     "begin -\ncall 0 c f\narguments 0 [1]\ncall 1 d g\narguments 1 {}\nfinish 2\ndone\n", 0},
    /* Text without fragments, and not twice. */
    {DONE("0", MESSAGE(OUT("a"))) DELTA("output_text", "1", "b") DONE("1", MESSAGE(OUT("b")))
         DELTA("refusal", "2", "no") DONE("2", MESSAGE("{\"type\":\"refusal\",\"refusal\":\"no\"}"))
             COMPLETED,
     "begin -\ntext 0 a\ntext 0 \n\n\ntext 0 b\nrefusal 0 no\nfinish 0\ndone\n", 0},
    /* Summaries. */
    {EVENT("response.reasoning_summary_text.delta",
           ",\"output_index\":0,\"summary_index\":0,\"delta\":\"x\"")
         EVENT("response.reasoning_summary_text.delta",
               ",\"output_index\":0,\"summary_index\":0,\"delta\":\"y\"")
             EVENT("response.reasoning_summary_text.delta",
                   ",\"output_index\":0,\"summary_index\":1,\"delta\":\"z\"")
                 ADDED("0", "{\"type\":\"reasoning\",\"encrypted_content\":\"early\"}")
                     DONE("0", "{\"type\":\"reasoning\",\"id\":\"rs\",\"encrypted_content\":\"e\","
                               "\"summary\":[{\"text\":\"xy\"},{\"text\":\"z\"}]}") COMPLETED,
     "begin -\nreasoning 0 x\nreasoning 0 y\nreasoning 0 \n\n\nreasoning 0 z\nthoughts 1\nfinish "
     "0\n"
     "done\n",
     0},
    {EVENT("response.reasoning_text.delta",
           ",\"output_index\":0,\"content_index\":0,\"delta\":\"x\"") COMPLETED,
     "begin -\nreasoning 0 x\nfinish 0\ndone\n", 0},
    /* The end, and what comes after it. */
    {DELTA("output_text", "0", "a")
         EVENT("response.incomplete", ",\"response\":{\"incomplete_details\":{\"reason\":"
                                      "\"max_output_tokens\"},\"usage\":{\"input_tokens\":1,"
                                      "\"output_tokens\":2}}")
             DELTA("output_text", "0", "b") "data: no json\n\n",
     "begin -\ntext 0 a\nusage known 1 0 0 2 0\nfinish 1\ndone\n", 0},
    /* What is not known. */
    {CREATED EVENT("response.queued", "") EVENT(
         "new", ",\"delta\":\"x\"") "data: {}\n\n"
                                    "data: {\"type\":7}\n\n" EVENT("response.output_text.delta", "")
                                        EVENT("response.output_item.added", "")
                                            DELTA("output_text", "0", "") COMPLETED,
     "begin r\nfinish 0\ndone\n", 0},
    /* Failures. */
    {"data: [1]\n\n", "", 502},
    {"data: {\"type\":\n\n", "", 502},
    {EVENT("response.output_text.delta", ",\"delta\":7"), "", 502},
    {ADDED("0", "{\"type\":\"function_call\",\"name\":\"f\"}"), "", 502},
    {FAILED("server_error"), "", 502},
    {FAILED("new"), "", 502},
    {EVENT("response.failed", ""), "", 502},
    {FAILED("rate_limit_exceeded"), "", 503},
    {FAILED("slow_down"), "", 503},
    {FAILED("insufficient_quota"), "", 502},
    {FAILED("vector_store_timeout"), "", 504},
    {FAILED("invalid_prompt"), "", 400},
    {FAILED("image_too_large"), "", 400},
    {FAILED("cyber_policy"), "", 400},
    {ERROR("context_length_exceeded", "m"), "", 400},
    {ERROR("server_error", "m"), "", 502},
    {EVENT("error", ",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"m\"}"), "", 400},
    {EVENT("error", ",\"error\":{\"type\":\"server_error\",\"code\":5,\"message\":\"m\"}"), "",
     502},
    {DELTA("output_text", "0", "a") ERROR("server_error", "m"), "begin -\ntext 0 a\n", 502},
};

static void streams_become_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stream_cases); i++) {
        const struct stream_case *c = &stream_cases[i];
        struct session s;
        session_init(&s);
        read_stream(&s, c->stream, strlen(c->stream), 0);
        assert_string_equal(s.got.trace.data, c->trace);
        assert_int_equal(s.rc, c->status != 0 ? -1 : 0);
        assert_int_equal(s.err.status, c->status);
        session_fini(&s);
    }
}

/* What fails is told without our account's secrets. */
static void failures_are_masked(void **state)
{
    (void)state;
    static const char stream[] =
        ERROR("server_error", "key sk-abcdefghijklmnopqrstuvwxyz0123456789");
    struct session s;
    session_init(&s);
    read_stream(&s, stream, strlen(stream), 0);
    assert_int_equal(s.rc, -1);
    assert_null(strstr(s.err.message, "abcdefgh"));
    assert_null(strstr(s.err.detail, "abcdefgh"));
    session_fini(&s);
}

static void recorded_failure_is_read(void **state)
{
    (void)state;
    struct buf body;
    struct err err;
    recording_read(&body, "openai",
                   "multimodal-tool-returns.multimodal-tool-return-matrix-direct-url-a-c7ad074a.1",
                   "response.json");
    responses_format.read_failure(&err, 400, 0, buf_span(&body));
    assert_int_equal(err.status, 400);
    assert_string_equal(err.code_text, "unsupported_file");
    assert_string_equal(err.param, "input");
    buf_fini(&body);
}

static int stop_after(const struct event *e, void *arg)
{
    int *left = arg;

    (void)e;
    return (*left)-- > 0 ? 0 : 77;
}

/* What the receiver answers comes back, whatever the event. */
static void receiver_stops_the_reading(void **state)
{
    (void)state;
    enum { EVENTS = 12 };
    struct json_object *answer = parsed(ANSWER(
        "completed",
        "{\"type\":\"reasoning\",\"summary\":[{\"text\":\"x\"},{\"text\":\"y\"}],"
        "\"encrypted_content\":\"e\"}," MESSAGE(OUT("a")) "," MESSAGE(OUT("b")) "," CALL("\"\""),
        ",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}"));
    for (int n = 0; n <= EVENTS + 1; n++) {
        struct session s;
        int left = n;
        session_init(&s);
        int rc = responses_format.read_answer(&s.reader, answer, stop_after, &left, &s.err);
        assert_int_equal(rc, n <= EVENTS ? 77 : 0);
        session_fini(&s);
    }
    json_object_put(answer);
}

/* Wrong types in every field. */

static const char *const wrong_values[] = {"null",
                                           "true",
                                           "7",
                                           "-1.5",
                                           "\"\"",
                                           "\"x\"",
                                           "[]",
                                           "{}",
                                           "[[1]]",
                                           "{\"text\":{}}",
                                           "9223372036854775807"};

static void read_wrong(struct json_object *root)
{
    struct session s;
    session_init(&s);
    read_plain(&s, root);
    assert_true(s.rc == 0 || (s.rc == -1 && s.err.code != ERR_NONE));
    assert_true(s.got.done == (s.rc == 0));
    session_fini(&s);
}

/* The same value as the events of a stream: each element is one. */
static void read_wrong_stream(struct json_object *events)
{
    struct session s;
    struct buf text;

    if (!json_object_is_type(events, json_type_array))
        return;
    session_init(&s);
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < json_object_array_length(events) && s.rc == 0; i++) {
        buf_clear(&text);
        jsonx_write(&text, json_object_array_get_idx(events, i));
        s.rc = responses_format.read_event(&s.reader, buf_span(&text), on_event, &s.got, &s.err);
    }
    assert_true(s.rc == 0 || (s.rc == -1 && s.err.code != ERR_NONE && !s.got.done));
    buf_fini(&text);
    session_fini(&s);
}

/* Puts each wrong value in place of each value below v. */
static void spoil(struct json_object *root, struct json_object *v,
                  void (*read)(struct json_object *root))
{
    if (json_object_is_type(v, json_type_object)) {
        const char *keys[64];
        size_t count = 0;
        json_object_object_foreach(v, key, member)
        {
            (void)member;
            keys[count++] = key;
            assert_true(count < ARRAY_LEN(keys));
        }
        for (size_t i = 0; i < count; i++) {
            struct json_object *saved = json_object_get(json_object_object_get(v, keys[i]));
            spoil(root, saved, read);
            for (size_t k = 0; k < ARRAY_LEN(wrong_values); k++) {
                jsonx_set(v, keys[i], parsed(wrong_values[k]));
                read(root);
            }
            jsonx_set(v, keys[i], saved);
        }
    } else if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++) {
            struct json_object *saved = json_object_get(json_object_array_get_idx(v, i));
            spoil(root, saved, read);
            for (size_t k = 0; k < ARRAY_LEN(wrong_values); k++) {
                json_object_array_put_idx(v, i, parsed(wrong_values[k]));
                read(root);
            }
            json_object_array_put_idx(v, i, saved);
        }
    }
}

#define RICH_OUTPUT                                                                                \
    "{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[{\"type\":\"summary_text\",\"text\":"      \
    "\"x\"}],\"encrypted_content\":\"e\"}," MESSAGE(                                               \
        OUT("hi") ",{\"type\":\"refusal\",\"refusal\":\"no\"}") "," CALL("\"{}\"")
#define RICH_REST                                                                                  \
    ",\"error\":null,\"incomplete_details\":{\"reason\":\"x\"},\"usage\":{\"input_tokens\":9,"     \
    "\"input_tokens_details\":{\"cached_tokens\":1,\"cache_write_tokens\":1},\"output_tokens\":5," \
    "\"output_tokens_details\":{\"reasoning_tokens\":1}}"

static void wrong_types_are_harmless(void **state)
{
    (void)state;
    struct json_object *answer = parsed(ANSWER("incomplete", RICH_OUTPUT, RICH_REST));
    spoil(answer, answer, read_wrong);
    json_object_put(answer);

    static const char rich[] =
        "[{\"type\":\"response.created\",\"response\":{\"id\":\"r\"}},"
        "{\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":0,\"summary_index\":"
        "0,\"delta\":\"x\"},{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{"
        "\"type\":\"reasoning\",\"id\":\"rs\",\"encrypted_content\":\"e\"}},"
        "{\"type\":\"response.output_text.delta\",\"output_index\":1,\"delta\":\"x\"},"
        "{\"type\":\"response.refusal.delta\",\"output_index\":1,\"delta\":\"x\"},"
        "{\"type\":\"response.output_item.added\",\"output_index\":2,\"item\":" CALL_G "},"
        "{\"type\":\"response.function_call_arguments.delta\",\"output_index\":2,\"delta\":\"{\"},"
        "{\"type\":\"response.function_call_arguments.done\",\"output_index\":2,\"arguments\":"
        "\"{\"},{\"type\":\"response.completed\",\"response\":" ANSWER("completed", "",
                                                                       RICH_REST) "}]";
    struct json_object *events = parsed(rich);
    spoil(events, events, read_wrong_stream);
    json_object_put(events);

    struct json_object *failures = parsed(
        "[{\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"x\",\"message\":\"m\"}"
        "}}]");
    spoil(failures, failures, read_wrong_stream);
    json_object_put(failures);
}

static void format_is_complete(void **state)
{
    (void)state;
    assert_string_equal(responses_format.name, "openai-responses");
    assert_int_equal(responses_format.account, PROVIDER_OPENAI);
    assert_int_equal(responses_format.auth, FORMAT_AUTH_BEARER);
    assert_string_equal(responses_format.path, "/v1/responses");
    assert_null(responses_format.stream_path);
    assert_null(responses_format.end_stream);
    assert_int_equal(responses_format.language, LANGUAGE_RESPONSES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers_are_read),
        cmocka_unit_test(recorded_log_probabilities_are_read),
        cmocka_unit_test(recorded_streams_are_cut_anywhere),
        cmocka_unit_test(cut_streams_are_not_done),
        cmocka_unit_test(answers_become_events),
        cmocka_unit_test(json_stays_json),
        cmocka_unit_test(reasoning_has_its_place),
        cmocka_unit_test(streams_become_events),
        cmocka_unit_test(failures_are_masked),
        cmocka_unit_test(recorded_failure_is_read),
        cmocka_unit_test(receiver_stops_the_reading),
        cmocka_unit_test(wrong_types_are_harmless),
        cmocka_unit_test(format_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
