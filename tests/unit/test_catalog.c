/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"
#include "core/models.h"
#include "moneyfix.h"
#include "store/catalog.h"
#include "unit.h"

#include <string.h>

static struct moneyfix fix;

static int group_start(void **state)
{
    (void)state;
    moneyfix_start(&fix);
    return 0;
}

static int group_stop(void **state)
{
    (void)state;
    moneyfix_stop(&fix);
    return 0;
}

static const struct catalog_model *find(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->model_count; i++)
        if (strcmp(c->models[i].name, name) == 0)
            return &c->models[i];
    return NULL;
}

static void load(struct catalog *c)
{
    if (catalog_load(c, &fix.store, fix.arena, &fix.err) != 0)
        fail_msg("%s (%s)", fix.err.message, fix.err.detail);
}

static void test_model(void **state)
{
    (void)state;
    struct catalog c;

    load(&c);
    const struct catalog_model *m = find(&c, "unit-chat");
    assert_non_null(m);
    assert_int_equal(m->id, MODEL_CHAT);
    assert_int_equal(m->kind, KIND_CHAT);
    assert_string_equal(m->owned_by, "unit");
    assert_string_equal(m->dialect, "openai-chat");
    assert_string_equal(m->capabilities, "tools,stream");
    assert_int_equal(m->context_length, 128000);
    assert_int_equal(m->max_output_tokens, 4096);
    assert_int_equal(m->message_tokens, 8);
    assert_int_equal(m->tool_tokens, 32);
    assert_int_equal(m->image_tokens, 6000);
    assert_true(m->created_s > 1700000000);
    assert_int_equal(m->retires_on_s, 0);
    assert_null(m->successor);

    /* The price of now: not the older one, not the one to come. */
    assert_int_equal(m->price.id, 90011);
    assert_string_equal(m->price.input, "1");
    assert_string_equal(m->price.cached_input, "0.1");
    assert_string_equal(m->price.cache_write_5m, "1.25");
    assert_string_equal(m->price.output, "10");
    assert_null(m->price.reasoning);
    assert_null(m->price.above_tokens);
    assert_null(m->price.unit);

    /* Routes in order, those that are switched off left out. */
    assert_int_equal(m->route_count, 2);
    assert_int_equal(m->routes[0].api, API_OPENAI);
    assert_string_equal(m->routes[0].upstream_model, "up-chat");
    assert_int_equal(m->routes[0].price_model_id, MODEL_CHAT);
    assert_int_equal(m->routes[1].api, API_OPENROUTER);
    assert_int_equal(m->routes[1].price_model_id, MODEL_DEAR);
    assert_int_equal(find(&c, "unit-steps")->routes[0].api, API_OPENAI_RESPONSES);
    assert_string_equal(find(&c, "unit-steps")->price.above_tokens, "1000");
    assert_string_equal(find(&c, "unit-steps")->price.above_output, "15");
    assert_int_equal(find(&c, "unit-embed")->kind, KIND_EMBEDDING);
    assert_int_equal(find(&c, "unit-embed")->max_output_tokens, 0);
    assert_int_equal(find(&c, "unit-free")->price.id, 0);
    assert_int_equal(find(&c, "unit-free")->route_count, 0);
}

/* The seed: what answers with text can be called, names are sorted by bytes. */
static void test_whole(void **state)
{
    (void)state;
    struct catalog c;

    load(&c);
    assert_true(c.model_count > 30);
    for (size_t i = 0; i < c.model_count; i++) {
        const struct catalog_model *m = &c.models[i];
        assert_true(i == 0 || strcmp(c.models[i - 1].name, m->name) < 0);
        if (strncmp(m->name, "unit-", 5) == 0 ||
            (m->kind != KIND_CHAT && m->kind != KIND_EMBEDDING))
            continue;
        if (m->route_count == 0)
            fail_msg("%s has no route", m->name);
        for (size_t k = 0; k < m->route_count; k++)
            assert_true(m->routes[k].api != API_OTHER);
        assert_true(m->price.id > 0 && m->price.input != NULL);
        assert_true((m->kind == KIND_CHAT) == (m->price.output != NULL));
    }
    assert_true(c.alias_count > 0);
    for (size_t i = 0; i < c.alias_count; i++) {
        assert_true(i == 0 || strcmp(c.aliases[i - 1].name, c.aliases[i].name) < 0);
        assert_non_null(find(&c, c.aliases[i].model));
        assert_null(find(&c, c.aliases[i].name));
    }
}

static void test_retiring_and_disabled(void **state)
{
    (void)state;
    struct catalog c;

    dbserver_sql(&fix.server, "UPDATE model SET retires_on = '2106-02-08', successor = 'unit-dear' "
                              "WHERE id = 9001; UPDATE model SET enabled = 0 WHERE id = 9002");
    load(&c);
    dbserver_sql(&fix.server, "UPDATE model SET retires_on = NULL, successor = NULL, enabled = 1 "
                              "WHERE id IN (9001, 9002)");
    const struct catalog_model *m = find(&c, "unit-chat");
    assert_true(m->retires_on_s == INT64_C(4294944000) + 86400);
    assert_string_equal(m->successor, "unit-dear");
    assert_null(find(&c, "unit-steps"));
}

/* The clock crosses the day on which Claude Sonnet 4.5 retires. */
static void test_the_next_retirement_of_the_seed(void **state)
{
    (void)state;
    const int64_t day_ms = INT64_C(1795996800) * 1000; /* 2026-11-30, UTC */
    struct models *m = models_new(&fix.store);
    const struct models_copy *copy = NULL;
    const struct catalog_model *model = NULL;
    const char *substituted = NULL;

    assert_int_equal(models_take(&copy, m, &fix.err), 0);
    timing_shift_wall_ms(day_ms - 1000 - timing_wall_ms());
    assert_int_equal(models_find(&model, &substituted, copy, "claude-sonnet-4-5", &fix.err), 0);
    assert_string_equal(model->dialect, "claude-4.5");
    assert_null(substituted);
    timing_shift_wall_ms(0);
    timing_shift_wall_ms(day_ms - timing_wall_ms());
    assert_int_equal(models_find(&model, &substituted, copy, "claude-sonnet-4-5", &fix.err), 0);
    assert_string_equal(model->name, "claude-sonnet-5-5");
    assert_string_equal(model->dialect, "claude-sonnet-5.5");
    assert_string_equal(model->routes[0].upstream_model, "claude-sonnet-5-5");
    assert_string_equal(substituted, "claude-sonnet-4-5");
    timing_shift_wall_ms(0);
    models_give(m, copy);
    models_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_retiring_and_disabled),
        cmocka_unit_test(test_the_next_retirement_of_the_seed),
    };
    return cmocka_run_group_tests(tests, group_start, group_stop);
}
