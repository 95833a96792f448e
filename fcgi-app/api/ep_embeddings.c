/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
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

int ep_embeddings(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    struct embeddings_request request;
    struct embed_result result;

    (void)match;
    if (endpoint_read_json(ep, x, err) != 0 ||
        embeddings_read_request(&request, ep->body.data, ep->body.len, err) != 0)
        return -1;
    buf_shrink(&ep->body, 0);
    struct embed_call call = {
        .app = ep->app,
        .relay = ep->relay,
        .request_id = exchange_request_id(x),
        .key_hash = ep->key_hash,
        .request = &request,
        .arena = ep->arena,
        .gone = client_gone,
        .gone_arg = x,
        .watch_fd = exchange_watch_fd(x),
    };
    int rc = embed_run(&result, &call, err);
    if (rc == 0) {
        rc = answer(x, &request, &result, err);
        embeddings_answer_fini(&result.answer);
    }
    embeddings_request_fini(&request);
    return rc;
}
