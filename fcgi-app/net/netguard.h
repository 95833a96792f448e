/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses a URL that a customer gave may reach: public unicast ones only. The guard sits
 * where libcurl opens a socket, after name resolution, so that neither a redirect nor a name whose
 * answer changes goes around it. Connections of a guarded handle must not be shared with others.
 *
 * A network with a NAT64 prefix of its own (other than 64:ff9b::/96) needs a packet filter besides.
 */
#ifndef AIG_NETGUARD_H
#define AIG_NETGUARD_H

#include "base/base.h"

struct sockaddr;

/* Is this a public unicast IPv4 or IPv6 address? IPv4 within IPv6 (mapped, 6to4, NAT64) is judged
 * as IPv4. Any thread. */
bool netguard_is_public(const struct sockaddr *addr, size_t len);

/* Lives as long as the handle; one call at a time. */
struct netguard {
    bool allow_private; /* the operator's: let everything pass */
    bool refused;       /* an address was refused since the caller cleared this */
};

/* Guards the CURL easy handle; again after each curl_easy_reset. 0 or -1. */
int netguard_install(struct netguard *guard, void *easy) AIG_MUST_USE;

#endif
