/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/sse.h"
#include "unit.h"
#include "wire/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 * 1024, CALLS_MAX = 8 };

/* What came out of one answer, events as one text, too. */
struct seen {
    struct buf log; /* every event */
    struct buf text;
    struct buf reasoning;
    struct buf refusal;
    struct buf arguments[CALLS_MAX];
    char names[CALLS_MAX][64];
    char ids[CALLS_MAX][64];
    size_t calls;
    struct buf thoughts; /* the last EVENT_REASONING_STATE, serialised */
    struct usage usage;
    int usage_count;
    int finish; /* -1: none */
    int done;
    int64_t output_bytes;
    bool stop; /* the receiver wants no more */
};

static void seen_init(struct seen *s)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->log, TEXT_MAX);
    buf_init(&s->text, TEXT_MAX);
    buf_init(&s->reasoning, TEXT_MAX);
    buf_init(&s->refusal, TEXT_MAX);
    buf_init(&s->thoughts, TEXT_MAX);
    for (size_t i = 0; i < CALLS_MAX; i++)
        buf_init(&s->arguments[i], TEXT_MAX);
    s->finish = -1;
}

static void seen_fini(struct seen *s)
{
    buf_fini(&s->log);
    buf_fini(&s->text);
    buf_fini(&s->reasoning);
    buf_fini(&s->refusal);
    buf_fini(&s->thoughts);
    for (size_t i = 0; i < CALLS_MAX; i++)
        buf_fini(&s->arguments[i]);
}

static void add_text(struct seen *s, struct buf *to, char letter, const struct event *event)
{
    assert_true(event->text.len > 0);
    assert_true(event->content);
    assert_int_equal(event->output_bytes, event->text.len);
    buf_append(to, event->text.ptr, event->text.len);
    buf_printf(&s->log, "%c%lld:", letter, (long long)event->index);
    buf_append(&s->log, event->text.ptr, event->text.len);
    buf_append_char(&s->log, '\n');
}

static void add_call(struct seen *s, const struct event *event)
{
    assert_true(event->content);
    assert_int_equal(event->index, s->calls);
    assert_true(s->calls < CALLS_MAX);
    snprintf(s->names[s->calls], sizeof s->names[0], "%s", event->name);
    snprintf(s->ids[s->calls], sizeof s->ids[0], "%s", event->id);
    s->calls++;
    buf_printf(&s->log, "C%lld:%s %s\n", (long long)event->index, event->id, event->name);
}

static void add_usage(struct seen *s, const struct usage *u)
{
    s->usage = *u;
    s->usage_count++;
    assert_true(u->prompt >= u->cached + u->cache_write_5m + u->cache_write_1h);
    assert_true(u->completion >= u->reasoning && u->reasoning >= 0);
    assert_true(u->cached >= 0 && u->cache_write_5m >= 0 && u->cache_write_1h >= 0);
    assert_string_equal(u->cost_usd, "");
    buf_printf(&s->log, "U%d %lld %lld %lld %lld %lld %lld\n", u->known, (long long)u->prompt,
               (long long)u->cached, (long long)u->cache_write_5m, (long long)u->cache_write_1h,
               (long long)u->completion, (long long)u->reasoning);
}

static int collect(const struct event *event, void *arg)
{
    struct seen *s = arg;

    assert_int_equal(s->done, 0);
    assert_int_equal(event->choice, 0);
    s->output_bytes += event->output_bytes;
    switch (event->kind) {
    case EVENT_BEGIN:
        buf_printf(&s->log, "B%s\n", event->id != NULL ? event->id : "-");
        break;
    case EVENT_TEXT:
        add_text(s, &s->text, 'T', event);
        break;
    case EVENT_REASONING:
        add_text(s, &s->reasoning, 'R', event);
        break;
    case EVENT_REFUSAL:
        add_text(s, &s->refusal, 'N', event);
        break;
    case EVENT_CALL_BEGIN:
        add_call(s, event);
        break;
    case EVENT_CALL_ARGUMENTS:
        assert_in_range(event->index, 0, s->calls - 1);
        add_text(s, &s->arguments[event->index], 'A', event);
        break;
    case EVENT_REASONING_STATE:
        assert_false(event->content);
        buf_clear(&s->thoughts);
        jsonx_write(&s->thoughts, event->json);
        buf_printf(&s->log, "S%s\n", s->thoughts.data);
        break;
    case EVENT_FINISH:
        assert_int_equal(s->finish, -1);
        assert_true(event->content);
        s->finish = (int)event->finish;
        buf_printf(&s->log, "F%d\n", s->finish);
        break;
    case EVENT_USAGE:
        add_usage(s, event->usage);
        break;
    case EVENT_DONE:
        s->done = 1;
        buf_append_str(&s->log, "D\n");
        break;
    case EVENT_CALL_STATE:
    case EVENT_CHUNK:
    case EVENT_ANSWER:
        fail_msg("not an event of this format");
    }
    return s->stop ? 7 : 0;
}

