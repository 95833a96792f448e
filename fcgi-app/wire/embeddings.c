/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/embeddings.h"

#include "base/jsonx.h"
#include "base/log.h"
#include "wire/completions.h"
#include "wire/embeddings_scan.h"
#include "wire/embeddings_vector.h"
#include "wire/gemini_failure.h"

#include <stdio.h>
#include <string.h>

/* A client's request. */

static int bad_input(struct err *err, const char *path, const char *what)
{
    return err_set(err, ERR_BAD_REQUEST, path, "'%s' %s", path, what);
}

static int read_text(struct embeddings_request *r, struct json_object *v, const char *path,
                     struct err *err)
{
    int len = json_object_get_string_len(v);

    if (r->tokens)
        return bad_input(err, path, "must be an array of token ids like the ones before it.");
    if (len == 0)
        return bad_input(err, path, "must not be an empty string.");
    r->neutral.size.text_bytes += len;
    return 0;
}

/* A token id is one token: it counts as one byte of text. */
static int read_tokens(struct embeddings_request *r, struct json_object *v, const char *path,
                       struct err *err)
{
    size_t count = json_object_array_length(v);

    if (!r->tokens)
        return bad_input(err, path, "must be a string like the ones before it.");
    if (count == 0)
        return bad_input(err, path, "must not be empty.");
    for (size_t i = 0; i < count; i++) {
        struct json_object *id = json_object_array_get_idx(v, i);
        if (!json_object_is_type(id, json_type_int) || json_object_get_int64(id) < 0)
            return bad_input(err, path, "must hold token ids (whole numbers) only.");
    }
    r->neutral.size.text_bytes += (int64_t)count;
    return 0;
}

static int read_one(struct embeddings_request *r, struct json_object *v, const char *path,
                    struct err *err)
{
    if (json_object_is_type(v, json_type_string))
        return read_text(r, v, path, err);
    if (json_object_is_type(v, json_type_array))
        return read_tokens(r, v, path, err);
    return bad_input(err, path, "must be a string or an array of token ids.");
}

static int read_many(struct embeddings_request *r, struct err *err)
{
    char path[64];

    r->count = json_object_array_length(r->input);
    if (r->count > EMBEDDINGS_INPUTS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "input",
                       "'input' can hold at most %d inputs, but it holds %zu.",
                       EMBEDDINGS_INPUTS_MAX, r->count);
    r->tokens = json_object_is_type(json_object_array_get_idx(r->input, 0), json_type_array);
    for (size_t i = 0; i < r->count; i++) {
        snprintf(path, sizeof path, "input[%zu]", i);
        if (read_one(r, json_object_array_get_idx(r->input, i), path, err) != 0)
            return -1;
    }
    return 0;
}

/* A string, strings, token ids, or arrays of token ids. */
static int read_input(struct embeddings_request *r, struct err *err)
{
    bool array = false;

    r->input = jsonx_get(r->neutral.body, "input");
    if (r->input == NULL)
        return bad_input(err, "input", "is missing: give a text or an array of texts.");
    array = json_object_is_type(r->input, json_type_array);
    if (array && json_object_array_length(r->input) == 0)
        return bad_input(err, "input", "must not be empty.");
    r->single =
        !array || json_object_is_type(json_object_array_get_idx(r->input, 0), json_type_int);
    if (!r->single)
        return read_many(r, err);
    r->count = 1;
    r->tokens = array;
    return read_one(r, r->input, "input", err);
}

static int read_encoding(struct embeddings_request *r, struct err *err)
{
    const char *encoding = "float";

    if (jsonx_want_str(&encoding, r->neutral.body, "encoding_format", "encoding_format", err) != 0)
        return -1;
    r->base64 = strcmp(encoding, "base64") == 0;
    if (!r->base64 && strcmp(encoding, "float") != 0)
        return bad_input(err, "encoding_format", "must be 'float' or 'base64'.");
    return 0;
}

