/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of chat completions for clients of another language. */
#include "base/base.h"

#include "base/sse.h"
#include "google_recording.h"
#include "unit.h"
#include "wire/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OUT_MAX = 64 * 1024 * 1024 };

/* One reading: what came, each event in a line, and the texts put together. */
struct session {
    const struct format *format;
    struct arena *arena;
    struct neutral_request request;
    struct format_reader reader;
    struct buf trace;
    struct buf text;
    struct usage usage;
    int64_t calls;
    bool finished;
    bool done;
    struct err err;
    int rc;
};

static void session_init(struct session *s, const char *provider)
{
    memset(s, 0, sizeof *s);
    s->format = format_find(provider);
    s->arena = arena_new();
    s->request = (struct neutral_request){.language = LANGUAGE_MESSAGES, .choices = 1};
    s->reader = (struct format_reader){.request = &s->request, .arena = s->arena};
    s->reader.state = arena_zalloc(s->arena, s->format->state_size);
    buf_init(&s->trace, OUT_MAX);
    buf_init(&s->text, OUT_MAX);
}

static void session_fini(struct session *s)
{
    arena_free(s->arena);
    buf_fini(&s->trace);
    buf_fini(&s->text);
}

static void trace_text(struct session *s, const char *kind, const struct event *e)
{
    assert_true(e->content && e->text.len > 0 && e->choice == 0);
    assert_int_equal(e->output_bytes, e->text.len);
    buf_printf(&s->trace, "%s ", kind);
    buf_append(&s->trace, e->text.ptr, e->text.len);
    buf_append_char(&s->trace, '\n');
}

static void trace_usage(struct session *s, const struct event *e)
{
    const struct usage *u = e->usage;

    assert_null(e->json);
    s->usage = *u;
    buf_printf(&s->trace, "usage %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s\n", u->known,
               u->prompt, u->cached, u->completion, u->reasoning, u->cost_usd);
}

static int on_event(const struct event *e, void *arg)
{
    struct session *s = arg;

    assert_false(s->done);
    switch (e->kind) {
    case EVENT_BEGIN:
        buf_printf(&s->trace, "begin %s\n", e->id != NULL ? e->id : "-");
        break;
    case EVENT_TEXT:
        trace_text(s, "text", e);
        buf_append(&s->text, e->text.ptr, e->text.len);
        break;
    case EVENT_REFUSAL:
        trace_text(s, "refusal", e);
        break;
    case EVENT_REASONING:
        trace_text(s, "reasoning", e);
        break;
    case EVENT_CALL_BEGIN:
        assert_int_equal(e->index, s->calls++);
        assert_true(e->content && e->name[0] != '\0');
        buf_printf(&s->trace, "call %" PRId64 " %s %s\n", e->index, e->id, e->name);
        break;
    case EVENT_CALL_ARGUMENTS:
        assert_true(e->index >= 0 && e->index < s->calls);
        buf_printf(&s->trace, "%" PRId64 " ", e->index);
        trace_text(s, "arguments", e);
        break;
    case EVENT_REASONING_STATE:
        buf_append_str(&s->trace, "state ");
        jsonx_write(&s->trace, e->json);
        buf_append_char(&s->trace, '\n');
        break;
    case EVENT_FINISH:
        assert_false(s->finished);
        s->finished = true;
        buf_printf(&s->trace, "finish %d\n", (int)e->finish);
        break;
    case EVENT_USAGE:
        trace_usage(s, e);
        break;
    case EVENT_DONE:
        assert_true(s->finished);
        s->done = true;
        break;
    case EVENT_CALL_STATE:
    case EVENT_CHUNK:
    case EVENT_ANSWER:
        fail_msg("event %d", (int)e->kind);
    }
    return 0;
}

static void read_plain(struct session *s, struct json_object *answer)
{
    s->rc = s->format->read_answer(&s->reader, answer, on_event, s, &s->err);
}

