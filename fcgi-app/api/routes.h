/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all paths.
 */
#ifndef AIG_ROUTES_H
#define AIG_ROUTES_H

#include "base/base.h"
#include "http/router.h"

extern const struct router_route api_routes[];
extern const size_t api_route_count;

#endif
