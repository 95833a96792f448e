/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "gemini_session.h"
#include "google_recording.h"
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
    int finish;
    int64_t prompt;
    int64_t cached;
    int64_t completion;
    int64_t reasoning;
};

/* As Google's answers say, read by hand. */
static const struct recorded recordings[] = {
    {"google.google-instructions-only-with-tool-calls.0", false, "", 0, 0,
     "0 generate_topic {} call_wOd8abGuO5rgz7IP5tLEGA_0 964\n"
     "1 generate_topic {} call_wOd8abGuO5rgz7IP5tLEGA_1 0\n"
     "2 generate_topic {} call_wOd8abGuO5rgz7IP5tLEGA_2 0\n",
     FINISH_TOOL_CALLS, 83, 0, 220, 190},
    {"google.google-model-image-url-input.1", false, "That is a potato.", 17, 0, "", FINISH_STOP,
     1817, 0, 5, 0},
    {"google.google-model-max-tokens-thinking-model-empty-response.0", false, "", 0, 0, "",
     FINISH_LENGTH, 15, 0, 2, 2},
    {"google.google-model-safety-settings.0", false, "", 0, 0, "", FINISH_CONTENT_FILTER, 14, 0, 0,
     0},
    {"google.google-model-thinking-part.1", false, "Crossing a river is deceptively similar", 3850,
     2787, "", FINISH_STOP, 1280, 0, 2073, 1115},
    {"google.google-native-output.0", false, "{\n  \"city\": \"Mexico City\",", 50, 0, "",
     FINISH_STOP, 8, 0, 20, 0},
    {"google.google-prompted-output.0", false, "{\"city\": \"Mexico City\", ", 44, 0, "",
     FINISH_STOP, 80, 0, 13, 0},
    {"multimodal-tool-returns.mixed-content-ordering-google-2-5.1", false,
     "I received a response containing a file identified as \"241a7", 381, 0, "", FINISH_STOP, 373,
     204, 256, 167},
    {"multimodal-tool-returns.multimodal-tool-return-matrix-direct-url-d-c5a648fd.2", false,
     "I received a document titled \"Sample PDF\"", 177, 0, "", FINISH_STOP, 345, 230, 37, 0},
    {"output.google-default-tools-use-validated-mode.1", false, "", 0, 0,
     "0 get_time {\"city\":\"Paris\"} call_WaNOas-mIaCGz7IPxq6foQU_0 240\n", FINISH_TOOL_CALLS, 122,
     0, 48, 33},
    {"tool-search.cross-provider-capability-replay-google-gemini-3-flash-79b64d44.1", false, "", 0,
     0, "0 lookup_refund_policy {\"order_id\":\"order-123\"} 8ci92gmp 388\n", FINISH_TOOL_CALLS,
     261, 0, 85, 61},
    {"google.google-model-iter-stream.0", true, "", 0, 0,
     "0 get_capital {\"country\":\"France\"} call_1lpeaMTxIpW1nvgP-O3vwQY_0 0\n", FINISH_TOOL_CALLS,
     52, 0, 5, 0},
    {"google.google-model-iter-stream.1", true, "", 0, 0,
     "0 get_temperature {\"city\":\"Paris\"} call_11peaOXwBPH_2PgPh_z--AY_0 0\n", FINISH_TOOL_CALLS,
     64, 0, 5, 0},
    {"google.google-model-iter-stream.2", true,
     "The temperature in Paris is 30\xC2\xB0"
     "C.\n",
     35, 0, "", FINISH_STOP, 79, 0, 12, 0},
    {"google.google-model-thinking-part-iter.0", true, "This is a great question! Safely", 1938,
     1575, "", FINISH_STOP, 34, 0, 1256, 787},
    {"stream-close.cancel-recorded-provider-stream-google.0", true, "Paris", 5, 0, "", FINISH_STOP,
     6, 0, 36, 35},
    {"structured-output.native-output-with-function-tools-stream.0", true, "", 0, 0,
     "0 get_user_country {} 96c1su3s 540\n", FINISH_TOOL_CALLS, 29, 0, 81, 69},
    {"structured-output.native-output-with-function-tools-stream.1", true,
     "{\n  \"city\": \"Mexico City\",\n  \"country\": \"Mexico\"\n} ", 51, 0, "", FINISH_STOP, 128,
     0, 51, 30},
};