static int read_fields(struct embeddings_request *r, struct err *err)
{
    struct json_object *body = r->neutral.body;

    if (!json_object_is_type(body, json_type_object))
        return err_set(err, ERR_BAD_REQUEST, NULL,
                       "The request body must be a JSON object, but it is %s.",
                       jsonx_type_name(body));
    if (jsonx_want_str(&r->neutral.model, body, "model", "model", err) != 0)
        return -1;
    if (r->neutral.model == NULL || r->neutral.model[0] == '\0')
        return bad_input(err, "model", "is missing: name one of GET /v1/models.");
    if (read_input(r, err) != 0 || read_encoding(r, err) != 0)
        return -1;
    r->neutral.size.messages = (int64_t)r->count;
    return jsonx_want_i64(&r->dimensions, body, "dimensions", "dimensions", 1,
                          EMBEDDINGS_DIMENSIONS_MAX, err);
}

int embeddings_read_request(struct embeddings_request *out, const char *text, size_t len,
                            struct err *err)
{
    struct embeddings_request r = {.neutral = {.choices = 1}};

    if (jsonx_parse(&r.neutral.body, text, len, err) != 0)
        return -1;
    if (read_fields(&r, err) != 0) {
        embeddings_request_fini(&r);
        return -1;
    }
    *out = r;
    return 0;
}

void embeddings_request_fini(struct embeddings_request *r)
{
    neutral_request_fini(&r->neutral);
}

static struct json_object *input_at(const struct embeddings_request *r, size_t i)
{
    return r->single ? r->input : json_object_array_get_idx(r->input, i);
}

/* The answer. */

void embeddings_answer_init(struct embeddings_answer *a)
{
    memset(a, 0, sizeof *a);
    buf_init(&a->items, EMBEDDINGS_ANSWER_MAX);
    a->usage.known = true;
}

void embeddings_answer_fini(struct embeddings_answer *a)
{
    buf_fini(&a->items);
}

void embeddings_write_answer(struct buf *out, const struct embeddings_request *request,
                             const struct embeddings_answer *answer, const char *cost_usd)
{
    struct json_object *usage = json_object_new_object();

    jsonx_set_i64(usage, "prompt_tokens", answer->usage.prompt);
    jsonx_set_i64(usage, "total_tokens", answer->usage.prompt);
    jsonx_set_decimal(usage, "cost", cost_usd);
    buf_append_str(out, "{\"object\":\"list\",\"data\":[");
    buf_append(out, answer->items.data, answer->items.len);
    buf_append_str(out, "],\"model\":");
    jsonx_write_string(out, request->neutral.model, strlen(request->neutral.model));
    buf_append_str(out, ",\"usage\":");
    jsonx_write(out, usage);
    buf_append_str(out, "}\n");
    json_object_put(usage);
}

static int add_vectors(struct embeddings_answer *a, const struct embeddings_request *request,
                       const struct span *vectors, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (vectors[i].ptr == NULL)
            return format_nonsense(err, "the answer lacks a vector");
        buf_printf(&a->items, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":",
                   a->count > 0 ? "," : "", a->count);
        if (embeddings_write_vector(&a->items, vectors[i], request->base64) != 0)
            return format_nonsense(err, "what should be a vector is none");
        buf_append_char(&a->items, '}');
        a->count++;
    }
    return buf_failed(&a->items) ? format_nonsense(err, "the answer is too large") : 0;
}

