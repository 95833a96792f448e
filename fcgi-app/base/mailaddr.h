/* SPDX-License-Identifier: Apache-2.0 */
/*
 * E-mail addresses: what is accepted as one, which mailbox lies behind it, and the "Name <address>"
 * of a sender. Pure.
 */
#ifndef AIG_MAILADDR_H
#define AIG_MAILADDR_H

#include "base/base.h"
#include "base/buf.h"

enum {
    MAILADDR_MAX = 254, /* RFC 5321 4.5.3.1.3, without the angle brackets */
    MAILADDR_SIZE = MAILADDR_MAX + 1,
    MAILADDR_LOCAL_MAX = 64,
    MAILADDR_NAME_MAX = 120,
};

/* Dot-atom "@" domain of two labels or more (RFC 5321 4.1.2 without quoted strings and address
 * literals), ASCII only: so there is nothing in it that could end a header or an SMTP command. */
bool mailaddr_valid(struct span text);

/* The address with its domain in lower case, as it is stored and written to. `text` is valid. */
void mailaddr_normal(char out[MAILADDR_SIZE], struct span text);

/* The mailbox: lower case, and what the provider ignores left out (a table in mailaddr.c). Two
 * addresses of one mailbox give the same text. `address` is valid. */
void mailaddr_mailbox(char out[MAILADDR_SIZE], const char *address);

/* Splits "Name <address>", "\"Name\" <address>" or "address" in place of spans of `text`; name may
 * be empty. -1: the address is not valid, or the name has control characters or is too long. */
int mailaddr_parse_from(struct span *name, struct span *address, const char *text) AIG_MUST_USE;

#endif
