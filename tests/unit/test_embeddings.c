/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "google_recording.h"
#include "unit.h"
#include "wire/embeddings.h"

#include <string.h>

static struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    if (jsonx_parse(&v, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return v;
}

static void read_request(struct embeddings_request *out, const char *text)
{
    struct err err;

    if (embeddings_read_request(out, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
}

/* Requests of clients. */

struct good_case {
    const char *body;
    size_t count;
    int64_t text_bytes;
    bool tokens;
    bool base64;
    int64_t dimensions;
};

static const struct good_case good_cases[] = {
    {"{\"model\":\"m\",\"input\":\"hello\"}", 1, 5, false, false, 0},
    {"{\"model\":\"m\",\"input\":[\"hello\",\"\\u00e9\\u0000\"],\"encoding_format\":\"base64\"}", 2,
     8, false, true, 0},
    {"{\"model\":\"m\",\"input\":[1,2,300000],\"encoding_format\":\"float\"}", 1, 3, true, false,
     0},
    {"{\"model\":\"m\",\"input\":[[1],[2,3]],\"dimensions\":256,\"user\":\"u\",\"x\":null}", 2, 3,
     true, false, 256},
    {"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":null,\"dimensions\":null}", 1, 1, false,
     false, 0},
};

static void good_requests_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_cases); i++) {
        const struct good_case *c = &good_cases[i];
        struct embeddings_request r;
        read_request(&r, c->body);
        assert_string_equal(r.neutral.model, "m");
        assert_int_equal(r.count, c->count);
        assert_int_equal(r.neutral.size.text_bytes, c->text_bytes);
        assert_int_equal(r.neutral.size.messages, c->count);
        assert_int_equal(r.neutral.choices, 1);
        assert_true(r.tokens == c->tokens && r.base64 == c->base64);
        assert_int_equal(r.dimensions, c->dimensions);
        assert_true(r.neutral.output_limit == 0 && !r.neutral.stream);
        embeddings_request_fini(&r);
    }
}

struct bad_case {
    const char *body;
    const char *param;
};

static const struct bad_case bad_cases[] = {
    {"{\"input\":\"a\"}", "model"},
    {"{\"model\":\"\",\"input\":\"a\"}", "model"},
    {"{\"model\":7,\"input\":\"a\"}", "model"},
    {"{\"model\":\"m\"}", "input"},
    {"{\"model\":\"m\",\"input\":null}", "input"},
    {"{\"model\":\"m\",\"input\":7}", "input"},
    {"{\"model\":\"m\",\"input\":{}}", "input"},
    {"{\"model\":\"m\",\"input\":\"\"}", "input"},
    {"{\"model\":\"m\",\"input\":[]}", "input"},
    {"{\"model\":\"m\",\"input\":[\"a\",\"\"]}", "input[1]"},
    {"{\"model\":\"m\",\"input\":[\"a\",7]}", "input[1]"},
    {"{\"model\":\"m\",\"input\":[null]}", "input[0]"},
    {"{\"model\":\"m\",\"input\":[\"a\",[1]]}", "input[1]"},
    {"{\"model\":\"m\",\"input\":[[1],\"a\"]}", "input[1]"},
    {"{\"model\":\"m\",\"input\":[[1],[]]}", "input[1]"},
    {"{\"model\":\"m\",\"input\":[[1],[1.5]]}", "input[1]"},
    {"{\"model\":\"m\",\"input\":[1,-1]}", "input"},
    {"{\"model\":\"m\",\"input\":[1,\"a\"]}", "input"},
    {"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"hex\"}", "encoding_format"},
    {"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":1}", "encoding_format"},
    {"{\"model\":\"m\",\"input\":\"a\",\"dimensions\":0}", "dimensions"},
    {"{\"model\":\"m\",\"input\":\"a\",\"dimensions\":1.5}", "dimensions"},
    {"{\"model\":\"m\",\"input\":\"a\",\"dimensions\":\"5\"}", "dimensions"},
    {"[]", ""},
    {"null", ""},
    {"{\"model\":", ""},
    {"", ""},
};

