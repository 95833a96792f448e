/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a provider's embeddings answer and as a client's request. What is accepted becomes
 * JSON for the client or the provider; what is not gives an error that says something.
 */
#include "base/base.h"

#include "base/jsonx.h"
#include "fuzz.h"
#include "wire/embeddings.h"

#include <string.h>

enum { OUT_MAX = 256 * 1024 * 1024 };

static const char *const providers[] = {"openai", "openrouter", "google"};

static void check_written(const struct embeddings_request *r, const struct embeddings_answer *a)
{
    struct json_object *written = NULL;
    struct buf out;
    struct err err;

    buf_init(&out, OUT_MAX);
    embeddings_write_answer(&out, r, a, "0");
    FUZZ_REQUIRE(jsonx_parse(&written, out.data, out.len, &err) == 0);
    struct json_object *data = jsonx_array(written, "data");
    FUZZ_REQUIRE(json_object_array_length(data) == r->count);
    for (size_t i = 0; i < r->count; i++) {
        struct json_object *v = jsonx_get(json_object_array_get_idx(data, i), "embedding");
        FUZZ_REQUIRE(json_object_is_type(v, r->base64 ? json_type_string : json_type_array));
    }
    json_object_put(written);
    buf_fini(&out);
}

static void check_answer(const char *client, struct span body)
{
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        struct embeddings_request r;
        struct embeddings_answer a;
        struct err err;
        err_clear(&err);
        FUZZ_REQUIRE(embeddings_read_request(&r, client, strlen(client), &err) == 0);
        embeddings_answer_init(&a);
        if (embeddings_format_find(providers[i])->read_answer(&a, &r, r.count, body, &err) == 0)
            check_written(&r, &a);
        else
            FUZZ_REQUIRE(err.status >= 500 && err.message[0] != '\0');
        embeddings_answer_fini(&a);
        embeddings_request_fini(&r);
    }
}

static void check_request(const char *text, size_t size)
{
    struct neutral_target target = {.upstream_model = "u", .dialect = "embedding", .model = "m"};
    struct embeddings_request r;
    struct err err;

    err_clear(&err);
    if (embeddings_read_request(&r, text, size, &err) != 0) {
        FUZZ_REQUIRE(err.status == 400 && err.message[0] != '\0');
        return;
    }
    FUZZ_REQUIRE(r.count > 0 && r.neutral.size.text_bytes > 0);
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        struct json_object *written = NULL;
        struct buf out;
        buf_init(&out, OUT_MAX);
        if (embeddings_format_find(providers[i])
                ->write_request(&out, &r, &target, r.count / 2, r.count - r.count / 2, &err) == 0)
            FUZZ_REQUIRE(jsonx_parse(&written, out.data, out.len, &err) == 0);
        else
            FUZZ_REQUIRE(err.status == 400);
        json_object_put(written);
        buf_fini(&out);
    }
    embeddings_request_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    check_answer("{\"model\":\"m\",\"input\":\"a\"}", (struct span){text, size});
    check_answer("{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}",
                 (struct span){text, size});
    check_request(text, size);
    return 0;
}
