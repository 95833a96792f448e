/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/router.h"
#include "unit.h"

#include <string.h>

static int never(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err)
{
    (void)context;
    (void)x;
    (void)match;
    (void)err;
    fail();
    return -1;
}

static const struct router_route routes[] = {
    {"POST", "/v1/chat/completions", ROUTER_MODEL, never},
    {"GET", "/v1/models", ROUTER_KEY, never},
    {"GET", "/v1/models/{}", ROUTER_KEY, never},
    {"DELETE", "/v1/models/{}", ROUTER_KEY, never},
    {"GET", "/v1/teams/{}/members/{}", ROUTER_KEY, never},
    {"*", "/v1/threads", ROUTER_PUBLIC, never},
    {"*", "/v1/threads/...", ROUTER_PUBLIC, never},
};

struct router_case {
    const char *method;
    const char *path;
    int route; /* -1: 404, -2: 405 */
    const char *params[ROUTER_PARAM_MAX];
    const char *allow;
};

static const struct router_case cases[] = {
    {"POST", "/v1/chat/completions", 0, {NULL, NULL}, NULL},
    {"POST", "/v1/chat/completions/", 0, {NULL, NULL}, NULL},
    {"GET", "/v1/models", 1, {NULL, NULL}, NULL},
    {"GET", "/v1/models/", 1, {NULL, NULL}, NULL},
    {"GET", "/v1/models/gpt-4o", 2, {"gpt-4o", NULL}, NULL},
    {"GET", "/v1/models/gpt-4o/", 2, {"gpt-4o", NULL}, NULL},
    {"GET", "/v1/models/a b", 2, {"a b", NULL}, NULL},
    {"GET", "/v1/models/{}", 2, {"{}", NULL}, NULL},
    {"DELETE", "/v1/models/x", 3, {"x", NULL}, NULL},
    {"GET", "/v1/teams/7/members/8", 4, {"7", "8"}, NULL},
    {"BREW", "/v1/threads", 5, {NULL, NULL}, NULL},
    {"GET", "/v1/threads/", 5, {NULL, NULL}, NULL},
    {"GET", "/v1/threads/a", 6, {NULL, NULL}, NULL},
    {"GET", "/v1/threads/a/b/c//d", 6, {NULL, NULL}, NULL},
    {"GET", "/v1/chat/completions", -2, {NULL, NULL}, "POST"},
    {"get", "/v1/models", -2, {NULL, NULL}, "GET"},
    {"", "/v1/models", -2, {NULL, NULL}, "GET"},
    {"PUT", "/v1/models/x", -2, {NULL, NULL}, "GET, DELETE"},
    {"GET", "", -1, {NULL, NULL}, NULL},
    {"GET", "/", -1, {NULL, NULL}, NULL},
    {"GET", "//", -1, {NULL, NULL}, NULL},
    {"GET", "v1/models", -1, {NULL, NULL}, NULL},
    {"GET", "/v1", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/", -1, {NULL, NULL}, NULL},
    {"GET", "/v1//models", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/models//", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/models/a/b", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/model", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/modelsx", -1, {NULL, NULL}, NULL},
    {"GET", "/V1/models", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/teams//members/8", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/teams/7/members", -1, {NULL, NULL}, NULL},
    {"GET", "/v1/threadsx", -1, {NULL, NULL}, NULL},
};

static void check_text(const char *got, const char *want)
{
    if (want == NULL)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void check_refusal(const struct router_case *c, const struct err *err)
{
    assert_int_equal(err->status, c->route == -2 ? 405 : 404);
    assert_int_equal(err->code, c->route == -2 ? ERR_METHOD : ERR_NOT_FOUND);
    assert_true(err->message[0] != '\0');
}

static void test_cases(void **state)
{
    (void)state;
    struct arena *arena = arena_new();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct router_case *c = &cases[i];
        struct router_match match = {.route = NULL};
        const char *allow = "untouched";
        struct err err;
        err_clear(&err);
        int rc =
            router_find(&match, &allow, routes, ARRAY_LEN(routes), c->method, c->path, arena, &err);
        check_text(allow, c->allow);
        if (c->route < 0) {
            assert_int_equal(rc, -1);
            check_refusal(c, &err);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_ptr_equal(match.route, &routes[c->route]);
        for (size_t p = 0; p < ROUTER_PARAM_MAX; p++)
            check_text(match.params[p], c->params[p]);
    }
    arena_free(arena);
}

/* Method and path are the client's: the message is cut, not the stack. */
static void test_long_texts(void **state)
{
    (void)state;
    enum { LEN = 100 * 1000 };
    struct arena *arena = arena_new();
    char *text = arena_alloc(arena, LEN + 1);
    struct router_match match;
    const char *allow = NULL;
    struct err err;

    memset(text, 'x', LEN);
    text[LEN] = '\0';
    text[0] = '/';
    assert_int_equal(
        router_find(&match, &allow, routes, ARRAY_LEN(routes), text, text, arena, &err), -1);
    assert_int_equal(err.status, 404);
    assert_int_equal(
        router_find(&match, &allow, routes, ARRAY_LEN(routes), text, "/v1/models", arena, &err),
        -1);
    assert_int_equal(err.status, 405);
    assert_int_equal(router_find(&match, &allow, routes, 0, "GET", "/v1/models", arena, &err), -1);
    assert_int_equal(err.status, 404);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