/* One answer being read. */
struct run {
    struct neutral_content content;
    struct neutral_request request;
    struct format_reader reader;
    struct seen seen;
    struct err err;
    int rc;
};

static void run_init(struct run *run, const struct neutral_content *content)
{
    memset(run, 0, sizeof *run);
    if (content != NULL)
        run->content = *content;
    run->request = (struct neutral_request){.choices = 1, .content = &run->content};
    run->reader.arena = arena_new();
    run->reader.request = &run->request;
    run->reader.state = arena_zalloc(run->reader.arena, messages_format.state_size);
    seen_init(&run->seen);
    err_clear(&run->err);
}

static void run_fini(struct run *run)
{
    seen_fini(&run->seen);
    arena_free(run->reader.arena);
}

static int on_sse(const struct sse_event *event, void *arg)
{
    struct run *run = arg;

    run->rc = messages_format.read_event(&run->reader, event->data, collect, &run->seen, &run->err);
    return run->rc;
}

/* Feeds a stream's bytes, cut at `cut`. */
static void read_stream(struct run *run, const char *text, size_t len, size_t cut)
{
    struct sse_reader sse;

    sse_reader_init(&sse);
    int rc = sse_reader_feed(&sse, text, cut, on_sse, run);
    if (rc == 0)
        rc = sse_reader_feed(&sse, text + cut, len - cut, on_sse, run);
    assert_int_equal(rc, run->rc);
    sse_reader_fini(&sse);
}

static void read_plain(struct run *run, const char *text, size_t len)
{
    struct json_object *answer = NULL;

    assert_int_equal(jsonx_parse(&answer, text, len, &run->err), 0);
    run->rc = messages_format.read_answer(&run->reader, answer, collect, &run->seen, &run->err);
    json_object_put(answer);
}

/* In this file's JSON texts ' stands for ". */
static char *quoted(const char *text)
{
    char *s = mem_strdup(text);

    for (char *p = s; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    return s;
}

/* Recordings. */

static bool read_recording(struct buf *out, const char *dir, const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    char chunk[4096];
    size_t n;

    snprintf(path, sizeof path, "%s/tests/upstream/recordings/anthropic/%s/%s",
             srcdir != NULL ? srcdir : ".", dir, name);
    FILE *f = fopen(path, "rb");
    buf_clear(out);
    if (f == NULL)
        return false;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(out, chunk, n);
    fclose(f);
    return true;
}

struct recording {
    const char *dir;
    /* Bytes of text and of shown reasoning, finish, counts (prompt, of it cached, of it written to
     * the cache, completion, of it reasoning), what is to be carried back; then the calls. */
    const char *seen;
};

static const struct recording recordings[] = {
    {"anthropic.anthropic-cache-real-api.1", "164 0 stop 1532/1111/418 33/0 -"},
    {"anthropic.anthropic-code-execution-tool-stream.0", "524 46 stop 4714/0/0 304/0 text"},
    {"anthropic.anthropic-deferred-capability-without-tool-search-across-3da0c160.1",
     "0 0 tool_calls 861/0/0 57/0 -\nlookup_refund_policy {\"order_id\":\"order-123\"}"},
    {"anthropic.anthropic-model-thinking-part-redacted.1", "500 0 stop 168/0/0 232/0 encrypted"},
    {"anthropic.anthropic-model-thinking-part-stream.0", "1021 202 stop 43/0/0 282/0 text"},
    {"anthropic.anthropic-text-editor-code-execution-tool-stream.0", "550 0 stop 7621/0/0 384/0 -"},
    {"anthropic.anthropic-tool-with-thinking.0",
     "103 376 tool_calls 398/0/0 155/0 text\nget_user_country {}"},
    {"anthropic.anthropic-tool-with-thinking.1", "605 0 stop 566/0/0 126/0 -"},
    {"anthropic.image-url-input.0", "366 0 stop 296/0/0 91/0 -"},
    {"anthropic.pause-turn-web-search-streaming-vcr.0", "166 1051 stop 404500/0/0 943/261 text"},
    {"anthropic.request-stream-fallback-for-high-max-tokens.0", "1 0 stop 20/0/0 5/0 -"},
    {"cache-prefix-stability.anthropic-thinking-agui-0-1-10-drops-prefix.1",
     "2 84 stop 107/0/0 31/24 text"},
    {"multimodal-tool-returns.multimodal-tool-return-matrix-tool-return-71b2ec2d.1",
     "604 0 stop 2222/0/0 145/0 -"},
    {"output.mixed-tools-native-output.0",
     "0 0 tool_calls 797/0/0 91/0 -\nlookup_country {\"city\":\"Tokyo\"}\nget_founded_year "
     "{\"city\":\"Tokyo\"}"},
    {"output.no-tools-native-output-strict-true.0", "65 0 stop 196/0/0 19/0 -"},
    {"settings.stop-settings-anthropic.0", "22 0 stop 32/0/0 5/0 -"},
    {"tool-search.anthropic-native-tool-search-streaming.0",
     "158 0 tool_calls 1591/0/0 175/0 -\nget_exchange_rate {\"from_currency\": \"USD\", "
     "\"to_currency\": \"EUR\"}"},
    {"tool-search.anthropic-native-tool-search-streaming.1", "227 0 stop 1007/0/0 59/0 -"},
    {"tool-search.live-fallback-failover-capability-load-and-recovery.1",
     "46 0 tool_calls 825/0/0 72/0 -\nlookup_refund_policy {\"order_id\":\"order-123\"}"},
};

static void check_recording(const struct recording *want, const struct run *run)
{
    static const char *const finishes[] = {
        [FINISH_STOP] = "stop", [FINISH_TOOL_CALLS] = "tool_calls"};
    const struct seen *s = &run->seen;
    const char *thought = "-";
    struct buf text;

    if (run->rc != 0)
        fail_msg("%s: %s (%s)", want->dir, run->err.message, run->err.detail);
    assert_int_equal(s->done, 1);
    assert_true(s->usage.known);
    assert_int_equal(s->usage.cache_write_1h, 0);
    if (s->thoughts.len > 0) {
        thought = strstr(s->thoughts.data, "reasoning.encrypted") != NULL ? "encrypted" : "text";
        assert_non_null(strstr(s->thoughts.data, "\"format\":\"anthropic-claude-v1\",\"index\":0"));
    }
    buf_init(&text, TEXT_MAX);
    buf_printf(&text, "%zu %zu %s %lld/%lld/%lld %lld/%lld %s", s->text.len, s->reasoning.len,
               finishes[s->finish], (long long)s->usage.prompt, (long long)s->usage.cached,
               (long long)s->usage.cache_write_5m, (long long)s->usage.completion,
               (long long)s->usage.reasoning, thought);
    for (size_t i = 0; i < s->calls; i++) {
        assert_int_equal(strncmp(s->ids[i], "toolu_", 6), 0);
        buf_printf(&text, "\n%s %s", s->names[i], s->arguments[i].data);
    }
    assert_string_equal(text.data, want->seen);
    buf_fini(&text);
}

static void test_recorded_answers(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct run run;
        run_init(&run, NULL);
        if (read_recording(&text, recordings[i].dir, "response.sse")) {
            read_stream(&run, text.data, text.len, text.len);
            assert_int_equal(run.seen.usage_count, 2);
        } else {
            assert_true(read_recording(&text, recordings[i].dir, "response.json"));
            read_plain(&run, text.data, text.len);
        }
        check_recording(&recordings[i], &run);
        run_fini(&run);
    }
    buf_fini(&text);
}

