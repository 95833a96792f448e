/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever an upstream does: a call that was let in ends in exactly one charge or one release, and
 * nothing of a failed attempt reaches the client.
 */
#include "base/base.h"

#include "relay_session.h"

#define HEAD       "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
#define ROLE       "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n"
#define TEXT       "data: {\"choices\":[{\"delta\":{\"content\":\"abcd\"}}]}\n\n"
#define FINISH     "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define COUNTS     "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n"
#define DONE       "data: [DONE]\n\n"
#define WHOLE      HEAD ROLE TEXT FINISH COUNTS DONE
#define PLAIN_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
#define ANSWER                                                                                     \
    PLAIN_HEAD                                                                                     \
    "{\"choices\":[{\"message\":{\"content\":\"abcd\"}}],\"usage\":{\"prompt_tokens\":7,"          \
    "\"completion_tokens\":3}}"
#define STATUS(n) "HTTP/1.1 " n " X\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"words\"}}"

struct relay_case {
    const char *name;
    const char *model;
    bool stream;
    const char *first; /* what OpenAI answers, then OpenRouter; NULL: closes without an answer */
    const char *second;
    const char *money;
    const char *told;
    int status; /* 0: relay_run answers 0 */
};

static const struct relay_case cases[] = {
    {"plain", "alone", false, ANSWER, NULL, "authorize(1) settle(ok,openai) ",
     "event end(openai,0.5) ", 0},
    {"stream", "alone", true, WHOLE, NULL, "authorize(1) settle(ok,openai) ",
     "begin(openai) event event event end(openai,0.5) ", 0},
    {"stream without content", "alone", true, HEAD ROLE COUNTS DONE, NULL,
     "authorize(1) settle(ok,openai) ", "begin(openai) event end(openai,0.5) ", 0},
    {"stream with nothing", "alone", true, HEAD DONE, NULL, "authorize(1) settle(ok,openai) ",
     "begin(openai) end(openai,0.5) ", 0},
    {"what comes after [DONE] is ignored", "alone", true, WHOLE "data: nonsense\n\n", NULL,
     "authorize(1) settle(ok,openai) ", "begin(openai) event event event end(openai,0.5) ", 0},
    {"400", "alone", false, STATUS("400"), NULL, "authorize(1) release(upstream_error) ", "", 400},
    {"401", "alone", true, STATUS("401"), NULL, "authorize(1) release(upstream_error) ", "", 502},
    {"429", "alone", true, STATUS("429"), NULL, "authorize(1) release(upstream_error) ", "", 429},
    {"500", "alone", true, STATUS("500"), NULL, "authorize(1) release(upstream_error) ", "", 502},
    {"no answer", "alone", true, NULL, NULL, "authorize(1) release(upstream_error) ", "", 502},
    {"no JSON", "alone", false, PLAIN_HEAD "<html>", NULL, "authorize(1) release(upstream_error) ",
     "", 502},
    {"no stream", "alone", true, ANSWER, NULL, "authorize(1) release(upstream_error) ", "", 502},
    {"a stream that was not asked for", "alone", false, WHOLE, NULL,
     "authorize(1) release(upstream_error) ", "", 502},
    {"cut before content", "alone", true, HEAD ROLE, NULL, "authorize(1) release(upstream_error) ",
     "", 502},
    {"cut after content", "alone", true, HEAD ROLE TEXT, NULL,
     "authorize(1) release(upstream_error) ", "begin(openai) event event fail(502) ", 0},
    {"cut before [DONE]", "alone", true, HEAD ROLE TEXT FINISH COUNTS, NULL,
     "authorize(1) release(upstream_error) ", "begin(openai) event event event fail(502) ", 0},
    {"broken event before content", "alone", true, HEAD ROLE "data: {\n\n", NULL,
     "authorize(1) release(upstream_error) ", "", 502},
    {"error event after content", "alone", true,
     HEAD ROLE TEXT "data: {\"error\":{\"message\":\"x\"}}\n\n" DONE, NULL,
     "authorize(1) release(upstream_error) ", "begin(openai) event event fail(502) ", 0},

    {"well, with a hedge", "m", false, ANSWER, NULL, "authorize(1) settle(ok,openai) ",
     "event end(openai,0.5) ", 0},
    {"500 is hedged", "m", false, STATUS("500"), ANSWER,
     "authorize(1) fault(openai) extend(2) settle(ok,openrouter<openai) ",
     "event end(openrouter,0.5) ", 0},
    {"no answer is hedged", "m", true, NULL, WHOLE,
     "authorize(1) fault(openai) extend(2) settle(ok,openrouter<openai) ",
     "begin(openrouter) event event event end(openrouter,0.5) ", 0},
    {"cut before content is hedged", "m", true, HEAD ROLE, WHOLE,
     "authorize(1) fault(openai) extend(2) settle(ok,openrouter<openai) ",
     "begin(openrouter) event event event end(openrouter,0.5) ", 0},
    {"nonsense is hedged", "m", false, PLAIN_HEAD "<html>", ANSWER,
     "authorize(1) fault(openai) extend(2) settle(ok,openrouter<openai) ",
     "event end(openrouter,0.5) ", 0},
    {"cut after content is not", "m", true, HEAD ROLE TEXT, WHOLE,
     "authorize(1) fault(openai) release(upstream_error) ", "begin(openai) event event fail(502) ",
     0},
    {"400 is not", "m", true, STATUS("400"), WHOLE, "authorize(1) release(upstream_error) ", "",
     400},
    {"429 is not", "m", true, STATUS("429"), WHOLE, "authorize(1) release(upstream_error) ", "",
     429},
    {"401 is not", "m", false, STATUS("401"), ANSWER, "authorize(1) release(upstream_error) ", "",
     502},
    /* The client chose OpenAI's model: its failure is what is told. */
    {"both fail", "m", true, STATUS("503"), STATUS("400"),
     "authorize(1) fault(openai) extend(2) release(upstream_error) ", "", 503},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct relay_case *c = &cases[i];
        struct fixture f;
        prepare(&f, c->first, c->second);
        int rc = run(&f, c->model, c->stream);
        if (strcmp(money, c->money) != 0 || strcmp(told, c->told) != 0 || f.err.status != c->status)
            print_message("%s: status %d\n", c->name, f.err.status);
        assert_string_equal(money, c->money);
        assert_string_equal(told, c->told);
        assert_int_equal(rc, c->status == 0 ? 0 : -1);
        assert_int_equal(f.err.status, c->status);
        finish(&f);
    }
}

