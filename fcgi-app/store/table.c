/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/table.h"

#include "db/txn.h"

#include <string.h>

int table_read(struct table *out, struct store *s, struct arena *arena, const char *sql,
               const struct table_column *columns, size_t column_count,
               const struct db_param *params, size_t param_count, size_t row_max, struct err *err)
{
    struct db_rows rows;

    *out = (struct table){.columns = columns, .column_count = column_count};
    if (db_run(&rows, s->pool, arena, sql, params, param_count, row_max, 0, err) != 0)
        return -1;
    assert(rows.row_count == 0 || rows.column_count == column_count);
    out->row_count = rows.row_count;
    out->cells = rows.cells;
    return 0;
}

const char *table_cell(const struct table *t, size_t row, const char *name)
{
    assert(row < t->row_count);
    for (size_t i = 0; i < t->column_count; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return t->cells[row * t->column_count + i];
    assert(false && "a column of this name");
    return NULL;
}

bool table_cut(struct table *t, size_t count)
{
    if (t->row_count <= count)
        return false;
    t->row_count = count;
    return true;
}
