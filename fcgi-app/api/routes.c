/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/routes.h"

#include "api/endpoint.h"

const struct router_route api_routes[] = {
    {"POST", "/v1/chat/completions", ROUTER_MODEL, ep_chat},
    {"GET", "/v1/models", ROUTER_ACCOUNT, ep_models},
    {"GET", "/v1/models/{}", ROUTER_ACCOUNT, ep_model},
    {"GET", "/v1/me", ROUTER_ACCOUNT, ep_me},
    {"GET", "/v1/usage", ROUTER_ACCOUNT, ep_usage_list},
    {"GET", "/v1/usage/summary", ROUTER_ACCOUNT, ep_usage_summary},
    {"GET", "/v1/usage/{}", ROUTER_ACCOUNT, ep_usage},
    {"GET", "/v1/tiers", ROUTER_PUBLIC, ep_tiers},
    {"GET", "/v1/keys", ROUTER_ACCOUNT, ep_keys},
    {"POST", "/v1/keys", ROUTER_SESSION, ep_key_create},
    {"PATCH", "/v1/keys/{}", ROUTER_SESSION, ep_key_change},
    {"DELETE", "/v1/keys/{}", ROUTER_SESSION, ep_key_delete},
    {"POST", "/v1/keys/{}/rotate", ROUTER_SESSION, ep_key_rotate},
    {"GET", "/v1/teams", ROUTER_ACCOUNT, ep_teams},
    {"POST", "/v1/teams", ROUTER_SESSION, ep_team_create},
    {"GET", "/v1/teams/{}", ROUTER_ACCOUNT, ep_team},
    {"PATCH", "/v1/teams/{}", ROUTER_SESSION, ep_team_change},
    {"POST", "/v1/teams/{}/invitations", ROUTER_SESSION, ep_team_invite},
    {"DELETE", "/v1/teams/{}/invitations/{}", ROUTER_SESSION, ep_team_uninvite},
    {"PATCH", "/v1/teams/{}/members/{}", ROUTER_SESSION, ep_member_change},
    {"DELETE", "/v1/teams/{}/members/{}", ROUTER_SESSION, ep_member_remove},
    {"POST", "/v1/teams/{}/transfer", ROUTER_SESSION, ep_team_transfer},
    {"POST", "/v1/invitations/accept", ROUTER_SESSION, ep_team_join},
    {"GET", "/v1/credit", ROUTER_ACCOUNT, ep_credit},
    {"POST", "/v1/credit/checkout", ROUTER_SESSION, ep_credit_checkout},
    {"POST", "/v1/credit/{}/refund", ROUTER_SESSION, ep_credit_refund},
    {"GET", "/v1/statements", ROUTER_ACCOUNT, ep_statements},
    {"GET", "/v1/statements/{}", ROUTER_ACCOUNT, ep_statement},
    {"POST", "/v1/stripe/webhook", ROUTER_PUBLIC, ep_stripe_webhook},
    {"GET", "/v1/health", ROUTER_PUBLIC, ep_health},
    {"POST", "/v1/auth/signup", ROUTER_PUBLIC, ep_auth_signup},
    {"POST", "/v1/auth/verify", ROUTER_PUBLIC, ep_auth_verify},
    {"POST", "/v1/auth/login", ROUTER_PUBLIC, ep_auth_login},
    {"POST", "/v1/auth/reset", ROUTER_PUBLIC, ep_auth_reset},
    {"POST", "/v1/auth/logout", ROUTER_SESSION, ep_auth_logout},
    {"GET", "/v1/auth/session", ROUTER_SESSION, ep_auth_session},
    {"GET", "/v1/auth/sessions", ROUTER_SESSION, ep_auth_sessions},
    {"DELETE", "/v1/auth/sessions/{}", ROUTER_SESSION, ep_auth_revoke},
    {"*", "/v1/completions", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/assistants", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/assistants/...", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/threads", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/threads/...", ROUTER_PUBLIC, ep_retired},
};

const size_t api_route_count = ARRAY_LEN(api_routes);
