/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "google_recording.h"
#include "surface_session.h"
#include "wire/completions.h"
#include "wire/gemini.h"
#include "wire/messages.h"
#include "wire/openrouter.h"
#include "wire/responses.h"
#include "wire/responses_carry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COST "0.000123"

/* Reading what was written. */

enum { EVENTS_MAX = 8192, ITEMS_MAX = 64 };

struct seen {
    struct json_object *events[EVENTS_MAX];
    size_t count;
};

static int see_event(const struct sse_event *event, void *arg)
{
    struct seen *seen = arg;
    struct err err;

    assert_true(seen->count < EVENTS_MAX);
    assert_int_equal(
        jsonx_parse(&seen->events[seen->count], event->data.ptr, event->data.len, &err), 0);
    assert_true(span_equals(event->name, jsonx_str(seen->events[seen->count], "type", "")));
    seen->count++;
    return 0;
}

static void see(struct seen *seen, const struct buf *out)
{
    struct sse_reader sse;

    seen->count = 0;
    sse_reader_init(&sse);
    assert_int_equal(sse_reader_feed(&sse, out->data, out->len, see_event, seen), 0);
    assert_false(sse_reader_partial(&sse));
    sse_reader_fini(&sse);
}

static void forget(struct seen *seen)
{
    for (size_t i = 0; i < seen->count; i++)
        json_object_put(seen->events[i]);
}

static const char *type_at(const struct seen *seen, size_t i)
{
    return jsonx_str(seen->events[i], "type", "");
}

static struct json_object *last_response(const struct seen *seen)
{
    return jsonx_object(seen->events[seen->count - 1], "response");
}

/* An item is added, then done, with one id in between; events are numbered from 0 (in the oldest
 * recordings not at all). */
static void check_order(const struct seen *seen)
{
    const char *ids[ITEMS_MAX] = {NULL};
    bool done[ITEMS_MAX] = {false};
    int64_t items = 0;

    for (size_t i = 0; i < seen->count; i++) {
        struct json_object *event = seen->events[i];
        int64_t at = jsonx_i64(event, "output_index", -1);
        if (jsonx_has(seen->events[0], "sequence_number"))
            assert_int_equal(jsonx_i64(event, "sequence_number", -1), (int64_t)i);
        if (strcmp(type_at(seen, i), "response.output_item.added") == 0) {
            assert_int_equal(at, items++);
            assert_true(at < ITEMS_MAX);
            ids[at] = jsonx_str(jsonx_object(event, "item"), "id", "");
        } else if (strcmp(type_at(seen, i), "response.output_item.done") == 0) {
            assert_true(at >= 0 && at < items && !done[at]);
            assert_string_equal(jsonx_str(jsonx_object(event, "item"), "id", ""), ids[at]);
            done[at] = true;
        } else if (at >= 0) {
            assert_true(at < items && !done[at]);
            assert_string_equal(jsonx_str(event, "item_id", ""), ids[at]);
        }
    }
    struct json_object *output = jsonx_array(last_response(seen), "output");
    assert_int_equal(json_object_array_length(output), items);
    for (int64_t i = 0; i < items; i++) {
        assert_true(done[i]);
        assert_string_equal(jsonx_str(json_object_array_get_idx(output, (size_t)i), "id", ""),
                            ids[i]);
    }
}

static void check_head(const struct seen *seen)
{
    assert_true(seen->count >= 3);
    assert_string_equal(type_at(seen, 0), "response.created");
    assert_string_equal(type_at(seen, 1), "response.in_progress");
    for (size_t i = 0; i < seen->count; i++) {
        struct json_object *response = jsonx_object(seen->events[i], "response");
        if (response == NULL)
            continue;
        assert_string_equal(jsonx_str(response, "id", ""), SURFACE_RESPONSE_ID);
        assert_string_equal(jsonx_str(response, "model", ""), "my-model");
    }
}