static void assert_recorded(const struct got *g, const struct recorded *r)
{
    assert_int_equal(g->text.len, r->text_len);
    assert_memory_equal(g->text.data, r->text, strlen(r->text));
    assert_int_equal(g->reasoning.len, r->reasoning_len);
    assert_string_equal(g->calls.data, r->calls);
    assert_int_equal(g->finish, r->finish);
    assert_true(g->usage.known && g->done);
    assert_int_equal(g->usage.prompt, r->prompt);
    assert_int_equal(g->usage.cached, r->cached);
    assert_int_equal(g->usage.completion, r->completion);
    assert_int_equal(g->usage.reasoning, r->reasoning);
    assert_int_equal(g->usage.cache_write_5m + g->usage.cache_write_1h, 0);
    assert_true(g->output_bytes >= (int64_t)(r->text_len + r->reasoning_len));
}

static void recorded_answers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        const struct recorded *r = &recordings[i];
        struct session s;
        session_init(&s);
        if (r->stream) {
            struct buf text;
            recording_read(&text, "google", r->name, "response.sse");
            read_stream(&s, text.data, text.len, text.len);
            buf_fini(&text);
        } else {
            struct json_object *answer = recording_json("google", r->name, "response.json");
            read_plain(&s, answer);
            json_object_put(answer);
        }
        assert_int_equal(s.rc, 0);
        assert_recorded(&s.got, r);
        session_fini(&s);
    }
}

/* The output does not depend on where the network cuts the stream. */
static void recorded_streams_are_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        if (!recordings[i].stream)
            continue;
        struct session whole;
        struct buf text;
        recording_read(&text, "google", recordings[i].name, "response.sse");
        session_init(&whole);
        read_stream(&whole, text.data, text.len, 0);
        for (size_t cut = 1; cut < text.len; cut++) {
            struct session s;
            session_init(&s);
            read_stream(&s, text.data, text.len, cut);
            assert_int_equal(s.rc, 0);
            assert_string_equal(s.got.trace.data, whole.got.trace.data);
            session_fini(&s);
        }
        session_fini(&whole);
        buf_fini(&text);
    }
}

/* A stream that breaks off before its finish never looks whole. */
static void cut_streams_are_not_done(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        if (!recordings[i].stream)
            continue;
        struct buf text;
        recording_read(&text, "google", recordings[i].name, "response.sse");
        const char *last = NULL;
        for (const char *p = text.data; (p = strstr(p, "finishReason")) != NULL; p++)
            last = p;
        assert_non_null(last);
        for (size_t len = 0; len <= (size_t)(last - text.data); len++) {
            struct session s;
            session_init(&s);
            read_stream(&s, text.data, len, 0);
            assert_int_equal(s.rc, 0);
            assert_false(s.got.done);
            assert_int_equal(s.got.finish, -1);
            session_fini(&s);
        }
        buf_fini(&text);
    }
}

/* Answers by hand. */

static struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    if (jsonx_parse(&v, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return v;
}

struct answer_case {
    const char *answer;
    const char *trace;
};

#define CANDIDATE(parts, rest) "{\"candidates\":[{\"content\":{\"parts\":[" parts "]}" rest "}]}"
#define TEXT_ENDS(reason)      CANDIDATE("{\"text\":\"hi\"}", ",\"finishReason\":\"" reason "\"")
#define CALL_ENDS(reason)                                                                          \
    CANDIDATE("{\"functionCall\":{\"name\":\"f\",\"id\":\"c\"}}",                                  \
              ",\"finishReason\":\"" reason "\"")
#define NOTHING_ENDS(reason) "{\"candidates\":[{\"finishReason\":\"" reason "\"}]}"
#define HI                   "begin -\ntext 0 hi\n"
#define CALL                 "begin -\ncall 0 0 f c\narguments 0 {}\n"

/* finish: 0 stop, 1 length, 2 tool_calls, 3 content_filter */
static const struct answer_case answer_cases[] = {
    {TEXT_ENDS("STOP"), HI "finish 0 0\ndone\n"},
    {TEXT_ENDS("MAX_TOKENS"), HI "finish 0 1\ndone\n"},
    {TEXT_ENDS("SAFETY"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("RECITATION"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("LANGUAGE"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("BLOCKLIST"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("PROHIBITED_CONTENT"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("SPII"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("IMAGE_SAFETY"), HI "finish 0 3\ndone\n"},
    {TEXT_ENDS("MALFORMED_FUNCTION_CALL"), HI "finish 0 0\ndone\n"},
    {TEXT_ENDS("UNEXPECTED_TOOL_CALL"), HI "finish 0 0\ndone\n"},
    {TEXT_ENDS("OTHER"), HI "finish 0 0\ndone\n"},
    {TEXT_ENDS("SOMETHING_NEW"), HI "finish 0 0\ndone\n"},
    {CALL_ENDS("STOP"), CALL "finish 0 2\ndone\n"},
    {CALL_ENDS("UNEXPECTED_TOOL_CALL"), CALL "finish 0 2\ndone\n"},
    {CALL_ENDS("MAX_TOKENS"), CALL "finish 0 1\ndone\n"},
    {CALL_ENDS("SAFETY"), CALL "finish 0 3\ndone\n"},
    /* Nothing to show: an answer where the reason says so, else a failure. */
    {NOTHING_ENDS("STOP"), "begin -\nfinish 0 0\ndone\n"},
    {NOTHING_ENDS("MAX_TOKENS"), "begin -\nfinish 0 1\ndone\n"},
    {NOTHING_ENDS("SAFETY"), "begin -\nfinish 0 3\ndone\n"},
    {NOTHING_ENDS("MALFORMED_FUNCTION_CALL"), NULL},
    {NOTHING_ENDS("OTHER"), NULL},
    {NOTHING_ENDS("SOMETHING_NEW"), NULL},
    {CANDIDATE("{\"text\":\"hm\",\"thought\":true}",
               ",\"finishReason\":\"MALFORMED_FUNCTION_CALL\""),
     NULL},
    /* The prompt was refused. */
    {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":4}}",
     "begin -\nusage known 4 0 0 0\nfinish 0 3\ndone\n"},
    {"{\"candidates\":[],\"promptFeedback\":{\"blockReason\":\"OTHER\"},\"responseId\":\"r\"}",
     "begin r\nfinish 0 3\ndone\n"},
    {"{\"promptFeedback\":{}}", NULL},
    {"{}", NULL},
    {"[]", NULL},
    {"null", NULL},
    {"{\"candidates\":{}}", NULL},
    {"{\"candidates\":[1]}", NULL},
    /* A plain answer that says no reason is whole. */
    {CANDIDATE("{\"text\":\"hi\"}", ""), HI "finish 0 0\ndone\n"},
    {"{\"candidates\":[{}]}", "begin -\nfinish 0 0\ndone\n"},
    /* Parts that were not asked for. */
    {CANDIDATE("{\"executableCode\":{\"code\":\"1\"}},{\"inlineData\":{\"data\":\"AA\"}},{\"text\":"
               "\"hi\"},{\"text\":\"\",\"thoughtSignature\":\"x\"},7,null,{\"text\":5},{}",
               ",\"finishReason\":\"STOP\""),
     HI "finish 0 0\ndone\n"},
    {CANDIDATE("{\"text\":\"hm\",\"thought\":true},{\"text\":\"hi\",\"thought\":false}", ""),
     "begin -\nreasoning 0 hm\ntext 0 hi\nfinish 0 0\ndone\n"},
    /* Arguments are passed on as they are. */
    {CANDIDATE("{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1.50,\"b\":[null]}}}", ""),
     "begin -\ncall 0 0 f call_3_0\narguments 0 {\"a\":1.50,\"b\":[null]}\nfinish 0 2\ndone\n"},
    {CANDIDATE("{\"functionCall\":{\"name\":\"f\",\"args\":null,\"id\":\"\"}}", ""),
     "begin -\ncall 0 0 f call_3_0\narguments 0 {}\nfinish 0 2\ndone\n"},
    {CANDIDATE("{\"functionCall\":{\"name\":\"f\",\"args\":\"no json\",\"id\":5}}", ""),
     "begin -\ncall 0 0 f call_3_0\narguments 0 \"no json\"\nfinish 0 2\ndone\n"},
    {CANDIDATE("{\"functionCall\":{\"args\":{}}}", ""), NULL},
    {CANDIDATE("{\"functionCall\":{\"name\":5}}", ""), NULL},
    /* Ids are made from the answer's: only of characters that other providers take back, too. */
    {"{\"responseId\":\"a/b.c-d_\\u0000e\",\"candidates\":[{\"content\":{\"parts\":[{"
     "\"functionCall\":{\"name\":\"f\"}},{\"functionCall\":{\"name\":\"g\"}}]}}]}",
     "begin a/b.c-d_\ncall 0 0 f call_abc-d__0\narguments 0 {}\ncall 0 1 g call_abc-d__1\n"
     "arguments 0 {}\nfinish 0 2\ndone\n"},
    /* Several choices. */
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"},{\"functionCall\":{\"name\":\"f\"}"
     "}]},\"finishReason\":\"STOP\"},{\"index\":1,\"content\":{\"parts\":[{\"functionCall\":{"
     "\"name\":\"f\"}}]},\"finishReason\":\"MAX_TOKENS\"},{\"index\":2,\"finishReason\":\"OTHER\"},"
     "{\"index\":8,\"content\":{\"parts\":[{\"text\":\"b\"}]}},{\"index\":-1}]}",
     "begin -\ntext 0 a\ncall 0 0 f call_3_0\narguments 0 {}\ncall 1 0 f call_3_1\narguments 1 {}\n"
     "finish 0 2\nfinish 1 1\nfinish 2 0\ndone\n"},
    /* Counts: what is missing while there is output is not known. */
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}],\"usageMetadata\":{"
     "\"promptTokenCount\":7,\"toolUsePromptTokenCount\":5,\"candidatesTokenCount\":3,"
     "\"thoughtsTokenCount\":2,\"cachedContentTokenCount\":4}}",
     HI "usage known 12 4 5 2\nfinish 0 0\ndone\n"},
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}],\"usageMetadata\":{"
     "\"promptTokenCount\":7,\"candidatesTokenCount\":0}}",
     HI "usage known 7 0 0 0\nfinish 0 0\ndone\n"},
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}],\"usageMetadata\":{"
     "\"promptTokenCount\":7}}",
     HI "usage unknown 7 0 0 0\nfinish 0 0\ndone\n"},
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}],\"usageMetadata\":{"
     "\"candidatesTokenCount\":7}}",
     HI "finish 0 0\ndone\n"},
    {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}}],\"usageMetadata\":{"
     "\"promptTokenCount\":18446744073709551615,\"toolUsePromptTokenCount\":9223372036854775807,"
     "\"candidatesTokenCount\":-5}}",
     HI "usage known 2000000000000 0 0 0\nfinish 0 0\ndone\n"},
    /* A failure in a 200. */
    {"{\"error\":{\"code\":503,\"message\":\"The model is "
     "overloaded\",\"status\":\"UNAVAILABLE\"}}",
     NULL},
    {"{\"error\":{}}", NULL},
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
            assert_int_equal(s.rc, 0);
            assert_string_equal(s.got.trace.data, c->trace);
        } else {
            if (s.rc != -1)
                fail_msg("%s: read", c->answer);
            assert_true(s.err.status >= 502 && s.err.message[0] != '\0');
            assert_false(s.got.done);
        }
        session_fini(&s);
        json_object_put(answer);
    }
}