static void read_text(struct session *s, const char *text)
{
    struct json_object *answer = NULL;

    assert_int_equal(jsonx_parse(&answer, text, strlen(text), &s->err), 0);
    read_plain(s, answer);
    json_object_put(answer);
}

/* From memory of the exact size, so that a sanitizer sees a read behind the end. */
static int on_sse(const struct sse_event *event, void *arg)
{
    struct session *s = arg;
    char *copy = mem_alloc(event->data.len);

    memcpy(copy, event->data.ptr, event->data.len);
    s->rc = s->format->read_event(&s->reader, (struct span){copy, event->data.len}, on_event, s,
                                  &s->err);
    mem_free(copy);
    return s->rc;
}

/* A stream in two pieces. */
static void read_stream(struct session *s, const char *text, size_t len, size_t cut)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, cut, on_sse, s);
    if (rc == 0)
        rc = sse_reader_feed(&sse, text + cut, len - cut, on_sse, s);
    assert_int_equal(rc, s->rc);
    sse_reader_fini(&sse);
}

/* Plain answers. */

#define ANSWER(message, finish)                                                                    \
    "{\"id\":\"x\",\"choices\":[{\"index\":0,\"message\":" message ",\"finish_reason\":" finish    \
    "}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"cost\":0.5,"                      \
    "\"prompt_tokens_details\":{\"cached_tokens\":3},\"completion_tokens_details\":{"              \
    "\"reasoning_tokens\":1}}}"
#define FN(id, args) "{" id "\"type\":\"function\",\"function\":{\"name\":\"f\"" args "}}"

struct answer_case {
    const char *provider;
    const char *answer;
    const char *want;
};

static const struct answer_case answers[] = {
    {"openai", ANSWER("{\"content\":\"hello\"}", "\"stop\""),
     "begin x\ntext hello\nusage 1 9 3 4 1 \nfinish 0\n"},
    {"openrouter", ANSWER("{\"content\":\"hello\",\"refusal\":null}", "\"length\""),
     "begin x\ntext hello\nusage 1 9 3 4 1 0.5\nfinish 1\n"},
    {"openai", ANSWER("{\"content\":null,\"refusal\":\"no\"}", "\"content_filter\""),
     "begin x\nrefusal no\nusage 1 9 3 4 1 \nfinish 3\n"},
    {"openai",
     ANSWER("{\"content\":\"a\",\"tool_calls\":[" FN(
                "\"id\":\"c1\",",
                ",\"arguments\":\"{1}\"") "," FN("\"id\":\"c1\",",
                                                 ",\"arguments\":\"\"") "," FN("",
                                                                               ",\"arguments\":{"
                                                                               "\"a\":1}") "]}",
            "\"stop\""),
     "begin x\ntext a\ncall 0 c1 f\n0 arguments {1}\ncall 1 c1 f\ncall 2 call_x_2 f\n2 arguments "
     "{\"a\":1}\nusage 1 9 3 4 1 \n1 arguments {}\nfinish 2\n"},
    {"openrouter",
     ANSWER("{\"content\":\"a\",\"reasoning\":\"th\",\"reasoning_details\":[{\"type\":"
            "\"reasoning.text\",\"text\":\"th\",\"signature\":\"s\",\"index\":0},{\"type\":"
            "\"reasoning.encrypted\",\"data\":\"d\",\"index\":1}]}",
            "\"stop\""),
     "begin x\nreasoning th\ntext a\nusage 1 9 3 4 1 0.5\nstate [{\"type\":\"reasoning.text\","
     "\"text\":\"th\",\"signature\":\"s\",\"index\":0},{\"type\":\"reasoning.encrypted\",\"data\":"
     "\"d\",\"index\":1}]\nfinish 0\n"},
    {"openrouter", ANSWER("{\"content\":\"a\",\"reasoning_content\":\"rc\"}", "\"eos\""),
     "begin x\nreasoning rc\ntext a\nusage 1 9 3 4 1 0.5\nfinish 0\n"},
    {"openai",
     "{\"choices\":[{\"index\":1,\"message\":{\"content\":\"other\"}},{\"index\":0,\"message\":{"
     "\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
     "begin -\ntext a\nfinish 0\n"},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct session s;
        session_init(&s, answers[i].provider);
        read_text(&s, answers[i].answer);
        assert_int_equal(s.rc, 0);
        assert_true(s.done);
        assert_string_equal(s.trace.data, answers[i].want);
        session_fini(&s);
    }
}

