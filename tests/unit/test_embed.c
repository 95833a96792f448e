/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls through core/embed without a database: the upstream is scripted (peer.h), the functions of
 * store/ and core/charge are replaced by some that write down what is asked of them. Each call that
 * was let in ends in exactly one charge or one release.
 */
#include "base/base.h"

#include "core/charge.h"
#include "core/embed.h"
#include "net/transfer.h"
#include "peer.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { MONEY_MAX = 4096, FAR_MS = 30 * 1000, SOON_MS = 200 };

static char money[MONEY_MAX];
static bool refuse;
static struct ledger_want wanted;
static struct usage charged;

static void note(const char *fmt, ...) AIG_PRINTF(1, 2);
static void note(const char *fmt, ...)
{
    size_t used = strlen(money);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(money + used, MONEY_MAX - used, fmt, ap);
    va_end(ap);
}

/* Held, unless the test says otherwise. */
int ledger_authorize(struct ledger_hold *out, struct store *s, struct arena *arena,
                     const struct ledger_want *want, struct err *err)
{
    (void)s;
    (void)arena;
    memset(out, 0, sizeof *out);
    wanted = *want;
    if (refuse)
        return err_set(err, ERR_NO_CREDIT, NULL, "no credit");
    note("authorize(%lld) ", (long long)want->price_model_id);
    return 0;
}

/* Embeddings are never hedged. */
int ledger_extend(struct ledger_hold *hold, struct store *s, struct arena *arena,
                  const struct ledger_want *want, struct err *err)
{
    (void)hold;
    (void)s;
    (void)arena;
    (void)want;
    note("extend ");
    return err_set(err, ERR_INTERNAL, NULL, "extended");
}

/* As in its own header. */
int ledger_renew(struct store *s, struct arena *arena, const char *request_id, struct err *err)
{
    (void)s;
    (void)arena;
    (void)request_id;
    (void)err;
    note("renew ");
    return 0;
}

/* As in its own header. */
void ledger_open(struct store *s)
{
    (void)s;
}

/* As in its own header. */
void ledger_close(struct store *s)
{
    (void)s;
}

/* As in its own header. */
const char *charge_settle(const struct charge_call *call, struct usage *usage,
                          int64_t prompt_estimate, int64_t completion_estimate,
                          const struct ledger_outcome *how)
{
    (void)call;
    if (!usage->known)
        usage->prompt = prompt_estimate;
    assert_int_equal(completion_estimate, 0);
    charged = *usage;
    note("settle(%s,%s,%d)", how->status, how->provider, how->http_status);
    return "0.5";
}

/* As in its own header. */
void charge_release(const struct charge_call *call, const struct ledger_outcome *how)
{
    (void)call;
    note("release(%s)", how->status);
}

/* As in its own header. */
int catalog_load(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    static const struct catalog_model models[] = {
        {.id = 1,
         .name = "e",
         .kind = KIND_EMBEDDING,
         .context_length = 100,
         .message_tokens = 8,
         .routes = {{.api = API_OPENAI, .upstream_model = "up", .price_model_id = 7}},
         .route_count = 1},
        {.id = 2,
         .name = "g",
         .kind = KIND_EMBEDDING,
         .routes = {{.api = API_GOOGLE, .upstream_model = "gem", .price_model_id = 8}},
         .route_count = 1},
        {.id = 3,
         .name = "old",
         .kind = KIND_EMBEDDING,
         .retires_on_s = 1,
         .successor = "e",
         .route_count = 0},
    };
    (void)s;
    (void)err;
    *out = (struct catalog){.models = arena_alloc(arena, sizeof models),
                            .model_count = ARRAY_LEN(models)};
    memcpy(out->models, models, sizeof models);
    return 0;
}

struct fixture {
    struct peer peer;
    struct conf conf;
    char url[64];
    struct app app;
    struct arena *arena;
    struct relay *relay;
    struct embeddings_request request;
    struct embed_result result;
    struct err err;
    int gone_after; /* asked so many times; -1: stays */
};

