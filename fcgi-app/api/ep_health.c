/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "http/reply.h"

int ep_health(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    int64_t version = 0;

    (void)match;
    if (store_check(&version, &ep->app->store, ep->arena, err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "status", "ok");
    jsonx_set_str(body, "version", PACKAGE_VERSION);
    jsonx_set_i64(body, "schema_version", version);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}