static void output_text(struct buf *out, struct json_object *response, const char *type,
                        const char *list, const char *member)
{
    struct json_object *output = jsonx_array(response, "output");

    for (size_t i = 0; i < json_object_array_length(output); i++) {
        struct json_object *item = json_object_array_get_idx(output, i);
        struct json_object *parts = jsonx_array(item, list);
        if (strcmp(jsonx_str(item, "type", ""), type) != 0)
            continue;
        if (parts == NULL)
            buf_printf(out, "%s %s\n", jsonx_str(item, "name", ""), jsonx_str(item, member, ""));
        for (size_t k = 0; parts != NULL && k < json_object_array_length(parts); k++)
            buf_append_str(out, jsonx_str(json_object_array_get_idx(parts, k), member, ""));
    }
}

/* Recordings of every provider. */

struct replay {
    const char *provider;
    const char *name;
    const struct format *format;
    const char *end;   /* type of the last event */
    const char *begin; /* of the text */
    size_t text_len;
    const char *calls;
    int64_t prompt;
    int64_t completion;
    bool carried; /* reasoning state comes as an item */
};

static const struct replay replays[] = {
    {"openai", "openai-responses.openai-responses-stream.0", &responses_format,
     "response.completed", "", 0, "get_capital {\"country\":\"France\"}\n", 255, 16, false},
    {"openai", "openai-responses.openai-responses-stream.1", &responses_format,
     "response.completed", "The capital of France is Paris.", 31, "", 278, 9, false},
    {"openai", "openai-responses.openai-responses-streaming-usage.0", &responses_format,
     "response.completed", "", 0, "final_result {\"result\":6666}\n", 53, 469, true},
    {"openai", "openai.openai-instructions-with-responses-logprobs-streaming.0",
     &completions_format, "response.completed", "The capital of Minas Gerais is", 46, "", 25, 10,
     false},
    {"anthropic", "tool-search.anthropic-native-tool-search-streaming.1", &messages_format,
     "response.completed", "", SIZE_MAX, "", -1, -1, false},
    {"anthropic", "anthropic.anthropic-code-execution-tool-stream.0", &messages_format,
     "response.completed", "", SIZE_MAX, "", -1, -1, true},
    {"google", "google.google-model-iter-stream.0", &gemini_format, "response.completed", "",
     SIZE_MAX, "get_capital {\"country\":\"France\"}\n", -1, -1, false},
    {"google", "structured-output.native-output-with-function-tools-stream.0", &gemini_format,
     "response.completed", "", 0, NULL, -1, -1, true},
    {"openrouter", "openrouter.openrouter-streaming-reasoning.0", &openrouter_format,
     "response.completed", "", SIZE_MAX, "", -1, -1, true},
};

static void start(struct surface_session *s, const struct replay *r)
{
    surface_init(s, r->format,
                 "{\"model\":\"my-model\",\"input\":\"hi\",\"stream\":true,\"metadata\":{\"a\":"
                 "\"b\"}}");
}

static bool is_carried(struct json_object *output)
{
    for (size_t i = 0; i < json_object_array_length(output); i++) {
        struct json_object *item = json_object_array_get_idx(output, i);
        if (strcmp(jsonx_str(item, "type", ""), "reasoning") == 0 &&
            jsonx_get(item, "encrypted_content") != NULL)
            return true;
    }
    return false;
}

static void check_replay(const struct surface_session *s, const struct replay *r)
{
    struct seen *seen = mem_alloc(sizeof *seen);
    struct buf text;
    struct buf calls;

    buf_init(&text, SURFACE_OUT_MAX);
    buf_init(&calls, SURFACE_OUT_MAX);
    assert_true(s->done && !s->failed);
    see(seen, &s->out);
    check_head(seen);
    check_order(seen);
    assert_string_equal(type_at(seen, seen->count - 1), r->end);
    struct json_object *response = last_response(seen);
    struct json_object *usage = jsonx_object(response, "usage");
    output_text(&text, response, "message", "content", "text");
    output_text(&calls, response, "function_call", "none", "arguments");
    assert_memory_equal(text.data, r->begin, strlen(r->begin));
    if (r->text_len != SIZE_MAX)
        assert_int_equal(text.len, r->text_len);
    else
        assert_true(text.len > 0 || r->calls[0] != '\0');
    if (r->calls != NULL)
        assert_string_equal(calls.data, r->calls);
    else
        assert_true(calls.len > 0);
    assert_int_equal(jsonx_i64(usage, "input_tokens", -1), s->usage.prompt);
    assert_int_equal(jsonx_i64(usage, "output_tokens", -1), s->usage.completion);
    if (r->prompt >= 0) {
        assert_int_equal(s->usage.prompt, r->prompt);
        assert_int_equal(s->usage.completion, r->completion);
    }
    assert_string_equal(json_object_to_json_string(jsonx_get(usage, "cost")), COST);
    assert_int_equal(is_carried(jsonx_array(response, "output")), r->carried);
    buf_fini(&calls);
    buf_fini(&text);
    forget(seen);
    mem_free(seen);
}

