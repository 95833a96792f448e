/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/reply.h"

#include <stdint.h>
#include <string.h>

enum { REPLY_MAX = 256 * 1024 * 1024 };

void reply_common_headers(struct exchange *x)
{
    exchange_header(x, "x-request-id", "%s", exchange_request_id(x));
    exchange_header(x, "request-id", "%s", exchange_request_id(x));
    exchange_header(x, "openai-processing-ms", "%lld", (long long)exchange_elapsed_ms(x));
}

int reply_body(struct exchange *x, int status, const struct buf *body)
{
    reply_common_headers(x);
    exchange_header(x, "Content-Type", "application/json");
    exchange_header(x, "Content-Length", "%zu", body->len);
    exchange_begin(x, status);
    return exchange_write(x, body->data, body->len);
}

int reply_json(struct exchange *x, int status, struct json_object *body)
{
    struct buf out;

    buf_init(&out, REPLY_MAX);
    jsonx_write(&out, body);
    buf_append_char(&out, '\n');
    int rc = reply_body(x, status, &out);
    buf_fini(&out);
    return rc;
}

int reply_empty(struct exchange *x, int status)
{
    reply_common_headers(x);
    exchange_begin(x, status);
    return exchange_flush(x);
}

static void member(struct buf *out, const char *name, const char *value)
{
    buf_append_str(out, name);
    if (value[0] == '\0')
        buf_append_str(out, "null");
    else
        jsonx_write_string(out, value, strlen(value));
}

void reply_error_body(struct buf *out, const struct err *e)
{
    buf_append_str(out, "{\"error\":{\"message\":");
    jsonx_write_string(out, e->message, strlen(e->message));
    member(out, ",\"type\":", e->type);
    member(out, ",\"param\":", e->param);
    member(out, ",\"code\":", e->code_text);
    buf_append_str(out, "}}");
}

void reply_error_headers(struct exchange *x, const struct err *e, const char *allow)
{
    if (e->retry_after_s > 0)
        exchange_header(x, "Retry-After", "%d", e->retry_after_s);
    if (e->status == 401)
        exchange_header(x, "WWW-Authenticate", "Bearer");
    if (allow != NULL)
        exchange_header(x, "Allow", "%s", allow);
}

static void openai_body(struct buf *out, const struct err *e, const char *request_id)
{
    (void)request_id;
    reply_error_body(out, e);
}

void reply_error(struct exchange *x, const struct err *e, const char *allow)
{
    reply_error_as(x, e, allow, NULL);
}

void reply_error_as(struct exchange *x, const struct err *e, const char *allow,
                    reply_error_body_fn *body)
{
    struct buf out;

    exchange_clear_headers(x);
    reply_error_headers(x, e, allow);
    buf_init(&out, 16 * 1024);
    (body != NULL ? body : openai_body)(&out, e, exchange_request_id(x));
    buf_append_char(&out, '\n');
    (void)reply_body(x, e->status, &out);
    buf_fini(&out);
}
