/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/media_http.h"

#include "base/jsontext.h"
#include "base/log.h"
#include "wire/media.h"

#include <string.h>

enum { SHOWN_MAX = 400 };

void media_http_open(struct json_object **root, struct span body)
{
    struct err why;

    *root = NULL;
    if (jsonx_parse(root, body.ptr, body.len, &why) != 0) {
        *root = NULL;
    } else if (!json_object_is_type(*root, json_type_object)) {
        json_object_put(*root);
        *root = NULL;
    }
}

int media_http_refuse(struct err *err, const char *provider, int http_status, const char *message,
                      struct span body)
{
    char shown[SHOWN_MAX + 1];

    size_t len = message != NULL ? jsontext_cut(message, SHOWN_MAX) : 0;
    memcpy(shown, message != NULL ? message : "", len);
    shown[len] = '\0';
    log_mask(shown, strlen(shown));
    if (http_status == 401 || http_status == 402 || http_status == 403)
        err_set(err, ERR_UPSTREAM_AUTH, NULL,
                "The media provider is not available to this service at the moment. Nothing was "
                "charged; the operator has to look at it.");
    else if (http_status == 429 || http_status == 503)
        err_set(err, ERR_UPSTREAM_BUSY, NULL,
                "The media provider is busy. Nothing was charged; please try again shortly.");
    else if (http_status == 404)
        err_set(err, ERR_NOT_FOUND, NULL, "The media provider does not know this task.");
    else if (http_status >= 400 && http_status < 500)
        err_set_upstream(err, http_status, "invalid_request_error", NULL, NULL,
                         shown[0] != '\0' ? shown : "The media provider refused the request.");
    else
        err_set(err, ERR_UPSTREAM, NULL,
                "The media provider failed. Nothing was charged; please try again.");
    return err_detail(err, "%s: HTTP %d: %.*s", provider, http_status, MEDIA_BEGINNING(body));
}

bool media_http_sure(int http_status, const struct json_object *root)
{
    return http_status >= 400 && (http_status < 500 || root != NULL);
}
