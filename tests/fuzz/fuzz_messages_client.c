/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's request in Anthropic's language: read, measured, taken apart and written for every
 * provider. What is written is JSON with our model and limit, an error is a 400 that says
 * something.
 */
#include "base/base.h"

#include "fuzz.h"
#include "wire/format.h"
#include "wire/messages_client.h"
#include "wire/messages_content.h"
#include "wire/messages_pass.h"
#include "wire/messages_writer.h"

#include <string.h>

enum { OUT_MAX = 256 * 1024 * 1024, OUTPUT_LIMIT = 4096 };

static void check_error(const struct err *err)
{
    FUZZ_REQUIRE(err->status == 400 || err->status == 413);
    FUZZ_REQUIRE(err->message[0] != '\0');
    FUZZ_REQUIRE(memchr(err->message, '\0', sizeof err->message) != NULL);
    FUZZ_REQUIRE(memchr(err->param, '\0', sizeof err->param) != NULL);
}

static int64_t limit_of(struct json_object *body)
{
    static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens"};
    int64_t limit = jsonx_i64(jsonx_object(body, "generationConfig"), "maxOutputTokens", -1);

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (jsonx_get(body, names[i]) != NULL)
            limit = jsonx_i64(body, names[i], -1);
    return limit;
}

static void check_written(const struct buf *text)
{
    struct json_object *body = NULL;
    struct err err;

    FUZZ_REQUIRE(!buf_failed(text));
    /* What was nested to the limit may be nested deeper now. */
    if (jsonx_parse(&body, text->data, text->len, &err) != 0)
        return;
    FUZZ_REQUIRE(limit_of(body) == OUTPUT_LIMIT);
    FUZZ_REQUIRE(strcmp(jsonx_str(body, "model", "up"), "up") == 0);
    json_object_put(body);
}

static void write_for(const char *provider, const char *dialect, bool hedge,
                      struct neutral_request *request, struct arena *arena)
{
    const struct format *format = format_find(provider);
    const struct neutral_target target = {.upstream_model = "up",
                                          .dialect = dialect,
                                          .output_limit = OUTPUT_LIMIT,
                                          .model = "the-model",
                                          .hedge = hedge};
    struct err err;
    struct buf out;

    buf_init(&out, OUT_MAX);
    err_clear(&err);
    int rc = 0;
    if (!format_passes(format, request) && request->content == NULL)
        rc = messages_read_content(request, arena, &err);
    if (rc == 0)
        rc = format->write_request(&out, request, &target, &err);
    if (rc == 0) {
        check_written(&out);
    } else {
        FUZZ_REQUIRE(rc == -1 && out.len == 0);
        messages_explain(&err, request);
        check_error(&err);
    }
    buf_fini(&out);
}

static void check_answer(const struct neutral_request *request)
{
    static const struct usage usage = {.known = true, .prompt = 5, .completion = 1};
    const struct event text = {.kind = EVENT_TEXT, .text = {"a", 1}};
    struct messages_writer writer;
    struct buf out;

    buf_init(&out, OUT_MAX);
    messages_writer_init(&writer, request, "req_01ARZ3NDEKTSV4RRFFQ69G5FAV", 0);
    messages_write_event(&out, &writer, &text);
    messages_write_end(&out, &writer, &usage, "1");
    FUZZ_REQUIRE(!buf_failed(&out) && out.len > 0);
    messages_writer_fini(&writer);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const char *provider;
        const char *dialect;
        bool hedge;
    } targets[] = {
        {"anthropic", "claude-5", false},      {"openai", "openai-chat", false},
        {"openai", "openai-reasoning", false}, {"openai-responses", "openai-responses", false},
        {"google", "gemini-2.5", false},       {"google", "gemini-3", false},
        {"openrouter", "openrouter", false},   {"openrouter", "openai-responses", true},
    };
    struct neutral_request request;
    struct err err;

    if (messages_read_request(&request, (const char *)data, size, &err) != 0) {
        check_error(&err);
        return 0;
    }
    FUZZ_REQUIRE(request.model[0] != '\0' && request.choices == 1 && request.output_limit >= 0);
    FUZZ_REQUIRE(request.size.messages >= 1 && request.size.text_bytes >= 0);
    FUZZ_REQUIRE(request.size.images >= 0 && request.size.files >= 0 && request.size.tools >= 0);
    struct arena *arena = arena_new();
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        write_for(targets[i].provider, targets[i].dialect, targets[i].hedge, &request, arena);
    (void)messages_beta_header(arena, request.model);
    check_answer(&request);
    neutral_request_fini(&request);
    arena_free(arena);
    return 0;
}