static void test_not_let_in(void **state)
{
    (void)state;
    struct fixture f;

    prepare(&f, ANSWER, NULL);
    refuse_authorize = true;
    assert_int_equal(run(&f, "alone", false), -1);
    assert_int_equal(f.err.status, 402);
    assert_int_equal(atomic_load(&f.peers[0].connections), 0);
    assert_string_equal(money, "");
    neutral_request_fini(&f.request);
    refuse_authorize = false;
    assert_int_equal(run(&f, "nobody", false), -1);
    assert_int_equal(f.err.status, 404);
    assert_string_equal(money, "");
    finish(&f);
}

/* The hold cannot be made large enough for the dearer model: the original failure. */
static void test_hedge_without_room(void **state)
{
    (void)state;
    struct fixture f;

    prepare(&f, STATUS("500"), ANSWER);
    refuse_extend = true;
    assert_int_equal(run(&f, "m", false), -1);
    assert_int_equal(f.err.status, 502);
    assert_string_equal(money, "authorize(1) fault(openai) release(upstream_error) ");
    assert_int_equal(atomic_load(&f.peers[1].connections), 0);
    finish(&f);
}

/* Marked down: the hedge is asked at once. */
static void test_provider_down(void **state)
{
    (void)state;
    struct fixture f;

    prepare(&f, ANSWER, ANSWER);
    provider_down = true;
    assert_int_equal(run(&f, "m", false), 0);
    assert_string_equal(money, "authorize(2) settle(ok,openrouter<openai) ");
    assert_int_equal(atomic_load(&f.peers[0].connections), 0);
    finish(&f);
}

static void test_charge_not_known_yet(void **state)
{
    (void)state;
    struct fixture f;

    prepare(&f, WHOLE, NULL);
    database_away = true;
    assert_int_equal(run(&f, "alone", true), 0);
    assert_string_equal(told, "begin(openai) event event event end(openai,later) ");
    finish(&f);
}

/* Counts that the provider never told are estimated from what was delivered. */
static void test_estimates(void **state)
{
    (void)state;
    struct fixture f;

    prepare(&f, HEAD ROLE TEXT TEXT FINISH DONE, NULL);
    assert_int_equal(run(&f, "alone", true), 0);
    assert_false(charged.known);
    assert_int_equal(charged.completion, 2);
    assert_true(charged.prompt > 0);
    finish(&f);
    prepare(&f, WHOLE, NULL);
    assert_int_equal(run(&f, "alone", true), 0);
    assert_true(charged.known);
    assert_int_equal(charged.prompt, 7);
    assert_int_equal(charged.completion, 3);
    finish(&f);
}

