/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls through core/relay without a database: upstreams are scripted (peer.h), and the functions
 * here stand in for those of store/ and core/charge and write down what is asked of them. Included
 * by one program only.
 */
#ifndef AIG_TEST_RELAY_SESSION_H
#define AIG_TEST_RELAY_SESSION_H

#include "base/base.h"

#include "core/charge.h"
#include "core/relay.h"
#include "net/transfer.h"
#include "peer.h"
#include "unit.h"
#include "wire/completions_content.h"
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

/* Held, unless the test says otherwise. */
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

/* As in its own header. */
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

/* As in its own header. */
int ledger_renew(struct store *s, struct arena *arena, const char *request_id, struct err *err)
{
    (void)s;
    (void)arena;
    (void)request_id;
    (void)err;
    note(money, "renew ");
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
    if (!usage->known) {
        usage->prompt = prompt_estimate;
        usage->completion = completion_estimate;
    }
    charged = *usage;
    note(money, "settle(%s,%s%s%s) ", how->status, how->provider,
         how->hedged_from != NULL ? "<" : "", how->hedged_from != NULL ? how->hedged_from : "");
    return database_away ? NULL : "0.5";
}

/* As in its own header. */
void charge_release(const struct charge_call *call, const struct ledger_outcome *how)
{
    (void)call;
    note(money, "release(%s) ", how->status);
}

/* As in its own header. */
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

/* As in its own header. */
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

/* As in its own header. */
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

/* As in its own header. */
int health_recover(struct store *s, struct arena *arena, const char *provider, struct err *err)
{
    (void)s;
    (void)arena;
    (void)err;
    note(money, "well(%s) ", provider);
    return 0;
}

/* As in its own header. */
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

/* One call. */

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
    static const unsigned char hash[SECRET_SHA256_SIZE] = {0};
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
        .read_content = completions_read_content,
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

#endif