static void recorded_streams_are_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(replays); i++) {
        const struct replay *r = &replays[i];
        struct surface_session whole;
        struct buf text;
        recording_read(&text, r->provider, r->name, "response.sse");
        start(&whole, r);
        surface_feed(&whole, text.data, text.len);
        surface_end(&whole, COST);
        check_replay(&whole, r);
        for (size_t cut = 1; cut < text.len; cut++) {
            struct surface_session s;
            start(&s, r);
            surface_feed(&s, text.data, cut);
            surface_feed(&s, text.data + cut, text.len - cut);
            surface_end(&s, COST);
            assert_int_equal(s.out.len, whole.out.len);
            assert_memory_equal(s.out.data, whole.out.data, whole.out.len);
            surface_fini(&s);
        }
        surface_fini(&whole);
        buf_fini(&text);
    }
}

/* A stream that ends early has no last event, wherever it was cut. */
static void a_cut_stream_is_never_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(replays); i++) {
        const struct replay *r = &replays[i];
        struct buf text;
        recording_read(&text, r->provider, r->name, "response.sse");
        for (size_t cut = 0; cut < text.len; cut += 97) {
            struct surface_session s;
            start(&s, r);
            surface_feed(&s, text.data, cut);
            if (!s.done) {
                assert_null(strstr(s.out.data, "response.completed"));
                assert_null(strstr(s.out.data, "response.incomplete"));
            }
            surface_fini(&s);
        }
        buf_fini(&text);
    }
}

/* What OpenAI sends reaches the client: all members but those that are put right. */
static void a_passed_stream_keeps_every_member(void **state)
{
    static const char stream[] =
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
        "\"response\":{\"id\":\"resp_x\",\"model\":\"gpt-x-2026\",\"store\":false,\"new\":[1]}}\n\n"
        "data: {\"type\":\"response.new_event\",\"sequence_number\":1,\"deep\":{\"x\":null}}\n\n"
        "data: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"delta\":\"abc\","
        "\"obfuscation\":\"zz\"}\n\n"
        "data: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":"
        "\"resp_x\",\"model\":\"gpt-x-2026\",\"status\":\"completed\",\"output\":[],\"usage\":{"
        "\"input_tokens\":3,\"output_tokens\":1,\"total_tokens\":4,\"other\":7}}}\n\n";
    struct surface_session s;

    (void)state;
    surface_init(&s, &responses_format,
                 "{\"model\":\"my-model\",\"input\":\"hi\",\"stream\":true,\"store\":true,"
                 "\"previous_response_id\":\"resp_before\"}");
    surface_feed(&s, stream, sizeof stream - 1);
    assert_null(strstr(s.out.data, "response.completed")); /* it waits for the cost */
    assert_int_equal(s.output_bytes, 3);
    surface_end(&s, COST);
    assert_string_equal(
        s.out.data,
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
        "\"response\":{\"id\":\"" SURFACE_RESPONSE_ID "\",\"model\":\"my-model\",\"store\":true,"
        "\"new\":[1],\"previous_response_id\":\"resp_before\"}}\n\n"
        "event: response.new_event\ndata: {\"type\":\"response.new_event\",\"sequence_number\":1,"
        "\"deep\":{\"x\":null}}\n\n"
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
        "\"sequence_number\":2,\"delta\":\"abc\",\"obfuscation\":\"zz\"}\n\n"
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,"
        "\"response\":{\"id\":\"" SURFACE_RESPONSE_ID "\",\"model\":\"my-model\",\"status\":"
        "\"completed\",\"output\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1,"
        "\"total_tokens\":4,\"other\":7,\"cost\":" COST "},\"store\":true,"
        "\"previous_response_id\":\"resp_before\"}}\n\n");
    surface_fini(&s);
}