/* Cut at every byte; a long one at some thousands. */
static void test_recorded_streams_cut(void **state)
{
    enum { EVERY_MAX = 7000, CUTS = 200 };
    struct buf text;

    (void)state;
    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct run whole;
        if (!read_recording(&text, recordings[i].dir, "response.sse"))
            continue;
        run_init(&whole, NULL);
        read_stream(&whole, text.data, text.len, text.len);
        size_t step = text.len <= EVERY_MAX ? 1 : text.len / CUTS;
        for (size_t cut = 0; cut < text.len; cut += step) {
            struct run run;
            run_init(&run, NULL);
            read_stream(&run, text.data, text.len, cut);
            assert_int_equal(run.rc, 0);
            assert_int_equal(run.seen.log.len, whole.seen.log.len);
            assert_memory_equal(run.seen.log.data, whole.seen.log.data, whole.seen.log.len);
            run_fini(&run);
        }
        run_fini(&whole);
    }
    buf_fini(&text);
}

/* A stream that ends early must not look whole. */
static void test_recorded_streams_truncated(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, TEXT_MAX);
    assert_true(read_recording(&text, "anthropic.request-stream-fallback-for-high-max-tokens.0",
                               "response.sse"));
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    for (size_t len = 0; len <= text.len; len++) {
        struct run run;
        run_init(&run, NULL);
        read_stream(&run, text.data, len, len);
        assert_int_equal(run.rc, 0);
        assert_int_equal(run.seen.done, 0);
        run_fini(&run);
    }
    buf_fini(&text);
}

/* Streams by hand. */

struct stream_case {
    const char *name;
    const char *events[16];
    const char *log; /* NULL: fails */
    enum err_code code;
    bool retryable;
    enum neutral_output output;
    enum neutral_tool_choice tool_choice;
};

#define START       "{'type':'message_start','message':{'id':'m1'}}"
#define STOP        "{'type':'message_stop'}"
#define END(r)      "{'type':'message_delta','delta':{'stop_reason':'" r "'}}"
#define BLOCK(i, b) "{'type':'content_block_start','index':" #i ",'content_block':{'type':" b "}}"
#define DELTA(i, d) "{'type':'content_block_delta','index':" #i ",'delta':{'type':" d "}}"
#define TEXT(i, t)  DELTA(i, "'text_delta','text':'" t "'")
#define JSON(i, t)  DELTA(i, "'input_json_delta','partial_json':'" t "'")
#define CLOSE(i)    "{'type':'content_block_stop','index':" #i "}"

