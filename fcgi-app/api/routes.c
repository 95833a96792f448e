/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/routes.h"

#include "api/endpoint.h"

const struct router_route api_routes[] = {
    {"POST", "/v1/chat/completions", ROUTER_MODEL, ep_chat},
    {"POST", "/v1/responses", ROUTER_MODEL, ep_responses},
    {"GET", "/v1/responses/{}", ROUTER_KEY, ep_stored},
    {"DELETE", "/v1/responses/{}", ROUTER_KEY, ep_stored_delete},
    {"GET", "/v1/responses/{}/input_items", ROUTER_KEY, ep_stored_input},
    {"GET", "/v1/models", ROUTER_KEY, ep_models},
    {"GET", "/v1/models/{}", ROUTER_KEY, ep_model},
    {"GET", "/v1/me", ROUTER_KEY, ep_me},
    {"GET", "/v1/usage/{}", ROUTER_KEY, ep_usage},
    {"GET", "/v1/health", ROUTER_PUBLIC, ep_health},
    {"*", "/v1/completions", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/assistants", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/assistants/...", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/threads", ROUTER_PUBLIC, ep_retired},
    {"*", "/v1/threads/...", ROUTER_PUBLIC, ep_retired},
};

const size_t api_route_count = ARRAY_LEN(api_routes);