static void bad_requests_name_the_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_cases); i++) {
        struct embeddings_request r;
        struct err err;
        if (embeddings_read_request(&r, bad_cases[i].body, strlen(bad_cases[i].body), &err) == 0)
            fail_msg("%s: read", bad_cases[i].body);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, bad_cases[i].param);
        assert_true(err.message[0] != '\0');
    }
}

/* A request of `count` texts; those from the hundredth on have 3 tokens as they are estimated. */
static void many_inputs(struct buf *out, size_t count)
{
    buf_init(out, 1 << 20);
    buf_append_str(out, "{\"model\":\"m\",\"input\":[");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s\"%s%zu\"", i > 0 ? "," : "", i < 100 ? "t" : "longer t", i);
    buf_append_str(out, "]}");
}

static void inputs_are_bounded(void **state)
{
    (void)state;
    for (size_t count = EMBEDDINGS_INPUTS_MAX; count <= EMBEDDINGS_INPUTS_MAX + 1; count++) {
        struct embeddings_request r;
        struct buf text;
        struct err err;
        many_inputs(&text, count);
        int rc = embeddings_read_request(&r, text.data, text.len, &err);
        assert_int_equal(rc, count <= EMBEDDINGS_INPUTS_MAX ? 0 : -1);
        if (rc == 0)
            embeddings_request_fini(&r);
        else
            assert_string_equal(err.param, "input");
        buf_fini(&text);
    }
}

/* Upstream's requests. */

struct write_case {
    const char *provider;
    const char *client;
    size_t first;
    size_t count;
    const char *upstream; /* NULL: refused */
};

static const struct write_case write_cases[] = {
    {"openai", "{\"model\":\"m\",\"input\":\"a\",\"user\":\"u\",\"dimensions\":5}", 0, 1,
     "{\"model\":\"up\",\"input\":\"a\",\"user\":\"u\",\"dimensions\":5,\"encoding_format\":"
     "\"float\"}"},
    {"openai", "{\"model\":\"m\",\"input\":[[1,2],[3]],\"encoding_format\":\"base64\"}", 0, 2,
     "{\"model\":\"up\",\"input\":[[1,2],[3]],\"encoding_format\":\"base64\"}"},
    {"openai", "{\"model\":\"m\",\"input\":[1,2],\"encoding_format\":null}", 0, 1,
     "{\"model\":\"up\",\"input\":[1,2],\"encoding_format\":\"float\"}"},
    {"openai", "{\"model\":\"m\",\"input\":[\"a\",\"b\",\"c\"]}", 1, 2,
     "{\"model\":\"up\",\"input\":[\"b\",\"c\"],\"encoding_format\":\"float\"}"},
    {"openrouter", "{\"model\":\"m\",\"input\":[\"a\"],\"provider\":{\"only\":[\"x\"]}}", 0, 1,
     "{\"model\":\"up\",\"input\":[\"a\"],\"provider\":{\"only\":[\"x\"]},\"encoding_format\":"
     "\"float\"}"},
    {"openrouter", "{\"model\":\"m\",\"input\":\"a\",\"models\":[]}", 0, 1, NULL},
    {"openrouter", "{\"model\":\"m\",\"input\":[1]}", 0, 1, NULL},
    {"google", "{\"model\":\"m\",\"input\":[[1]]}", 0, 1, NULL},
    {"google", "{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"base64\",\"user\":\"u\"}", 0,
     1, "{\"requests\":[{\"model\":\"models/up\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}"},
    {"google", "{\"model\":\"m\",\"input\":[\"a\",\"b\",\"c\"],\"dimensions\":9}", 1, 2,
     "{\"requests\":[{\"model\":\"models/up\",\"content\":{\"parts\":[{\"text\":\"b\"}]},"
     "\"outputDimensionality\":9},{\"model\":\"models/up\",\"content\":{\"parts\":[{\"text\":\"c\"}"
     "]},\"outputDimensionality\":9}]}"},
};

static const struct neutral_target target = {
    .upstream_model = "up", .dialect = "embedding", .model = "our-model"};

