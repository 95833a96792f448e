/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network that a client's address belongs to, as far as one customer of a provider usually has
 * it: /24 of IPv4, /48 of IPv6. Pure.
 */
#ifndef AIG_SUBNET_H
#define AIG_SUBNET_H

#include "base/base.h"

enum { SUBNET_SIZE = 50 };

/* "203.0.113.0/24", "2001:db8:1::/48"; an IPv4 address written as IPv6 counts as IPv4. "unknown"
 * for NULL and for what is no address. */
void subnet_of(char out[SUBNET_SIZE], const char *address);

#endif