static void a_plain_answer_passes(void **state)
{
    struct surface_session s;

    (void)state;
    struct json_object *answer = recording_json(
        "openai", "openai-responses.openai-responses-model-retry.0", "response.json");
    surface_init(&s, &responses_format, "{\"model\":\"my-model\",\"input\":\"hi\"}");
    assert_int_equal(s.format->read_answer(&s.reader, answer, surface_event, &s, &s.err), 0);
    assert_int_equal(s.out.len, 0);
    surface_end(&s, NULL);
    struct json_object *seen = NULL;
    assert_int_equal(jsonx_parse(&seen, s.out.data, s.out.len, &s.err), 0);
    assert_string_equal(jsonx_str(seen, "id", ""), SURFACE_RESPONSE_ID);
    assert_string_equal(jsonx_str(seen, "model", ""), "my-model");
    assert_int_equal(json_object_array_length(jsonx_array(seen, "output")), 2);
    assert_true(jsonx_has(jsonx_object(seen, "usage"), "cost"));
    assert_true(s.output_bytes > 20);
    json_object_put(seen);
    json_object_put(answer);
    surface_fini(&s);
}

/* Written from events. */

static void send(struct surface_session *s, const struct event *event)
{
    (void)surface_event(event, s);
}

static void send_text(struct surface_session *s, enum event_kind kind, const char *text)
{
    send(s, &(struct event){.kind = kind, .text = span_of(text)});
}

static void send_call(struct surface_session *s, int64_t index, const char *id)
{
    send(s, &(struct event){.kind = EVENT_CALL_BEGIN, .index = index, .id = id, .name = "f"});
}

static void send_arguments(struct surface_session *s, int64_t index, const char *text)
{
    send(s, &(struct event){.kind = EVENT_CALL_ARGUMENTS, .index = index, .text = span_of(text)});
}

static void finish(struct surface_session *s, enum finish_reason reason)
{
    send(s, &(struct event){.kind = EVENT_FINISH, .finish = reason});
    s->done = true;
    surface_end(s, COST);
}

static void start_written(struct surface_session *s, bool stream)
{
    surface_init(s, &messages_format,
                 stream ? "{\"model\":\"my-model\",\"input\":\"hi\",\"stream\":true}"
                        : "{\"model\":\"my-model\",\"input\":\"hi\"}");
}

