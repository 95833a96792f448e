/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "core/webhook.h"
#include "http/reply.h"

#include <string.h>

enum {
    OVERLAP_HOURS = 24,
    OVERLAP_HOURS_MAX = 168,
    SEALED_MAX = 128,
};

static struct json_object *delivery_json(const struct hook_entry *e)
{
    struct json_object *obj = json_object_new_object();

    jsonx_set_str(obj, "object", "webhook_delivery");
    jsonx_set_str(obj, "id", e->id);
    jsonx_set_str(obj, "event", e->event);
    jsonx_set_str(obj, "task_id", e->task_id);
    jsonx_set_str(obj, "url", e->url);
    jsonx_set_str(obj, "state", e->state);
    jsonx_set_i64(obj, "attempts", e->attempts);
    jsonx_set_str(obj, "next_attempt_at", e->next_attempt_at);
    if (e->last_status != 0)
        jsonx_set_i64(obj, "last_status", e->last_status);
    else
        jsonx_set_null(obj, "last_status");
    jsonx_set_str(obj, "last_error", e->last_error);
    jsonx_set_str(obj, "response_excerpt", e->response_excerpt);
    jsonx_set_str(obj, "created_at", e->created_at);
    jsonx_set_str(obj, "delivered_at", e->delivered_at);
    return obj;
}

static int reply_and_put(struct exchange *x, int status, struct json_object *body)
{
    (void)reply_json(x, status, body);
    json_object_put(body);
    return 0;
}

struct page {
    const char *state;
    const char *after;
    int64_t limit;
};

static int read_page(struct page *page, struct endpoint *ep, struct exchange *x, struct err *err)
{
    static const char *const states[] = {"pending", "delivered", "dead"};
    bool known = false;

    page->limit = ASK_LIMIT;
    if (ask_query_text(&page->state, ep, x, "state", 16, err) != 0 ||
        ask_query_text(&page->after, ep, x, "after", HOOK_ID_LEN, err) != 0 ||
        ask_query_i64(&page->limit, ep, x, "limit", 1, ASK_LIMIT_MAX, err) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(states) && page->state != NULL; i++)
        known = known || strcmp(page->state, states[i]) == 0;
    if (page->state != NULL && !known)
        return err_set(err, ERR_BAD_REQUEST, "state",
                       "'state' in the query must be pending, delivered or dead.");
    if (page->after != NULL && !hook_id_valid(page->after))
        return err_set(err, ERR_BAD_REQUEST, "after",
                       "'after' in the query must be the 'next' of the page before.");
    return 0;
}

int ep_hooks(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct page page = {0};
    struct hook_entry *entries = NULL;
    size_t count = 0;
    bool more = false;

    (void)match;
    if (read_page(&page, ep, x, err) != 0 ||
        hook_list(&entries, &count, &more, &ep->app->store, ep->arena, ep->account_id, page.state,
                  page.after, (size_t)page.limit, err) != 0)
        return -1;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(list, delivery_json(&entries[i]));
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", list);
    jsonx_set_bool(body, "has_more", more);
    jsonx_set_str(body, "next", more ? entries[count - 1].id : NULL);
    return reply_and_put(x, 200, body);
}

int ep_hook(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct hook_entry entry;

    if (hook_find(&entry, &ep->app->store, ep->arena, ep->account_id, match->params[0], err) != 0)
        return -1;
    return reply_and_put(x, 200, delivery_json(&entry));
}

/* 202: it is tried again at once, after the answer. */
int ep_hook_redeliver(void *context, struct exchange *x, const struct router_match *match,
                      struct err *err)
{
    struct endpoint *ep = context;
    const char *id = match->params[0];
    struct hook_entry entry;

    if (hook_redeliver(&ep->app->store, ep->arena, ep->account_id, id, err) != 0 ||
        hook_find(&entry, &ep->app->store, ep->arena, ep->account_id, id, err) != 0)
        return -1;
    (void)reply_and_put(x, 202, delivery_json(&entry));
    (void)exchange_flush(x);
    webhook_deliver_now(ep->app, id);
    return 0;
}

static struct json_object *secret_json(const struct hook_secret *s)
{
    struct json_object *obj = json_object_new_object();

    jsonx_set_str(obj, "object", "webhook_secret");
    jsonx_set_i64(obj, "id", s->id);
    jsonx_set_str(obj, "created_at", s->created_at);
    jsonx_set_str(obj, "expires_at", s->expires_at);
    jsonx_set_str(obj, "last4", s->last4);
    return obj;
}

int ep_hook_secrets(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err)
{
    struct endpoint *ep = context;
    struct hook_secret *secrets = NULL;
    size_t count = 0;

    (void)match;
    if (hook_secret_list(&secrets, &count, &ep->app->store, ep->arena, ep->account_id, err) != 0)
        return -1;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(list, secret_json(&secrets[i]));
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", list);
    jsonx_set_bool(body, "has_more", false);
    jsonx_set_null(body, "next");
    return reply_and_put(x, 200, body);
}

static int read_overlap(int64_t *hours, struct endpoint *ep, struct exchange *x, struct err *err)
{
    static const char *const names[] = {"overlap_hours"};
    struct json_object *body = NULL;

    *hours = OVERLAP_HOURS;
    if (endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), true, err) != 0)
        return -1;
    int rc = jsonx_want_i64(hours, body, names[0], names[0], 0, OVERLAP_HOURS_MAX, err);
    json_object_put(body);
    return rc;
}

/* The only answer that shows a secret: once. */
int ep_hook_rotate(void *context, struct exchange *x, const struct router_match *match,
                   struct err *err)
{
    struct endpoint *ep = context;
    struct hook_secret *secrets = NULL;
    struct webhook_secret fresh;
    struct buf sealed;
    char last4[5];
    int64_t hours;
    size_t count = 0;

    (void)match;
    if (webhook_can_sign(ep->app->conf, err) != 0 || read_overlap(&hours, ep, x, err) != 0)
        return -1;
    buf_init(&sealed, SEALED_MAX);
    webhook_secret_make(&fresh, &sealed, ep->app->conf->secret_key, ep->account_id);
    webhook_secret_last4(last4, &fresh);
    int rc = hook_secret_rotate(&secrets, &count, &ep->app->store, ep->arena, ep->account_id,
                                buf_span(&sealed), last4, hours, err);
    buf_fini(&sealed);
    if (rc != 0)
        return -1;
    if (count == 0)
        return err_set(err, ERR_INTERNAL, NULL, "The secret could not be stored.");
    struct json_object *body = secret_json(&secrets[0]);
    jsonx_set_str(body, "secret", fresh.text);
    return reply_and_put(x, 200, body);
}
