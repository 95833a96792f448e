/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "base/ident.h"
#include "http/reply.h"
#include "store/usage_log.h"

#include <string.h>

static struct json_object *lines_json(const struct usage_entry *u)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < u->line_count; i++) {
        struct json_object *line = json_object_new_object();
        jsonx_set_str(line, "kind", u->lines[i].kind);
        jsonx_set_i64(line, "tokens", u->lines[i].tokens);
        jsonx_set_decimal(line, "usd_per_million_tokens", u->lines[i].usd_per_mtok);
        jsonx_set_decimal(line, "subtotal_usd", u->lines[i].subtotal_usd);
        json_object_array_add(list, line);
    }
    return list;
}

static struct json_object *tools_json(const struct usage_entry *u)
{
    struct json_object *list = json_object_new_array();

    for (size_t i = 0; i < u->tool_count; i++) {
        struct json_object *tool = json_object_new_object();
        bool container = strcmp(u->tools[i].kind, "code_interpreter") == 0;
        jsonx_set_str(tool, "kind", u->tools[i].kind);
        jsonx_set_str(tool, "unit", container ? "container" : "call");
        jsonx_set_i64(tool, "count", u->tools[i].count);
        if (container)
            jsonx_set_i64(tool, "memory_gb", u->container_gb);
        jsonx_set_decimal(tool, "unit_usd", u->tools[i].usd);
        jsonx_set_decimal(tool, "subtotal_usd", u->tools[i].subtotal_usd);
        json_object_array_add(list, tool);
    }
    return list;
}

static const char *rule(const struct usage_entry *u)
{
    if (u->upstream_cost_usd != NULL)
        return "charge = upstream_cost x (1 + markup), rounded half up to 9 places, at most the "
               "hold";
    if (u->unit != NULL)
        return "charge = quantity x unit price x (1 + markup), rounded half up to 9 places, at "
               "most the hold";
    if (u->tool_count > 0)
        return "charge = (sum(tokens x price / 1,000,000) + sum(tools x price)) x (1 + markup), "
               "rounded half up to 9 places, at most the hold";
    return "charge = sum(tokens x price / 1,000,000) x (1 + markup), rounded half up to 9 places, "
           "at most the hold";
}

static struct json_object *arithmetic_json(const struct usage_entry *u)
{
    struct json_object *obj = json_object_new_object();

    jsonx_set_i64(obj, "price_id", u->price_id);
    jsonx_set_bool(obj, "long_prompt_price", u->above_tier);
    jsonx_set(obj, "lines", lines_json(u));
    if (u->tool_count > 0)
        jsonx_set(obj, "tools", tools_json(u));
    if (u->unit != NULL) {
        jsonx_set_str(obj, "unit", u->unit);
        jsonx_set_str(obj, "variant", u->variant);
        jsonx_set_decimal(obj, "quantity", u->quantity);
        jsonx_set_decimal(obj, "unit_usd", u->unit_usd);
    }
    jsonx_set_decimal(obj, "upstream_cost_usd", u->upstream_cost_usd);
    jsonx_set_decimal(obj, "subtotal_usd", u->subtotal_usd);
    jsonx_set_decimal(obj, "markup", u->markup);
    jsonx_set_decimal(obj, "hold_usd", u->hold_usd);
    jsonx_set_decimal(obj, "absorbed_usd", u->absorbed_usd);
    jsonx_set_decimal(obj, "charge_usd", u->charge_usd);
    jsonx_set_str(obj, "rule", rule(u));
    return obj;
}

int ep_usage(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct usage_entry u;

    if (!ident_request_valid(match->params[0]))
        return err_set(err, ERR_NOT_FOUND, NULL,
                       "'%.60s' is no request id; they look like req_01J... and are in the "
                       "x-request-id header of every answer.",
                       match->params[0]);
    if (usage_find(&u, &ep->app->store, ep->arena, ep->principal.account_id, ep->principal.key_id,
                   match->params[0], err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    jsonx_set_str(body, "object", "usage");
    jsonx_set_str(body, "id", u.request_id);
    jsonx_set_str(body, "created_at", u.created_at);
    jsonx_set_str(body, "model", u.model);
    jsonx_set_str(body, "provider", u.provider);
    jsonx_set_str(body, "hedged_from", u.hedged_from);
    jsonx_set_str(body, "status", u.status);
    jsonx_set_i64(body, "http_status", u.http_status);
    jsonx_set_bool(body, "stream", u.stream);
    jsonx_set_bool(body, "estimated", u.estimated);
    if (u.first_byte_ms >= 0)
        jsonx_set_i64(body, "first_byte_ms", u.first_byte_ms);
    else
        jsonx_set_null(body, "first_byte_ms");
    jsonx_set_i64(body, "duration_ms", u.duration_ms);
    jsonx_set_decimal(body, "charge_usd", u.charge_usd);
    jsonx_set(body, "arithmetic", arithmetic_json(&u));
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}
