/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/format.h"

#include "base/log.h"
#include "wire/completions.h"
#include "wire/gemini.h"
#include "wire/messages.h"
#include "wire/openrouter.h"
#include "wire/responses.h"

#include <stdio.h>
#include <string.h>

static const struct format *const formats[] = {
    &completions_format, &responses_format, &messages_format, &gemini_format, &openrouter_format,
};

const struct format *format_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

bool format_passes(const struct format *format, const struct neutral_request *request)
{
    return format->language == request->language;
}

int format_nonsense(struct err *err, const char *detail)
{
    err_set(err, ERR_UPSTREAM, NULL,
            "The provider answered with something that is no valid answer. You were not charged; "
            "please try again.");
    err_detail(err, "%s", detail);
    err->retryable = true;
    return -1;
}

static void conceal(char *text, const char *key, size_t key_len)
{
    for (char *at = strstr(text, key); at != NULL; at = strstr(at, key))
        memset(at, '*', key_len);
}

void format_conceal(struct err *err, const char *key)
{
    char *const texts[] = {err->message, err->detail, err->type, err->code_text, err->param};
    size_t key_len = strlen(key);

    if (key_len == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        conceal(texts[i], key, key_len);
        log_mask(texts[i], strlen(texts[i]));
    }
}

/* 5xx and what is about our own account: never the provider's words, they are not about the
 * client's request. */
static void server_failure(struct err *err, int status)
{
    switch (status) {
    case 401:
    case 402:
        err_set(err, ERR_UPSTREAM_AUTH, NULL,
                "This model is not available at the moment: the provider refused the gateway's own "
                "account. You were not charged; the operator has to look into it.");
        break;
    case 503:
    case 529:
        err_set(err, ERR_UPSTREAM_BUSY, NULL,
                "The provider is overloaded. You were not charged; please try again shortly.");
        break;
    case 504:
    case 524:
        err_set(err, ERR_TIMEOUT, NULL,
                "The provider took too long to answer. You were not charged; please try again.");
        break;
    default:
        err_set(err, ERR_UPSTREAM, NULL,
                "The provider failed to answer (HTTP %d). You were not charged; please try again.",
                status);
    }
    err->retryable = status != 401 && status != 402;
}

void format_failure(struct err *err, int status, int retry_after_s, const char *message,
                    const char *type, const char *code, const char *param)
{
    char text[ERR_MESSAGE_MAX];

    snprintf(text, sizeof text, "%s",
             message != NULL && message[0] != '\0' ? message : "The provider refused the request.");
    log_mask(text, strlen(text));
    if (status == 401 || status == 402 || status >= 500 || status < 400)
        server_failure(err, status);
    else
        err_set_upstream(err, status, type, code, param, text);
    err_detail(err, "HTTP %d: %.400s", status, text);
    err->retry_after_s = retry_after_s;
}
