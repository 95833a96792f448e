/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "http/reply.h"

static struct json_object *cap_json(const struct apikey_cap *cap)
{
    struct json_object *obj = json_object_new_object();

    jsonx_set_decimal(obj, "cap_usd", cap->cap_usd);
    jsonx_set_str(obj, "period", cap->period);
    jsonx_set_decimal(obj, "spent_usd", cap->spent_usd);
    jsonx_set_decimal(obj, "held_usd", cap->held_usd);
    jsonx_set_str(obj, "resets_at", cap->resets_at);
    return obj;
}

static struct json_object *key_json(const struct apikey_me *me)
{
    struct json_object *obj = cap_json(&me->key);

    jsonx_set_i64(obj, "id", me->key_id);
    jsonx_set_str(obj, "name", me->key_name);
    jsonx_set_str(obj, "prefix", me->key_prefix);
    jsonx_set_str(obj, "last4", me->key_last4);
    jsonx_set_str(obj, "expires_at", me->key_expires_at);
    return obj;
}

static struct json_object *team_json(const struct apikey_me *me)
{
    struct json_object *obj = cap_json(&me->team);

    jsonx_set_i64(obj, "id", me->team_id);
    jsonx_set_str(obj, "name", me->team_name);
    jsonx_set(obj, "member", cap_json(&me->member));
    return obj;
}

static void set_payer(struct json_object *body, const struct apikey_me *me)
{
    jsonx_set_str(body, "object", "account");
    jsonx_set_str(body, "tier", me->tier);
    jsonx_set_decimal(body, "markup", me->markup);
    jsonx_set_str(body, "next_tier", me->next_tier);
    jsonx_set_decimal(body, "next_tier_usd", me->next_tier_usd);
    jsonx_set_decimal(body, "next_tier_missing_usd", me->next_tier_missing_usd);
    jsonx_set_decimal(body, "spend_30d_usd", me->spend_30d_usd);
    jsonx_set_decimal(body, "balance_usd", me->balance_usd);
    jsonx_set_decimal(body, "held_usd", me->held_usd);
    jsonx_set_decimal(body, "available_usd", me->available_usd);
}

int ep_me(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct apikey_me me;
    int rc;

    (void)match;
    if (ep->principal.key_id != 0)
        rc = apikey_me(&me, &ep->app->store, ep->arena, ep->principal.key_id, err);
    else
        rc = apikey_me_account(&me, &ep->app->store, ep->arena, ep->account_id, err);
    if (rc != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    set_payer(body, &me);
    if (me.key_id == 0) {
        jsonx_set_i64(body, "id", me.account_id);
        jsonx_set_str(body, "email", me.email);
        jsonx_set_str(body, "name", me.name);
    }
    jsonx_set(body, "key", me.key_id != 0 ? key_json(&me) : NULL);
    jsonx_set(body, "account", cap_json(&me.account));
    jsonx_set(body, "team", me.team_id != 0 ? team_json(&me) : NULL);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}
