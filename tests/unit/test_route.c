/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/route.h"
#include "unit.h"

#include <string.h>

static struct conf conf_all(void)
{
    struct conf conf;

    memset(&conf, 0, sizeof conf);
    for (size_t i = 0; i < PROVIDER__COUNT; i++) {
        conf.url[i] = conf_provider_name((enum conf_provider)i);
        conf.key[i] = "key";
    }
    return conf;
}

static const struct catalog_model chat_model = {
    .name = "m",
    .kind = KIND_CHAT,
    .routes =
        {
            {.api = API_OPENAI, .upstream_model = "first", .price_model_id = 1},
            {.api = API_OPENROUTER, .upstream_model = "second", .price_model_id = 2},
            {.api = API_OPENROUTER, .upstream_model = "third", .price_model_id = 3},
        },
    .route_count = 3,
};

static void test_all_routes(void **state)
{
    (void)state;
    struct conf conf = conf_all();
    struct route_list list;
    struct err err;

    assert_int_equal(route_choose(&list, &chat_model, KIND_CHAT, &conf, &err), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.routes[0].format->name, "openai");
    assert_string_equal(list.routes[0].base_url, "openai");
    assert_string_equal(list.routes[0].key, "key");
    assert_string_equal(list.routes[0].upstream_model, "first");
    assert_int_equal(list.routes[0].price_model_id, 1);
    assert_string_equal(list.routes[1].format->name, "openrouter");
    assert_string_equal(list.routes[2].upstream_model, "third");
    assert_int_equal(list.routes[2].price_model_id, 3);
}

/* A hedge that cannot be called is left out; the first route must be callable. */
static void test_without_key(void **state)
{
    (void)state;
    struct conf conf = conf_all();
    struct route_list list;
    struct err err;

    conf.key[PROVIDER_OPENROUTER] = NULL;
    assert_int_equal(route_choose(&list, &chat_model, KIND_CHAT, &conf, &err), 0);
    assert_int_equal(list.count, 1);
    conf = conf_all();
    conf.key[PROVIDER_OPENAI] = NULL;
    assert_int_equal(route_choose(&list, &chat_model, KIND_CHAT, &conf, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_AUTH);
    assert_int_equal(err.status, 502);
    assert_non_null(strstr(err.detail, "openai_key"));
}

static void test_kinds(void **state)
{
    (void)state;
    static const enum catalog_kind kinds[] = {KIND_CHAT,  KIND_EMBEDDING, KIND_IMAGE,
                                              KIND_VIDEO, KIND_MUSIC,     KIND_SPEECH};
    struct conf conf = conf_all();
    struct route_list list;
    struct err err;

    for (size_t i = 1; i < ARRAY_LEN(kinds); i++) {
        struct catalog_model model = chat_model;
        model.kind = kinds[i];
        assert_int_equal(route_choose(&list, &model, KIND_CHAT, &conf, &err), -1);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, "model");
        assert_non_null(
            strstr(err.message, kinds[i] == KIND_EMBEDDING ? "/v1/embeddings" : "jobs"));
    }
}

static void test_embeddings(void **state)
{
    (void)state;
    static const struct {
        enum catalog_api api;
        const char *name; /* NULL: has none */
    } providers[] = {{API_OPENAI, "openai"},
                     {API_GOOGLE, "google"},
                     {API_OPENROUTER, "openrouter"},
                     {API_ANTHROPIC, NULL},
                     {API_KIE, NULL}};
    struct catalog_model model = chat_model;
    struct conf conf = conf_all();
    struct route_list list;
    struct err err;

    model.kind = KIND_EMBEDDING;
    model.route_count = 1;
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        model.routes[0].api = providers[i].api;
        int rc = route_choose(&list, &model, KIND_EMBEDDING, &conf, &err);
        assert_int_equal(rc, providers[i].name != NULL ? 0 : -1);
        if (rc != 0) {
            assert_int_equal(err.code, ERR_NOT_IMPLEMENTED);
            continue;
        }
        assert_null(list.routes[0].format);
        assert_string_equal(list.routes[0].embeddings->name, providers[i].name);
        assert_string_equal(list.routes[0].base_url, providers[i].name);
    }
    model.routes[0].api = API_GOOGLE;
    conf.key[PROVIDER_GOOGLE] = NULL;
    assert_int_equal(route_choose(&list, &model, KIND_EMBEDDING, &conf, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_AUTH);
    model.kind = KIND_CHAT;
    assert_int_equal(route_choose(&list, &model, KIND_EMBEDDING, &conf, &err), -1);
    assert_int_equal(err.status, 400);
}

static void test_not_callable(void **state)
{
    (void)state;
    struct catalog_model model = chat_model;
    struct conf conf = conf_all();
    struct route_list list;
    struct err err;

    model.route_count = 0;
    assert_int_equal(route_choose(&list, &model, KIND_CHAT, &conf, &err), -1);
    assert_int_equal(err.code, ERR_MODEL_NOT_FOUND);
    model.route_count = 1;
    model.routes[0].api = API_OTHER;
    assert_int_equal(route_choose(&list, &model, KIND_CHAT, &conf, &err), -1);
    assert_int_equal(err.code, ERR_NOT_IMPLEMENTED);
    assert_int_equal(err.status, 501);
}

/* What a model has not is told, not left out. */
static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *capabilities;
        int64_t tools;
        int64_t images;
        const char *format; /* response_format.type, or NULL */
        const char *field;  /* "": all is well */
    } rows[] = {
        {"tools,vision,json,stream", 1, 1, "json_schema", ""},
        {"vision,stream", 0, 1, NULL, ""},
        {"vision,stream", 0, 1, "text", ""},
        {"vision,stream", 1, 0, NULL, "tools"},
        {"vision,stream", 0, 0, "json_object", "response_format"},
        {"tools,json", 0, 1, NULL, "messages"},
        {"supervision,tools2,jsonl", 0, 1, NULL, "messages"},
        {"supervision,tools2,jsonl", 1, 0, NULL, "tools"},
        {"json", 0, 0, "json_schema", ""},
        {"", 0, 0, NULL, ""},
        {"", 0, 0, "json_schema", "response_format"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct catalog_model model = chat_model;
        struct neutral_request request = {
            .body = json_object_new_object(),
            .size = {.tools = rows[i].tools, .images = rows[i].images}};
        struct json_object *format = json_object_new_object();
        struct err err;
        err_clear(&err);
        model.capabilities = rows[i].capabilities;
        jsonx_set_str(format, "type", rows[i].format);
        jsonx_set(request.body, "response_format", format);
        assert_int_equal(route_check(&model, &request, &err), rows[i].field[0] == '\0' ? 0 : -1);
        assert_string_equal(err.param, rows[i].field);
        if (rows[i].field[0] != '\0')
            assert_int_equal(err.status, 400);
        /* A request that was taken apart tells it itself. */
        const struct neutral_content content = {.output = OUTPUT_JSON_SCHEMA};
        request.content = &content;
        model.capabilities = "tools,vision";
        assert_int_equal(route_check(&model, &request, &err), -1);
        assert_string_equal(err.param, "response_format");
        neutral_request_fini(&request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_routes),   cmocka_unit_test(test_without_key),
        cmocka_unit_test(test_kinds),        cmocka_unit_test(test_embeddings),
        cmocka_unit_test(test_not_callable), cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
