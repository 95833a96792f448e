/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/reasoning.h"
#include "unit.h"

#include <string.h>

/* The table: one row, kept by the functions that stand in for those of store/carry. */
static char kept_hash[2 * SECRET_SHA256_SIZE + 1];
static struct buf kept;
static size_t puts_count;
static size_t gets_count;

/* As in its own header. */
int carry_put(struct store *s, struct arena *arena, const struct carry_origin *origin,
              const unsigned char hash[SECRET_SHA256_SIZE], struct span sealed, struct err *err)
{
    (void)s;
    (void)arena;
    (void)err;
    assert_int_equal(origin->account_id, 7);
    secret_hex(kept_hash, hash, SECRET_SHA256_SIZE);
    buf_clear(&kept);
    secret_base64(&kept, sealed.ptr, sealed.len);
    puts_count++;
    return 0;
}

/* As in its own header. */
int carry_get(struct carry_row **out, size_t *count, struct store *s, struct arena *arena,
              const struct carry_origin *origin, const char *hashes, struct err *err)
{
    (void)s;
    (void)origin;
    (void)err;
    gets_count++;
    *count = kept.len > 0 && strstr(hashes, kept_hash) != NULL;
    *out = arena_zalloc(arena, sizeof **out);
    **out = (struct carry_row){.hash = kept_hash, .sealed = kept.data};
    return 0;
}

struct fixture {
    struct conf conf;
    struct app app;
    struct reasoning_call call;
    struct reasoning state;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);

    f->conf.secret_key = "0123456789abcdef0123456789abcdef";
    f->app.conf = &f->conf;
    f->call = (struct reasoning_call){
        .app = &f->app, .arena = arena_new(), .request_id = "req_1", .origin = {7, "google", "m"}};
    buf_init(&kept, 64 * 1024 * 1024);
    puts_count = 0;
    gets_count = 0;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    reasoning_fini(&f->state);
    arena_free(f->call.arena);
    buf_fini(&kept);
    mem_free(f);
    return 0;
}

static struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    assert_int_equal(jsonx_parse(&v, text, strlen(text), &err), 0);
    return v;
}

static void take_json(struct fixture *f, enum event_kind kind, const char *text)
{
    struct json_object *json = parsed(text);

    reasoning_take(&f->state, f->call.arena, &(struct event){.kind = kind, .json = json});
    json_object_put(json);
}

static void take_call(struct fixture *f, const char *id)
{
    reasoning_take(&f->state, f->call.arena,
                   &(struct event){.kind = EVENT_CALL_BEGIN, .id = id, .name = "f"});
}

/* What a request with `messages` looks like after its state has been put back. */
static const char *restored(struct fixture *f, const char *messages)
{
    struct neutral_request request = {.language = LANGUAGE_COMPLETIONS};
    struct buf text;

    buf_init(&text, 1024 * 1024);
    request.body = json_object_new_object();
    jsonx_set(request.body, "messages", parsed(messages));
    reasoning_restore(&f->state, &f->call, &request);
    jsonx_write(&text, jsonx_get(request.body, "messages"));
    const char *out = arena_strndup(f->call.arena, text.data, text.len);
    buf_fini(&text);
    neutral_request_fini(&request);
    return out;
}

#define LOOP(id)                                                                                   \
    "[{\"role\":\"user\",\"content\":\"q\"},"                                                      \
    "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" id "\"}]}]"

