/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of providers that speak another format; what passes through is in test_completions. */
#include "base/base.h"

#include "unit.h"
#include "wire/completions_request.h"
#include "wire/completions_writer.h"

#include <string.h>

enum { OUT_MAX = 1024 * 1024 };

#define PLAIN "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

struct fixture {
    struct neutral_request request;
    struct completions_writer writer;
    struct buf out;
};

static void begin(struct fixture *f, const char *request)
{
    struct err err;

    assert_int_equal(completions_read_request(&f->request, request, strlen(request), &err), 0);
    completions_writer_init(&f->writer, &f->request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 1700000000);
    buf_init(&f->out, OUT_MAX);
}

static void end(struct fixture *f)
{
    completions_writer_fini(&f->writer);
    neutral_request_fini(&f->request);
    buf_fini(&f->out);
}

static void write_one(struct fixture *f, struct event event)
{
    completions_write_event(&f->out, &f->writer, &event);
}

static void write_all(struct fixture *f)
{
    write_one(f, (struct event){.kind = EVENT_BEGIN, .id = "theirs"});
    write_one(f, (struct event){.kind = EVENT_REASONING, .text = span_of("hm")});
    write_one(f, (struct event){.kind = EVENT_TEXT, .text = span_of("a\"b")});
    write_one(f, (struct event){.kind = EVENT_TEXT, .text = span_of("\n")});
    write_one(f, (struct event){.kind = EVENT_CALL_BEGIN, .index = 0, .id = "c0", .name = "f"});
    write_one(f, (struct event){.kind = EVENT_CALL_BEGIN, .index = 1, .id = "c1", .name = "g"});
    write_one(f,
              (struct event){.kind = EVENT_CALL_ARGUMENTS, .index = 1, .text = span_of("{\"x\"")});
    write_one(f, (struct event){.kind = EVENT_CALL_ARGUMENTS, .index = 0, .text = span_of("{}")});
    write_one(f, (struct event){.kind = EVENT_CALL_ARGUMENTS, .index = 1, .text = span_of(":1}")});
    write_one(f, (struct event){.kind = EVENT_FINISH, .finish = FINISH_TOOL_CALLS});
    write_one(f, (struct event){.kind = EVENT_DONE});
}

static const struct usage counts = {
    .known = true, .prompt = 9, .cached = 4, .cache_write_5m = 1, .completion = 3, .reasoning = 2};