/* English runs at four to five bytes a token: in doubt for the customer. */
static int64_t estimate(const struct embeddings_request *r, size_t first, size_t count)
{
    enum { BYTES_PER_TOKEN = 4 };
    int64_t n = 0;

    for (size_t i = first; i < first + count; i++) {
        struct json_object *v = input_at(r, i);
        n += r->tokens ? (int64_t)json_object_array_length(v)
                       : (json_object_get_string_len(v) + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
    }
    return n;
}

/* `key` is the prompt's count in the usage object. The inputs are the ones that follow those in *a.
 */
static void add_usage(struct embeddings_answer *a, const struct embeddings_request *request,
                      size_t count, struct json_object *usage, const char *key)
{
    const int64_t tokens_max = INT64_C(1000) * 1000 * 1000 * 1000;
    int64_t n = jsonx_i64(usage, key, -1);

    if (n < 0 || n > tokens_max) {
        a->usage.known = false;
        n = estimate(request, a->count, count);
    }
    a->usage.prompt += n;
}

/* A member of the document as a tree; the caller owns it. NULL: absent or no object. */
static struct json_object *small_member(struct span document, const char *name)
{
    struct json_object *v = NULL;
    struct span text;
    struct err err;

    if (!scan_member(&text, document, name) || jsonx_parse(&v, text.ptr, text.len, &err) != 0)
        return NULL;
    if (json_object_is_type(v, json_type_object))
        return v;
    json_object_put(v);
    return NULL;
}

/* *document is the body's value if that is an object without an error in it. */
static int open_document(struct span *document, struct span body, struct err *err)
{
    struct jsontext_fault fault;
    char text[ERR_MESSAGE_MAX / 2];

    if (jsontext_check(&fault, body.ptr, body.len) != 0)
        return format_nonsense(err, "the answer is no JSON");
    *document = scan_document(body.ptr, body.len);
    struct json_object *error = small_member(*document, "error");
    if (error == NULL)
        return 0;
    snprintf(text, sizeof text, "%s", jsonx_str(error, "message", "no reason given"));
    log_mask(text, strlen(text));
    json_object_put(error);
    err_set(err, ERR_UPSTREAM, NULL,
            "The provider answered with an error. You were not charged; please try again.");
    return err_detail(err, "error in the answer: %.400s", text);
}

/* Sets vectors[] by the `index` of the items, or by their order where they have none. */
static int find_vectors(struct span *vectors, size_t count, struct span list, const char *name,
                        struct err *err)
{
    struct span rest;
    struct span item;
    struct span value;
    size_t position = 0;

    if (!scan_array(&rest, list))
        return format_nonsense(err, "the vectors are no array");
    for (; scan_element(&item, &rest); position++) {
        size_t at = scan_member(&value, item, "index") ? scan_index(value, count, count) : position;
        if (at >= count || vectors[at].ptr != NULL)
            return format_nonsense(err, "more vectors than inputs, or two for one");
        if (!scan_member(&vectors[at], item, name))
            return format_nonsense(err, "an item without its vector");
    }
    return 0;
}

struct shape {
    const char *list;   /* member that holds the items */
    const char *vector; /* member of an item */
    const char *usage;
    const char *prompt; /* member of usage */
};

static int read_vectors(struct embeddings_answer *a, const struct embeddings_request *request,
                        size_t count, struct span document, const struct shape *shape,
                        struct err *err)
{
    struct span *vectors = mem_zalloc(count * sizeof *vectors);
    struct span list = {"", 0};

    (void)scan_member(&list, document, shape->list);
    int rc = find_vectors(vectors, count, list, shape->vector, err);
    if (rc == 0)
        rc = add_vectors(a, request, vectors, count, err);
    mem_free(vectors);
    return rc;
}

static int read_answer(struct embeddings_answer *a, const struct embeddings_request *request,
                       size_t count, struct span body, const struct shape *shape, struct err *err)
{
    struct span document;

    assert(count > 0 && a->count + count <= request->count);
    if (open_document(&document, body, err) != 0)
        return -1;
    struct json_object *usage = small_member(document, shape->usage);
    add_usage(a, request, count, usage, shape->prompt);
    struct json_object *cost = jsonx_get(usage, "cost");
    if ((json_object_is_type(cost, json_type_double) || json_object_is_type(cost, json_type_int)) &&
        (decimal_normalise(a->usage.cost_usd, json_object_get_string(cost)) != 0 ||
         decimal_is_negative(a->usage.cost_usd)))
        a->usage.cost_usd[0] = '\0';
    json_object_put(usage);
    return read_vectors(a, request, count, document, shape, err);
}

/* OpenAI and OpenRouter. */

static int write_same(struct buf *out, const struct embeddings_request *request,
                      const struct neutral_target *target, size_t first, size_t count,
                      struct err *err)
{
    struct json_object *body = json_object_new_object();

    (void)err;
    json_object_object_foreach(request->neutral.body, key, member)
    {
        jsonx_set_ref(body, key, member);
    }
    jsonx_set_str(body, "model", target->upstream_model);
    jsonx_set_str(body, "encoding_format", request->base64 ? "base64" : "float");
    if (count < request->count) {
        struct json_object *part = json_object_new_array();
        for (size_t i = first; i < first + count; i++)
            json_object_array_add(part, json_object_get(input_at(request, i)));
        jsonx_set(body, "input", part);
    }
    jsonx_write(out, body);
    json_object_put(body);
    return 0;
}

/* Token ids mean something to the model only whose tokens they are. */
static int refuse_tokens(const struct neutral_target *target, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED_VALUE, "input",
                   "'input' must be text for the model '%.100s': it does not take token ids (in "
                   "LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False)).",
                   target->model);
}