static const struct stream_case stream_cases[] = {
    {.name = "text",
     .events = {START, "{'type':'ping'}", BLOCK(0, "'text','text':''"), TEXT(0, "a"), TEXT(0, ""),
                TEXT(0, "b"), CLOSE(0), END("end_turn"), STOP},
     .log = "Bm1\nT0:a\nT0:b\nF0\nD\n"},
    {.name = "call numbers are not block numbers; no fragments, an empty one, some",
     .events = {START, BLOCK(0, "'text','text':'x'"), CLOSE(0),
                BLOCK(3, "'tool_use','id':'a','name':'f','input':{}"), CLOSE(3),
                BLOCK(4, "'tool_use','id':'b','name':'g','input':{}"), JSON(4, ""), CLOSE(4),
                BLOCK(7, "'tool_use','id':'c','name':'h','input':{}"), JSON(7, "{"), JSON(7, "}"),
                CLOSE(7), END("tool_use"), STOP},
     .log = "Bm1\nT0:x\nC0:a f\nA0:{}\nC1:b g\nA1:{}\nC2:c h\nA2:{\nA2:}\nF2\nD\n"},
    {.name = "blocks side by side, one never closed",
     .events = {START, BLOCK(0, "'tool_use','id':'a','name':'f'"),
                BLOCK(1, "'tool_use','id':'b','name':'g'"), JSON(1, "{1"), JSON(0, "{0"),
                JSON(1, "}"), CLOSE(1), BLOCK(2, "'tool_use','id':'c','name':'h','input':{}"),
                END("tool_use"), STOP},
     .log = "Bm1\nC0:a f\nC1:b g\nA1:{1\nA0:{0\nA1:}\nC2:c h\nA2:{}\nF2\nD\n"},
    {.name = "arguments at the beginning, and arguments that are no JSON",
     .events = {START, BLOCK(0, "'tool_use','id':'a','name':'f','input':{'x':1.50}"), CLOSE(0),
                BLOCK(1, "'tool_use','id':'b','name':'g','input':'plain'"), CLOSE(1),
                BLOCK(2, "'tool_use','id':'c','name':'h'"), JSON(2, "not json"), CLOSE(2),
                END("max_tokens"), STOP},
     .log = "Bm1\nC0:a f\nA0:{\"x\":1.50}\nC1:b g\nA1:plain\nC2:c h\nA2:not json\nF1\nD\n"},
    {.name = "thinking, redacted, text, call: the state with positions",
     .events = {START, BLOCK(0, "'thinking','thinking':'','signature':''"),
                DELTA(0, "'thinking_delta','thinking':'t1'"),
                DELTA(0, "'signature_delta','signature':'s1'"), CLOSE(0), BLOCK(1, "'text'"),
                TEXT(1, "x"), BLOCK(2, "'redacted_thinking','data':'d'"),
                BLOCK(3, "'thinking','thinking':'','signature':'s2'"), BLOCK(4, "'text'"),
                TEXT(4, "y"), BLOCK(5, "'tool_use','id':'a','name':'f'"), CLOSE(5), END("tool_use"),
                STOP},
     .log = "Bm1\nR0:t1\nT0:x\nT0:y\nC0:a f\nA0:{}\n"
            "S[{\"type\":\"reasoning.text\",\"text\":\"t1\",\"signature\":\"s1\","
            "\"format\":\"anthropic-claude-v1\",\"index\":0},"
            "{\"type\":\"reasoning.encrypted\",\"data\":\"d\","
            "\"format\":\"anthropic-claude-v1\",\"index\":2},"
            "{\"type\":\"reasoning.text\",\"text\":\"\",\"signature\":\"s2\","
            "\"format\":\"anthropic-claude-v1\",\"index\":3}]\nF2\nD\n"},
    {.name = "positions count all text as one block: a client gives it back as one",
     .events = {START, BLOCK(0, "'text','text':'x'"), CLOSE(0),
                BLOCK(1, "'redacted_thinking','data':'d'"), CLOSE(1), BLOCK(2, "'text','text':'y'"),
                CLOSE(2), BLOCK(3, "'redacted_thinking','data':'e'"), CLOSE(3),
                BLOCK(4, "'tool_use','id':'a','name':'f'"), CLOSE(4), END("tool_use"), STOP},
     .log = "Bm1\nT0:x\nT0:y\nC0:a f\nA0:{}\n"
            "S[{\"type\":\"reasoning.encrypted\",\"data\":\"d\","
            "\"format\":\"anthropic-claude-v1\",\"index\":1},"
            "{\"type\":\"reasoning.encrypted\",\"data\":\"e\","
            "\"format\":\"anthropic-claude-v1\",\"index\":2}]\nF2\nD\n"},
    {.name = "calls that are never closed end in their order",
     .events = {START, BLOCK(0, "'tool_use','id':'a','name':'f'"),
                BLOCK(1, "'tool_use','id':'b','name':'g'"), END("tool_use"), STOP},
     .log = "Bm1\nC0:a f\nC1:b g\nA0:{}\nA1:{}\nF2\nD\n"},
    {.name = "no state without a signature",
     .events = {START, BLOCK(0, "'thinking','thinking':'t'"), CLOSE(0), END("end_turn"), STOP},
     .log = "Bm1\nR0:t\nF0\nD\n"},
    {.name = "no state of a call that was forced",
     .events = {START, BLOCK(0, "'thinking','thinking':'t','signature':'s'"), CLOSE(0),
                BLOCK(1, "'tool_use','id':'a','name':'f'"), END("tool_use"), STOP},
     .log = "Bm1\nR0:t\nC0:a f\nA0:{}\nF2\nD\n",
     .tool_choice = TOOL_CHOICE_REQUIRED},
    {.name = "unknown events, blocks, deltas and misplaced ones",
     .events = {START, "{'type':'compaction'}", "{}", "{'type':7}",
                BLOCK(0, "'server_tool_use','id':'s','name':'web','input':{}"), JSON(0, "{"),
                TEXT(0, "no"), CLOSE(0), BLOCK(1, "'text'"), JSON(1, "no"),
                DELTA(1, "'citations_delta','citation':{}"), TEXT(9, "no"), TEXT(1, "yes"),
                CLOSE(8), END("end_turn"), STOP},
     .log = "Bm1\nT0:yes\nF0\nD\n"},
    {.name = "counts: the later replace the earlier, absent ones stay",
     .events = {"{'type':'message_start','message':{'id':'m1','usage':{'input_tokens':10,"
                "'cache_creation_input_tokens':30,'cache_read_input_tokens':5,'output_tokens':1,"
                "'cache_creation':{'ephemeral_5m_input_tokens':20,"
                "'ephemeral_1h_input_tokens':10}}}}",
                "{'type':'message_delta','delta':{},'usage':{'input_tokens':12,'output_tokens':4}}",
                "{'type':'message_delta','delta':{'stop_reason':'end_turn'},'usage':{"
                "'input_tokens':12,'cache_read_input_tokens':0,'output_tokens':9,"
                "'output_tokens_details':{'thinking_tokens':3}}}",
                STOP},
     .log = "Bm1\nU0 45 5 20 10 1 0\nU1 47 5 20 10 4 0\nU1 42 0 20 10 9 3\nF0\nD\n"},
    {.name = "counts of a cache that is not split",
     .events = {START,
                "{'type':'message_delta','delta':{'stop_reason':'end_turn'},'usage':{"
                "'input_tokens':0,'cache_creation_input_tokens':7,'output_tokens':0}}",
                STOP},
     .log = "Bm1\nU1 7 0 7 0 0 0\nF0\nD\n"},
    {.name = "counts without that of the answer",
     .events = {START,
                "{'type':'message_delta','delta':{'stop_reason':'end_turn'},'usage':{"
                "'input_tokens':3}}",
                STOP},
     .log = "Bm1\nU0 3 0 0 0 0 0\nF0\nD\n"},
    {.name = "counts that cannot be",
     .events = {START,
                "{'type':'message_delta','delta':{'stop_reason':'end_turn'},'usage':{"
                "'input_tokens':-5,'cache_read_input_tokens':'x','output_tokens':2,"
                "'cache_creation':{'ephemeral_1h_input_tokens':9},"
                "'cache_creation_input_tokens':4,"
                "'output_tokens_details':{'thinking_tokens':50}}}",
                STOP},
     .log = "Bm1\nU1 4 0 0 4 2 2\nF0\nD\n"},
    {.name = "refusal",
     .events = {START, BLOCK(0, "'text'"), TEXT(0, "So"), CLOSE(0),
                "{'type':'message_delta','delta':{'stop_reason':'refusal','stop_details':"
                "{'type':'refusal','category':'bio','explanation':'Not this.'}}}",
                STOP},
     .log = "Bm1\nT0:So\nN0:Not this.\nF3\nD\n"},
    {.name = "refusal, nothing said",
     .events = {START, END("refusal"), STOP},
     .log = "Bm1\nF3\nD\n"},
    {.name = "stop_sequence", .events = {START, END("stop_sequence"), STOP}, .log = "Bm1\nF0\nD\n"},
    {.name = "context full",
     .events = {START, END("model_context_window_exceeded"), STOP},
     .log = "Bm1\nF1\nD\n"},
    {.name = "pause_turn", .events = {START, END("pause_turn"), STOP}, .log = "Bm1\nF0\nD\n"},
    {.name = "a reason that is not known",
     .events = {START, END("tired"), STOP},
     .log = "Bm1\nF0\nD\n"},
    {.name = "what follows the end is not read",
     .events = {START, END("end_turn"), STOP, TEXT(0, "x"), "no json"},
     .log = "Bm1\nF0\nD\n"},
    {.name = "json in a fence",
     .events = {START, BLOCK(0, "'text','text':'``'"), TEXT(0, "`js"), TEXT(0, "on\\n{\\'a\\'"),
                TEXT(0, ":1}\\n``"), TEXT(0, "`\\nDone."), CLOSE(0), END("end_turn"), STOP},
     .log = "Bm1\nT0:{\"a\"\nT0::1}\n\nF0\nD\n",
     .output = OUTPUT_JSON_OBJECT},
    {.name = "json bare",
     .events = {START, BLOCK(0, "'text'"), TEXT(0, "{\\'a\\'"), TEXT(0, ":1}"), END("end_turn"),
                STOP},
     .log = "Bm1\nT0:{\"a\"\nT0::1}\nF0\nD\n",
     .output = OUTPUT_JSON_SCHEMA},
    {.name = "no json where json was wanted",
     .events = {START, BLOCK(0, "'text'"), TEXT(0, "``"), END("end_turn"), STOP},
     .log = "Bm1\nT0:``\nF0\nD\n",
     .output = OUTPUT_JSON_OBJECT},
    {.name = "a fence in text is text",
     .events = {START, BLOCK(0, "'text'"), TEXT(0, "```json"), END("end_turn"), STOP},
     .log = "Bm1\nT0:```json\nF0\nD\n"},
    /* Failures. */
    {.name = "overloaded",
     .events = {START, "{'type':'error','error':{'type':'overloaded_error','message':'Over'}}"},
     .code = ERR_UPSTREAM_BUSY,
     .retryable = true},
    {.name = "api_error",
     .events = {START, "{'type':'error','error':{'type':'api_error','message':'Oops'}}"},
     .code = ERR_UPSTREAM,
     .retryable = true},
    {.name = "timeout",
     .events = {"{'type':'error','error':{'type':'timeout_error','message':'Late'}}"},
     .code = ERR_TIMEOUT,
     .retryable = true},
    {.name = "our key",
     .events = {"{'type':'error','error':{'type':'authentication_error','message':'x'}}"},
     .code = ERR_UPSTREAM_AUTH},
    {.name = "error without words",
     .events = {"{'type':'error'}"},
     .code = ERR_UPSTREAM,
     .retryable = true},
    {.name = "no JSON", .events = {START, "{'type':"}, .code = ERR_UPSTREAM, .retryable = true},
    {.name = "no object", .events = {START, "[1]"}, .code = ERR_UPSTREAM, .retryable = true},
    {.name = "null", .events = {"null"}, .code = ERR_UPSTREAM, .retryable = true},
    {.name = "call without a name",
     .events = {START, BLOCK(0, "'tool_use','id':'a','name':5")},
     .code = ERR_UPSTREAM,
     .retryable = true},
    {.name = "the end without a reason",
     .events = {START, STOP},
     .code = ERR_UPSTREAM,
     .retryable = true},
};

