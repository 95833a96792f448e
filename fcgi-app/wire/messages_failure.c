/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_failure.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

int messages_hidden_failure(struct err *err, struct json_object *error)
{
    const char *type = jsonx_str(error, "type", "");
    char text[ERR_MESSAGE_MAX / 2];

    snprintf(text, sizeof text, "%s", jsonx_str(error, "message", "no reason given"));
    log_mask(text, strlen(text));
    if (strcmp(type, "overloaded_error") == 0)
        format_failure(err, 529, 0, text, type, NULL, NULL);
    else if (strcmp(type, "timeout_error") == 0)
        format_failure(err, 504, 0, text, type, NULL, NULL);
    else if (strcmp(type, "authentication_error") == 0 || strcmp(type, "permission_error") == 0 ||
             strcmp(type, "billing_error") == 0)
        format_failure(err, 401, 0, text, type, NULL, NULL);
    else {
        err_set(err, ERR_UPSTREAM, NULL,
                "The provider ended the answer with an error: %s. You were not charged; please try "
                "again.",
                strcmp(type, "rate_limit_error") == 0 ? "its rate limit is reached" : text);
        err_detail(err, "%.40s: %.400s", type, text);
        err->retryable = true;
    }
    return -1;
}

/* How a failure's type and status become OpenAI's; what is about our account gets status 401 (which
 * format_failure does not show to clients). */
void messages_read_failure(struct err *err, int status, int retry_after_s, struct span body)
{
    struct json_object *doc = NULL;
    struct err parse;

    if (jsonx_parse(&doc, body.ptr, body.len, &parse) != 0)
        doc = NULL;
    struct json_object *error = jsonx_object(doc, "error");
    const char *message = jsonx_str(error, "message", NULL);
    const char *type = jsonx_str(error, "type", NULL);
    const char *code = NULL;
    /* Low credit comes as a 400. */
    if (status == 403 ||
        (status == 400 && message != NULL && strstr(message, "credit balance") != NULL))
        status = 401;
    if (status == 404) {
        type = "invalid_request_error";
        code = "model_not_found";
    } else if (status == 400 && message != NULL && strstr(message, "prompt is too long") != NULL) {
        code = "context_length_exceeded";
    } else if (status == 429) {
        /* The provider's words name our organisation and its limits. */
        message = "The provider's rate limit for this model is reached; please try again shortly.";
        type = "rate_limit_error";
        code = "rate_limit_exceeded";
    }
    format_failure(err, status, retry_after_s, message, type, code, NULL);
    json_object_put(doc);
}

/* Towards a client. */

static const char *type_of(const struct err *e)
{
    static const struct {
        int status;
        const char *type;
    } types[] = {
        {401, "authentication_error"}, {402, "billing_error"},     {403, "permission_error"},
        {404, "not_found_error"},      {413, "request_too_large"}, {429, "rate_limit_error"},
        {503, "overloaded_error"},     {504, "timeout_error"},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].status == e->status)
            return types[i].type;
    return e->status >= 500 ? "api_error" : "invalid_request_error";
}

static struct json_object *thread_details(void)
{
    struct json_object *details = json_object_new_object();
    struct json_object *unsupported = json_object_new_array();

    json_object_array_add(unsupported, json_object_new_string("thread"));
    jsonx_set_str(details, "error_code", "thread_unsupported_request");
    jsonx_set(details, "unsupported", unsupported);
    return details;
}

void messages_error_body(struct buf *out, const struct err *e, const char *request_id)
{
    struct json_object *doc = json_object_new_object();
    struct json_object *error = json_object_new_object();

    jsonx_set_str(error, "type", type_of(e));
    jsonx_set_str(error, "message", e->message);
    if (e->code_text[0] != '\0')
        jsonx_set_str(error, "code", e->code_text);
    if (e->param[0] != '\0')
        jsonx_set_str(error, "param", e->param);
    if (e->code == ERR_UNSUPPORTED_VALUE && strcmp(e->param, "thread") == 0)
        jsonx_set(error, "details", thread_details());
    jsonx_set_str(doc, "type", "error");
    jsonx_set(doc, "error", error);
    jsonx_set_str(doc, "request_id", request_id);
    jsonx_write(out, doc);
    json_object_put(doc);
}
