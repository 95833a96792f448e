/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "api/surface.h"
#include "core/counting.h"
#include "http/reply.h"
#include "wire/messages_client.h"
#include "wire/messages_content.h"
#include "wire/messages_failure.h"
#include "wire/messages_writer.h"

static const char beta_param[] = "HTTP_ANTHROPIC_BETA";

/* No message_stop follows: the SDKs raise on the event. */
static void write_failure(struct buf *out, void *writer, const struct err *err)
{
    const struct messages_writer *w = writer;

    buf_append_str(out, "event: error\ndata: ");
    messages_error_body(out, err, w->request_id);
    buf_append_str(out, "\n\n");
}

int ep_messages(void *context, struct exchange *x, const struct router_match *match,
                struct err *err)
{
    static const struct surface messages = {
        .writer_size = sizeof(struct messages_writer),
        .read_request = messages_read_request,
        .read_content = messages_read_content,
        .writer_init = messages_writer_init,
        .write_event = messages_write_event,
        .write_end = messages_write_end,
        .write_failure = write_failure,
        .writer_fini = messages_writer_fini,
        .write_keepalive = messages_write_keepalive,
        .explain = messages_explain,
        .passed_header = messages_beta_header,
        .passed_param = beta_param,
    };

    (void)match;
    return surface_serve(context, x, &messages, err);
}

static bool is_gone(void *arg)
{
    return exchange_gone(arg);
}

static int watch_fd(void *arg)
{
    return exchange_watch_fd(arg);
}

static int reply_count(struct exchange *x, const struct counting *counted)
{
    struct json_object *body = json_object_new_object();

    jsonx_set_i64(body, "input_tokens", counted->tokens);
    if (counted->estimate) {
        jsonx_set_bool(body, "estimate", true);
        jsonx_set_i64(body, "input_tokens_max", counted->bound);
    }
    exchange_header(x, "x-aig-token-count", "%s", counted->estimate ? "estimate" : "provider");
    if (counted->substituted != NULL)
        exchange_header(x, "x-aig-model-substituted", "%s", counted->substituted);
    int rc = reply_json(x, 200, body);
    json_object_put(body);
    return rc;
}

/* Free of charge, but only for those with a key: it may ask the provider. */
int ep_count_tokens(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err)
{
    struct endpoint *ep = context;
    struct neutral_request request;
    struct counting counted = {0};

    (void)match;
    if (apikey_find(&ep->principal, &ep->app->store, ep->arena, ep->key_hash, err) != 0 ||
        endpoint_read_json(ep, x, err) != 0 ||
        messages_read_request(&request, ep->body.data, ep->body.len, err) != 0)
        return -1;
    struct counting_call call = {
        .app = ep->app,
        .relay = ep->relay,
        .request = &request,
        .request_id = exchange_request_id(x),
        .passed_header = messages_beta_header(ep->arena, exchange_param(x, beta_param)),
        .arena = ep->arena,
        .gone = is_gone,
        .watch_fd = watch_fd,
        .arg = x,
    };
    int rc = counting_run(&counted, &call, err);
    neutral_request_fini(&request);
    return rc == 0 ? reply_count(x, &counted) : -1;
}
