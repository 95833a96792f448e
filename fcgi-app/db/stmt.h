/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prepared statements: typed parameters in, text cells out. A statement is prepared once a
 * connection, found again by the address of its SQL text (so the text must be a static constant).
 * CALL results are drained to the last one; a row is only handed out once the server has reported
 * the end of the CALL without an error.
 */
#ifndef AIG_DB_STMT_H
#define AIG_DB_STMT_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/pool.h"

enum { DB_PARAM_MAX = 24, DB_COLUMN_MAX = 64 };

enum db_type { DB_NULL, DB_I64, DB_TEXT, DB_BYTES };

struct db_param {
    enum db_type type;
    int64_t i64;
    struct span bytes; /* borrowed for the call */
};

struct db_param db_null(void);
struct db_param db_i64(int64_t v);
/* NULL becomes SQL NULL. */
struct db_param db_text(const char *s);
struct db_param db_bytes(const void *data, size_t len);

/* Rows as text in the arena: cell(row, column) is NUL-terminated, NULL for SQL NULL. DECIMAL and
 * DATETIME come as MariaDB prints them. */
struct db_rows {
    size_t row_count;
    size_t column_count;
    const char **cells; /* row_count * column_count */
    uint64_t affected;
};

const char *db_cell(const struct db_rows *rows, size_t row, size_t column);
/* dflt when NULL; the cell must hold an integer. */
int64_t db_cell_i64(const struct db_rows *rows, size_t row, size_t column, int64_t dflt);

/* The cells of one row from left to right, for wide rows: each call moves on by one. */
struct db_cursor {
    const struct db_rows *rows;
    size_t row;
    size_t column;
};

const char *db_next(struct db_cursor *c);
int64_t db_next_i64(struct db_cursor *c, int64_t dflt);

/* Runs one statement. `sql` must be static. Rows beyond row_max are an error (ERR_INTERNAL). On
 * failure -1, err set (503 ERR_DATABASE for LOST and CONFLICT, 500 else; SQL texts only in detail)
 * and db_conn_fault(conn) tells the kind. */
int db_exec(struct db_rows *out, struct db_conn *conn, struct arena *arena, const char *sql,
            const struct db_param *params, size_t param_count, size_t row_max,
            struct err *err) AIG_MUST_USE;

#endif