static const char *const no_answers[] = {
    "[]",
    "5",
    "{}",
    "{\"choices\":[]}",
    "{\"choices\":null}",
    "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
    "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"a\"}]},\"finish_reason\":\"stop\"}]}",
    "{\"choices\":[],\"error\":{\"message\":\"m\"}}",
};

static void test_no_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(no_answers); i++) {
        struct session s;
        session_init(&s, "openrouter");
        read_text(&s, no_answers[i]);
        assert_int_equal(s.rc, -1);
        assert_int_equal(s.err.status, 502);
        assert_true(s.err.retryable && !s.done);
        session_fini(&s);
    }
}

/* Streams. */

#define CHUNK(delta, more)                                                                         \
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":" delta more "}]}\n\n"
#define DELTA(delta) CHUNK(delta, "")
#define CALL(json)   DELTA("{\"tool_calls\":[" json "]}")
#define STOP         CHUNK("{}", ",\"finish_reason\":\"stop\"")
#define END          "data: [DONE]\n\n"
#define DETAIL(json) DELTA("{\"reasoning_details\":[" json "]}")

struct stream_case {
    const char *stream;
    const char *want; /* after "begin c" */
};

static const struct stream_case streams[] = {
    {DELTA("{\"role\":\"assistant\",\"content\":\"\"}") DELTA("{\"content\":\"a\"}") STOP END,
     "text a\nfinish 0\n"},
    /* Two calls, then fragments of both in turns; a third one without any. */
    {CALL("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}")
         CALL("{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"g\"}}")
             CALL("{\"index\":0,\"function\":{\"arguments\":\"{\"}},{\"index\":1,\"function\":{"
                  "\"arguments\":\"[\"}}")
                 CALL("{\"index\":2,\"id\":\"c3\",\"function\":{\"name\":\"h\"}}")
                     CALL("{\"index\":1,\"function\":{\"arguments\":\"]\"}}")
                         CALL("{\"index\":0,\"function\":{\"arguments\":\"}\"}}") STOP END,
     "call 0 c1 f\ncall 1 c2 g\n0 arguments {\n1 arguments [\ncall 2 c3 h\n1 arguments ]\n0 "
     "arguments }\n2 arguments {}\nfinish 2\n"},
    /* Indexes with gaps; an id that comes again with every fragment. */
    {CALL("{\"index\":3,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}}") CALL(
         "{\"index\":3,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}}") STOP END,
     "call 0 c1 f\n0 arguments 1\n0 arguments 2\nfinish 2\n"},
    /* No indexes; and all called the first. */
    {CALL("{\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}}")
         CALL("{\"function\":{\"arguments\":\"2\"}}")
             CALL("{\"id\":\"c2\",\"function\":{\"name\":\"f\",\"arguments\":\"3\"}}") STOP END,
     "call 0 c1 f\n0 arguments 1\n0 arguments 2\ncall 1 c2 f\n1 arguments 3\nfinish 2\n"},
    {CALL("{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}}")
         CALL("{\"index\":0,\"id\":\"c2\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}}")
             CALL("{\"index\":0,\"function\":{\"arguments\":\"3\"}}") STOP END,
     "call 0 c1 f\n0 arguments 1\ncall 1 c2 f\n1 arguments 2\n1 arguments 3\nfinish 2\n"},
    /* Reasoning: shown once, kept in pieces, put together. */
    {DELTA("{\"reasoning\":\"a\",\"reasoning_content\":\"a\",\"reasoning_details\":[{\"type\":"
           "\"reasoning.text\",\"text\":\"a\",\"format\":\"x\",\"index\":0}]}")
         DETAIL("{\"type\":\"reasoning.text\",\"text\":\"b\",\"format\":\"x\",\"index\":0}")
             DETAIL("{\"type\":\"reasoning.text\",\"signature\":\"s\",\"format\":\"x\",\"index\":0"
                    "}") DETAIL("{\"type\":\"reasoning.encrypted\",\"data\":\"d\",\"index\":1}")
                 DETAIL("{\"type\":\"reasoning.encrypted\",\"data\":\"e\",\"index\":1}") DETAIL(
                     "{\"type\":\"reasoning.summary\",\"summary\":\"u\",\"index\":2},5") STOP END,
     "reasoning a\nreasoning b\nreasoning u\nstate [{\"type\":\"reasoning.text\",\"text\":\"ab\","
     "\"format\":\"x\",\"index\":0,\"signature\":\"s\"},{\"type\":\"reasoning.encrypted\",\"data\":"
     "\"d\",\"index\":1},{\"type\":\"reasoning.encrypted\",\"data\":\"e\",\"index\":1},{\"type\":"
     "\"reasoning.summary\",\"summary\":\"u\",\"index\":2}]\nfinish 0\n"},
    /* Usage in any chunk; the first finish counts. */
    {DELTA("{\"content\":\"a\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":7,"
           "\"completion_tokens\":3},\"x\":[{\"y\":1") STOP END,
     "usage 1 7 0 3 0 \ntext a\nfinish 1\n"},
    {DELTA("{\"content\":\"a\"}") STOP
     "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n" END,
     "text a\nusage 1 7 0 3 0 \nfinish 0\n"},
    /* What is odd is no content. */
    {DELTA("null") DELTA("5") DELTA(
         "{\"content\":[1],\"tool_calls\":[null,5],\"reasoning\":{}}") "data: "
                                                                       "{\"choices\":[null,7]}"
                                                                       "\n\ndata: {}\n\n" STOP END,
     "finish 0\n"},
};

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct session s;
        char want[2048];
        session_init(&s, "openai");
        read_stream(&s, streams[i].stream, strlen(streams[i].stream), 0);
        snprintf(want, sizeof want, "begin c\n%s", streams[i].want);
        assert_string_equal(s.trace.data, want);
        assert_true(s.rc == 0 && s.done);
        session_fini(&s);
    }
}