static void upstream_requests_are_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(write_cases); i++) {
        const struct write_case *c = &write_cases[i];
        const struct embeddings_format *f = embeddings_format_find(c->provider);
        struct embeddings_request r;
        struct buf out;
        struct err err;
        read_request(&r, c->client);
        buf_init(&out, 1 << 20);
        int rc = f->write_request(&out, &r, &target, c->first, c->count, &err);
        assert_int_equal(rc, c->upstream != NULL ? 0 : -1);
        if (rc == 0) {
            struct json_object *expected = parsed(c->upstream);
            struct json_object *written = parsed(out.data);
            if (!json_object_equal(written, expected))
                fail_msg("%s", out.data);
            json_object_put(expected);
            json_object_put(written);
        } else {
            assert_int_equal(err.status, 400);
            assert_string_equal(err.code_text, "unsupported_value");
        }
        embeddings_request_fini(&r);
        buf_fini(&out);
    }
}

static void tokens_suit_openais_models_elsewhere(void **state)
{
    (void)state;
    struct neutral_target openai = target;
    struct embeddings_request r;
    struct buf out;
    struct err err;
    openai.upstream_model = "openai/text-embedding-3-small";
    read_request(&r, "{\"model\":\"m\",\"input\":[1]}");
    buf_init(&out, 1 << 20);
    assert_int_equal(
        embeddings_format_find("openrouter")->write_request(&out, &r, &openai, 0, 1, &err), 0);
    embeddings_request_fini(&r);
    buf_fini(&out);
}

/* Answers. */

struct answered {
    struct embeddings_request request;
    struct embeddings_answer answer;
    struct err err;
    int rc;
};

static void answer_init(struct answered *a, const char *client)
{
    read_request(&a->request, client);
    embeddings_answer_init(&a->answer);
}

static void answer_fini(struct answered *a)
{
    embeddings_request_fini(&a->request);
    embeddings_answer_fini(&a->answer);
}

static void feed(struct answered *a, const char *provider, const char *body, size_t count)
{
    a->rc = embeddings_format_find(provider)->read_answer(&a->answer, &a->request, count,
                                                          span_of(body), &a->err);
}

struct answer_case {
    const char *provider;
    const char *client;
    const char *body;
    const char *items; /* NULL: nonsense */
    int64_t prompt;
    bool known;
    const char *cost;
};

#define ONE    "{\"model\":\"m\",\"input\":\"hello\"}"
#define ONE_64 "{\"model\":\"m\",\"input\":\"hello\",\"encoding_format\":\"base64\"}"
#define TWO    "{\"model\":\"m\",\"input\":[\"hello\",\"world!\"]}"
#define ITEM(index, vector)                                                                        \
    "{\"object\":\"embedding\",\"index\":" #index ",\"embedding\":" vector "}"