static void expect_types(const struct seen *seen, const char *const *types, size_t count)
{
    assert_int_equal(seen->count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(type_at(seen, i), types[i]);
}

static void items_follow_each_other(void **state)
{
    static const char *const types[] = {
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.content_part.added",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    };
    struct surface_session s;
    struct seen *seen = mem_alloc(sizeof *seen);

    (void)state;
    start_written(&s, true);
    send_text(&s, EVENT_REASONING, "hm");
    send_text(&s, EVENT_TEXT, "a\"");
    send_text(&s, EVENT_TEXT, "b");
    send_text(&s, EVENT_REFUSAL, "no");
    send_call(&s, 0, "call_0");
    send_arguments(&s, 0, "{\"x\":1}");
    finish(&s, FINISH_TOOL_CALLS);
    see(seen, &s.out);
    check_head(seen);
    check_order(seen);
    expect_types(seen, types, ARRAY_LEN(types));
    assert_int_equal(jsonx_i64(seen->events[15], "content_index", -1), 1);
    struct json_object *output = jsonx_array(last_response(seen), "output");
    assert_string_equal(
        json_object_to_json_string_ext(json_object_array_get_idx(output, 1),
                                       JSON_C_TO_STRING_PLAIN),
        "{\"id\":\"msg_01ARZ3NDEKTSV4RRFFQ69G5FAV_1\",\"type\":\"message\",\"status\":"
        "\"completed\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":"
        "\"a\\\"b\",\"annotations\":[],\"logprobs\":[]},{\"type\":\"refusal\",\"refusal\":\"no\"}]"
        "}");
    forget(seen);
    mem_free(seen);
    surface_fini(&s);
}

/* Fragments of two calls that come mixed reach the right one, and a call without any has "{}". */
static void mixed_calls_stay_apart(void **state)
{
    struct seen *seen = mem_alloc(sizeof *seen);
    struct surface_session s;
    struct buf calls;

    (void)state;
    buf_init(&calls, SURFACE_OUT_MAX);
    start_written(&s, true);
    send_call(&s, 0, "call_0");
    send_arguments(&s, 0, "{\"a\":");
    send_call(&s, 1, "call_1");
    send_arguments(&s, 1, "{\"b\":2");
    send_arguments(&s, 0, "1}");
    send_call(&s, 2, "call_2");
    send_arguments(&s, 1, "}");
    send_arguments(&s, 7, "nobody's");
    finish(&s, FINISH_TOOL_CALLS);
    see(seen, &s.out);
    check_order(seen);
    output_text(&calls, last_response(seen), "function_call", "none", "arguments");
    assert_string_equal(calls.data, "f {\"a\":1}\nf {\"b\":2}\nf {}\n");
    buf_fini(&calls);
    forget(seen);
    mem_free(seen);
    surface_fini(&s);
}

static void a_cut_answer_says_so(void **state)
{
    static const struct {
        enum finish_reason finish;
        const char *reason;
    } cases[] = {{FINISH_LENGTH, "max_output_tokens"}, {FINISH_CONTENT_FILTER, "content_filter"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct surface_session s;
        struct json_object *seen = NULL;
        start_written(&s, false);
        send_text(&s, EVENT_REASONING, "hm");
        send_text(&s, EVENT_TEXT, "half");
        finish(&s, cases[i].finish);
        assert_int_equal(jsonx_parse(&seen, s.out.data, s.out.len, &s.err), 0);
        assert_string_equal(jsonx_str(seen, "status", ""), "incomplete");
        assert_string_equal(jsonx_str(jsonx_object(seen, "incomplete_details"), "reason", ""),
                            cases[i].reason);
        struct json_object *message = json_object_array_get_idx(jsonx_array(seen, "output"), 1);
        assert_string_equal(jsonx_str(message, "status", ""), "incomplete");
        json_object_put(seen);
        surface_fini(&s);
    }
}

static void reasoning_state_is_the_last_item(void **state)
{
    struct json_object *details = NULL;
    struct json_object *calls = NULL;
    struct json_object *seen = NULL;
    struct surface_session s;

    (void)state;
    start_written(&s, false);
    struct json_object *extra = json_tokener_parse("{\"google\":{\"thought_signature\":\"sig\"}}");
    struct json_object *list = json_tokener_parse("[{\"type\":\"reasoning.text\",\"text\":\"t\"}]");
    send_call(&s, 0, "call_0");
    send(&s, &(struct event){.kind = EVENT_CALL_STATE, .index = 0, .json = extra});
    send(&s, &(struct event){.kind = EVENT_REASONING_STATE, .json = list});
    finish(&s, FINISH_TOOL_CALLS);
    assert_int_equal(jsonx_parse(&seen, s.out.data, s.out.len, &s.err), 0);
    struct json_object *output = jsonx_array(seen, "output");
    assert_int_equal(json_object_array_length(output), 2);
    struct json_object *item = json_object_array_get_idx(output, 1);
    assert_string_equal(jsonx_str(item, "type", ""), "reasoning");
    assert_true(
        responses_carry_read(&details, &calls, span_of(jsonx_str(item, "encrypted_content", ""))));
    assert_true(json_object_equal(details, list));
    assert_true(json_object_equal(jsonx_get(calls, "call_0"), extra));
    json_object_put(details);
    json_object_put(calls);
    json_object_put(extra);
    json_object_put(list);
    json_object_put(seen);
    surface_fini(&s);
}

static void a_failure_ends_a_stream(void **state)
{
    static const struct {
        enum err_code code;
        const char *response_code;
    } cases[] = {{ERR_UPSTREAM, "server_error"}, {ERR_BAD_REQUEST, "invalid_prompt"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen *seen = mem_alloc(sizeof *seen);
        struct surface_session s;
        struct err err;
        start_written(&s, true);
        if (i == 0)
            send_text(&s, EVENT_TEXT, "half");
        err_set(&err, cases[i].code, "input", "It broke off.");
        responses_write_failure(&s.out, &s.writer, &err);
        see(seen, &s.out);
        assert_true(seen->count >= 2);
        struct json_object *error = seen->events[seen->count - 2];
        assert_string_equal(jsonx_str(error, "type", ""), "error");
        assert_string_equal(jsonx_str(error, "message", ""), "It broke off.");
        assert_string_equal(jsonx_str(jsonx_object(error, "error"), "message", ""),
                            "It broke off.");
        assert_string_equal(type_at(seen, seen->count - 1), "response.failed");
        for (size_t k = 0; k < seen->count; k++)
            assert_int_equal(jsonx_i64(seen->events[k], "sequence_number", -1), (int64_t)k);
        struct json_object *response = last_response(seen);
        assert_string_equal(jsonx_str(jsonx_object(response, "error"), "code", ""),
                            cases[i].response_code);
        assert_string_equal(jsonx_str(response, "status", ""), "failed");
        forget(seen);
        mem_free(seen);
        surface_fini(&s);
    }
}

static void the_response_repeats_its_request(void **state)
{
    struct surface_session s;
    struct json_object *seen = NULL;

    (void)state;
    surface_init(&s, &gemini_format,
                 "{\"model\":\"my-model\",\"input\":\"hi\",\"instructions\":\"be brief\","
                 "\"metadata\":{\"a\":\"b\"},\"temperature\":0.25,\"max_output_tokens\":99,"
                 "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],\"tool_choice\":\"none\","
                 "\"parallel_tool_calls\":false,\"text\":{\"verbosity\":\"low\"},"
                 "\"reasoning\":{\"effort\":\"low\"}}");
    send_text(&s, EVENT_TEXT, "x");
    finish(&s, FINISH_STOP);
    assert_int_equal(jsonx_parse(&seen, s.out.data, s.out.len, &s.err), 0);
    assert_string_equal(jsonx_str(seen, "instructions", ""), "be brief");
    assert_string_equal(jsonx_str(jsonx_object(seen, "metadata"), "a", ""), "b");
    assert_string_equal(json_object_to_json_string(jsonx_get(seen, "temperature")), "0.25");
    assert_int_equal(jsonx_i64(seen, "max_output_tokens", 0), 99);
    assert_string_equal(jsonx_str(seen, "tool_choice", ""), "none");
    assert_false(jsonx_bool(seen, "parallel_tool_calls", true));
    assert_string_equal(json_object_to_json_string_ext(jsonx_get(seen, "text"), 0),
                        "{\"verbosity\":\"low\",\"format\":{\"type\":\"text\"}}");
    assert_string_equal(json_object_to_json_string_ext(jsonx_get(seen, "tools"), 0),
                        "[{\"type\":\"function\",\"name\":\"f\",\"parameters\":null,\"strict\":"
                        "null}]");
    assert_string_equal(json_object_to_json_string_ext(jsonx_get(seen, "reasoning"), 0),
                        "{\"effort\":\"low\",\"summary\":null}");
    assert_false(jsonx_bool(seen, "store", true));
    json_object_put(seen);
    surface_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_streams_are_cut_anywhere),
        cmocka_unit_test(a_cut_stream_is_never_whole),
        cmocka_unit_test(a_passed_stream_keeps_every_member),
        cmocka_unit_test(a_plain_answer_passes),
        cmocka_unit_test(items_follow_each_other),
        cmocka_unit_test(mixed_calls_stay_apart),
        cmocka_unit_test(a_cut_answer_says_so),
        cmocka_unit_test(reasoning_state_is_the_last_item),
        cmocka_unit_test(a_failure_ends_a_stream),
        cmocka_unit_test(the_response_repeats_its_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
