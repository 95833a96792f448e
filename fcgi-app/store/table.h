/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows for a client: the columns of a query with the names and kinds that they have in the API.
 * They stand beside the SQL, so that api/ can turn any table into JSON without knowing it.
 */
#ifndef AIG_TABLE_H
#define AIG_TABLE_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/stmt.h"
#include "store/store.h"

enum table_kind {
    TABLE_TEXT,
    TABLE_INT,
    TABLE_USD, /* decimal text */
    TABLE_BOOL,
    TABLE_LIST, /* texts with commas between them */
    TABLE_OWN,  /* for the program; not shown */
};

/* "team.id" is the member `id` of an object `team`, which is null where its first column is. */
struct table_column {
    const char *name;
    enum table_kind kind;
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    size_t row_count;
    const char **cells; /* row by row; NULL: SQL NULL. In the arena */
};

/* One statement; rows beyond row_max are an error. The statement must give as many columns. */
int table_read(struct table *out, struct store *s, struct arena *arena, const char *sql,
               const struct table_column *columns, size_t column_count,
               const struct db_param *params, size_t param_count, size_t row_max,
               struct err *err) AIG_MUST_USE;

/* By the name of a column that must be there. */
const char *table_cell(const struct table *t, size_t row, const char *name);
/* Forgets rows beyond `count`; true if there were some. */
bool table_cut(struct table *t, size_t count);

#endif
