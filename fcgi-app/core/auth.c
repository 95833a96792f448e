/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/auth.h"

#include "base/ident.h"

#include <string.h>
#include <strings.h>

static int hash_key(unsigned char out[SECRET_SHA256_SIZE], const char *key, struct err *err)
{
    if (!ident_key_valid(key))
        return err_set(err, ERR_AUTH_INVALID, NULL,
                       "This is not an API key of this gateway: they begin with 'sk-aig-' and are "
                       "%d characters long.",
                       IDENT_KEY_LEN);
    secret_sha256(out, key, strlen(key));
    return 0;
}

int auth_key_hash(unsigned char out[SECRET_SHA256_SIZE], const char *authorization, struct err *err)
{
    static const char scheme[] = "Bearer ";

    if (authorization == NULL || authorization[0] == '\0')
        return err_set(err, ERR_AUTH_MISSING, NULL,
                       "No API key was given. Send it as 'Authorization: Bearer sk-aig-...'.");
    if (strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return err_set(err, ERR_AUTH_INVALID, NULL,
                       "The Authorization header must read 'Bearer sk-aig-...'.");
    const char *key = authorization + sizeof scheme - 1;
    return hash_key(out, key + strspn(key, " "), err);
}

int auth_any_key_hash(unsigned char out[SECRET_SHA256_SIZE], const char *authorization,
                      const char *api_key, struct err *err)
{
    struct err other;
    int rc = auth_key_hash(out, authorization, err);

    if (rc == 0 || api_key == NULL || api_key[0] == '\0')
        return rc;
    if (err->code == ERR_AUTH_MISSING)
        return hash_key(out, api_key, err);
    return hash_key(out, api_key, &other);
}
