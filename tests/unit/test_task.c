/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "moneyfix.h"
#include "store/task.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

enum { MODEL_FILM = 9101 };

static struct moneyfix fix;

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    dbserver_sql(&fix.server,
                 "INSERT INTO model (id, name, kind, owned_by, dialect, capabilities) VALUES"
                 "    (9101, 'unit-film', 'video', 'unit', 'kie', '');\n"
                 "INSERT INTO price (id, model_id, variant, valid_from, unit, unit_usd) VALUES"
                 "    (91011, 9101, '', '2021-01-01', 'second', 9),"
                 "    (91012, 9101, 'size=s', '2021-01-01', 'second', 0.01),"
                 "    (91013, 9101, 'size=l', '2021-01-01', 'second', 0.1);\n");
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

struct made {
    char id[TASK_ID_SIZE];
    char request_id[IDENT_REQUEST_SIZE];
};

static bool known;

static int create(struct made *m, const char *variant, int64_t milli, const char *callback_url)
{
    struct ledger_want like = moneyfix_want(m->request_id, MONEY_ALICE);
    const struct task_want want = {
        .id = m->id,
        .request_id = m->request_id,
        .key_hash = like.key_hash,
        .model_id = MODEL_FILM,
        .price_model_id = MODEL_FILM,
        .unit = "second",
        .variant = variant,
        .quantity_milli = milli,
        .provider = "kie",
        .api = "kie",
        .shape = "veo",
        .upstream_model = "up/film",
        .param = "{\"model\":\"unit-film\"}",
        .callback_url = callback_url,
    };

    task_id(m->id, m->request_id);
    err_clear(&fix.err);
    return task_create(&known, &fix.store, fix.arena, &want, &fix.err);
}

static void start(struct made *m, const char *upstream_id)
{
    bool ours = false;

    assert_int_equal(create(m, "size=s", 5000, "https://example.org/hook"), 0);
    assert_int_equal(task_started(&ours, &fix.store, fix.arena, m->id, upstream_id, &fix.err), 0);
    assert_true(ours);
}

static struct task find(const char *id)
{
    struct task t;

    if (task_find(&t, &fix.store, fix.arena, 1, id, &fix.err) != 0)
        fail_msg("%s", fix.err.message);
    return t;
}

static struct task_ended finish(const struct made *m, const struct task_end *end)
{
    struct task_ended out;

    if (task_finish(&out, &fix.store, fix.arena, m->id, end, &fix.err) != 0)
        fail_msg("%s", fix.err.detail);
    return out;
}

static void test_ids(void **state)
{
    (void)state;
    char id[TASK_ID_SIZE];

    task_id(id, "req_01M89YP1MF0P6EMF26XDKNAT0V");
    assert_string_equal(id, "tsk_01M89YP1MF0P6EMF26XDKNAT0V");
    assert_true(task_id_valid(id));
    assert_false(task_id_valid("tsk_1"));
    assert_false(task_id_valid("req_01M89YP1MF0P6EMF26XDKNAT0V"));
    assert_false(task_id_valid("tsk_01M89YP1MF0P6EMF26XDKNAT0'"));
}

static void test_success(void **state)
{
    (void)state;
    struct made m;
    struct task_end end = {.upstream_id = "up-success",
                           .ok = true,
                           .result = "{\"resultUrls\":[\"https://a\"]}",
                           .cost = "10",
                           .cost_rate = "0.005",
                           .body = "{\"credits\":\"@charge\"}"};

    start(&m, "up-success");
    struct task t = find(m.id);
    assert_string_equal(t.state, "waiting");
    assert_string_equal(t.model, "unit-film");
    assert_string_equal(t.shape, "veo");
    assert_null(t.charge_usd);
    assert_int_equal(t.completed_ms, 0);
    assert_int_equal(task_progress(&fix.store, fix.arena, m.id, "generating", &fix.err), 0);
    assert_string_equal(find(m.id).state, "generating");

    struct task_ended ended = finish(&m, &end);
    assert_true(ended.first);
    assert_string_equal(ended.charge_usd, "0.07"); /* 5 s x $0.01 x 1.4 */
    assert_non_null(ended.delivery_id);
    ended = finish(&m, &end);
    assert_false(ended.first);
    assert_string_equal(ended.charge_usd, "0.07");
    assert_null(ended.delivery_id);
    t = find(m.id);
    assert_string_equal(t.state, "success");
    assert_string_equal(t.result, "{\"resultUrls\":[\"https://a\"]}");
    assert_string_equal(t.charge_usd, "0.07");
    assert_string_equal(moneyfix_ask(&fix, "SELECT body FROM webhook_delivery ORDER BY id DESC "
                                           "LIMIT 1"),
                        "{\"credits\":0.07}");
    moneyfix_verify(&fix);
}