static void pieces_of_a_stream_are_joined(void **state)
{
    struct fixture *f = *state;
    static const char *const chunks[] = {
        "{\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\","
        "\"text\":\"First \",\"index\":0,\"format\":null}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\","
        "\"text\":\"Rome.\",\"index\":0,\"format\":\"x\"}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\","
        "\"signature\":\"S\",\"index\":0}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning."
        "encrypted\",\"data\":\"D\",\"index\":1}]}}]}",
        "{\"choices\":[{\"index\":1,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\","
        "\"text\":\"another choice\",\"index\":0}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\"}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"c2\"}]}}]}",
        "{\"choices\":[]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(chunks); i++)
        take_json(f, EVENT_CHUNK, chunks[i]);
    reasoning_keep(&f->state, &f->call);
    assert_int_equal(puts_count, 1);
    assert_string_equal(
        restored(f, LOOP("c1")),
        "[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
        "\"c1\"}],\"reasoning_details\":[{\"type\":\"reasoning.text\",\"index\":0,\"format\":\"x\","
        "\"signature\":\"S\",\"text\":\"First Rome.\"},{\"type\":\"reasoning.encrypted\",\"index\":"
        "1,\"data\":\"D\"}]}]");
}

static void extras_go_back_to_their_calls(void **state)
{
    struct fixture *f = *state;
    struct neutral_call calls[] = {{.id = "c1", .name = "f"}, {.id = "c2", .name = "f"}};
    struct neutral_message messages[] = {
        {.role = ROLE_USER},
        {.role = ROLE_ASSISTANT, .calls = calls, .call_count = ARRAY_LEN(calls)},
        {.role = ROLE_TOOL, .tool_call_id = "c1"},
    };
    struct neutral_content content = {.messages = messages, .message_count = ARRAY_LEN(messages)};
    struct neutral_request request = {.content = &content};

    take_call(f, "c1");
    take_call(f, "c2");
    take_json(f, EVENT_CALL_STATE, "{\"google\":{\"thought_signature\":\"S2\"}}");
    reasoning_keep(&f->state, &f->call);
    reasoning_restore(&f->state, &f->call, &request);
    assert_null(calls[0].extra);
    assert_string_equal(jsonx_str(jsonx_object(calls[1].extra, "google"), "thought_signature", ""),
                        "S2");
    assert_null(messages[1].reasoning_details);
    /* What is there is not asked for again. */
    reasoning_restore(&f->state, &f->call, &request);
    assert_int_equal(gets_count, 1);
}

static void nothing_is_kept_without_calls_or_state(void **state)
{
    struct fixture *f = *state;

    take_call(f, "c1");
    reasoning_keep(&f->state, &f->call);
    reasoning_reset(&f->state);
    take_json(f, EVENT_REASONING_STATE, "[{\"type\":\"reasoning.text\",\"text\":\"t\"}]");
    reasoning_keep(&f->state, &f->call);
    take_call(f, "c1");
    f->conf.secret_key = NULL;
    reasoning_keep(&f->state, &f->call);
    assert_int_equal(puts_count, 0);
}

static void only_the_loop_since_the_last_question_is_looked_up(void **state)
{
    struct fixture *f = *state;
    static const char *const requests[] = {
        "[{\"role\":\"user\"}]",
        "[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\"}]},{\"role\":\"user\"}]",
        "[{\"role\":\"user\"},{\"role\":\"assistant\",\"tool_calls\":[]}]",
        "[{\"role\":\"user\"},{\"role\":\"assistant\",\"tool_calls\":[{}]}]",
        "[{\"role\":\"user\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c1\"}],"
        "\"reasoning_details\":[]}]",
    };

    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        assert_string_equal(restored(f, requests[i]), requests[i]);
    assert_int_equal(gets_count, 0);
    assert_string_equal(restored(f, LOOP("unknown")), LOOP("unknown"));
    assert_int_equal(gets_count, 1);
}

static void too_much_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct json_object *list = parsed("[{\"type\":\"reasoning.text\",\"index\":0}]");
    char *text = mem_alloc(REASONING_STATE_MAX / 2 + 1);

    memset(text, 'x', REASONING_STATE_MAX / 2);
    text[REASONING_STATE_MAX / 2] = '\0';
    jsonx_set_str(json_object_array_get_idx(list, 0), "text", text);
    take_call(f, "c1");
    for (int i = 0; i < 3; i++)
        reasoning_take(&f->state, f->call.arena,
                       &(struct event){.kind = EVENT_REASONING_STATE, .json = list});
    reasoning_keep(&f->state, &f->call);
    assert_int_equal(puts_count, 0);
    mem_free(text);
    json_object_put(list);
}

static void what_does_not_open_is_none(void **state)
{
    struct fixture *f = *state;

    take_call(f, "c1");
    take_json(f, EVENT_REASONING_STATE, "[{\"type\":\"reasoning.text\",\"text\":\"t\"}]");
    reasoning_keep(&f->state, &f->call);
    f->conf.secret_key = "another key that is long enough.";
    assert_string_equal(restored(f, LOOP("c1")), LOOP("c1"));
    buf_clear(&kept);
    buf_append_str(&kept, "no base64");
    assert_string_equal(restored(f, LOOP("c1")), LOOP("c1"));
    assert_int_equal(gets_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_of_a_stream_are_joined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(extras_go_back_to_their_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_kept_without_calls_or_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_the_loop_since_the_last_question_is_looked_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(too_much_is_not_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_open_is_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
