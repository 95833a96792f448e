/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/callid.h"

#include "base/jsontext.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void callid_fit(char out[CALLID_SIZE], const char *id, size_t max)
{
    enum { HASH_LEN = 1 + 16 };
    const uint64_t prime = 1099511628211u;
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    size_t len = strlen(id);

    assert(max > HASH_LEN && max < CALLID_SIZE);
    if (len <= max) {
        memcpy(out, id, len + 1);
        return;
    }
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)id[i]) * prime;
    /* Cut at a character, so that it stays valid text. */
    size_t kept = 0;
    size_t n = jsontext_utf8_len(id, len);
    while (n > 0 && kept + n <= max - HASH_LEN) {
        kept += n;
        n = jsontext_utf8_len(id + kept, len - kept);
    }
    snprintf(out, CALLID_SIZE, "%.*s_%016" PRIx64, (int)kept, id, hash);
}
