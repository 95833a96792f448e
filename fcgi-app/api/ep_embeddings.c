/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "api/idempotent.h"
#include "core/embed.h"
#include "http/reply.h"

/* What surrounds the vectors: usage, a model's name. */
enum { FRAME_MAX = 4096 };

static bool client_gone(void *arg)
{
    return exchange_gone(arg);
}

static int answer(struct exchange *x, const struct embeddings_request *request,
                  const struct embed_result *result, struct err *err)
{
    struct buf out;
    int rc = 0;

    buf_init(&out, EMBEDDINGS_ANSWER_MAX + FRAME_MAX);
    embeddings_write_answer(&out, request, &result->answer, result->charge_usd);
    exchange_header(x, "x-aig-provider", "%s", result->provider);
    if (result->substituted != NULL)
        exchange_header(x, "x-aig-model-substituted", "%s", result->substituted);
    if (result->charge_usd != NULL)
        exchange_header(x, "X-AI-Credits-Charged", "%s", result->charge_usd);
    if (buf_failed(&out))
        rc = err_set(err, ERR_INTERNAL, NULL, "Memory is short; try again later.");
    else
        (void)reply_body(x, 200, &out);
    buf_fini(&out);
    return rc;
}

struct call {
    struct endpoint *ep;
    struct exchange *x;
    struct embeddings_request request;
};

static int run_call(void *arg, struct err *err)
{
    struct call *c = arg;
    struct endpoint *ep = c->ep;
    struct embed_result result;

    buf_shrink(&ep->body, 0);
    struct embed_call call = {
        .app = ep->app,
        .relay = ep->relay,
        .request_id = exchange_request_id(c->x),
        .key_hash = ep->key_hash,
        .request = &c->request,
        .arena = ep->arena,
        .gone = client_gone,
        .gone_arg = c->x,
        .watch_fd = exchange_watch_fd(c->x),
    };
    if (embed_run(&result, &call, err) != 0)
        return -1;
    int rc = answer(c->x, &c->request, &result, err);
    embeddings_answer_fini(&result.answer);
    return rc;
}

int ep_embeddings(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    struct call call = {.ep = ep, .x = x};

    (void)match;
    if (endpoint_read_json(ep, x, err) != 0 ||
        embeddings_read_request(&call.request, ep->body.data, ep->body.len, err) != 0)
        return -1;
    int rc = idempotent_run(ep, x, run_call, &call, err);
    embeddings_request_fini(&call.request);
    return rc;
}