static const struct answer_case answer_cases[] = {
    {"openai", ONE, "{\"data\":[{\"embedding\":[1,-2.5,0]}],\"usage\":{\"prompt_tokens\":3}}",
     ITEM(0, "[1,-2.5,0]"), 3, true, ""},
    {"openai", ONE, "{\"data\":[{\"embedding\":[1]}],\"usage\":{\"prompt_tokens\":0}}",
     ITEM(0, "[1]"), 0, true, ""},
    /* In the other form than it was asked for. */
    {"openai", ONE_64, "{\"data\":[{\"embedding\":[1,-2.5,0]}],\"usage\":{\"prompt_tokens\":3}}",
     ITEM(0, "\"AACAPwAAIMAAAAAA\""), 3, true, ""},
    {"openrouter", ONE,
     "{\"data\":[{\"embedding\":\"AACAPwAAIMAAAAAA\",\"index\":0}],\"id\":\"x\"}",
     ITEM(0, "[1,-2.5,0]"), 2, false, ""},
    /* By index, whatever the order. */
    {"openrouter", TWO,
     "{\"data\":[{\"index\":1,\"embedding\":[2]},{\"index\":0,\"embedding\":[1]}],\"usage\":{"
     "\"prompt_tokens\":3,\"cost\":1.5e-7,\"total_tokens\":3}}",
     ITEM(0, "[1]") "," ITEM(1, "[2]"), 3, true, "0.00000015"},
    {"openrouter", ONE,
     "{\"data\":[{\"embedding\":[1]}],\"usage\":{\"prompt_tokens\":3,\"cost\":-1}}", ITEM(0, "[1]"),
     3, true, ""},
    {"google", TWO,
     "{\"embeddings\":[{\"values\":[1]},{\"values\":[2]}],\"usageMetadata\":{\"promptTokenCount\":"
     "7}}",
     ITEM(0, "[1]") "," ITEM(1, "[2]"), 7, true, ""},
    /* No count: bytes / 4, rounded up for each input. */
    {"google", TWO, "{\"embeddings\":[{\"values\":[1]},{\"values\":[2]}]}",
     ITEM(0, "[1]") "," ITEM(1, "[2]"), 4, false, ""},
    {"google", ONE, "{\"embeddings\":[{\"values\":[1]}],\"usageMetadata\":{}}", ITEM(0, "[1]"), 2,
     false, ""},
    {"google", ONE,
     "{\"embeddings\":[{\"values\":[1]}],\"usageMetadata\":{\"promptTokenCount\":-1}}",
     ITEM(0, "[1]"), 2, false, ""},
    {"openai", "{\"model\":\"m\",\"input\":[[1,2,3],[4]]}",
     "{\"data\":[{\"embedding\":[1]},{\"embedding\":[2]}]}", ITEM(0, "[1]") "," ITEM(1, "[2]"), 4,
     false, ""},
    /* Nonsense. */
    {"openai", TWO, "{\"data\":[{\"embedding\":[1]}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"embedding\":[1]},{\"embedding\":[1]}]}", NULL, 0, false, ""},
    {"openai", TWO, "{\"data\":[{\"index\":1,\"embedding\":[2]},{\"index\":1,\"embedding\":[1]}]}",
     NULL, 0, false, ""},
    {"openai", TWO,
     "{\"data\":[{\"index\":0,\"embedding\":[2]},{\"index\":1,\"embedding\":[1]},{\"index\":1,"
     "\"embedding\":[1]}]}",
     NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"index\":1,\"embedding\":[2]}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"index\":-1,\"embedding\":[2]}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"embedding\":[]}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"embedding\":null}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"embedding\":\"x\"}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{}]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[[1]]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[]}", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":{}}", NULL, 0, false, ""},
    {"openai", ONE, "{}", NULL, 0, false, ""},
    {"openai", ONE, "[]", NULL, 0, false, ""},
    {"openai", ONE, "{\"data\":[{\"embedding\":[1]}]", NULL, 0, false, ""},
    {"openai", ONE, "", NULL, 0, false, ""},
    {"google", ONE, "{\"data\":[{\"embedding\":[1]}]}", NULL, 0, false, ""},
    {"openrouter", ONE, "{\"error\":{\"code\":429,\"message\":\"busy\"}}", NULL, 0, false, ""},
};

static void answers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct answered a;
        answer_init(&a, c->client);
        feed(&a, c->provider, c->body, a.request.count);
        assert_int_equal(a.rc, c->items != NULL ? 0 : -1);
        if (a.rc == 0) {
            assert_string_equal(a.answer.items.data, c->items);
            assert_int_equal(a.answer.count, a.request.count);
            assert_int_equal(a.answer.usage.prompt, c->prompt);
            assert_true(a.answer.usage.known == c->known);
            assert_string_equal(a.answer.usage.cost_usd, c->cost);
        } else {
            assert_true(a.err.status == 502 && a.err.retryable);
        }
        answer_fini(&a);
    }
}

static void answer_is_written(void **state)
{
    (void)state;
    struct answered a;
    struct buf out;
    answer_init(&a, TWO);
    feed(&a, "google",
         "{\"embeddings\":[{\"values\":[1]},{\"values\":[2]}],\"usageMetadata\":{"
         "\"promptTokenCount\":7}}",
         2);
    buf_init(&out, 1 << 20);
    embeddings_write_answer(&out, &a.request, &a.answer, "0.0000014");
    assert_string_equal(out.data, "{\"object\":\"list\",\"data\":[" ITEM(0, "[1]") "," ITEM(
                                      1, "[2]") "],\"model\":\"m\",\"usage\":{\"prompt_tokens\":7,"
                                                "\"total_tokens\":7,\"cost\":0.0000014}}\n");
    buf_clear(&out);
    embeddings_write_answer(&out, &a.request, &a.answer, NULL);
    assert_non_null(strstr(out.data, "\"cost\":null}"));
    buf_fini(&out);
    answer_fini(&a);
}

