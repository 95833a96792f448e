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
    {"POST", "/v1/jobs/createTask", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/jobs/recordInfo", ROUTER_ACCOUNT, ep_job_record},
    {"GET", "/v1/jobs", ROUTER_ACCOUNT, ep_jobs},
    {"POST", "/v1/veo/generate", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/veo/record-info", ROUTER_ACCOUNT, ep_job_record},
    {"POST", "/v1/generate", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/generate/record-info", ROUTER_ACCOUNT, ep_job_record},
    {"POST", "/v1/runway/generate", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/runway/record-detail", ROUTER_ACCOUNT, ep_job_record},
    {"POST", "/v1/aleph/generate", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/aleph/record-info", ROUTER_ACCOUNT, ep_job_record},
    {"POST", "/v1/flux/kontext/generate", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/flux/kontext/record-info", ROUTER_ACCOUNT, ep_job_record},
    {"POST", "/v1/gpt4o-image/generate", ROUTER_MODEL, ep_job_create},
    {"GET", "/v1/gpt4o-image/record-info", ROUTER_ACCOUNT, ep_job_record},
    {"POST", "/v1/callbacks/{}/{}", ROUTER_PUBLIC, ep_callback},
    {"GET", "/v1/webhooks", ROUTER_ACCOUNT, ep_hooks},
    {"GET", "/v1/webhooks/secret", ROUTER_ACCOUNT, ep_hook_secrets},
    {"POST", "/v1/webhooks/secret/rotate", ROUTER_SESSION, ep_hook_rotate},
    {"GET", "/v1/webhooks/{}", ROUTER_ACCOUNT, ep_hook},
    {"POST", "/v1/webhooks/{}/redeliver", ROUTER_ACCOUNT, ep_hook_redeliver},
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
