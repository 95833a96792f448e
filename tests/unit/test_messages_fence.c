/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "unit.h"
#include "wire/messages_fence.h"

#include <string.h>

static const struct {
    const char *text;
    const char *shown;
} cases[] = {
    {"", ""},
    {"{}", "{}"},
    {"plain", "plain"},
    {"\n {\"a\":1}\n", "{\"a\":1}\n"},
    {"```json\n{\"a\":1}\n```", "{\"a\":1}\n"},
    {"```json\r\n{\"a\":1}\r\n```\n", "{\"a\":1}\r\n"},
    {" \n```\n{\"a\":1}\n```\n\nThat is it.", "{\"a\":1}\n"},
    {"```{\"a\":1}```", "{\"a\":1}"},
    {"```json [1]```", "[1]"},
    {"```JSON\n{\"a\":\"```\\\"`\"}\n```", "{\"a\":\"```\\\"`\"}\n"},
    {"```json\n{\"a\":\"\\\\\"}```x", "{\"a\":\"\\\\\"}"},
    {"```json\n{\"a\":", "{\"a\":"}, /* cut off by the output limit */
    {"{\"a\":\"```\"}", "{\"a\":\"```\"}"},
    {"`x`", "`x`"},
    {"``", "``"},
    {"```", "```"},
    {"```json", "```json"},
    {"`` `", "`` `"},
    {"```an explanation that goes on and on and never has an end of line",
     "```an explanation that goes on and on and never has an end of line"},
};

/* Reads text in pieces of `step` bytes, each from memory of its exact size. */
static void take(struct buf *out, const char *text, size_t step, size_t first)
{
    struct messages_fence fence = {.phase = FENCE_START};
    struct arena *arena = arena_new();
    size_t len = strlen(text);

    buf_clear(out);
    for (size_t at = 0; at < len;) {
        size_t n = at == 0 && first > 0 ? first : step;
        if (n > len - at)
            n = len - at;
        char *copy = mem_alloc(n);
        memcpy(copy, text + at, n);
        struct span s = messages_fence_take(&fence, (struct span){copy, n}, arena);
        buf_append(out, s.ptr, s.len);
        mem_free(copy);
        at += n;
    }
    struct span s = messages_fence_end(&fence);
    buf_append(out, s.ptr, s.len);
    assert_int_equal(messages_fence_end(&fence).len, 0);
    arena_free(arena);
}

static void test_cases(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        take(&out, cases[i].text, 4096, 0);
        assert_string_equal(out.data, cases[i].shown);
        take(&out, cases[i].text, 1, 0);
        assert_string_equal(out.data, cases[i].shown);
        for (size_t first = 1; first < strlen(cases[i].text); first++) {
            take(&out, cases[i].text, 4096, first);
            assert_string_equal(out.data, cases[i].shown);
        }
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