/* A request of more inputs than Google takes at once, the way the caller walks through it. */
static void batches_become_one_answer(void **state)
{
    (void)state;
    const struct embeddings_format *f = embeddings_format_find("google");
    enum { INPUTS = 250 };
    struct answered a;
    struct buf text;
    size_t batches = 0;
    many_inputs(&text, INPUTS);
    answer_init(&a, text.data);
    assert_int_equal(f->batch_max, 100);
    while (a.answer.count < a.request.count) {
        size_t left = a.request.count - a.answer.count;
        size_t count = left < f->batch_max ? left : f->batch_max;
        struct buf body;
        buf_init(&body, 1 << 20);
        buf_append_str(&body, "{\"embeddings\":[");
        for (size_t i = 0; i < count; i++)
            buf_printf(&body, "%s{\"values\":[%zu]}", i > 0 ? "," : "", a.answer.count + i);
        buf_printf(&body, "]%s}",
                   batches != 1 ? ",\"usageMetadata\":{\"promptTokenCount\":1000}" : "");
        feed(&a, "google", body.data, count);
        assert_int_equal(a.rc, 0);
        buf_fini(&body);
        batches++;
    }
    assert_int_equal(batches, 3);
    assert_int_equal(a.answer.count, INPUTS);
    assert_non_null(strstr(a.answer.items.data, "}," ITEM(249, "[249]")));
    assert_int_equal(a.answer.usage.prompt, 2000 + 300);
    assert_false(a.answer.usage.known);
    answer_fini(&a);
    buf_fini(&text);
}

/* Recordings. */

struct recorded {
    const char *provider;
    const char *name;
    size_t count;
    size_t dimensions;
    int64_t prompt;
    bool known;
    const char *base64; /* how the first vector begins, by another implementation */
    const char *number; /* how its numbers begin */
};

static const struct recorded recordings[] = {
    {"openai", "embeddings.testopenai-test-query.0", 1, 1536, 4, true, "\"sDqdvHJAz7zp",
     "[-0.01919302"},
    {"openai", "embeddings.testopenai-test-instrumentation.0", 1, 128, 4, true, "\"agdavRrGj71I",
     "[-0.05322972"},
    {"google", "embeddings.testgoogle-test-instrumentation.0", 1, 768, 4, false,
     "\"ia8iveph6DvO8EA9WudrvMjkA708YsU8", "[-0.039718185,"},
    {"google", "embeddings.google-task-prefix-asymmetric-document-no-title.0", 2, 3072, 14, true,
     "\"NhFcvFqhm7s6m+Y7CYNcPIr4iLuoWPU7", "[-0.013431838,"},
};

/* The client's request that leads to the recorded one, in the wanted form. */
static struct json_object *client_request(struct json_object *body, bool base64)
{
    struct json_object *client = json_object_new_object();
    struct json_object *google = jsonx_array(body, "requests");

    if (google == NULL) {
        jsonx_set_ref(client, "input", jsonx_get(body, "input"));
        if (jsonx_get(body, "dimensions") != NULL)
            jsonx_set_ref(client, "dimensions", jsonx_get(body, "dimensions"));
    } else {
        struct json_object *input = json_object_new_array();
        for (size_t i = 0; i < json_object_array_length(google); i++) {
            struct json_object *item = json_object_array_get_idx(google, i);
            struct json_object *parts = jsonx_array(jsonx_object(item, "content"), "parts");
            json_object_array_add(
                input, json_object_get(jsonx_get(json_object_array_get_idx(parts, 0), "text")));
            if (jsonx_get(item, "outputDimensionality") != NULL)
                jsonx_set_ref(client, "dimensions", jsonx_get(item, "outputDimensionality"));
            json_object_object_del(item, "taskType"); /* clients have no such field */
        }
        jsonx_set(client, "input", input);
    }
    jsonx_set_str(client, "model", "m");
    jsonx_set_str(client, "encoding_format", base64 ? "base64" : "float");
    return client;
}

