/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/idempotency.h"
#include "moneyfix.h"
#include "unit.h"

#include <string.h>

static struct moneyfix fix;
static struct conf conf;
static struct app app;

static const char SECRET[] = "a secret of the configuration 01";

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    conf.secret_key = SECRET;
    app.conf = &conf;
    app.store = fix.store;
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_verify(&fix);
    moneyfix_stop(&fix);
    return 0;
}

/* One request of a key's: its own ids and hashes. */
struct request {
    char id[IDENT_REQUEST_SIZE];
    struct ledger_want want;
    struct idempotency_call call;
    struct idempotency *it;
    struct idempotency_answer before;
    struct err err;
};

static void make(struct request *r, enum money_key key, const char *name, const char *body)
{
    memset(r, 0, sizeof *r);
    r->want = moneyfix_want(r->id, key);
    r->call = (struct idempotency_call){
        .app = &app,
        .arena = fix.arena,
        .key_hash = r->want.key_hash,
        .name = name,
        .path = "/v1/chat/completions",
        .body = span_of(body),
        .request_id = r->id,
    };
}

static int begin(struct request *r)
{
    return idempotency_begin(&r->it, &r->before, &r->call, &r->err);
}

static void begin_new(struct request *r, enum money_key key, const char *name, const char *body)
{
    make(r, key, name, body);
    if (begin(r) != 0)
        fail_msg("%s (%s)", r->err.message, r->err.detail);
    assert_non_null(r->it);
    assert_string_equal(idempotency_request_id(r->it), r->id);
}

static void charge(struct request *r)
{
    struct ledger_usage usage = {.input = 10, .output = 10};
    struct ledger_outcome how = moneyfix_ok();
    struct ledger_hold hold;
    struct ledger_charge charge;

    assert_int_equal(ledger_authorize(&hold, &fix.store, fix.arena, &r->want, &r->err), 0);
    assert_int_equal(ledger_settle(&charge, &fix.store, fix.arena, r->id, &usage, &how, &r->err),
                     0);
}

static const char HEAD[] = "x-aig-provider: openai\r\nContent-Type: application/json\r\n";

static void answer(struct request *r, int status, struct span body)
{
    struct idempotency_answer a = {.status = status, .head = span_of(HEAD), .body = body};

    idempotency_end(r->it, &a);
}

static void check_refused(struct request *r, enum err_code code)
{
    assert_int_equal(begin(r), -1);
    assert_null(r->it);
    assert_int_equal(r->err.code, code);
}

static void test_replay(void **state)
{
    (void)state;
    static const char body[] = "{\"a\":1}\r\n\r\nrest \0 of it";
    struct span all = {body, sizeof body};
    struct request first;
    struct request again;

    begin_new(&first, MONEY_ALICE, "replay", "the body");
    make(&again, MONEY_ALICE, "replay", "the body");
    check_refused(&again, ERR_IDEMPOTENCY_BUSY);
    assert_int_equal(again.err.status, 409);
    assert_int_equal(again.err.retry_after_s, 1);
    charge(&first);
    answer(&first, 200, all);
    make(&again, MONEY_ALICE, "replay", "the body");
    assert_int_equal(begin(&again), 0);
    assert_null(again.it);
    assert_int_equal(again.before.status, 200);
    assert_string_equal(again.before.request_id, first.id);
    assert_int_equal(again.before.head.len, strlen(HEAD));
    assert_memory_equal(again.before.head.ptr, HEAD, strlen(HEAD));
    assert_int_equal(again.before.body.len, sizeof body);
    assert_memory_equal(again.before.body.ptr, body, sizeof body);
}

/* Body, path and API key are part of what a repeat has to have in common. */
static void test_another_call(void **state)
{
    (void)state;
    struct request first;
    struct request other;

    begin_new(&first, MONEY_ALICE, "another", "body");
    make(&other, MONEY_ALICE, "another", "body ");
    check_refused(&other, ERR_IDEMPOTENCY_REUSED);
    assert_int_equal(other.err.status, 422);
    make(&other, MONEY_ALICE, "another", "body");
    other.call.path = "/v1/embeddings";
    check_refused(&other, ERR_IDEMPOTENCY_REUSED);
    begin_new(&other, MONEY_TEAM, "another", "body");
    begin_new(&other, MONEY_ALICE, "another ", "body");
}

static void test_keys_that_may_not_call(void **state)
{
    (void)state;
    struct request r;

    make(&r, MONEY_DISABLED, "k", "body");
    check_refused(&r, ERR_AUTH_DISABLED);
    make(&r, MONEY_EXPIRED, "k", "body");
    check_refused(&r, ERR_AUTH_EXPIRED);
    make(&r, MONEY_ALICE, "k", "body");
    r.want.key_hash[0] ^= 1;
    check_refused(&r, ERR_AUTH_INVALID);
}

