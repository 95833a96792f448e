/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "api/idempotent.h"
#include "base/sse.h"
#include "base/timing.h"
#include "http/reply.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/completions_writer.h"

/* The client's end of one call. */
struct chat {
    struct exchange *x;
    struct completions_writer writer;
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
}

static int send_out(struct chat *chat)
{
    if (buf_failed(&chat->out) || exchange_write(chat->x, chat->out.data, chat->out.len) != 0)
        return -1;
    buf_shrink(&chat->out, OUT_KEEP);
    return exchange_flush(chat->x);
}

static int sink_begin(const struct relay_head *head, void *arg)
{
    struct chat *chat = arg;

    reply_common_headers(chat->x);
    head_headers(chat->x, head);
    exchange_header(chat->x, "Content-Type", "text/event-stream; charset=utf-8");
    exchange_header(chat->x, "Cache-Control", "no-cache");
    exchange_header(chat->x, "X-Accel-Buffering", "no");
    exchange_begin(chat->x, 200);
    return 0; /* goes out with the first event */
}

static int sink_event(const struct event *event, void *arg)
{
    struct chat *chat = arg;

    completions_write_event(&chat->out, &chat->writer, event);
    return chat->out.len > 0 ? send_out(chat) : 0;
}

static int sink_comment(void *arg)
{
    struct chat *chat = arg;

    sse_write_comment(&chat->out, "keep-alive");
    return send_out(chat);
}

static int sink_end(const struct relay_head *head, const struct usage *usage,
                    const char *charge_usd, void *arg)
{
    struct chat *chat = arg;

    completions_write_end(&chat->out, &chat->writer, usage, charge_usd);
    /* Not flushed: the end of the exchange does that, after the answer has been kept for a repeat.
     */
    if (chat->writer.stream)
        return exchange_write(chat->x, chat->out.data, chat->out.len);
    head_headers(chat->x, head);
    if (charge_usd != NULL)
        exchange_header(chat->x, "X-AI-Credits-Charged", "%s", charge_usd);
    return reply_body(chat->x, 200, &chat->out);
}

/* No [DONE] follows: both SDKs raise on the error object. */
static int sink_fail(const struct err *failure, void *arg)
{
    struct chat *chat = arg;

    exchange_spoil(chat->x);
    buf_append_str(&chat->out, "data: ");
    reply_error_body(&chat->out, failure);
    buf_append_str(&chat->out, "\n\n");
    return send_out(chat);
}

static bool sink_gone(void *arg)
{
    struct chat *chat = arg;

    return exchange_gone(chat->x);
}

static int sink_watch_fd(void *arg)
{
    struct chat *chat = arg;

    return exchange_watch_fd(chat->x);
}

static const struct relay_sink chat_sink = {
    .begin = sink_begin,
    .event = sink_event,
    .comment = sink_comment,
    .end = sink_end,
    .fail = sink_fail,
    .gone = sink_gone,
    .watch_fd = sink_watch_fd,
};

struct call {
    struct endpoint *ep;
    struct exchange *x;
    struct neutral_request request;
};

static int run_call(void *arg, struct err *err)
{
    struct call *c = arg;
    struct endpoint *ep = c->ep;
    struct chat chat = {.x = c->x};

    buf_shrink(&ep->body, 0);
    completions_writer_init(&chat.writer, &c->request, exchange_request_id(c->x), timing_wall_s());
    buf_init(&chat.out, OUT_MAX);
    struct relay_call call = {
        .request_id = exchange_request_id(c->x),
        .key_hash = ep->key_hash,
        .request = &c->request,
        .read_content = completions_read_content,
        .kind = KIND_CHAT,
        .arena = ep->arena,
    };
    int rc = relay_run(ep->relay, &call, &chat_sink, &chat, err);
    buf_fini(&chat.out);
    completions_writer_fini(&chat.writer);
    return rc;
}

int ep_chat(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct call call = {.ep = ep, .x = x};

    if (endpoint_read_json(ep, x, err) != 0 ||
        completions_read_request(&call.request, ep->body.data, ep->body.len, err) != 0)
        return -1;
    call.request.model = arena_strdup(ep->arena, call.request.model);
    int rc = idempotent_run(ep, x, match->route->path, run_call, &call, err);
    neutral_request_fini(&call.request);
    return rc;
}
