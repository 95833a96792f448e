/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever an upstream does: a call that was let in ends in exactly one charge or one release, and
 * nothing of a failed attempt reaches the client. Upstreams are scripted (peer.h); the ledger, the
 * catalog and the health of providers are written down by the functions below, which stand in for
 * those of store/ and core/charge.
 */
#include "base/base.h"

#include "core/charge.h"
#include "core/relay.h"
#include "net/transfer.h"
#include "peer.h"
#include "unit.h"
#include "wire/completions_request.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024, SOON_MS = 300, FAR_MS = 30 * 1000 };

/* What happened, in words: "authorize settle(ok) ". */
static char money[TEXT_MAX];
static char told[TEXT_MAX];
static bool refuse_authorize;
static bool refuse_extend;
static bool database_away;
static bool provider_down;
static struct usage charged;

static void note(char *to, const char *fmt, ...) AIG_PRINTF(2, 3);
static void note(char *to, const char *fmt, ...)
{
    size_t used = strlen(to);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(to + used, TEXT_MAX - used, fmt, ap);
    va_end(ap);
}

int ledger_authorize(struct ledger_hold *out, struct store *s, struct arena *arena,
                     const struct ledger_want *want, struct err *err)
{
    (void)s;
    (void)arena;
    if (refuse_authorize)
        return err_set(err, ERR_NO_CREDIT, NULL, "no credit");
    memset(out, 0, sizeof *out);
    out->output_limit = want->output_limit > 0 ? want->output_limit : 50;
    note(money, "authorize(%lld) ", (long long)want->price_model_id);
    return 0;
}

int ledger_extend(struct ledger_hold *hold, struct store *s, struct arena *arena,
                  const struct ledger_want *want, struct err *err)
{
    (void)hold;
    (void)s;
    (void)arena;
    if (refuse_extend)
        return err_set(err, ERR_KEY_CAP, NULL, "no room");
    note(money, "extend(%lld) ", (long long)want->price_model_id);
    return 0;
}

int ledger_renew(struct store *s, struct arena *arena, const char *request_id, struct err *err)
{
    (void)s;
    (void)arena;
    (void)request_id;
    (void)err;
    note(money, "renew ");
    return 0;
}

const char *charge_settle(const struct charge_call *call, struct usage *usage,
                          int64_t prompt_estimate, int64_t completion_estimate,
                          const struct ledger_outcome *how)
{
    (void)call;
    if (!usage->known) {
        usage->prompt = prompt_estimate;
        usage->completion = completion_estimate;
    }
    charged = *usage;
    note(money, "settle(%s,%s%s%s) ", how->status, how->provider,
         how->hedged_from != NULL ? "<" : "", how->hedged_from != NULL ? how->hedged_from : "");
    return database_away ? NULL : "0.5";
}

void charge_release(const struct charge_call *call, const struct ledger_outcome *how)
{
    (void)call;
    note(money, "release(%s) ", how->status);
}

int catalog_load(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    static const struct catalog_model model = {
        .id = 1,
        .name = "m",
        .kind = KIND_CHAT,
        .dialect = "openai-chat",
        .max_output_tokens = 100,
        .routes = {{.api = API_OPENAI, .upstream_model = "first", .price_model_id = 1},
                   {.api = API_OPENROUTER, .upstream_model = "v/second", .price_model_id = 2}},
        .route_count = 2,
    };
    (void)s;
    (void)err;
    *out = (struct catalog){.models = arena_alloc(arena, 2 * sizeof model), .model_count = 2};
    out->models[0] = model;
    out->models[1] = model;
    out->models[1].name = "alone";
    out->models[1].route_count = 1;
    return 0;
}

int health_load(struct health_entry **out, size_t *count, struct store *s, struct arena *arena,
                struct err *err)
{
    (void)s;
    (void)err;
    *count = provider_down ? 1 : 0;
    *out = arena_zalloc(arena, sizeof **out);
    (*out)->provider = "openai";
    (*out)->failures = 9;
    (*out)->down = true;
    return 0;
}

int health_fail(struct store *s, struct arena *arena, const char *provider, const char *what,
                struct err *err)
{
    (void)s;
    (void)arena;
    (void)what;
    (void)err;
    note(money, "fault(%s) ", provider);
    return 0;
}

int health_recover(struct store *s, struct arena *arena, const char *provider, struct err *err)
{
    (void)s;
    (void)arena;
    (void)err;
    note(money, "well(%s) ", provider);
    return 0;
}

int health_probe(bool *won, struct store *s, struct arena *arena, const char *provider,
                 struct err *err)
{
    (void)s;
    (void)arena;
    (void)provider;
    (void)err;
    *won = true;
    return 0;
}

/* The client's end. */

struct client {
    bool leave_at_begin;
    int leave_at_event; /* 0: stays */
    int events;
    bool gone;
};

