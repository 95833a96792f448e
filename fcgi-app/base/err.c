/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    const char *name;
    int status;
    const char *type;
    const char *code_text;
    bool retryable;
    int retry_after_s;
};

/* OpenAI sends invalid_request_error for a missing or wrong key, too. */
#define REQUEST "invalid_request_error"
#define MONEY   "insufficient_quota"
#define SERVER  "server_error"

static const struct err_row rows[] = {
    [ERR_NONE] = {"none", 200, "", "", false, 0},
    [ERR_BAD_REQUEST] = {"bad_request", 400, REQUEST, "", false, 0},
    [ERR_UNSUPPORTED_VALUE] = {"unsupported_value", 400, REQUEST, "unsupported_value", false, 0},
    [ERR_AUTH_MISSING] = {"missing_api_key", 401, REQUEST, "missing_api_key", false, 0},
    [ERR_AUTH_INVALID] = {"invalid_api_key", 401, REQUEST, "invalid_api_key", false, 0},
    [ERR_AUTH_DISABLED] = {"key_disabled", 401, REQUEST, "key_disabled", false, 0},
    [ERR_AUTH_EXPIRED] = {"key_expired", 401, REQUEST, "key_expired", false, 0},
    [ERR_ACCOUNT_DISABLED] = {"account_disabled", 401, REQUEST, "account_disabled", false, 0},
    [ERR_NOT_SIGNED_IN] = {"not_signed_in", 401, REQUEST, "not_signed_in", false, 0},
    [ERR_CREDENTIALS] = {"invalid_credentials", 401, REQUEST, "invalid_credentials", false, 0},
    [ERR_FORBIDDEN] = {"forbidden", 403, REQUEST, "forbidden", false, 0},
    [ERR_CSRF] = {"csrf_failed", 403, REQUEST, "csrf_failed", false, 0},
    [ERR_TOKEN] = {"invalid_token", 400, REQUEST, "invalid_token", false, 0},
    [ERR_RATE_LIMITED] = {"rate_limit_exceeded", 429, "rate_limit_error", "rate_limit_exceeded",
                          true, 60},
    [ERR_NOT_CONFIGURED] = {"not_configured", 503, SERVER, "not_configured", false, 0},
    [ERR_KEY_CAP] = {"key_cap_exceeded", 402, MONEY, "key_cap_exceeded", false, 0},
    [ERR_ACCOUNT_CAP] = {"account_cap_exceeded", 402, MONEY, "account_cap_exceeded", false, 0},
    [ERR_TEAM_CAP] = {"team_cap_exceeded", 402, MONEY, "team_cap_exceeded", false, 0},
    [ERR_NO_CREDIT] = {"insufficient_credits", 402, MONEY, "insufficient_credits", false, 0},
    [ERR_MODEL_NOT_FOUND] = {"model_not_found", 404, REQUEST, "model_not_found", false, 0},
    [ERR_NOT_FOUND] = {"not_found", 404, REQUEST, "not_found", false, 0},
    [ERR_UNSUPPORTED_ENDPOINT] = {"unsupported_endpoint", 404, REQUEST, "unsupported_endpoint",
                                  false, 0},
    [ERR_METHOD] = {"method_not_allowed", 405, REQUEST, "method_not_allowed", false, 0},
    [ERR_IDEMPOTENCY_BUSY] = {"idempotency_in_flight", 409, REQUEST, "idempotency_in_flight", true,
                              1},
    [ERR_IDEMPOTENCY_GONE] = {"idempotency_answer_gone", 410, REQUEST, "idempotency_answer_gone",
                              false, 0},
    [ERR_IDEMPOTENCY_REUSED] = {"idempotency_key_reused", 422, REQUEST, "idempotency_key_reused",
                                false, 0},
    [ERR_LENGTH] = {"length_required", 411, REQUEST, "length_required", false, 0},
    [ERR_TOO_LARGE] = {"request_too_large", 413, REQUEST, "request_too_large", false, 0},
    [ERR_MEDIA_TYPE] = {"unsupported_media_type", 415, REQUEST, "unsupported_media_type", false, 0},
    [ERR_HEADERS_TOO_LARGE] = {"headers_too_large", 431, REQUEST, "headers_too_large", false, 0},
    [ERR_INTERNAL] = {"server_error", 500, SERVER, "server_error", false, 0},
    [ERR_NOT_IMPLEMENTED] = {"not_implemented", 501, SERVER, "not_implemented", false, 0},
    [ERR_UPSTREAM] = {"upstream_error", 502, SERVER, "upstream_error", true, 0},
    [ERR_UPSTREAM_AUTH] = {"upstream_unavailable", 502, SERVER, "upstream_unavailable", true, 0},
    [ERR_UPSTREAM_BUSY] = {"upstream_overloaded", 503, SERVER, "upstream_overloaded", true, 2},
    [ERR_DATABASE] = {"database_unavailable", 503, SERVER, "database_unavailable", true, 2},
    [ERR_NO_WORKER] = {"overloaded", 503, SERVER, "overloaded", true, 1},
    [ERR_TIMEOUT] = {"upstream_timeout", 504, SERVER, "upstream_timeout", true, 0},
    [ERR_UPSTREAM_STATUS] = {"upstream_status", 400, REQUEST, "", false, 0},
    [ERR_CLIENT_GONE] = {"client_gone", 499, REQUEST, "client_gone", false, 0},
};

