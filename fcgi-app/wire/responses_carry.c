/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_carry.h"

#include "base/secret.h"

#include <string.h>

/* OpenAI's begin with the letters of a Fernet token. */
static const char mark[] = "aig1.";
enum { MARK_LEN = sizeof mark - 1, CARRY_MAX = 64 * 1024 * 1024 };

void responses_carry_write(struct buf *out, struct json_object *details, struct json_object *calls)
{
    bool has_calls = calls != NULL && json_object_object_length(calls) > 0;
    struct json_object *root = json_object_new_object();
    struct buf text;

    if (details != NULL)
        jsonx_set_ref(root, "details", details);
    if (has_calls)
        jsonx_set_ref(root, "calls", calls);
    buf_init(&text, CARRY_MAX);
    jsonx_write(&text, root);
    json_object_put(root);
    if ((details != NULL || has_calls) && !buf_failed(&text)) {
        buf_append_str(out, mark);
        secret_base64(out, text.data, text.len);
    }
    buf_fini(&text);
}

bool responses_carry_is(struct span text)
{
    return text.len >= MARK_LEN && memcmp(text.ptr, mark, MARK_LEN) == 0;
}

bool responses_carry_read(struct json_object **details, struct json_object **calls,
                          struct span text)
{
    struct json_object *root = NULL;
    struct buf plain;
    struct err err;

    *details = NULL;
    *calls = NULL;
    if (!responses_carry_is(text))
        return false;
    struct span coded = {text.ptr + MARK_LEN, text.len - MARK_LEN};
    buf_init(&plain, CARRY_MAX);
    if (secret_unbase64(&plain, coded) == 0 && !buf_failed(&plain) &&
        jsonx_parse(&root, plain.data, plain.len, &err) == 0) {
        *details = json_object_get(jsonx_array(root, "details"));
        *calls = json_object_get(jsonx_object(root, "calls"));
    }
    json_object_put(root);
    buf_fini(&plain);
    return true;
}
