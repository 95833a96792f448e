/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"

#include <string.h>
#include <strings.h>

static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    size_t len = sizeof json - 1;

    return strncasecmp(type, json, len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

int endpoint_read_json(struct endpoint *ep, struct exchange *x, struct err *err)
{
    const char *type = exchange_param(x, "CONTENT_TYPE");

    if (type != NULL && type[0] != '\0' && !is_json(type))
        return err_set(err, ERR_MEDIA_TYPE, NULL,
                       "The Content-Type '%.80s' is not understood here; send application/json.",
                       type);
    return exchange_read_body(&ep->body, x, (size_t)ep->app->conf->max_body, err);
}

void endpoint_after(struct endpoint *ep, endpoint_after_fn *fn, void *arg)
{
    assert(ep->after == NULL);
    ep->after = fn;
    ep->after_arg = arg;
}

static int check_fields(struct json_object *body, const char *const *fields, size_t field_count,
                        struct err *err)
{
    json_object_object_foreach(body, name, value)
    {
        size_t i = 0;
        (void)value;
        while (i < field_count && strcmp(fields[i], name) != 0)
            i++;
        if (i == field_count)
            return err_set(err, ERR_BAD_REQUEST, name, "'%.64s' is not a field of this request.",
                           name);
    }
    return 0;
}

int endpoint_read_object(struct json_object **out, struct endpoint *ep, struct exchange *x,
                         const char *const *fields, size_t field_count, bool may_be_empty,
                         struct err *err)
{
    const char *type = exchange_param(x, "CONTENT_TYPE");
    bool json = type != NULL && is_json(type);

    *out = NULL;
    if (!json && !(may_be_empty && (type == NULL || type[0] == '\0')))
        return err_set(err, ERR_MEDIA_TYPE, NULL, "Send a body of Content-Type application/json.");
    if (exchange_read_body(&ep->body, x, ENDPOINT_OBJECT_MAX, err) != 0)
        return -1;
    if (ep->body.len == 0 && may_be_empty) {
        *out = json_object_new_object();
        return 0;
    }
    if (!json)
        return err_set(err, ERR_MEDIA_TYPE, NULL, "Send a body of Content-Type application/json.");
    if (jsonx_parse(out, ep->body.data, ep->body.len, err) != 0)
        return -1;
    int rc = 0;
    if (!json_object_is_type(*out, json_type_object))
        rc = err_set(err, ERR_BAD_REQUEST, NULL, "The body must be a JSON object, but it is %s.",
                     jsonx_type_name(*out));
    else
        rc = check_fields(*out, fields, field_count, err);
    if (rc != 0) {
        json_object_put(*out);
        *out = NULL;
    }
    return rc;
}

int ep_retired(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    (void)context;
    (void)x;
    return err_set(err, ERR_UNSUPPORTED_ENDPOINT, NULL,
                   "%s is not offered: OpenAI has retired this API. Use POST /v1/chat/completions "
                   "with 'messages' instead.",
                   match->route->path);
}