static bool gone(void *arg)
{
    struct fixture *f = arg;

    return f->gone_after >= 0 && f->gone_after-- == 0;
}

static void prepare(struct fixture *f, const struct peer_step *steps, size_t count)
{
    memset(f, 0, sizeof *f);
    money[0] = '\0';
    refuse = false;
    f->gone_after = -1;
    memcpy(f->peer.scripts[0], steps, count * sizeof *steps);
    peer_start(&f->peer);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d", f->peer.port);
    f->conf.url[PROVIDER_OPENAI] = f->conf.url[PROVIDER_GOOGLE] = f->url;
    f->conf.key[PROVIDER_OPENAI] = f->conf.key[PROVIDER_GOOGLE] = "the-key";
    f->conf.connect_timeout_ms = f->conf.first_byte_timeout_ms = FAR_MS;
    f->conf.idle_timeout_ms = f->conf.max_call_time_ms = FAR_MS;
    f->app.conf = &f->conf;
    f->app.models = models_new(&f->app.store);
    f->arena = arena_new();
    f->relay = relay_new(&f->app);
}

static int run(struct fixture *f, const char *text)
{
    static const unsigned char hash[SECRET_SHA256_SIZE] = {0};

    assert_int_equal(embeddings_read_request(&f->request, text, strlen(text), &f->err), 0);
    struct embed_call call = {
        .app = &f->app,
        .relay = f->relay,
        .request_id = "req_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        .key_hash = hash,
        .request = &f->request,
        .arena = f->arena,
        .gone = gone,
        .gone_arg = f,
        .watch_fd = -1,
    };
    err_clear(&f->err);
    return embed_run(&f->result, &call, &f->err);
}

static void finish(struct fixture *f)
{
    embeddings_request_fini(&f->request);
    relay_free(f->relay);
    models_free(f->app.models);
    arena_free(f->arena);
    peer_stop(&f->peer);
}

#define REQUEST "{\"model\":\"e\",\"input\":\"some text\"}"
#define HEAD    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n"
#define ANSWER                                                                                     \
    HEAD "{\"data\":[{\"index\":0,\"embedding\":[0.5,-1]}],\"usage\":{\"prompt_tokens\":3}}"
#define SHORT_ANSWER                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Length: 999\r\nContent-Type: application/json\r\n\r\n{\"data\":"
#define STATUS(n)                                                                                  \
    "HTTP/1.1 " n " X\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"the-key is wrong\"}}"

static void test_whole(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST},
                                             {.kind = PEER_SEND, .text = ANSWER}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    assert_int_equal(run(&f, REQUEST), 0);
    assert_string_equal(money, "authorize(7) settle(ok,openai,200)");
    assert_string_equal(f.result.provider, "openai");
    assert_string_equal(f.result.charge_usd, "0.5");
    assert_null(f.result.substituted);
    assert_int_equal(f.result.answer.count, 1);
    assert_true(charged.known);
    assert_int_equal(charged.prompt, 3);
    assert_int_equal(wanted.output_max, 0);
    assert_int_equal(wanted.prompt_bound, 9 + 8 + 16);
    assert_non_null(strstr(f.peer.request, "POST /v1/embeddings HTTP/1.1\r\n"));
    assert_non_null(strstr(f.peer.request, "Authorization: Bearer the-key\r\n"));
    assert_non_null(strstr(f.peer.request, "\"model\":\"up\""));
    embeddings_answer_fini(&f.result.answer);
    finish(&f);
}

static void test_successor(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST},
                                             {.kind = PEER_SEND, .text = ANSWER}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    assert_int_equal(run(&f, "{\"model\":\"old\",\"input\":[[1,2]]}"), 0);
    assert_string_equal(f.result.substituted, "old");
    embeddings_answer_fini(&f.result.answer);
    finish(&f);
}

struct failure {
    const char *answer; /* NULL: closes */
    int status;
    const char *released;
};

