/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Identifiers. A request id is "req_" and a ULID (github.com/ulid/spec: 48 bits of wall-clock
 * milliseconds, 80 random bits, 26 characters of Crockford's base32), so ids sort by time and
 * inserts stay at the right edge of an index. An API key is "sk-aig-" and 48 hex digits.
 */
#ifndef AIG_IDENT_H
#define AIG_IDENT_H

#include "base/base.h"

enum {
    IDENT_REQUEST_LEN = 30,
    IDENT_REQUEST_SIZE = IDENT_REQUEST_LEN + 1,
    IDENT_KEY_LEN = 7 + 48,
    IDENT_KEY_SIZE = IDENT_KEY_LEN + 1,
};

void ident_request(char out[IDENT_REQUEST_SIZE]);
bool ident_request_valid(const char *text);
void ident_key(char out[IDENT_KEY_SIZE]);
/* Form only; whether it exists is the database's to say. */
bool ident_key_valid(const char *text);

#endif