static int sink_begin(const struct relay_head *head, void *arg)
{
    struct client *c = arg;

    note(told, "begin(%s) ", head->provider);
    return c->leave_at_begin;
}

static int sink_event(const struct event *event, void *arg)
{
    struct client *c = arg;

    if (event->kind == EVENT_CHUNK || event->kind == EVENT_ANSWER) {
        c->events++;
        note(told, "event ");
    }
    return c->leave_at_event > 0 && c->events >= c->leave_at_event;
}

static int sink_comment(void *arg)
{
    (void)arg;
    note(told, "comment ");
    return 0;
}

static int sink_end(const struct relay_head *head, const struct usage *usage,
                    const char *charge_usd, void *arg)
{
    (void)usage;
    (void)arg;
    note(told, "end(%s,%s) ", head->provider, charge_usd != NULL ? charge_usd : "later");
    return 0;
}

static int sink_fail(const struct err *err, void *arg)
{
    (void)arg;
    note(told, "fail(%d) ", err->status);
    return 0;
}

static bool sink_gone(void *arg)
{
    const struct client *c = arg;

    return c->gone;
}

static int sink_watch_fd(void *arg)
{
    (void)arg;
    return -1;
}

static const struct relay_sink sink = {
    .begin = sink_begin,
    .event = sink_event,
    .comment = sink_comment,
    .end = sink_end,
    .fail = sink_fail,
    .gone = sink_gone,
    .watch_fd = sink_watch_fd,
};

static int no_content(struct neutral_request *request, struct arena *arena, struct err *err)
{
    (void)request;
    (void)arena;
    (void)err;
    fail();
    return -1;
}

/* One call. */

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
        "{\"choices\":[{\"message\":{\"content\":\"abcd\"}}],\"usage\":{\"prompt_tokens\":7,"      \
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

struct fixture {
    struct peer peers[2];
    struct conf conf;
    char urls[2][64];
    struct app app;
    struct arena *arena;
    struct relay *relay;
    struct client client;
    struct neutral_request request;
    struct err err;
};

static void set_script(struct peer *p, const char *answer)
{
    p->scripts[0][0] = (struct peer_step){.kind = PEER_REQUEST};
    if (answer != NULL)
        p->scripts[0][1] = (struct peer_step){.kind = PEER_SEND, .text = answer};
}

static void prepare(struct fixture *f, const char *first, const char *second)
{
    memset(f, 0, sizeof *f);
    money[0] = told[0] = '\0';
    refuse_authorize = refuse_extend = database_away = provider_down = false;
    set_script(&f->peers[0], first);
    set_script(&f->peers[1], second);
    for (size_t i = 0; i < 2; i++) {
        peer_start(&f->peers[i]);
        snprintf(f->urls[i], sizeof f->urls[i], "http://127.0.0.1:%d", f->peers[i].port);
    }
    f->conf.url[PROVIDER_OPENAI] = f->urls[0];
    f->conf.url[PROVIDER_OPENROUTER] = f->urls[1];
    f->conf.key[PROVIDER_OPENAI] = f->conf.key[PROVIDER_OPENROUTER] = "key";
    f->conf.connect_timeout_ms = f->conf.first_byte_timeout_ms = FAR_MS;
    f->conf.idle_timeout_ms = f->conf.max_call_time_ms = FAR_MS;
    f->app.conf = &f->conf;
    f->app.models = models_new(&f->app.store);
    f->app.hedge = hedge_new(&f->app.store);
    f->arena = arena_new();
    f->relay = relay_new(&f->app);
}

static int run(struct fixture *f, const char *model, bool stream)
{
    static const unsigned char hash[SECRET_SHA256_SIZE];
    char text[256];

    snprintf(text, sizeof text,
             "{\"model\":\"%s\",\"stream\":%s,\"messages\":[{\"role\":\"user\"}]}", model,
             stream ? "true" : "false");
    assert_int_equal(completions_read_request(&f->request, text, strlen(text), &f->err), 0);
    f->request.model = arena_strdup(f->arena, model);
    struct relay_call call = {
        .request_id = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        .key_hash = hash,
        .request = &f->request,
        .read_content = no_content,
        .kind = KIND_CHAT,
        .arena = f->arena,
    };
    err_clear(&f->err);
    return relay_run(f->relay, &call, &sink, &f->client, &f->err);
}

static void finish(struct fixture *f)
{
    neutral_request_fini(&f->request);
    relay_free(f->relay);
    hedge_free(f->app.hedge);
    models_free(f->app.models);
    arena_free(f->arena);
    peer_stop(&f->peers[0]);
    peer_stop(&f->peers[1]);
}

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
    assert_string_equal(money, "authorize(1) extend(2) settle(ok,openrouter<openai) ");
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
