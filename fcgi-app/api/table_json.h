/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of store/table as JSON, and the list that GET answers with.
 */
#ifndef AIG_TABLE_JSON_H
#define AIG_TABLE_JSON_H

#include "base/base.h"

#include "base/jsonx.h"
#include "store/table.h"

/* The caller owns the object. */
struct json_object *table_row_json(const struct table *t, size_t row);
/* All rows as an array. */
struct json_object *table_rows_json(const struct table *t);
/* {"object":"list","data":[...],"has_more":...,"next":...}; next NULL: the end. */
struct json_object *table_list_json(const struct table *t, const char *next);

#endif
