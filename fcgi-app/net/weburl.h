/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An address that a customer wants to be called at: is it one that could work? The address guard
 * (net/netguard) decides again when a connection is made; this only tells the customer early.
 */
#ifndef AIG_WEBURL_H
#define AIG_WEBURL_H

#include "base/base.h"
#include "base/err.h"

enum { WEBURL_MAX = 2048 };

/* 400 naming `param` for what is no absolute http(s) URL, is longer than WEBURL_MAX, has a user
 * name, or plainly names a host that is not public (unless allow_private). Any thread. */
int weburl_check(const char *url, const char *param, bool allow_private,
                 struct err *err) AIG_MUST_USE;

#endif
