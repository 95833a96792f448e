/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/responses: OpenAI's Responses as a client surface. Beside the wire format this resolves
 * what the request refers to (previous_response_id, item_reference), and keeps the response where
 * the request says so.
 */
#include "base/base.h"

#include "api/endpoint.h"
#include "api/surface.h"
#include "base/log.h"
#include "core/kept.h"
#include "wire/responses_client.h"
#include "wire/responses_items.h"
#include "wire/responses_writer.h"

#include <string.h>

struct writer {
    struct responses_writer wire;
    struct kept_call kept;
    bool store;
    struct json_object *input; /* the items of this request, to be kept with its response */
    const char *previous_id;
};

/* References. */

static bool is_reference(struct json_object *item)
{
    return strcmp(jsonx_str(item, "type", ""), "item_reference") == 0;
}

/* The caller owns the array of ids; NULL: there are no references. */
static struct json_object *referred_ids(struct json_object *items)
{
    struct json_object *ids = NULL;

    for (size_t i = 0; i < json_object_array_length(items); i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        if (!is_reference(item))
            continue;
        if (ids == NULL)
            ids = json_object_new_array();
        json_object_array_add(ids, json_object_new_string(jsonx_str(item, "id", "")));
    }
    return ids;
}

/* Reasoning that is not kept is left out: the model thinks anew. Anything else would be missed. */
static int not_kept(const char *id, size_t at, struct arena *arena, struct err *err)
{
    if (strncmp(id, "rs_", 3) == 0)
        return 0;
    const char *path = arena_printf(arena, "input[%zu].id", at);
    return err_set(
        err, ERR_BAD_REQUEST, path,
        "'%s': there is no item '%.64s'. Items are kept only if the request that made "
        "them said \"store\": true. Say so, or \"store\": false, with which clients send "
        "items in full.",
        path, id);
}

static int replace_references(struct json_object **out, struct json_object *items,
                              struct json_object *found, struct arena *arena, struct err *err)
{
    struct json_object *list = json_object_new_array();
    int rc = 0;

    for (size_t i = 0; i < json_object_array_length(items) && rc == 0; i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        const char *id = jsonx_str(item, "id", "");
        if (is_reference(item)) {
            item = jsonx_object(found, id);
            rc = item == NULL ? not_kept(id, i, arena, err) : 0;
        }
        if (item != NULL)
            json_object_array_add(list, json_object_get(item));
    }
    if (rc != 0) {
        json_object_put(list);
        return -1;
    }
    *out = list;
    return 0;
}

/* *items is the caller's and becomes the list without references. */
static int resolve(struct json_object **items, const struct kept_call *kept, struct err *err)
{
    struct json_object *ids = referred_ids(*items);
    struct json_object *found = NULL;
    struct json_object *whole = NULL;

    if (ids == NULL)
        return 0;
    int rc = kept_items(&found, kept, ids, err);
    if (rc == 0)
        rc = replace_references(&whole, *items, found, kept->arena, err);
    if (rc == 0) {
        json_object_put(*items);
        *items = whole;
    }
    json_object_put(found);
    json_object_put(ids);
    return rc;
}

/* What went before, then the items of this request. */
static int prepend_context(struct json_object **items, const struct kept_call *kept,
                           const char *previous_id, struct err *err)
{
    struct json_object *context = NULL;

    if (previous_id == NULL)
        return 0;
    if (kept_context(&context, kept, previous_id, err) != 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(*items); i++)
        json_object_array_add(context, json_object_get(json_object_array_get_idx(*items, i)));
    json_object_put(*items);
    *items = context;
    return 0;
}

static int use_kept(struct writer *w, struct endpoint *ep, struct neutral_request *request,
                    struct json_object **items, struct err *err)
{
    struct apikey_principal principal;

    if (apikey_find(&principal, &ep->app->store, ep->arena, ep->key_hash, err) != 0)
        return -1;
    w->kept = (struct kept_call){.app = ep->app, .arena = ep->arena, .key_id = principal.key_id};
    if (resolve(items, &w->kept, err) != 0 ||
        (w->store && kept_check(&w->kept, w->previous_id, *items, err) != 0))
        return -1;
    if (w->store)
        w->input = json_object_get(*items);
    if (prepend_context(items, &w->kept, w->previous_id, err) != 0)
        return -1;
    responses_set_input(request, json_object_get(*items));
    return 0;
}

static int prepare(void *writer, struct endpoint *ep, struct neutral_request *request,
                   struct err *err)
{
    struct writer *w = writer;
    const char *previous = responses_previous_id(request);
    struct json_object *items = responses_input_items(request);
    struct json_object *ids = referred_ids(items);
    int rc = 0;

    w->store = responses_wants_store(request);
    w->previous_id = previous != NULL ? arena_strdup(ep->arena, previous) : NULL;
    if (w->store || previous != NULL || ids != NULL)
        rc = use_kept(w, ep, request, &items, err);
    json_object_put(ids);
    json_object_put(items);
    return rc;
}

/* Before the client can go on from it. */
static void write_end(struct buf *out, void *writer, const struct usage *usage,
                      const char *cost_usd)
{
    struct writer *w = writer;
    struct json_object *response = responses_write_items(out, &w->wire, usage, cost_usd);
    struct err err;

    if (w->store && kept_put(&w->kept, response, w->input, w->previous_id, &err) != 0) {
        log_write(LOG_LEVEL_WARN, NULL, "response not kept: %s",
                  err.detail[0] != '\0' ? err.detail : err.message);
        jsonx_set_bool(response, "store", false);
    }
    responses_write_response(out, &w->wire);
}

static void writer_fini(void *writer)
{
    struct writer *w = writer;

    json_object_put(w->input);
    responses_writer_fini(&w->wire);
}

int ep_responses(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err)
{
    static_assert(offsetof(struct writer, wire) == 0, "the wire's functions take it as theirs");
    static const struct surface responses = {
        .writer_size = sizeof(struct writer),
        .read_request = responses_read_request,
        .read_content = responses_read_content,
        .writer_init = responses_writer_init,
        .prepare = prepare,
        .write_event = responses_write_event,
        .write_end = write_end,
        .write_failure = responses_write_failure,
        .writer_fini = writer_fini,
    };

    (void)match;
    return surface_serve(context, x, &responses, err);
}