static_assert(ARRAY_LEN(rows) == ERR__COUNT, "a row for every code");

/* Cuts a text that was truncated to `len` bytes back to the last whole UTF-8 character. */
static void cut_at_character(char *text, size_t len)
{
    size_t start = len;
    while (start > 0 && len - start < 4) {
        start--;
        unsigned char c = (unsigned char)text[start];
        if ((c & 0xC0) != 0x80) {
            size_t want = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
            if (len - start < want) {
                text[start] = '\0';
            }
            return;
        }
    }
}

static void copy_cut(char *out, size_t size, const char *text)
{
    int len = snprintf(out, size, "%s", text);
    if (len >= 0 && (size_t)len >= size) {
        cut_at_character(out, size - 1);
    }
}

void err_clear(struct err *e)
{
    *e = (struct err){.code = ERR_NONE};
}

static void set_row(struct err *e, enum err_code code, const char *param)
{
    assert((size_t)code < ARRAY_LEN(rows));
    const struct err_row *row = &rows[code];
    err_clear(e);
    e->code = code;
    e->status = row->status;
    e->retry_after_s = row->retry_after_s;
    e->retryable = row->retryable;
    copy_cut(e->type, sizeof(e->type), row->type);
    copy_cut(e->code_text, sizeof(e->code_text), row->code_text);
    copy_cut(e->param, sizeof(e->param), param != NULL ? param : "");
}

int err_set(struct err *e, enum err_code code, const char *param, const char *fmt, ...)
{
    assert(code != ERR_NONE);
    /* fmt's arguments may be fields of *e: format before anything is overwritten. */
    char message[ERR_MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    if (len < 0) {
        message[0] = '\0';
    } else if ((size_t)len >= sizeof(message)) {
        cut_at_character(message, sizeof(message) - 1);
    }
    char param_copy[sizeof(e->param)];
    copy_cut(param_copy, sizeof(param_copy), param != NULL ? param : "");
    set_row(e, code, param_copy);
    memcpy(e->message, message, sizeof(message));
    return -1;
}

int err_set_upstream(struct err *e, int status, const char *type, const char *code_text,
                     const char *param, const char *message)
{
    assert(status >= 400 && status <= 599);
    set_row(e, ERR_UPSTREAM_STATUS, param);
    e->status = status;
    e->retryable = status == 408 || status == 409 || status == 429 || status >= 500;
    if (type != NULL) {
        copy_cut(e->type, sizeof(e->type), type);
    }
    copy_cut(e->code_text, sizeof(e->code_text), code_text != NULL ? code_text : "");
    copy_cut(e->message, sizeof(e->message), message != NULL ? message : "");
    return -1;
}

int err_detail(struct err *e, const char *fmt, ...)
{
    char text[ERR_DETAIL_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n < 0) {
        return -1;
    }
    size_t used = strlen(e->detail);
    size_t room = sizeof(e->detail) - used;
    int len = snprintf(e->detail + used, room, "%s%s", used > 0 ? "; " : "", text);
    if (n >= (int)sizeof(text) || (len >= 0 && (size_t)len >= room)) {
        cut_at_character(e->detail, strlen(e->detail));
    }
    return -1;
}

const char *err_name(enum err_code code)
{
    return (size_t)code < ARRAY_LEN(rows) ? rows[code].name : "unknown";
}
