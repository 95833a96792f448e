/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/callbacks/{provider}/{task}: a provider says that something happened to a job.
 */
#include "base/base.h"

#include "api/endpoint.h"
#include "core/media_poll.h"
#include "core/webhook.h"
#include "http/reply.h"

#include <string.h>

enum { BODY_MAX = 1024 * 1024 };

static void deliver(struct endpoint *ep, void *arg)
{
    webhook_deliver_now(ep->app, arg);
}

int ep_callback(void *context, struct exchange *x, const struct router_match *match,
                struct err *err)
{
    struct endpoint *ep = context;
    struct media_outcome outcome;

    /* The others are asked: Recraft answers at once, Mureka and Replicate are polled. */
    if (strcmp(match->params[0], "kie") != 0)
        return err_set(err, ERR_NOT_FOUND, NULL, "There are no callbacks of '%.32s' here.",
                       match->params[0]);
    if (exchange_read_body(&ep->body, x, BODY_MAX, err) != 0 ||
        media_callback(&outcome, ep->app, ep->arena, match->params[1],
                       exchange_param(x, "HTTP_X_WEBHOOK_TIMESTAMP"),
                       exchange_param(x, "HTTP_X_WEBHOOK_SIGNATURE"), buf_span(&ep->body),
                       err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "status", "received");
    (void)reply_json(x, 200, body);
    json_object_put(body);
    if (outcome.delivery_id != NULL)
        endpoint_after(ep, deliver, arena_strdup(ep->arena, outcome.delivery_id));
    return 0;
}
