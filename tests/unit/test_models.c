/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog comes from this file: catalog_load of store/catalog is not linked. */
#include "base/base.h"

#include "base/timing.h"
#include "core/models.h"
#include "unit.h"

#include <pthread.h>
#include <string.h>

static const struct catalog_model catalog_models[] = {
    {.id = 1, .name = "live"},
    {.id = 2, .name = "gone", .retires_on_s = 1000, .successor = "live"},
    {.id = 3, .name = "long-gone", .retires_on_s = 500, .successor = "gone"},
    {.id = 4, .name = "leaves-later", .retires_on_s = INT64_C(1) << 40, .successor = "live"},
    {.id = 5, .name = "gone-without-heir", .retires_on_s = 1000},
    {.id = 6, .name = "gone-to-nobody", .retires_on_s = 1000, .successor = "nobody"},
    {.id = 7, .name = "ring-a", .retires_on_s = 1000, .successor = "ring-b"},
    {.id = 8, .name = "ring-b", .retires_on_s = 1000, .successor = "ring-a"},
};

static const struct catalog_alias aliases[] = {
    {"live-2026-01-01", "live"}, {"vendor/gone", "gone"}, {"alias-of-alias", "live-2026-01-01"},
    {"dangling", "nobody"},      {"self", "self"},
};

static int loads;
static bool broken;

int catalog_load(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    (void)s;
    loads++;
    if (broken)
        return err_set(err, ERR_DATABASE, NULL, "the database is away");
    *out = (struct catalog){
        .models = arena_alloc(arena, sizeof catalog_models),
        .model_count = ARRAY_LEN(catalog_models),
        .aliases = arena_alloc(arena, sizeof aliases),
        .alias_count = ARRAY_LEN(aliases),
    };
    memcpy(out->models, catalog_models, sizeof catalog_models);
    memcpy(out->aliases, aliases, sizeof aliases);
    return 0;
}

struct find_case {
    const char *asked;
    const char *found; /* NULL: 404 */
    const char *substituted;
};

static const struct find_case cases[] = {
    {"live", "live", NULL},
    {"live-2026-01-01", "live", NULL},
    {"alias-of-alias", "live", NULL},
    {"gone", "live", "gone"},
    {"vendor/gone", "live", "gone"},
    {"long-gone", "live", "long-gone"},
    {"leaves-later", "leaves-later", NULL},
    {"gone-without-heir", "gone-without-heir", NULL},
    {"gone-to-nobody", NULL, NULL},
    {"ring-a", NULL, NULL},
    {"dangling", NULL, NULL},
    {"self", NULL, NULL},
    {"", NULL, NULL},
    {"LIVE", NULL, NULL},
    {"liv", NULL, NULL},
    {"live ", NULL, NULL},
};

static void test_find(void **state)
{
    (void)state;
    struct models *m = models_new(NULL);
    const struct models_copy *copy = NULL;
    struct err err;

    broken = false;
    assert_int_equal(models_take(&copy, m, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct catalog_model *model = NULL;
        const char *substituted = "untouched";
        int rc = models_find(&model, &substituted, copy, cases[i].asked, &err);
        if (cases[i].found == NULL) {
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, ERR_MODEL_NOT_FOUND);
            assert_string_equal(err.param, "model");
            continue;
        }
        assert_int_equal(rc, 0);
        assert_string_equal(model->name, cases[i].found);
        if (cases[i].substituted != NULL)
            assert_string_equal(substituted, cases[i].substituted);
        else
            assert_null(substituted);
    }
    assert_string_equal(models_find_id(copy, 4)->name, "leaves-later");
    assert_null(models_find_id(copy, 99));
    models_give(m, copy);
    models_free(m);
}

/* From the day itself on. */
static void test_retirement_day(void **state)
{
    (void)state;
    struct models *m = models_new(NULL);
    const struct models_copy *copy = NULL;
    const struct catalog_model *model = NULL;
    const char *substituted = NULL;
    struct err err;

    broken = false;
    assert_int_equal(models_take(&copy, m, &err), 0);
    timing_shift_wall_ms(999 * 1000 - timing_wall_ms());
    assert_int_equal(models_find(&model, &substituted, copy, "gone", &err), 0);
    assert_string_equal(model->name, "gone");
    timing_shift_wall_ms(0);
    timing_shift_wall_ms(1000 * 1000 - timing_wall_ms());
    assert_int_equal(models_find(&model, &substituted, copy, "gone", &err), 0);
    assert_string_equal(model->name, "live");
    timing_shift_wall_ms(0);
    models_give(m, copy);
    models_free(m);
}

/* Loaded once and shared; without a database there is nothing to begin with. */
static void test_copies(void **state)
{
    (void)state;
    struct models *m = models_new(NULL);
    const struct models_copy *one = NULL;
    const struct models_copy *two = NULL;
    struct err err;

    loads = 0;
    broken = true;
    assert_int_equal(models_take(&one, m, &err), -1);
    assert_int_equal(err.code, ERR_DATABASE);
    broken = false;
    assert_int_equal(models_take(&one, m, &err), 0);
    assert_int_equal(models_take(&two, m, &err), 0);
    assert_ptr_equal(one, two);
    assert_int_equal(loads, 2);
    assert_int_equal(models_catalog(one)->model_count, ARRAY_LEN(catalog_models));
    models_give(m, one);
    models_give(m, two);
    models_give(m, NULL);
    models_free(m);
    models_free(NULL);
}

static void *take_and_give(void *arg)
{
    struct models *m = arg;

    for (int i = 0; i < 2000; i++) {
        const struct models_copy *copy = NULL;
        const struct catalog_model *model = NULL;
        const char *substituted = NULL;
        struct err err;
        if (models_take(&copy, m, &err) != 0 ||
            models_find(&model, &substituted, copy, "long-gone", &err) != 0)
            return arg;
        models_give(m, copy);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    struct models *m = models_new(NULL);
    pthread_t ids[THREADS];

    broken = false;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&ids[i], NULL, take_and_give, m), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(ids[i], &failed);
        assert_null(failed);
    }
    models_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_retirement_day),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
