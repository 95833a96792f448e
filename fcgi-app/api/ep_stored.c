/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept responses: GET and DELETE /v1/responses/{id}, GET /v1/responses/{id}/input_items.
 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "core/kept.h"
#include "http/reply.h"

#include <string.h>

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100, ORDER_MAX = 8, ITEM_ID_MAX = 200 };

static struct kept_call call_of(const struct endpoint *ep)
{
    return (struct kept_call){.app = ep->app, .arena = ep->arena, .key_id = ep->principal.key_id};
}

int ep_stored(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct kept_call call = call_of(context);
    struct json_object *response = NULL;

    if (kept_response(&response, &call, match->params[0], err) != 0)
        return -1;
    (void)reply_json(x, 200, response);
    json_object_put(response);
    return 0;
}

int ep_stored_delete(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    struct kept_call call = call_of(context);

    if (kept_delete(&call, match->params[0], err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "id", match->params[0]);
    jsonx_set_str(body, "object", "response");
    jsonx_set_bool(body, "deleted", true);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

/* Input items. */

struct page {
    int64_t limit;
    bool ascending;
    const char *after; /* NULL: from the beginning */
};

static int read_page(struct page *out, struct endpoint *ep, struct exchange *x, struct err *err)
{
    const char *order = "desc";

    *out = (struct page){.limit = LIMIT_DEFAULT};
    if (ask_query_i64(&out->limit, ep, x, "limit", 1, LIMIT_MAX, err) != 0 ||
        ask_query_text(&order, ep, x, "order", ORDER_MAX, err) != 0 ||
        ask_query_text(&out->after, ep, x, "after", ITEM_ID_MAX, err) != 0)
        return -1;
    out->ascending = strcmp(order, "asc") == 0;
    if (!out->ascending && strcmp(order, "desc") != 0)
        return err_set(err, ERR_BAD_REQUEST, "order", "'order' must be 'asc' or 'desc'.");
    return 0;
}

/* A text as the parts that it stands for. */
static struct json_object *parts_of(struct json_object *content, bool assistant)
{
    struct json_object *parts = json_object_new_array();
    struct json_object *part = json_object_new_object();

    jsonx_set_str(part, "type", assistant ? "output_text" : "input_text");
    jsonx_set_ref(part, "text", content);
    if (assistant)
        jsonx_set(part, "annotations", json_object_new_array());
    json_object_array_add(parts, part);
    return parts;
}

/* An item with all that the API's own have: type, id, a message's content in parts. */
static struct json_object *whole_item(struct json_object *item, const char *response_id, size_t at,
                                      struct arena *arena)
{
    struct json_object *copy = json_object_new_object();
    struct json_object *content = jsonx_get(item, "content");
    const char *type = jsonx_str(item, "type", "message");
    bool message = strcmp(type, "message") == 0;

    json_object_object_foreach(item, key, member)
    {
        jsonx_set_ref(copy, key, member);
    }
    jsonx_set_str(copy, "type", type);
    if (jsonx_get(item, "id") == NULL)
        jsonx_set_str(copy, "id",
                      arena_printf(arena, "%s%s_in%zu", message ? "msg" : "item",
                                   response_id + strlen("resp"), at));
    if (jsonx_get(item, "status") == NULL && message)
        jsonx_set_str(copy, "status", "completed");
    if (message && json_object_is_type(content, json_type_string))
        jsonx_set(copy, "content",
                  parts_of(content, strcmp(jsonx_str(item, "role", ""), "assistant") == 0));
    return copy;
}

/* The items in the order asked for, each whole. */
static struct json_object *ordered(struct json_object *items, const struct page *page,
                                   const char *response_id, struct arena *arena)
{
    size_t count = json_object_array_length(items);
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < count; i++) {
        size_t at = page->ascending ? i : count - 1 - i;
        json_object_array_add(
            list, whole_item(json_object_array_get_idx(items, at), response_id, at, arena));
    }
    return list;
}

static const char *id_at(struct json_object *list, size_t at)
{
    return jsonx_str(json_object_array_get_idx(list, at), "id", NULL);
}

static struct json_object *page_json(struct json_object *all, const struct page *page)
{
    size_t count = json_object_array_length(all);
    struct json_object *data = json_object_new_array();
    struct json_object *body = json_object_new_object();
    size_t from = 0;

    while (page->after != NULL && from < count && strcmp(id_at(all, from), page->after) != 0)
        from++;
    from += page->after != NULL;
    size_t end = from;
    for (; end < count && end - from < (size_t)page->limit; end++)
        json_object_array_add(data, json_object_get(json_object_array_get_idx(all, end)));
    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", data);
    jsonx_set_str(body, "first_id", end > from ? id_at(all, from) : NULL);
    jsonx_set_str(body, "last_id", end > from ? id_at(all, end - 1) : NULL);
    jsonx_set_bool(body, "has_more", end < count);
    return body;
}

int ep_stored_input(void *context, struct exchange *x, const struct router_match *match,
                    struct err *err)
{
    struct endpoint *ep = context;
    struct kept_call call = call_of(ep);
    struct json_object *items = NULL;
    struct page page;

    if (read_page(&page, ep, x, err) != 0 || kept_input(&items, &call, match->params[0], err) != 0)
        return -1;
    struct json_object *all = ordered(items, &page, match->params[0], ep->arena);
    struct json_object *body = page_json(all, &page);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    json_object_put(all);
    json_object_put(items);
    return 0;
}
