/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chat requests as Google would get them.
 */
#ifndef AIG_TEST_GEMINI_CHAT_H
#define AIG_TEST_GEMINI_CHAT_H

#include "base/base.h"

#include "unit.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/gemini.h"

#include <string.h>

/* A chat request as Google would get it; NULL with err set: it was refused. */
static inline struct json_object *translate(const char *chat, size_t len, const char *dialect,
                                            int64_t output_limit, struct err *err)
{
    struct neutral_request request;
    struct neutral_target target = {.upstream_model = "gemini-x",
                                    .dialect = dialect,
                                    .model = "our-gemini",
                                    .output_limit = output_limit};
    struct arena *arena = arena_new();
    struct json_object *written = NULL;
    struct err parse;
    struct buf out;

    buf_init(&out, 1 << 24);
    if (completions_read_request(&request, chat, len, &parse) != 0 ||
        completions_read_content(&request, arena, &parse) != 0)
        fail_msg("%.*s: %s", (int)len, chat, parse.message);
    if (gemini_format.write_request(&out, &request, &target, err) == 0)
        assert_int_equal(jsonx_parse(&written, out.data, out.len, &parse), 0);
    else
        assert_int_equal(out.len, 0);
    neutral_request_fini(&request);
    arena_free(arena);
    buf_fini(&out);
    return written;
}

static inline struct json_object *parsed(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    if (jsonx_parse(&v, text, strlen(text), &err) != 0)
        fail_msg("%s: %s", text, err.message);
    return v;
}

static inline void assert_same(struct json_object *got, struct json_object *expected)
{
    if (json_object_equal(got, expected))
        return;
    fail_msg("got\n%s\nexpected\n%s", json_object_to_json_string(got),
             json_object_to_json_string(expected));
}

/* Requests by hand: only what stands in `chat` besides model, and in `google` besides an empty
 * generationConfig. */

struct request_case {
    const char *dialect;
    const char *chat;
    const char *google;
};

static inline void assert_cases(const struct request_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct request_case *c = &cases[i];
        struct buf chat;
        struct buf google;
        struct err err;
        buf_init(&chat, 1 << 20);
        buf_init(&google, 1 << 20);
        buf_printf(&chat, "{\"model\":\"our-gemini\",%s}", c->chat);
        buf_printf(&google, "{%s,\"generationConfig\":{}}", c->google);
        struct json_object *expected = parsed(google.data);
        struct json_object *written = translate(chat.data, chat.len, c->dialect, 0, &err);
        if (written == NULL)
            fail_msg("%s: %s", chat.data, err.message);
        assert_same(written, expected);
        json_object_put(written);
        json_object_put(expected);
        buf_fini(&chat);
        buf_fini(&google);
    }
}

#define USER_HI   "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define GOOGLE_HI "\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]"
#define TOOL_F    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"
#define GOOGLE_F  "\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\"}]}]"
#define MODE(mode, rest)                                                                           \
    "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"" mode "\"" rest "}}"
#define ASSISTANT_CALL(id, rest)                                                                   \
    "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"" id                       \
    "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}" rest "}]}"
#define TOOL_RESULT(id, content)                                                                   \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":" content "}"
#define CALL_PART(id, rest)                                                                        \
    "{\"functionCall\":{\"id\":\"" id "\",\"name\":\"f\",\"args\":{}}" rest "}"
#define RESULT_PART(id, response)                                                                  \
    "{\"functionResponse\":{\"id\":\"" id "\",\"name\":\"f\",\"response\":" response "}}"
#define DUMMY           ",\"thoughtSignature\":\"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=\""
#define IMAGE           "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}"
#define INLINE_IMAGE    "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}"
#define SIGNATURE(text) ",\"extra_content\":{\"google\":{\"thought_signature\":\"" text "\"}}"

#endif