static void test_failure(void **state)
{
    (void)state;
    struct made m;
    char msg[1200];
    struct task_end end = {.upstream_id = "up-failure",
                           .fail_code = "5\n1",
                           .fail_msg = msg,
                           .status = "upstream_error",
                           .http_status = 502,
                           .cost = "nonsense",
                           .took = "-1"};

    memset(msg, 'x', sizeof msg);
    msg[sizeof msg - 1] = '\0';
    start(&m, "up-failure");
    struct task_ended ended = finish(&m, &end);
    assert_true(ended.first);
    assert_string_equal(ended.charge_usd, "0");
    assert_null(ended.delivery_id); /* no body */
    struct task t = find(m.id);
    assert_string_equal(t.state, "fail");
    assert_string_equal(t.fail_code, "5?1");
    assert_int_equal(strlen(t.fail_msg), 500);
    moneyfix_verify(&fix);
}

static void test_about_another_task(void **state)
{
    (void)state;
    struct made m;
    struct made other;
    struct task_end end = {.upstream_id = "up-wrong", .ok = true, .result = "{}"};
    bool ours = true;

    start(&m, "up-right");
    struct task_ended ended = finish(&m, &end);
    assert_false(ended.first);
    assert_null(ended.charge_usd);
    assert_string_equal(find(m.id).state, "waiting");
    assert_int_equal(create(&other, "size=s", 1000, NULL), 0);
    assert_int_equal(task_started(&ours, &fix.store, fix.arena, other.id, "up-right", &fix.err), 0);
    assert_false(ours);
    end = (struct task_end){.status = "timeout"};
    (void)finish(&other, &end);
    end.upstream_id = "up-right";
    (void)finish(&m, &end);
}

static void test_refused(void **state)
{
    (void)state;
    struct made m;

    assert_int_equal(create(&m, "size=xl", 1000, NULL), -1);
    assert_int_equal(fix.err.code, ERR_UNSUPPORTED_VALUE);
    assert_non_null(strstr(fix.err.message, "size=s; size=l"));
    assert_int_equal(create(&m, "size=l", 1000 * 1000, NULL), -1);
    assert_int_equal(fix.err.status, 402);
    assert_int_equal(task_find(&(struct task){0}, &fix.store, fix.arena, 1, m.id, &fix.err), -1);
    assert_int_equal(fix.err.status, 404);
}

static void test_callbacks_once(void **state)
{
    (void)state;
    struct made m;
    bool fresh = false;
    struct task_end end = {.upstream_id = "up-callback", .status = "timeout"};

    start(&m, "up-callback");
    assert_int_equal(task_callback(&fresh, &fix.store, fix.arena, m.id, 1000, &fix.err), 0);
    assert_true(fresh);
    assert_int_equal(task_callback(&fresh, &fix.store, fix.arena, m.id, 1000, &fix.err), 0);
    assert_false(fresh);
    assert_int_equal(task_callback(&fresh, &fix.store, fix.arena, m.id, 999, &fix.err), 0);
    assert_false(fresh);
    assert_int_equal(task_callback(&fresh, &fix.store, fix.arena, m.id, 1001, &fix.err), 0);
    assert_true(fresh);
    (void)finish(&m, &end);
}

static void test_claims_and_lists(void **state)
{
    (void)state;
    struct made made[3];
    struct task *tasks = NULL;
    size_t count = 0;
    struct task_end end = {.status = "timeout"};

    for (int i = 0; i < 3; i++)
        assert_int_equal(create(&made[i], "size=s", 1000, NULL), 0);
    dbserver_sql(&fix.server, "UPDATE job SET due = UTC_TIMESTAMP(6) WHERE state = 'creating'");
    assert_int_equal(task_due(&tasks, &count, &fix.store, fix.arena, 2, &fix.err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(task_claim(&tasks, &count, &fix.store, fix.arena, 2, &fix.err), 0);
    assert_int_equal(count, 2);
    assert_null(tasks[0].upstream_id);
    assert_string_equal(tasks[0].api, "kie");
    assert_int_equal(task_claim(&tasks, &count, &fix.store, fix.arena, 2, &fix.err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(task_claim(&tasks, &count, &fix.store, fix.arena, 2, &fix.err), 0);
    assert_int_equal(count, 0);

    assert_int_equal(
        task_list(&tasks, &count, &fix.store, fix.arena, 1, 0, "open", NULL, 2, &fix.err), 0);
    assert_int_equal(count, 3); /* one more than wanted: there are more */
    assert_true(strcmp(tasks[0].id, tasks[1].id) > 0 && strcmp(tasks[1].id, tasks[2].id) > 0);
    const char *last = tasks[2].id;
    assert_int_equal(
        task_list(&tasks, &count, &fix.store, fix.arena, 1, 0, "open", tasks[1].id, 2, &fix.err),
        0);
    assert_int_equal(count, 1);
    assert_string_equal(tasks[0].id, last);
    assert_int_equal(
        task_list(&tasks, &count, &fix.store, fix.arena, 2, 0, NULL, NULL, 2, &fix.err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(
        task_list(&tasks, &count, &fix.store, fix.arena, 1, 7, NULL, NULL, 2, &fix.err), 0);
    assert_int_equal(count, 0);
    for (int i = 0; i < 3; i++)
        (void)finish(&made[i], &end);
    assert_int_equal(task_purge(&fix.store, fix.arena, 30, &fix.err), 0);
    moneyfix_verify(&fix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_about_another_task),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_callbacks_once),
        cmocka_unit_test(test_claims_and_lists),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