static void run_stream(struct run *run, const struct stream_case *c)
{
    struct neutral_content content = {.output = c->output, .tool_choice = c->tool_choice};

    run_init(run, &content);
    for (size_t k = 0; k < ARRAY_LEN(c->events) && c->events[k] != NULL && run->rc == 0; k++) {
        /* Padded as the provider does it, in memory of its exact size. */
        char *text = quoted(c->events[k]);
        size_t len = strlen(text);
        char *copy = mem_alloc(len + 3);
        memcpy(copy, text, len);
        memcpy(copy + len, "  \n", 3);
        run->rc = messages_format.read_event(&run->reader, (struct span){copy, len + 3}, collect,
                                             &run->seen, &run->err);
        mem_free(copy);
        mem_free(text);
    }
}

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stream_cases); i++) {
        const struct stream_case *c = &stream_cases[i];
        struct run run;
        run_stream(&run, c);
        if (c->log != NULL) {
            if (run.rc != 0 || strcmp(run.seen.log.data, c->log) != 0)
                fail_msg("%s: %d\n%s", c->name, run.rc, run.seen.log.data);
        } else {
            if (run.rc != -1 || run.err.code != c->code || run.err.retryable != c->retryable)
                fail_msg("%s: %d %s", c->name, run.rc, run.err.message);
            assert_int_equal(run.seen.done, 0);
        }
        run_fini(&run);
    }
}

