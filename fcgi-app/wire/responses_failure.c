/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_failure.h"

#include "base/log.h"
#include "wire/format.h"

#include <stdio.h>
#include <string.h>

/* Codes as HTTP statuses: 401 is about our account, 503 about the provider's load. */
static const struct {
    const char *code;
    int status;
} statuses[] = {
    {"rate_limit_exceeded", 503},     {"rate_limit_error", 503},
    {"server_is_overloaded", 503},    {"slow_down", 503},
    {"insufficient_quota", 401},      {"billing_hard_limit_reached", 401},
    {"billing_not_active", 401},      {"invalid_api_key", 401},
    {"account_deactivated", 401},     {"context_length_exceeded", 400},
    {"string_above_max_length", 400}, {"vector_store_timeout", 504},
};

/* invalid_prompt, invalid_encrypted_content, image_too_large, empty_image_file, cyber_policy, ...
 */
static bool blames_request(const char *code)
{
    return strncmp(code, "invalid_", 8) == 0 || strncmp(code, "unsupported_", 12) == 0 ||
           strstr(code, "image") != NULL || strstr(code, "policy") != NULL;
}

static int status_of(const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (strcmp(statuses[i].code, code) == 0)
            return statuses[i].status;
    return blames_request(code) ? 400 : 500;
}

int responses_hidden_failure(struct err *err, struct json_object *error)
{
    const char *type = jsonx_str(error, "type", "");
    const char *code = jsonx_str(error, "code", type);
    int status = status_of(code);
    char text[ERR_MESSAGE_MAX / 2];

    if (status == 500)
        status = status_of(type);
    snprintf(text, sizeof text, "%s", jsonx_str(error, "message", "no reason given"));
    log_mask(text, strlen(text));
    if (status != 500) {
        format_failure(err, status, 0, text, "invalid_request_error", code,
                       jsonx_str(error, "param", NULL));
        return -1;
    }
    err_set(err, ERR_UPSTREAM, NULL,
            "The provider ended the answer with an error: %s. You were not charged; please try "
            "again.",
            text);
    err_detail(err, "%.40s: %.400s", code, text);
    err->retryable = true;
    return -1;
}