static void test_failures(void **state)
{
    (void)state;
    static const struct failure failures[] = {
        {STATUS("400"), 400, "upstream_error"}, {STATUS("401"), 502, "upstream_error"},
        {STATUS("429"), 429, "upstream_error"}, {STATUS("500"), 502, "upstream_error"},
        {NULL, 502, "upstream_error"},          {SHORT_ANSWER, 502, "upstream_error"},
        {HEAD "<html>", 502, "upstream_error"}, {HEAD "{\"data\":[]}", 502, "upstream_error"},
    };

    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        struct peer_step steps[2] = {{.kind = PEER_REQUEST}};
        char expected[64];
        struct fixture f;

        if (failures[i].answer != NULL)
            steps[1] = (struct peer_step){.kind = PEER_SEND, .text = failures[i].answer};
        prepare(&f, steps, ARRAY_LEN(steps));
        assert_int_equal(run(&f, REQUEST), -1);
        snprintf(expected, sizeof expected, "authorize(7) release(%s)", failures[i].released);
        assert_string_equal(money, expected);
        assert_int_equal(f.err.status, failures[i].status);
        assert_null(strstr(f.err.message, "the-key"));
        assert_null(strstr(f.err.detail, "the-key"));
        finish(&f);
    }
}

static void test_silent(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST}, {.kind = PEER_WAIT}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    f.conf.first_byte_timeout_ms = SOON_MS / 5;
    assert_int_equal(run(&f, REQUEST), -1);
    assert_int_equal(f.err.code, ERR_TIMEOUT);
    assert_string_equal(money, "authorize(7) release(timeout)");
    finish(&f);
}

/* The tick asks: the upstream's call is closed, nothing is charged. */
static void test_client_gone(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST}, {.kind = PEER_WAIT}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    f.gone_after = 0;
    assert_int_equal(run(&f, REQUEST), -1);
    assert_int_equal(f.err.code, ERR_CLIENT_GONE);
    assert_string_equal(money, "authorize(7) release(client_gone)");
    finish(&f);
    assert_true(atomic_load(&f.peer.closed_by_client));
}

/* A connection that cannot be made is tried once more; then it is an error. */
static void test_unreachable(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    f.conf.url[PROVIDER_OPENAI] = "http://127.0.0.1:1";
    assert_int_equal(run(&f, REQUEST), -1);
    assert_int_equal(f.err.status, 502);
    assert_string_equal(money, "authorize(7) release(upstream_error)");
    finish(&f);
}

static void test_not_let_in(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    refuse = true;
    assert_int_equal(run(&f, REQUEST), -1);
    assert_int_equal(f.err.status, 402);
    assert_string_equal(money, "");
    embeddings_request_fini(&f.request);
    refuse = false;
    assert_int_equal(run(&f, "{\"model\":\"nobody\",\"input\":\"x\"}"), -1);
    assert_int_equal(f.err.status, 404);
    assert_string_equal(money, "");
    assert_int_equal(atomic_load(&f.peer.connections), 0);
    finish(&f);
}

/* What the provider cannot do is found out with the hold taken. */
static void test_cannot(void **state)
{
    (void)state;
    static const struct peer_step steps[] = {{.kind = PEER_REQUEST}};
    struct fixture f;

    prepare(&f, steps, ARRAY_LEN(steps));
    assert_int_equal(run(&f, "{\"model\":\"g\",\"input\":[1,2]}"), -1);
    assert_int_equal(f.err.status, 400);
    assert_string_equal(f.err.param, "input");
    assert_string_equal(money, "authorize(8) release(error)");
    assert_int_equal(atomic_load(&f.peer.connections), 0);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),       cmocka_unit_test(test_successor),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_silent),
        cmocka_unit_test(test_client_gone), cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_not_let_in),  cmocka_unit_test(test_cannot),
    };
    struct err err;
    if (transfer_global_init(&err) != 0)
        return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    transfer_global_fini();
    return rc;
}