struct stream_case {
    const char *stream;
    const char *trace;
    int rc;
};

static const struct stream_case stream_cases[] = {
    /* STOP with every chunk; the same counts twice, then others; chunks without candidates. */
    {"data: " TEXT_ENDS("STOP") "\r\n\r\ndata: "
                                "{\"usageMetadata\":{\"promptTokenCount\":9,"
                                "\"candidatesTokenCount\":1}}\r\n\r\ndata: "
                                "{\"usageMetadata\":{\"promptTokenCount\":9,"
                                "\"candidatesTokenCount\":1}}\r\n\r\ndata: " TEXT_ENDS(
                                    "STOP") "\r\n\r\ndata: "
                                            "{\"usageMetadata\":{\"promptTokenCount\":5,"
                                            "\"candidatesTokenCount\":2}}\r\n\r\n",
     HI "usage known 9 0 1 0\ntext 0 hi\nusage known 5 0 2 0\nfinish 0 0\ndone\n", 0},
    /* A call in one chunk, its end in another. */
    {"data: {\"responseId\":\"r\",\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{"
     "\"name\":\"f\"},\"thoughtSignature\":\"abc\"}]}}]}\n\ndata: "
     "{\"responseId\":\"r\",\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":"
     "\"g\"}}]}}]}\n\ndata: " NOTHING_ENDS("STOP") "\n\n",
     "begin r\ncall 0 0 f call_r_0\nstate 0 3\narguments 0 {}\ncall 0 1 g call_r_1\narguments 0 "
     "{}\nfinish 0 2\ndone\n",
     0},
    /* One of two choices has not ended. */
    {"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hi\"}]}},{\"index\":1,"
     "\"finishReason\":\"STOP\"}]}\n\n",
     HI, 0},
    {"data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}\n\n", "begin -\nfinish 0 3\ndone\n",
     0},
    {"", "", 0},
    {"data: {\"usageMetadata\":{}}\n\n", "begin -\n", 0},
    {"data: " NOTHING_ENDS("MALFORMED_FUNCTION_CALL") "\n\n", "begin -\n", -1},
    {"data: " CANDIDATE("{\"text\":\"hi\"}", "") "\n\ndata: {\"error\":{\"code\":503}}\n\n", HI,
     -1},
    {"data: " CANDIDATE("{\"text\":\"hi\"}", "") "\n\ndata: {\"candidates\":\n\n", HI, -1},
    {"data: [1]\n\n", "", -1},
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
        assert_int_equal(s.rc, c->rc);
        if (c->rc != 0)
            assert_true(s.err.status >= 502 && s.err.retryable);
        session_fini(&s);
    }
}

