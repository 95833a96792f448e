/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/ident.h"
#include "base/secret.h"
#include "base/timing.h"

#include <string.h>

static const char request_prefix[] = "req_";
static const char key_prefix[] = "sk-aig-";
static const char base32[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

enum {
    PREFIX_LEN = sizeof(request_prefix) - 1,
    KEY_PREFIX_LEN = sizeof(key_prefix) - 1,
    TIME_CHARS = 10,
    RANDOM_SIZE = 10,
    KEY_RANDOM_SIZE = 24,
};

static_assert(PREFIX_LEN + TIME_CHARS + RANDOM_SIZE * 8 / 5 == IDENT_REQUEST_LEN, "a ULID");
static_assert(KEY_PREFIX_LEN + 2 * KEY_RANDOM_SIZE == IDENT_KEY_LEN, "24 bytes in hex");

void ident_request(char out[IDENT_REQUEST_SIZE])
{
    memcpy(out, request_prefix, PREFIX_LEN);
    char *p = out + PREFIX_LEN;

    uint64_t ms = (uint64_t)timing_wall_ms() & ((UINT64_C(1) << 48) - 1);
    for (int i = TIME_CHARS - 1; i >= 0; i--) {
        p[i] = base32[ms & 31];
        ms >>= 5;
    }
    p += TIME_CHARS;

    unsigned char random[RANDOM_SIZE];
    secret_random(random, sizeof(random));
    unsigned bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < sizeof(random); i++) {
        bits = (bits << 8 | random[i]) & 0xFFFF;
        bit_count += 8;
        while (bit_count >= 5) {
            bit_count -= 5;
            *p++ = base32[bits >> bit_count & 31];
        }
    }
    *p = '\0';
}

bool ident_request_valid(const char *text)
{
    if (strncmp(text, request_prefix, PREFIX_LEN) != 0 || strlen(text) != IDENT_REQUEST_LEN) {
        return false;
    }
    const char *ulid = text + PREFIX_LEN;
    /* 26 x 5 bits are two more than 128: the first character is at most 7. */
    return ulid[0] <= '7' && strspn(ulid, base32) == strlen(ulid);
}

void ident_key(char out[IDENT_KEY_SIZE])
{
    unsigned char random[KEY_RANDOM_SIZE];
    secret_random(random, sizeof(random));
    memcpy(out, key_prefix, KEY_PREFIX_LEN);
    secret_hex(out + KEY_PREFIX_LEN, random, sizeof(random));
}

bool ident_key_valid(const char *text)
{
    if (strncmp(text, key_prefix, KEY_PREFIX_LEN) != 0 || strlen(text) != IDENT_KEY_LEN) {
        return false;
    }
    return strspn(text + KEY_PREFIX_LEN, "0123456789abcdef") == 2 * (size_t)KEY_RANDOM_SIZE;
}
