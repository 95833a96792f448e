/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/auth.h"

#include "base/ident.h"

#include <string.h>
#include <strings.h>

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
    key += strspn(key, " ");
    if (!ident_key_valid(key))
        return err_set(err, ERR_AUTH_INVALID, NULL,
                       "This is not an API key of this gateway: they begin with 'sk-aig-' and are "
                       "%d characters long.",
                       IDENT_KEY_LEN);
    secret_sha256(out, key, strlen(key));
    return 0;
}
