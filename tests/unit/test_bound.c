/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/bound.h"
#include "unit.h"

struct bound_case {
    struct neutral_size size;
    int64_t context;
    struct bound want;
};

enum { MESSAGE = 8, TOOL = 32, IMAGE = 1600, FIXED = 16 };

static const struct bound_case cases[] = {
    {{.text_bytes = 0}, 1000, {FIXED, FIXED, 0}},
    {{.text_bytes = 300, .messages = 2}, 1000, {300 + 16 + FIXED, 100 + 16 + FIXED, 75}},
    {{.text_bytes = 1, .messages = 1}, 1000, {1 + 8 + FIXED, 0 + 8 + FIXED, 1}},
    {{.tools = 3}, 1000, {96 + FIXED, 96 + FIXED, 0}},
    {{.images = 2}, 100000, {3200 + FIXED, 3200 + FIXED, 0}},
    /* Audio counts by its bytes, an estimate of the prompt leaves it out. */
    {{.text_bytes = 8, .media_bytes = 90}, 1000, {98 + FIXED, 32 + FIXED, 2}},
    /* Nothing is above the context. */
    {{.text_bytes = 5000}, 1000, {1000, 1000, 1000}},
    {{.text_bytes = 2500}, 1000, {1000, 833 + FIXED, 625}},
    {{.images = 1000}, 1000, {1000, 1000, 0}},
    /* A document's bytes say nothing. */
    {{.text_bytes = 30, .files = 1}, 128000, {128000, 10 + FIXED, 8}},
    /* A model whose context is not known. */
    {{.text_bytes = 30}, 0, {30 + FIXED, 10 + FIXED, 8}},
    {{.files = 1}, 0, {2000000, FIXED, 0}},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct catalog_model model = {.context_length = cases[i].context,
                                      .message_tokens = MESSAGE,
                                      .tool_tokens = TOOL,
                                      .image_tokens = IMAGE};
        struct bound got;
        bound_prompt(&got, &cases[i].size, &model);
        assert_int_equal(got.prompt, cases[i].want.prompt);
        assert_int_equal(got.likely, cases[i].want.likely);
        assert_int_equal(got.estimate, cases[i].want.estimate);
        assert_true(got.likely <= got.prompt && got.estimate <= got.prompt);
    }
}

/* Each input of embeddings may be as long as the context. */
static void test_inputs(void **state)
{
    (void)state;
    struct catalog_model model = {.context_length = 1000, .message_tokens = MESSAGE};
    struct neutral_size size = {.text_bytes = 6000, .messages = 3};
    struct bound got;

    bound_inputs(&got, &size, &model);
    assert_int_equal(got.prompt, 3000);
    assert_int_equal(got.likely, 2000 + 3 * MESSAGE + FIXED);
    assert_int_equal(got.estimate, 1500);
    size.text_bytes = 600;
    bound_inputs(&got, &size, &model);
    assert_int_equal(got.prompt, 600 + 3 * MESSAGE + FIXED);
    model.context_length = 0;
    size.text_bytes = INT64_C(5) * 1000 * 1000;
    bound_inputs(&got, &size, &model);
    assert_int_equal(got.prompt, INT64_C(5) * 1000 * 1000 + 3 * MESSAGE + FIXED);
}

/* Every call of the provider's tools lets the model read a whole context once more. */
static void test_tools(void **state)
{
    (void)state;
    struct catalog_model model = {.context_length = 100000};
    struct neutral_size size = {.text_bytes = 600};
    struct bound got;

    bound_prompt(&got, &size, &model);
    int64_t estimate = got.estimate;
    bound_tools(&got, 8, &model);
    assert_int_equal(got.prompt, 900000);
    assert_int_equal(got.likely, 200 + FIXED + 8 * 8000);
    assert_int_equal(got.estimate, estimate);
    bound_prompt(&got, &size, &model);
    bound_tools(&got, 1, &model);
    assert_int_equal(got.prompt, 200000);
    assert_int_equal(got.likely, 200 + FIXED + 8000);
    /* Never likelier than possible; a context that is not known is a large one. */
    model.context_length = 100;
    bound_prompt(&got, &size, &model);
    bound_tools(&got, 2, &model);
    assert_true(got.prompt == 300 && got.likely == 300);
    model.context_length = 0;
    bound_tools(&got, 128, &model);
    assert_int_equal(got.prompt, INT64_C(129) * 2000000);
}

static void test_estimate(void **state)
{
    (void)state;
    assert_int_equal(bound_estimate(0), 0);
    assert_int_equal(bound_estimate(1), 1);
    assert_int_equal(bound_estimate(4), 1);
    assert_int_equal(bound_estimate(5), 2);
    assert_int_equal(bound_estimate(INT64_C(1) << 40), INT64_C(1) << 38);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