static void one_call_at_a_time(void **state)
{
    (void)state;
    struct json_object *answer = recording_json(
        "google", "google.google-instructions-only-with-tool-calls.0", "response.json");
    struct session s;
    session_init(&s);
    s.content.parallel_tool_calls = 0;
    read_plain(&s, answer);
    assert_int_equal(s.rc, 0);
    assert_string_equal(s.got.calls.data,
                        "0 generate_topic {} call_wOd8abGuO5rgz7IP5tLEGA_0 964\n");
    assert_int_equal(s.got.finish, FINISH_TOOL_CALLS);
    session_fini(&s);
    json_object_put(answer);
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
    struct json_object *answer = recording_json(
        "google", "google.google-instructions-only-with-tool-calls.0", "response.json");
    enum { EVENTS = 11 }; /* begin, 3 x begin and arguments, state, usage, finish, done */
    for (int n = 0; n <= EVENTS; n++) {
        struct session s;
        int left = n;
        session_init(&s);
        int rc = gemini_format.read_answer(&s.reader, answer, stop_after, &left, &s.err);
        assert_int_equal(rc, n < EVENTS ? 77 : 0);
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
    s.err.code = ERR_NONE;
    read_plain(&s, root);
    assert_true(s.rc == 0 || (s.rc == -1 && s.err.code != ERR_NONE));
    assert_true(s.got.done == (s.rc == 0));
    session_fini(&s);
}

/* Puts each wrong value in place of each value below v. */
static void spoil(struct json_object *root, struct json_object *v)
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
            spoil(root, saved);
            for (size_t k = 0; k < ARRAY_LEN(wrong_values); k++) {
                jsonx_set(v, keys[i], parsed(wrong_values[k]));
                read_wrong(root);
            }
            jsonx_set(v, keys[i], saved);
        }
    } else if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++) {
            struct json_object *saved = json_object_get(json_object_array_get_idx(v, i));
            spoil(root, saved);
            for (size_t k = 0; k < ARRAY_LEN(wrong_values); k++) {
                json_object_array_put_idx(v, i, parsed(wrong_values[k]));
                read_wrong(root);
            }
            json_object_array_put_idx(v, i, saved);
        }
    }
}

static void wrong_types_are_harmless(void **state)
{
    (void)state;
    static const char rich[] =
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":"
        "\"hi\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1},\"id\":\"c\"},"
        "\"thoughtSignature\":\"abc\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}]"
        ",\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":1"
        ",\"toolUsePromptTokenCount\":1,\"candidatesTokenCount\":1,\"thoughtsTokenCount\":1,"
        "\"cachedContentTokenCount\":1},\"responseId\":\"r\"}";
    struct json_object *answer = parsed(rich);
    spoil(answer, answer);
    json_object_put(answer);
}

static void format_is_complete(void **state)
{
    (void)state;
    assert_string_equal(gemini_format.name, "google");
    assert_int_equal(gemini_format.account, PROVIDER_GOOGLE);
    assert_int_equal(gemini_format.auth, FORMAT_AUTH_GOOG);
    assert_string_equal(gemini_format.path, "/v1beta/models/{model}:generateContent");
    assert_string_equal(gemini_format.stream_path,
                        "/v1beta/models/{model}:streamGenerateContent?alt=sse");
    assert_int_equal(gemini_format.language, LANGUAGE_GEMINI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_answers_are_read),
        cmocka_unit_test(recorded_streams_are_cut_anywhere),
        cmocka_unit_test(cut_streams_are_not_done),
        cmocka_unit_test(answers_become_events),
        cmocka_unit_test(streams_become_events),
        cmocka_unit_test(one_call_at_a_time),
        cmocka_unit_test(receiver_stops_the_reading),
        cmocka_unit_test(wrong_types_are_harmless),
        cmocka_unit_test(format_is_complete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
