/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/gemini_failure.h"

#include "base/jsonx.h"
#include "wire/format.h"

#include <stdlib.h>
#include <string.h>

/* "34s", "34.07s" as whole seconds; 0 for anything else. */
static int read_delay(const char *text)
{
    enum { DELAY_MAX_S = 24 * 3600 };
    char *end = NULL;
    long s = text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : 0;

    if (end == NULL || (*end != 's' && *end != '.'))
        return 0;
    return s >= DELAY_MAX_S ? DELAY_MAX_S : (int)s + (*end == '.' ? 1 : 0);
}

struct failure {
    const char *message;
    const char *status; /* "INVALID_ARGUMENT" */
    const char *reason; /* of an ErrorInfo: "API_KEY_INVALID" */
    int retry_after_s;
};

static void read_details(struct failure *f, struct json_object *details)
{
    size_t count = details != NULL ? json_object_array_length(details) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *detail = json_object_array_get_idx(details, i);
        f->reason = jsonx_str(detail, "reason", f->reason);
        int delay = read_delay(jsonx_str(detail, "retryDelay", ""));
        if (delay > 0)
            f->retry_after_s = delay;
    }
}

/* About our own account at Google, not about the client's request. */
static bool is_ours(int status, const struct failure *f)
{
    return status == 403 || strcmp(f->status, "FAILED_PRECONDITION") == 0 ||
           strcmp(f->reason, "API_KEY_INVALID") == 0;
}

static void translate_failure(struct err *err, int status, const struct failure *f)
{
    enum { OUR_ACCOUNT = 401 };
    const char *code = NULL;

    if (status == 429) {
        /* Google's words are about our project and its quota. */
        format_failure(err, status, f->retry_after_s,
                       "The provider's rate limit for this model is reached. You were not charged; "
                       "please try again shortly.",
                       "rate_limit_error", "rate_limit_exceeded", NULL);
        err_detail(err, "HTTP 429: %.400s", f->message);
        return;
    }
    if (status == 404)
        code = "model_not_found";
    else if (strstr(f->message, "exceeds the maximum number of tokens") != NULL)
        code = "context_length_exceeded";
    format_failure(err, is_ours(status, f) ? OUR_ACCOUNT : status, f->retry_after_s, f->message,
                   "invalid_request_error", code, NULL);
}

void gemini_read_failure(struct err *err, int status, int retry_after_s, struct span body)
{
    struct json_object *doc = NULL;
    struct err parse;

    if (jsonx_parse(&doc, body.ptr, body.len, &parse) != 0)
        doc = NULL;
    /* A stream's failure may come in an array. */
    struct json_object *first =
        json_object_is_type(doc, json_type_array) ? json_object_array_get_idx(doc, 0) : doc;
    struct json_object *error = jsonx_object(first, "error");
    struct failure f = {
        .message = jsonx_str(error, "message", ""),
        .status = jsonx_str(error, "status", ""),
        .reason = "",
    };
    read_details(&f, jsonx_array(error, "details"));
    if (retry_after_s > 0)
        f.retry_after_s = retry_after_s;
    translate_failure(err, status, &f);
    json_object_put(doc);
}
