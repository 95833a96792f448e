/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short-lived copy of the catalog: immutable, counted, replaced when it is older than
 * MODELS_TTL_MS. A hint, never the truth about money: the ledger reads prices itself. While the
 * database is away the old copy serves on. Any thread may call these.
 */
#ifndef AIG_MODELS_H
#define AIG_MODELS_H

#include "base/base.h"
#include "base/err.h"
#include "store/catalog.h"

enum { MODELS_TTL_MS = 5000 };

struct models;
struct models_copy;

struct models *models_new(struct store *store) AIG_MUST_USE;
/* No copy may be held any more. NULL is allowed. */
void models_free(struct models *m);

/* The current copy; give it back with models_give. */
int models_take(const struct models_copy **out, struct models *m, struct err *err) AIG_MUST_USE;
void models_give(struct models *m, const struct models_copy *copy);

const struct catalog *models_catalog(const struct models_copy *copy);

/* By name or alias, after retirement the successor: *substituted is then the name that was replaced
 * by it, else NULL. 404 when there is none. What is returned lives as long as the copy. */
int models_find(const struct catalog_model **out, const char **substituted,
                const struct models_copy *copy, const char *name, struct err *err) AIG_MUST_USE;

/* NULL: no such model. */
const struct catalog_model *models_find_id(const struct models_copy *copy, int64_t id);

#endif