static void test_client_leaves(void **state)
{
    (void)state;
    static const struct {
        bool stream;
        bool at_begin;
        int at_event;
        const char *first;
        const char *money;
    } leaves[] = {
        {true, true, 0, WHOLE, "authorize(1) settle(client_gone,openai) "},
        {true, false, 1, WHOLE, "authorize(1) settle(client_gone,openai) "},
        {true, false, 2, WHOLE, "authorize(1) settle(client_gone,openai) "},
        {true, false, 2, HEAD ROLE TEXT, "authorize(1) settle(client_gone,openai) "},
    };
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        struct fixture f;
        prepare(&f, leaves[i].first, NULL);
        f.client.leave_at_begin = leaves[i].at_begin;
        f.client.leave_at_event = leaves[i].at_event;
        assert_int_equal(run(&f, "alone", leaves[i].stream), -1);
        assert_int_equal(f.err.code, ERR_CLIENT_GONE);
        assert_string_equal(money, leaves[i].money);
        assert_null(strstr(told, "fail"));
        finish(&f);
    }
}

/* Gone while the upstream is silent: nothing was delivered, nothing is charged, and nobody else is
 * asked. */
static void test_client_leaves_in_silence(void **state)
{
    (void)state;
    for (int stream = 0; stream < 2; stream++) {
        struct fixture f;
        prepare(&f, NULL, ANSWER);
        f.peers[0].scripts[0][1] = (struct peer_step){.kind = PEER_WAIT};
        f.client.gone = true;
        assert_int_equal(run(&f, "m", stream == 1), -1);
        assert_int_equal(f.err.code, ERR_CLIENT_GONE);
        assert_string_equal(money, "authorize(1) release(client_gone) ");
        finish(&f);
        assert_int_equal(atomic_load(&f.peers[1].connections), 0);
    }
}

static void test_timeouts(void **state)
{
    (void)state;
    struct fixture f;

    prepare(&f, NULL, NULL);
    f.peers[0].scripts[0][1] = (struct peer_step){.kind = PEER_WAIT};
    f.conf.first_byte_timeout_ms = SOON_MS;
    assert_int_equal(run(&f, "alone", true), -1);
    assert_int_equal(f.err.status, 504);
    assert_string_equal(money, "authorize(1) release(timeout) ");
    finish(&f);

    prepare(&f, HEAD ROLE TEXT, NULL);
    f.peers[0].scripts[0][2] = (struct peer_step){.kind = PEER_WAIT};
    f.conf.idle_timeout_ms = SOON_MS;
    assert_int_equal(run(&f, "alone", true), 0);
    assert_string_equal(told, "begin(openai) event event fail(504) ");
    assert_string_equal(money, "authorize(1) release(timeout) ");
    finish(&f);

    /* The answer is whole; that its connection stays open changes nothing. */
    prepare(&f, WHOLE, NULL);
    f.peers[0].scripts[0][2] = (struct peer_step){.kind = PEER_WAIT};
    f.conf.idle_timeout_ms = SOON_MS;
    assert_int_equal(run(&f, "alone", true), 0);
    assert_string_equal(money, "authorize(1) settle(ok,openai) ");
    finish(&f);
}

/* One relay, call after call: nothing of one is left for the next. */
static void test_calls_in_turn(void **state)
{
    (void)state;
    static const char *const answers[] = {HEAD ROLE TEXT, WHOLE, HEAD ROLE "data: {\n\n", WHOLE};
    struct fixture f;

    prepare(&f, NULL, NULL);
    for (int i = 0; i < PEER_SCRIPTS_MAX; i++) {
        f.peers[0].scripts[i][0] = (struct peer_step){.kind = PEER_REQUEST};
        f.peers[0].scripts[i][1] = (struct peer_step){.kind = PEER_SEND, .text = answers[i]};
    }
    f.peers[0].script_count = PEER_SCRIPTS_MAX;
    for (int i = 0; i < PEER_SCRIPTS_MAX; i++) {
        money[0] = told[0] = '\0';
        (void)(run(&f, "alone", true) == 0);
        neutral_request_fini(&f.request);
        if (i % 2 == 1)
            assert_string_equal(told, "begin(openai) event event event end(openai,0.5) ");
        else
            assert_string_equal(money, "authorize(1) release(upstream_error) ");
    }
    finish(&f);
}

static int group_start(void **state)
{
    struct err err;

    (void)state;
    log_set_level(LOG_LEVEL_ERROR);
    return transfer_global_init(&err);
}

static int group_stop(void **state)
{
    (void)state;
    transfer_global_fini();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_not_let_in),
        cmocka_unit_test(test_hedge_without_room),
        cmocka_unit_test(test_provider_down),
        cmocka_unit_test(test_charge_not_known_yet),
        cmocka_unit_test(test_estimates),
        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_client_leaves_in_silence),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_calls_in_turn),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