static void test_names(void **state)
{
    (void)state;
    char longest[IDEMPOTENCY_NAME_MAX + 2];
    struct request r;

    memset(longest, 'x', sizeof longest);
    longest[IDEMPOTENCY_NAME_MAX] = '\0';
    begin_new(&r, MONEY_ALICE, longest, "body");
    longest[IDEMPOTENCY_NAME_MAX] = 'x';
    longest[IDEMPOTENCY_NAME_MAX + 1] = '\0';
    const char *bad[] = {"", longest, "a\tb", "a\nb", "caf\xc3\xa9", "\x7f"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        make(&r, MONEY_ALICE, bad[i], "body");
        check_refused(&r, ERR_BAD_REQUEST);
        assert_string_equal(r.err.param, "Idempotency-Key");
    }
    conf.secret_key = NULL;
    make(&r, MONEY_ALICE, "good", "body");
    check_refused(&r, ERR_NOT_IMPLEMENTED);
    conf.secret_key = SECRET;
}

static void check_gone(enum money_key key, const char *name, const char *id)
{
    struct request r;

    make(&r, key, name, "body");
    check_refused(&r, ERR_IDEMPOTENCY_GONE);
    assert_int_equal(r.err.status, 410);
    assert_non_null(strstr(r.err.message, id));
}

/* Charged, but there is no answer: too large, none was whole, or another secret_key now. */
static void test_gone(void **state)
{
    (void)state;
    static char large[IDEMPOTENCY_BODY_MAX + 1];
    struct request r;

    begin_new(&r, MONEY_ALICE, "too large", "body");
    charge(&r);
    answer(&r, 200, (struct span){large, sizeof large});
    check_gone(MONEY_ALICE, "too large", r.id);

    begin_new(&r, MONEY_ALICE, "just not kept", "body");
    charge(&r);
    answer(&r, 200, (struct span){NULL, 0});
    check_gone(MONEY_ALICE, "just not kept", r.id);

    begin_new(&r, MONEY_ALICE, "half", "body");
    charge(&r);
    idempotency_end(r.it, NULL);
    check_gone(MONEY_ALICE, "half", r.id);

    begin_new(&r, MONEY_ALICE, "sealed", "body");
    charge(&r);
    answer(&r, 200, span_of("x"));
    conf.secret_key = "another secret of the same length";
    check_gone(MONEY_ALICE, "sealed", r.id);
    conf.secret_key = SECRET;
}

static void test_the_largest(void **state)
{
    (void)state;
    static char large[IDEMPOTENCY_BODY_MAX];
    struct request r;

    memset(large, 'x', sizeof large);
    begin_new(&r, MONEY_ALICE, "largest", "body");
    charge(&r);
    answer(&r, 200, (struct span){large, sizeof large});
    make(&r, MONEY_ALICE, "largest", "body");
    assert_int_equal(begin(&r), 0);
    assert_int_equal(r.before.body.len, sizeof large);
    assert_memory_equal(r.before.body.ptr, large, sizeof large);
}

/* Nothing was charged and there is nothing to give again: the key is as new. */
static void test_forgotten(void **state)
{
    (void)state;
    struct request r;

    begin_new(&r, MONEY_ALICE, "forgotten", "body");
    idempotency_end(r.it, NULL);
    begin_new(&r, MONEY_ALICE, "forgotten", "another body");
    answer(&r, 404, span_of("before it was let in"));
    begin_new(&r, MONEY_ALICE, "forgotten", "body");
}

static void test_taken_over(void **state)
{
    (void)state;
    struct request slow;
    struct request quick;

    begin_new(&slow, MONEY_ALICE, "slow", "body");
    idempotency_beat(slow.it);
    charge(&slow);
    begin_new(&slow, MONEY_ALICE, "slow 2", "body");
    dbserver_sql(&fix.server, "UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6)");
    make(&quick, MONEY_ALICE, "slow 2", "body");
    assert_int_equal(begin(&quick), 0);
    /* The slow one had no hold yet: both have the same one. */
    assert_string_equal(idempotency_request_id(quick.it), slow.id);
    charge(&slow);
    answer(&slow, 200, span_of("late"));
    answer(&quick, 200, span_of("kept"));
    make(&slow, MONEY_ALICE, "slow 2", "body");
    assert_int_equal(begin(&slow), 0);
    assert_memory_equal(slow.before.body.ptr, "kept", 4);
    check_gone(MONEY_ALICE, "slow", "req_");
}

static void test_lasting(void **state)
{
    (void)state;
    static const int lasting[] = {200, 201, 202, 400, 403, 404, 410, 413, 415, 422};
    static const int passing[] = {0,   100, 301, 401, 402, 408, 409, 425,
                                  429, 499, 500, 502, 503, 504, 529};

    for (size_t i = 0; i < ARRAY_LEN(lasting); i++)
        assert_true(idempotency_lasting(lasting[i]));
    for (size_t i = 0; i < ARRAY_LEN(passing); i++)
        assert_false(idempotency_lasting(passing[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_another_call),
        cmocka_unit_test(test_keys_that_may_not_call),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_the_largest),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_taken_over),
        cmocka_unit_test(test_lasting),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
