/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/routes.h"

#include "api/endpoint.h"

const struct router_route api_routes[] = {
    {"POST", "/v1/chat/completions", ROUTER_MODEL, ep_chat},
    {"GET", "/v1/models", ROUTER_ACCOUNT, ep_models},
    {"GET", "/v1/models/{}", ROUTER_ACCOUNT, ep_model},
    {"POST", "/v1/embeddings", ROUTER_MODEL, ep_embeddings},
    {"GET", "/v1/me", ROUTER_KEY, ep_me},
    {"GET", "/v1/usage/{}", ROUTER_KEY, ep_usage},
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
