/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: one file of `key = value` lines, AIG_CONFIG or the default under sysconfdir; the
 * environment's AIG_<KEY> overrides (AIG_TEST_* and some names that the tests use are no keys).
 * Unknown keys and bad values stop the program with file and line. Read-only after the start. The
 * keys and their defaults stand in one table in conf.c and in the sample file (design section 10).
 */
#ifndef AIG_CONF_H
#define AIG_CONF_H

#include "base/base.h"
#include "base/err.h"
#include "base/log.h"

enum conf_provider {
    PROVIDER_OPENAI,
    PROVIDER_ANTHROPIC,
    PROVIDER_GOOGLE,
    PROVIDER_OPENROUTER,
    PROVIDER_KIE,
    PROVIDER_RECRAFT,
    PROVIDER_MUREKA,
    PROVIDER_REPLICATE,
    PROVIDER__COUNT
};

enum { CONF_DB_HOST_MAX = 8 };

struct conf {
    const char *secret_key;
    const char *db_hosts[CONF_DB_HOST_MAX]; /* tried in turn; db_host_count of them */
    size_t db_host_count;
    int db_port;
    const char *db_socket; /* NULL: TCP */
    const char *db_user;
    const char *db_password;
    const char *db_name;
    int db_pool;
    const char *url[PROVIDER__COUNT]; /* base URL, no trailing slash */
    const char *key[PROVIDER__COUNT]; /* NULL: provider not configured */
    const char *kie_webhook_key;
    const char *stripe_url;
    const char *stripe_key;         /* NULL: credit cannot be bought through Stripe */
    const char *stripe_webhook_key; /* secret of the webhook endpoint (whsec_...) */
    const char *public_url;
    const char *mail_url;
    const char *mail_from;
    const char *spool_dir;
    int threads;
    int threads_reserved;
    int64_t max_body; /* bytes */
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t max_call_time_ms;
    bool allow_private_webhooks;
    enum log_level log_level;
};

/* Reads the file (path NULL: AIG_CONFIG, else the default; a missing default file is no error, a
 * missing AIG_CONFIG is) and the environment. On failure -1 and a message with file and line, no
 * secrets. */
int conf_load(struct conf **out, const char *path, struct err *err) AIG_MUST_USE;
void conf_free(struct conf *c);

/* "openai", "anthropic", ... as in log lines and x-aig-provider. */
const char *conf_provider_name(enum conf_provider p);

#endif