/* An error's words come through, keys in them do not. */
static void test_error_event_is_masked(void **state)
{
    static const struct stream_case c = {
        .events = {"{'type':'error','error':{'type':'api_error',"
                   "'message':'Bad thing with sk-ant-api03-abcdefghijklmnop'}}"}};
    struct run run;

    (void)state;
    run_stream(&run, &c);
    assert_int_equal(run.rc, -1);
    assert_non_null(strstr(run.err.message, "Bad thing"));
    assert_null(strstr(run.err.message, "abcdefgh"));
    assert_null(strstr(run.err.detail, "abcdefgh"));
    run_fini(&run);
}

/* The receiver's answer stops the reading and comes back. */
static void test_receiver_stops(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        struct run run;
        run_init(&run, NULL);
        run.seen.stop = true;
        if (read_recording(&text, recordings[i].dir, "response.sse")) {
            read_stream(&run, text.data, text.len, text.len);
        } else {
            assert_true(read_recording(&text, recordings[i].dir, "response.json"));
            read_plain(&run, text.data, text.len);
        }
        assert_int_equal(run.rc, 7);
        assert_non_null(strchr(run.seen.log.data, '\n'));
        assert_int_equal(strchr(run.seen.log.data, '\n') + 1 - run.seen.log.data, run.seen.log.len);
        run_fini(&run);
    }
    buf_fini(&text);
}

