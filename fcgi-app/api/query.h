/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters in the query of a URL ("?limit=5&state=fail").
 */
#ifndef AIG_QUERY_H
#define AIG_QUERY_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/fcgi.h"

enum { QUERY_VALUE_MAX = 1024 };

/* The value of the first parameter of that name, decoded, in the arena; NULL when there is none or
 * it is empty. 400 for a bad escape, a control character or a value longer than QUERY_VALUE_MAX. */
int query_get(const char **out, const struct exchange *x, const char *name, struct arena *arena,
              struct err *err) AIG_MUST_USE;

/* A whole number in [min, max]; *out is unchanged when there is none. */
int query_get_i64(int64_t *out, const struct exchange *x, const char *name, int64_t min,
                  int64_t max, struct arena *arena, struct err *err) AIG_MUST_USE;

#endif