static const char *const broken[] = {
    "data: {\"choices\":[\n\n",
    "data: 5\n\n",
    "data: null\n\n",
    "data: {\"error\":{\"message\":\"gone\"}}\n\n",
    "data: {\"choices\":[],\"error\":{\"code\":502,\"message\":\"gone\"}}\n\n",
    DELTA("{\"content\":\"a\"}") END,
    END,
    CALL("{\"index\":0,\"function\":{\"arguments\":\"{\"}}"),
};

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct session s;
        session_init(&s, "openai");
        read_stream(&s, broken[i], strlen(broken[i]), 0);
        assert_int_equal(s.rc, -1);
        assert_int_equal(s.err.status, 502);
        assert_true(s.err.retryable && !s.done);
        session_fini(&s);
    }
}

/* Recorded answers and streams. */

struct recorded {
    const char *provider;
    const char *name;
    bool fails;
    const char *want; /* a part of the trace */
};

static const struct recorded plain[] = {
    {"openai", "dbos.dbos-agent-with-hitl-tool-sync.0", false, "call 0 call_"},
    {"openai", "openai.openai-native-output-multiple.1", false, "text {\"result\""},
    {"openai", "openai-prompt-cache.openai-chat-prompt-cache-e2e.1", false, "usage 1 4"},
    {"openai", "tool-choice-matrix.tool-choice-matrix-required-openai.0", false, "call 0 call_"},
    {"openrouter", "openrouter.openrouter-preserve-reasoning-block.1", false, "state [{"},
    {"openrouter", "cache.openrouter-cache-all-settings-real-api.1", false, "usage 1 "},
};