/* Thinking beyond what is kept is shown, but not offered for the next turn. */
static void test_much_thinking(void **state)
{
    enum { PIECES = 9 * 1024 };
    char piece[1200];
    struct run run;

    (void)state;
    run_init(&run, NULL);
    int n = snprintf(piece, sizeof piece,
                     "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
                     "{\"type\":\"thinking\",\"signature\":\"s\"}}");
    struct span event = {piece, (size_t)n};
    assert_int_equal(messages_format.read_event(&run.reader, event, collect, &run.seen, &run.err),
                     0);
    n = snprintf(piece, sizeof piece,
                 "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                 "{\"type\":\"thinking_delta\",\"thinking\":\"%01024d\"}}",
                 0);
    event.len = (size_t)n;
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(
            messages_format.read_event(&run.reader, event, collect, &run.seen, &run.err), 0);
    n = snprintf(piece, sizeof piece,
                 "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}");
    event.len = (size_t)n;
    assert_int_equal(messages_format.read_event(&run.reader, event, collect, &run.seen, &run.err),
                     0);
    assert_int_equal(run.seen.reasoning.len, PIECES * 1024);
    assert_int_equal(run.seen.thoughts.len, 0);
    assert_int_equal(run.seen.finish, FINISH_STOP);
    run_fini(&run);
}

static void test_too_many_blocks(void **state)
{
    char event[96];
    struct run run;
    int i = 0;

    (void)state;
    run_init(&run, NULL);
    for (; i < 10000 && run.rc == 0; i++) {
        int n = snprintf(event, sizeof event, "{\"type\":\"content_block_start\",\"index\":%d}", i);
        run.rc = messages_format.read_event(&run.reader, (struct span){event, (size_t)n}, collect,
                                            &run.seen, &run.err);
    }
    assert_int_equal(run.rc, -1);
    assert_int_equal(run.err.code, ERR_UPSTREAM);
    assert_in_range(i, 100, 1000);
    run_fini(&run);
}

/* Plain answers that are none. */
static void test_plain_failures(void **state)
{
    static const struct {
        const char *answer;
        enum err_code code;
    } cases[] = {
        {"[]", ERR_UPSTREAM},
        {"null", ERR_UPSTREAM},
        {"{}", ERR_UPSTREAM},
        {"{'type':'message','content':'x','stop_reason':'end_turn'}", ERR_UPSTREAM},
        {"{'type':'message','content':[{'type':'text','text':'x'}]}", ERR_UPSTREAM},
        {"{'content':[{'type':'tool_use','name':'x'}],'stop_reason':'tool_use'}", ERR_UPSTREAM},
        {"{'type':'error','error':{'type':'overloaded_error','message':'x'}}", ERR_UPSTREAM_BUSY},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = quoted(cases[i].answer);
        struct run run;
        run_init(&run, NULL);
        read_plain(&run, text, strlen(text));
        assert_int_equal(run.rc, -1);
        assert_int_equal(run.err.code, cases[i].code);
        assert_int_equal(run.seen.done, 0);
        run_fini(&run);
        mem_free(text);
    }
}

/* Wrong types: every member of an answer and of a stream's events, one after the other, becomes
 * each kind of value. Nothing may crash, and a failure must be told. */

static const char *const values[] = {"null",  "true", "-1", "1.5", "9223372036854775807",
                                     "\"x\"", "[]",   "{}", "[[]]"};

/* Replaces the n-th member below v, depth first; counts down. */
static bool replace_member(struct json_object *v, int *n, struct json_object *with)
{
    if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++) {
            if ((*n)-- == 0) {
                json_object_array_put_idx(v, i, json_object_get(with));
                return true;
            }
            if (replace_member(json_object_array_get_idx(v, i), n, with))
                return true;
        }
    } else if (json_object_is_type(v, json_type_object)) {
        json_object_object_foreach(v, key, member)
        {
            if ((*n)-- == 0) {
                jsonx_set_ref(v, key, with);
                return true;
            }
            if (replace_member(member, n, with))
                return true;
        }
    }
    return false;
}

static void check_outcome(const struct run *run)
{
    assert_true(run->rc == 0 || run->rc == -1);
    if (run->rc != 0) {
        assert_true(run->err.status >= 400);
        assert_true(run->err.message[0] != '\0');
    }
}

