/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/surface.h"

#include "api/idempotent.h"
#include "base/sse.h"
#include "base/timing.h"
#include "http/reply.h"

/* The client's end of one call. */
struct client {
    struct exchange *x;
    const struct surface *surface;
    void *writer;
    bool stream;
    struct buf out;
};

enum {
    OUT_MAX = 256 * 1024 * 1024, /* the largest answer with its escapes */
    OUT_KEEP = 16 * 1024,
};

static void head_headers(struct exchange *x, const struct relay_head *head)
{
    exchange_header(x, "x-aig-provider", "%s", head->provider);
    if (head->hedged_from != NULL)
        exchange_header(x, "x-aig-hedged-from", "%s", head->hedged_from);
    if (head->substituted != NULL)
        exchange_header(x, "x-aig-model-substituted", "%s", head->substituted);
    if (head->output_limit > 0)
        exchange_header(x, "x-aig-output-limit", "%lld", (long long)head->output_limit);
    if (head->tool_call_limit > 0)
        exchange_header(x, "x-aig-tool-call-limit", "%lld", (long long)head->tool_call_limit);
}

static int send_out(struct client *client)
{
    struct buf *out = &client->out;

    if (buf_failed(out) || exchange_write(client->x, out->data, out->len) != 0)
        return -1;
    buf_shrink(out, OUT_KEEP);
    return exchange_flush(client->x);
}

static int sink_begin(const struct relay_head *head, void *arg)
{
    struct client *client = arg;

    reply_common_headers(client->x);
    head_headers(client->x, head);
    exchange_header(client->x, "Content-Type", "text/event-stream; charset=utf-8");
    exchange_header(client->x, "Cache-Control", "no-cache");
    exchange_header(client->x, "X-Accel-Buffering", "no");
    exchange_begin(client->x, 200);
    return 0; /* goes out with the first event */
}

static int sink_event(const struct event *event, void *arg)
{
    struct client *client = arg;

    client->surface->write_event(&client->out, client->writer, event);
    return client->out.len > 0 ? send_out(client) : 0;
}

static int sink_comment(void *arg)
{
    struct client *client = arg;

    if (client->surface->write_keepalive != NULL)
        client->surface->write_keepalive(&client->out, client->writer);
    else
        sse_write_comment(&client->out, "keep-alive");
    return send_out(client);
}

static int sink_end(const struct relay_head *head, const struct usage *usage,
                    const char *charge_usd, void *arg)
{
    struct client *client = arg;

    client->surface->write_end(&client->out, client->writer, usage, charge_usd);
    /* Not flushed: the end of the exchange does that, after the answer has been kept for a repeat.
     */
    if (client->stream)
        return exchange_write(client->x, client->out.data, client->out.len);
    head_headers(client->x, head);
    if (charge_usd != NULL)
        exchange_header(client->x, "X-AI-Credits-Charged", "%s", charge_usd);
    return reply_body(client->x, 200, &client->out);
}

static int sink_fail(const struct err *failure, void *arg)
{
    struct client *client = arg;

    exchange_spoil(client->x);
    client->surface->write_failure(&client->out, client->writer, failure);
    return send_out(client);
}

static bool sink_gone(void *arg)
{
    struct client *client = arg;

    return exchange_gone(client->x);
}

static int sink_watch_fd(void *arg)
{
    struct client *client = arg;

    return exchange_watch_fd(client->x);
}

static const struct relay_sink client_sink = {
    .begin = sink_begin,
    .event = sink_event,
    .comment = sink_comment,
    .end = sink_end,
    .fail = sink_fail,
    .gone = sink_gone,
    .watch_fd = sink_watch_fd,
};

/* One call, from the request that has been read. */
struct serving {
    struct endpoint *ep;
    struct exchange *x;
    const struct surface *surface;
    struct neutral_request request;
};

static int run_call(void *arg, struct err *err)
{
    struct serving *s = arg;
    struct endpoint *ep = s->ep;
    struct client client = {.x = s->x, .surface = s->surface, .stream = s->request.stream};

    buf_shrink(&ep->body, 0);
    client.writer = arena_zalloc(ep->arena, s->surface->writer_size);
    s->surface->writer_init(client.writer, &s->request, exchange_request_id(s->x), timing_wall_s());
    buf_init(&client.out, OUT_MAX);
    struct relay_call call = {
        .request_id = exchange_request_id(s->x),
        .key_hash = ep->key_hash,
        .request = &s->request,
        .read_content = s->surface->read_content,
        .kind = KIND_CHAT,
        .arena = ep->arena,
    };
    if (s->surface->passed_header != NULL)
        call.passed_header =
            s->surface->passed_header(ep->arena, exchange_param(s->x, s->surface->passed_param));
    int rc =
        s->surface->prepare != NULL ? s->surface->prepare(client.writer, ep, &s->request, err) : 0;
    if (rc == 0)
        rc = relay_run(ep->relay, &call, &client_sink, &client, err);
    if (rc != 0 && s->surface->explain != NULL)
        s->surface->explain(err, &s->request);
    buf_fini(&client.out);
    s->surface->writer_fini(client.writer);
    return rc;
}

int surface_serve(struct endpoint *ep, struct exchange *x, const struct surface *surface,
                  struct err *err)
{
    struct serving serving = {.ep = ep, .x = x, .surface = surface};

    if (endpoint_read_json(ep, x, err) != 0 ||
        surface->read_request(&serving.request, ep->body.data, ep->body.len, err) != 0)
        return -1;
    serving.request.model = arena_strdup(ep->arena, serving.request.model);
    int rc = idempotent_run(ep, x, run_call, &serving, err);
    neutral_request_fini(&serving.request);
    return rc;
}