static void test_plain(void **state)
{
    (void)state;
    struct fixture f;
    struct json_object *answer = NULL;
    struct err err;

    begin(&f, PLAIN "}");
    write_all(&f);
    assert_int_equal(f.out.len, 0); /* nothing before the end */
    completions_write_end(&f.out, &f.writer, &counts, "0.5");
    assert_int_equal(jsonx_parse(&answer, f.out.data, f.out.len, &err), 0);
    assert_string_equal(jsonx_str(answer, "model", ""), "m");
    assert_string_equal(jsonx_str(answer, "id", ""), "chatcmpl-req_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    struct json_object *choice = json_object_array_get_idx(jsonx_array(answer, "choices"), 0);
    struct json_object *message = jsonx_object(choice, "message");
    assert_string_equal(jsonx_str(choice, "finish_reason", ""), "tool_calls");
    assert_string_equal(jsonx_str(message, "content", ""), "a\"b\n");
    assert_string_equal(jsonx_str(message, "reasoning_content", ""), "hm");
    struct json_object *calls = jsonx_array(message, "tool_calls");
    assert_int_equal(json_object_array_length(calls), 2);
    struct json_object *second = json_object_array_get_idx(calls, 1);
    assert_string_equal(jsonx_str(second, "id", ""), "c1");
    assert_string_equal(jsonx_str(jsonx_object(second, "function"), "arguments", ""), "{\"x\":1}");
    struct json_object *usage = jsonx_object(answer, "usage");
    assert_int_equal(jsonx_i64(usage, "prompt_tokens", -1), 9);
    assert_int_equal(jsonx_i64(usage, "total_tokens", -1), 12);
    assert_int_equal(jsonx_i64(jsonx_object(usage, "prompt_tokens_details"), "cached_tokens", -1),
                     4);
    assert_int_equal(
        jsonx_i64(jsonx_object(usage, "completion_tokens_details"), "reasoning_tokens", -1), 2);
    assert_non_null(strstr(f.out.data, "\"cost\":0.5"));
    json_object_put(answer);
    end(&f);
}

/* The choice of one chunk of a stream, or NULL at [DONE]; *at goes on. The caller owns *chunk. */
static struct json_object *next_choice(struct json_object **chunk, const char **at)
{
    struct err err;
    const char *stop = strstr(*at, "\n\n");

    assert_non_null(stop);
    assert_int_equal(strncmp(*at, "data: ", 6), 0);
    const char *from = *at + 6;
    *at = stop + 2;
    *chunk = NULL;
    if (strncmp(from, "[DONE]", 6) == 0)
        return NULL;
    assert_int_equal(jsonx_parse(chunk, from, (size_t)(stop - from), &err), 0);
    assert_string_equal(jsonx_str(*chunk, "object", ""), "chat.completion.chunk");
    assert_string_equal(jsonx_str(*chunk, "id", ""), "chatcmpl-req_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    return json_object_array_get_idx(jsonx_array(*chunk, "choices"), 0);
}

static void test_stream(void **state)
{
    (void)state;
    static const char *const deltas[] = {
        "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}",
        "{\"reasoning_content\":\"hm\"}",
        "{\"content\":\"a\\\"b\"}",
        "{\"content\":\"\\n\"}",
        "{\"tool_calls\":[{\"index\":0,\"id\":\"c0\",\"type\":\"function\",\"function\":{\"name\":"
        "\"f\",\"arguments\":\"\"}}]}",
        "{\"tool_calls\":[{\"index\":1,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
        "\"g\",\"arguments\":\"\"}}]}",
        "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"x\\\"\"}}]}",
        "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}",
        "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\":1}\"}}]}",
        "{}",
    };
    struct json_object *chunk = NULL;
    struct fixture f;
    struct buf text;

    begin(&f, PLAIN ",\"stream\":true}");
    buf_init(&text, OUT_MAX);
    write_all(&f);
    completions_write_end(&f.out, &f.writer, &counts, "0.5");
    const char *at = f.out.data;
    for (size_t i = 0; i < ARRAY_LEN(deltas); i++) {
        struct json_object *choice = next_choice(&chunk, &at);
        buf_clear(&text);
        jsonx_write(&text, jsonx_object(choice, "delta"));
        assert_string_equal(text.data, deltas[i]);
        bool last = i + 1 == ARRAY_LEN(deltas);
        assert_string_equal(jsonx_str(choice, "finish_reason", "none"),
                            last ? "tool_calls" : "none");
        assert_false(jsonx_has(chunk, "usage"));
        json_object_put(chunk);
    }
    assert_null(next_choice(&chunk, &at));
    assert_string_equal(at, "");
    buf_fini(&text);
    end(&f);
}

static void test_stream_with_usage(void **state)
{
    (void)state;
    struct json_object *chunk = NULL;
    struct fixture f;

    begin(&f, PLAIN ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    write_one(&f, (struct event){.kind = EVENT_TEXT, .text = span_of("a")});
    completions_write_end(&f.out, &f.writer, &counts, NULL);
    const char *at = f.out.data;
    for (int i = 0; i < 2; i++) {
        assert_non_null(next_choice(&chunk, &at));
        assert_true(jsonx_has(chunk, "usage") && jsonx_get(chunk, "usage") == NULL);
        json_object_put(chunk);
    }
    assert_null(next_choice(&chunk, &at)); /* no choices in the usage chunk */
    struct json_object *usage = jsonx_object(chunk, "usage");
    assert_int_equal(jsonx_i64(usage, "completion_tokens", -1), 3);
    assert_true(jsonx_has(usage, "cost") && jsonx_get(usage, "cost") == NULL);
    json_object_put(chunk);
    assert_string_equal(at, "data: [DONE]\n\n");
    end(&f);
}

/* Indexes are a provider's: what is out of range is left out. */
static void test_out_of_range(void **state)
{
    (void)state;
    static const int64_t wrong[] = {-1, COMPLETIONS_WRITER_CHOICES, INT64_MAX, INT64_MIN};
    struct fixture f;

    begin(&f, PLAIN "}");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        write_one(&f, (struct event){.kind = EVENT_TEXT, .text = span_of("x"), .choice = wrong[i]});
        write_one(&f, (struct event){
                          .kind = EVENT_CALL_ARGUMENTS, .text = span_of("x"), .index = wrong[i]});
    }
    completions_write_end(&f.out, &f.writer, &counts, "0");
    assert_null(strstr(f.out.data, "\"x\""));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_with_usage),
        cmocka_unit_test(test_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