/* One event, spoilt, amid the others. */
static void spoil_event(const struct stream_case *c, size_t at, int member, const char *value,
                        bool *more)
{
    struct json_object *with = NULL;
    struct run run;

    run_init(&run, NULL);
    if (jsonx_parse(&with, value, strlen(value), &run.err) != 0)
        fail_msg("%s", value);
    for (size_t i = 0; i < ARRAY_LEN(c->events) && c->events[i] != NULL && run.rc == 0; i++) {
        char *text = quoted(c->events[i]);
        struct json_object *event = NULL;
        struct buf out;
        assert_int_equal(jsonx_parse(&event, text, strlen(text), &run.err), 0);
        if (i == at)
            *more = replace_member(event, &member, with);
        buf_init(&out, TEXT_MAX);
        jsonx_write(&out, event);
        run.rc =
            messages_format.read_event(&run.reader, buf_span(&out), collect, &run.seen, &run.err);
        buf_fini(&out);
        json_object_put(event);
        mem_free(text);
    }
    check_outcome(&run);
    json_object_put(with);
    run_fini(&run);
}

static void test_wrong_types_in_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stream_cases); i++) {
        const struct stream_case *c = &stream_cases[i];
        if (c->log == NULL || strstr(c->name, "the end is not read") != NULL)
            continue;
        for (size_t at = 0; at < ARRAY_LEN(c->events) && c->events[at] != NULL; at++) {
            bool more = true;
            for (int member = 0; more; member++)
                for (size_t v = 0; v < ARRAY_LEN(values); v++)
                    spoil_event(c, at, member, values[v], &more);
        }
    }
}

static void spoil_answer(const char *answer, int member, const char *value, bool *more)
{
    struct json_object *with = NULL;
    struct json_object *json = NULL;
    struct run run;

    run_init(&run, NULL);
    if (jsonx_parse(&with, value, strlen(value), &run.err) != 0 ||
        jsonx_parse(&json, answer, strlen(answer), &run.err) != 0)
        fail_msg("%s", value);
    *more = replace_member(json, &member, with);
    run.rc = messages_format.read_answer(&run.reader, json, collect, &run.seen, &run.err);
    check_outcome(&run);
    json_object_put(json);
    json_object_put(with);
    run_fini(&run);
}

static void test_wrong_types_in_answers(void **state)
{
    char *answer = quoted(
        "{'id':'m','type':'message','content':[{'type':'thinking','thinking':'t','signature':'s'},"
        "{'type':'redacted_thinking','data':'d'},{'type':'text','text':'x'},"
        "{'type':'server_tool_use','id':'s'},"
        "{'type':'tool_use','id':'a','name':'f','input':{'b':[1]}}],'stop_reason':'refusal',"
        "'stop_details':{'explanation':'e'},'usage':{'input_tokens':1,'output_tokens':2,"
        "'cache_read_input_tokens':3,'cache_creation_input_tokens':4,'cache_creation':"
        "{'ephemeral_5m_input_tokens':1,'ephemeral_1h_input_tokens':3},"
        "'output_tokens_details':{'thinking_tokens':1}}}");
    bool more = true;
    struct run run;

    (void)state;
    run_init(&run, NULL);
    read_plain(&run, answer, strlen(answer));
    assert_int_equal(run.rc, 0);
    assert_string_equal(run.seen.log.data,
                        "Bm\nR0:t\nT0:x\nC0:a f\nA0:{\"b\":[1]}\nU1 8 3 1 3 2 1\nN0:e\n"
                        "S[{\"type\":\"reasoning.text\",\"text\":\"t\",\"signature\":\"s\","
                        "\"format\":\"anthropic-claude-v1\",\"index\":0},"
                        "{\"type\":\"reasoning.encrypted\",\"data\":\"d\","
                        "\"format\":\"anthropic-claude-v1\",\"index\":1}]\nF3\nD\n");
    run_fini(&run);
    for (int member = 0; more; member++)
        for (size_t v = 0; v < ARRAY_LEN(values); v++)
            spoil_answer(answer, member, values[v], &more);
    mem_free(answer);
}

static void test_format(void **state)
{
    (void)state;
    assert_string_equal(messages_format.name, "anthropic");
    assert_string_equal(messages_format.path, "/v1/messages");
    assert_string_equal(messages_format.extra_header, "anthropic-version: 2023-06-01");
    assert_int_equal(messages_format.account, PROVIDER_ANTHROPIC);
    assert_int_equal(messages_format.auth, FORMAT_AUTH_X_API_KEY);
    assert_int_equal(messages_format.language, LANGUAGE_MESSAGES);
    assert_null(messages_format.end_stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_recorded_answers),
        cmocka_unit_test(test_recorded_streams_cut),
        cmocka_unit_test(test_recorded_streams_truncated),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_error_event_is_masked),
        cmocka_unit_test(test_receiver_stops),
        cmocka_unit_test(test_much_thinking),
        cmocka_unit_test(test_too_many_blocks),
        cmocka_unit_test(test_plain_failures),
        cmocka_unit_test(test_wrong_types_in_streams),
        cmocka_unit_test(test_wrong_types_in_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
