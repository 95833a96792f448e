/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of a scope (key, member, team, account) as the API shows them: columns of a query
 * over the table with this alias, and their names.
 */
#ifndef AIG_CAP_H
#define AIG_CAP_H

#include "base/base.h"

#include "store/table.h"

/* clang-format off */

/* Spent counts as 0 once a new window has begun (UTC). */
#define CAP_SQL(x)                                                                                 \
    x ".cap_usd, " x ".cap_period, IF(UTC_DATE() < " x ".window_end, " x ".spent_usd, 0), "        \
    x ".held_usd, DATE_FORMAT(CASE " x ".cap_period"                                               \
    " WHEN 'daily' THEN UTC_DATE() + INTERVAL 1 DAY"                                               \
    " WHEN 'weekly' THEN UTC_DATE() + INTERVAL 7 - WEEKDAY(UTC_DATE()) DAY"                        \
    " WHEN 'monthly' THEN UTC_DATE() - INTERVAL DAYOFMONTH(UTC_DATE()) - 1 DAY + INTERVAL 1 MONTH" \
    " END, '%Y-%m-%dT00:00:00Z')"

#define CAP_COLUMNS                                                                                \
    {"cap_usd", TABLE_USD}, {"period", TABLE_TEXT}, {"spent_usd", TABLE_USD},                      \
    {"held_usd", TABLE_USD}, {"resets_at", TABLE_TEXT}

/* The hours whose charges count for the tier: this one and the 719 before it. */
#define TIER_WINDOW_SQL "UTC_DATE() + INTERVAL HOUR(UTC_TIME()) - 719 HOUR"

#define ISO_SQL(column) "DATE_FORMAT(" column ", '%Y-%m-%dT%H:%i:%sZ')"

/* clang-format on */

#endif
