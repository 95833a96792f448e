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

int ep_retired(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    (void)context;
    (void)x;
    return err_set(err, ERR_UNSUPPORTED_ENDPOINT, NULL,
                   "%s is not offered: OpenAI has retired this API. Use POST /v1/chat/completions "
                   "with 'messages' instead.",
                   match->route->path);
}