static void test_recorded_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        struct json_object *answer =
            recording_json(plain[i].provider, plain[i].name, "response.json");
        struct session s;
        session_init(&s, plain[i].provider);
        read_plain(&s, answer);
        assert_true(s.rc == 0 && s.done && s.usage.known);
        if (strstr(s.trace.data, plain[i].want) == NULL)
            fail_msg("%s: %s", plain[i].name, s.trace.data);
        session_fini(&s);
        json_object_put(answer);
    }
}

static const struct recorded recordings[] = {
    {"openai", "openai.run-stream-sync-streams-real-model.0", false, "call 0 call_"},
    {"openai", "openai.run-stream-sync-streams-real-model.1", false, "finish 0"},
    {"openai", "prefect.multiple-agents.1", false, "call 0 call_"},
    {"openai", "prefect.multiple-agents.2", false, "0 arguments Mexico"},
    {"openai", "prefect.multiple-agents.3", false, "finish"},
    {"openai", "temporal.multiple-agents.1", false, "finish"},
    {"openrouter", "openrouter.openrouter-advisor-tool-stream.0", false, "0.0145476"},
    {"openrouter", "openrouter.openrouter-stream-error.0", true, "reasoning We need"},
    {"openrouter", "openrouter.openrouter-stream-with-reasoning.0", false,
     "state [{\"type\":\"reasoning.encrypted\",\"data\":\"REDACTED"},
    {"openrouter", "openrouter.openrouter-streaming-reasoning.0", false,
     "state [{\"type\":\"reasoning.text\",\"text\":\"This is a simple arithmetic question. "},
};

static size_t event_end(const char *data, size_t len, size_t at)
{
    while (at + 1 < len && !(data[at] == '\n' && data[at + 1] == '\n'))
        at++;
    return at + 2 <= len ? at + 2 : len;
}

static void compare_cut(const struct recorded *r, const char *data, size_t len, size_t cut,
                        const char *want)
{
    struct session s;

    session_init(&s, r->provider);
    read_stream(&s, data, len, cut);
    assert_string_equal(s.trace.data, want);
    session_fini(&s);
}

/* Between two events the reader of the bytes has nothing in hand, so it is enough to cut each event
 * within itself and the one after it, and the whole stream at some places. */
static void cut_everywhere(const struct recorded *r, const struct buf *data)
{
    struct session s;
    size_t at = 0;

    while (at < data->len) {
        size_t end = event_end(data->data, data->len, at);
        size_t window = event_end(data->data, data->len, end < data->len ? end : data->len) - at;
        session_init(&s, r->provider);
        read_stream(&s, data->data + at, window, 0);
        for (size_t cut = 1; cut <= end - at; cut++)
            compare_cut(r, data->data + at, window, cut, s.trace.data);
        session_fini(&s);
        at = end;
    }
    session_init(&s, r->provider);
    read_stream(&s, data->data, data->len, 0);
    for (size_t cut = 1; cut < data->len; cut += 1 + data->len / 400)
        compare_cut(r, data->data, data->len, cut, s.trace.data);
    session_fini(&s);
}

static void test_recordings_cut_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        const struct recorded *r = &recordings[i];
        struct session s;
        struct buf data;
        recording_read(&data, r->provider, r->name, "response.sse");
        session_init(&s, r->provider);
        read_stream(&s, data.data, data.len, 0);
        assert_int_equal(s.rc, r->fails ? -1 : 0);
        assert_true(s.done == !r->fails);
        if (strstr(s.trace.data, r->want) == NULL)
            fail_msg("%s: %s", r->name, s.trace.data);
        session_fini(&s);
        cut_everywhere(r, &data);
        buf_fini(&data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),          cmocka_unit_test(test_no_answers),
        cmocka_unit_test(test_streams),          cmocka_unit_test(test_broken),
        cmocka_unit_test(test_recorded_answers), cmocka_unit_test(test_recordings_cut_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