static const char *upstream_model(struct json_object *body)
{
    struct json_object *google = jsonx_array(body, "requests");

    if (google == NULL)
        return jsonx_str(body, "model", "");
    return jsonx_str(json_object_array_get_idx(google, 0), "model", "") + strlen("models/");
}

static void check_recorded(const struct recorded *r, bool base64)
{
    const struct embeddings_format *f = embeddings_format_find(r->provider);
    struct json_object *recorded = recording_json(r->provider, r->name, "request.json");
    struct json_object *body = jsonx_object(recorded, "body");
    struct json_object *client = client_request(body, base64);
    struct neutral_target up = target;
    struct answered a;
    struct buf out;
    struct buf answer;

    /* The request. */
    buf_init(&out, 1 << 24);
    answer_init(&a, json_object_to_json_string(client));
    up.upstream_model = upstream_model(body);
    assert_int_equal(f->write_request(&out, &a.request, &up, 0, a.request.count, &a.err), 0);
    struct json_object *written = parsed(out.data);
    if (jsonx_has(body, "encoding_format"))
        jsonx_set_str(body, "encoding_format", base64 ? "base64" : "float");
    assert_true(json_object_equal(written, body));

    /* The answer. */
    recording_read(&answer, r->provider, r->name, "response.json");
    feed(&a, r->provider, answer.data, a.request.count);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.answer.usage.prompt, r->prompt);
    assert_true(a.answer.usage.known == r->known);
    buf_clear(&out);
    embeddings_write_answer(&out, &a.request, &a.answer, "0");
    struct json_object *result = parsed(out.data);
    struct json_object *data = jsonx_array(result, "data");
    assert_int_equal(json_object_array_length(data), r->count);
    for (size_t i = 0; i < r->count; i++) {
        struct json_object *item = json_object_array_get_idx(data, i);
        struct json_object *vector = jsonx_get(item, "embedding");
        assert_int_equal(jsonx_i64(item, "index", -1), i);
        if (base64)
            assert_int_equal(json_object_get_string_len(vector), (r->dimensions * 4 + 2) / 3 * 4);
        else
            assert_int_equal(json_object_array_length(vector), r->dimensions);
    }
    assert_non_null(strstr(a.answer.items.data, base64 ? r->base64 : r->number));
    json_object_put(result);
    json_object_put(written);
    json_object_put(client);
    json_object_put(recorded);
    answer_fini(&a);
    buf_fini(&answer);
    buf_fini(&out);
}

static void recordings_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
        check_recorded(&recordings[i], true);
        check_recorded(&recordings[i], false);
    }
}

static void recorded_failure_is_read(void **state)
{
    (void)state;
    struct buf body;
    struct err err;
    recording_read(&body, "openai", "embeddings.testopenai-test-embed-error.0", "response.json");
    embeddings_format_find("openai")->read_failure(&err, 404, 0, buf_span(&body));
    assert_int_equal(err.status, 404);
    assert_string_equal(err.code_text, "model_not_found");
    buf_fini(&body);
}

static void providers_are_listed(void **state)
{
    (void)state;
    assert_null(embeddings_format_find("anthropic"));
    assert_string_equal(embeddings_format_find("google")->path,
                        "/v1beta/models/{model}:batchEmbedContents");
    assert_int_equal(embeddings_format_find("openrouter")->account, PROVIDER_OPENROUTER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_requests_are_read),
        cmocka_unit_test(bad_requests_name_the_field),
        cmocka_unit_test(inputs_are_bounded),
        cmocka_unit_test(upstream_requests_are_written),
        cmocka_unit_test(tokens_suit_openais_models_elsewhere),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(answer_is_written),
        cmocka_unit_test(batches_become_one_answer),
        cmocka_unit_test(recordings_are_understood),
        cmocka_unit_test(recorded_failure_is_read),
        cmocka_unit_test(providers_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