static int write_openrouter(struct buf *out, const struct embeddings_request *request,
                            const struct neutral_target *target, size_t first, size_t count,
                            struct err *err)
{
    static const char openai[] = "openai/";
    /* These choose another model or a paid service, which the hold would not cover. */
    static const char *const refused[] = {"models", "route", "plugins", "preset"};

    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        if (jsonx_get(request->neutral.body, refused[i]) != NULL)
            return err_set(err, ERR_UNSUPPORTED_VALUE, refused[i],
                           "'%s' is not offered here: it could have the call served by another "
                           "model or at another price than the one shown.",
                           refused[i]);
    if (request->tokens && strncmp(target->upstream_model, openai, strlen(openai)) != 0)
        return refuse_tokens(target, err);
    return write_same(out, request, target, first, count, err);
}

static int read_same(struct embeddings_answer *a, const struct embeddings_request *request,
                     size_t count, struct span body, struct err *err)
{
    static const struct shape shape = {"data", "embedding", "usage", "prompt_tokens"};

    return read_answer(a, request, count, body, &shape, err);
}

/* Google. */

static struct json_object *google_item(const struct embeddings_request *request,
                                       const struct neutral_target *target, size_t i)
{
    struct json_object *item = json_object_new_object();
    struct json_object *content = json_object_new_object();
    struct json_object *parts = json_object_new_array();
    struct json_object *part = json_object_new_object();
    struct buf model;

    buf_init(&model, SIZE_MAX / 2);
    buf_printf(&model, "models/%s", target->upstream_model);
    jsonx_set_str(item, "model", model.data);
    jsonx_set_ref(part, "text", input_at(request, i));
    json_object_array_add(parts, part);
    jsonx_set(content, "parts", parts);
    jsonx_set(item, "content", content);
    if (request->dimensions > 0)
        jsonx_set_i64(item, "outputDimensionality", request->dimensions);
    buf_fini(&model);
    return item;
}

static int write_google(struct buf *out, const struct embeddings_request *request,
                        const struct neutral_target *target, size_t first, size_t count,
                        struct err *err)
{
    if (request->tokens)
        return refuse_tokens(target, err);
    struct json_object *body = json_object_new_object();
    struct json_object *items = json_object_new_array();
    for (size_t i = first; i < first + count; i++)
        json_object_array_add(items, google_item(request, target, i));
    jsonx_set(body, "requests", items);
    jsonx_write(out, body);
    json_object_put(body);
    return 0;
}

static int read_google(struct embeddings_answer *a, const struct embeddings_request *request,
                       size_t count, struct span body, struct err *err)
{
    static const struct shape shape = {"embeddings", "values", "usageMetadata", "promptTokenCount"};

    return read_answer(a, request, count, body, &shape, err);
}

/* The table. */

enum { GOOGLE_BATCH = 100 };

static const struct embeddings_format formats[] = {
    {
        .name = "openai",
        .account = PROVIDER_OPENAI,
        .auth = FORMAT_AUTH_BEARER,
        .path = "/v1/embeddings",
        .batch_max = EMBEDDINGS_INPUTS_MAX,
        .write_request = write_same,
        .read_answer = read_same,
        .read_failure = completions_read_failure,
    },
    {
        .name = "openrouter",
        .account = PROVIDER_OPENROUTER,
        .auth = FORMAT_AUTH_BEARER,
        .path = "/v1/embeddings",
        .batch_max = EMBEDDINGS_INPUTS_MAX, /* all at once: costs are not added here */
        .write_request = write_openrouter,
        .read_answer = read_same,
        .read_failure = completions_read_failure,
    },
    {
        .name = "google",
        .account = PROVIDER_GOOGLE,
        .auth = FORMAT_AUTH_GOOG,
        .path = "/v1beta/models/{model}:batchEmbedContents",
        .batch_max = GOOGLE_BATCH,
        .write_request = write_google,
        .read_answer = read_google,
        .read_failure = gemini_read_failure,
    },
};

const struct embeddings_format *embeddings_format_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}
