/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "db/stmt.h"

#include "base/timing.h"
#include "db/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    STMT_CELL_MAX = 16 * 1024 * 1024,
    STMT_ROWS_FIRST = 16, /* rows that there is room for before the array grows */
};

struct db_param db_null(void)
{
    return (struct db_param){.type = DB_NULL};
}

struct db_param db_i64(int64_t v)
{
    return (struct db_param){.type = DB_I64, .i64 = v};
}

struct db_param db_text(const char *s)
{
    if (s == NULL)
        return db_null();
    return (struct db_param){.type = DB_TEXT, .bytes = {s, strlen(s)}};
}

struct db_param db_bytes(const void *data, size_t len)
{
    /* The library would take a NULL buffer for SQL NULL. */
    return (struct db_param){.type = DB_BYTES, .bytes = {data != NULL ? data : "", len}};
}

const char *db_cell(const struct db_rows *rows, size_t row, size_t column)
{
    assert(row < rows->row_count && column < rows->column_count);
    return rows->cells[row * rows->column_count + column];
}

int64_t db_cell_i64(const struct db_rows *rows, size_t row, size_t column, int64_t dflt)
{
    const char *text = db_cell(rows, row, column);
    char *end;

    if (text == NULL)
        return dflt;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    /* A column of another type is a mistake in the statement. */
    assert(end != text && *end == '\0' && errno == 0);
    return v;
}

const char *db_next(struct db_cursor *c)
{
    return db_cell(c->rows, c->row, c->column++);
}

int64_t db_next_i64(struct db_cursor *c, int64_t dflt)
{
    return db_cell_i64(c->rows, c->row, c->column++, dflt);
}

/* --- Statements of a connection -----------------------------------------------------------------
 */

/* What one db_exec works with. */
struct run {
    struct db_conn *conn;
    MYSQL_STMT *handle;
    struct arena *arena;
    struct db_rows *rows;
    size_t row_max;
    size_t room; /* rows that rows->cells has room for */
    const char *sql;
    struct err *err;
};

static int fail(struct run *r, unsigned number, const char *text)
{
    r->conn->fault = conn_classify(number);
    if (r->conn->fault == DB_FAULT_LOST)
        r->conn->host_unfit = conn_is_unfit(number);
    if (r->conn->fault == DB_FAULT_OTHER)
        err_set(r->err, ERR_INTERNAL, NULL, "The server had an internal error.");
    else
        err_set(r->err, ERR_DATABASE, NULL, DB_AWAY_MESSAGE);
    return err_detail(r->err, "%u %s in: %s", number, text, r->sql);
}

static int fail_stmt(struct run *r)
{
    return fail(r, mysql_stmt_errno(r->handle), mysql_stmt_error(r->handle));
}

/* A fault that is ours and not the server's. */
static int fail_here(struct run *r, const char *why)
{
    r->conn->fault = DB_FAULT_OTHER;
    err_set(r->err, ERR_INTERNAL, NULL, "The server had an internal error.");
    return err_detail(r->err, "%s in: %s", why, r->sql);
}

static struct conn_stmt *find_slot(struct db_conn *conn, const char *sql)
{
    for (size_t i = 0; i < conn->stmt_count; i++)
        if (conn->stmts[i].sql == sql)
            return &conn->stmts[i];
    return NULL;
}

/* The table is replaced in turn once it is full. */
static void keep_stmt(struct db_conn *conn, const char *sql, MYSQL_STMT *handle)
{
    struct conn_stmt *slot;

    if (conn->stmt_count < CONN_STMT_MAX) {
        slot = &conn->stmts[conn->stmt_count++];
    } else {
        slot = &conn->stmts[conn->stmt_next];
        conn->stmt_next = (conn->stmt_next + 1) % CONN_STMT_MAX;
        mysql_stmt_close(slot->handle);
    }
    slot->sql = sql;
    slot->handle = handle;
}

/* After an error the state of a handle is not relied on: prepare it anew next time. */
static void forget_stmt(struct db_conn *conn, const char *sql)
{
    struct conn_stmt *slot = find_slot(conn, sql);

    if (slot == NULL)
        return;
    mysql_stmt_close(slot->handle);
    conn->stmt_count--;
    *slot = conn->stmts[conn->stmt_count];
    conn->stmt_next = 0;
}

static int prepare(struct run *r)
{
    const struct conn_stmt *slot = find_slot(r->conn, r->sql);

    if (slot != NULL) {
        r->handle = slot->handle;
        return 0;
    }
    MYSQL_STMT *handle = mysql_stmt_init(r->conn->mysql);
    if (handle == NULL)
        return fail(r, mysql_errno(r->conn->mysql), mysql_error(r->conn->mysql));
    r->handle = handle;
    if (mysql_stmt_prepare(handle, r->sql, (unsigned long)strlen(r->sql)) != 0) {
        fail_stmt(r);
        mysql_stmt_close(handle);
        return -1;
    }
    keep_stmt(r->conn, r->sql, handle);
    return 0;
}

/* --- Parameters in ------------------------------------------------------------------------------
 */

static void bind_one(MYSQL_BIND *bind, const struct db_param *param)
{
    switch (param->type) {
    case DB_NULL:
        bind->buffer_type = MYSQL_TYPE_NULL;
        return;
    case DB_I64:
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->buffer = (void *)(uintptr_t)&param->i64;
        return;
    case DB_TEXT:
        bind->buffer_type = MYSQL_TYPE_STRING;
        break;
    case DB_BYTES:
        bind->buffer_type = MYSQL_TYPE_BLOB;
        break;
    }
    bind->buffer = (void *)(uintptr_t)param->bytes.ptr;
    bind->buffer_length = (unsigned long)param->bytes.len;
}

static int execute(struct run *r, const struct db_param *params, size_t param_count)
{
    MYSQL_BIND binds[DB_PARAM_MAX];

    assert(param_count <= DB_PARAM_MAX);
    if (mysql_stmt_param_count(r->handle) != param_count)
        return fail_here(r, "wrong number of parameters");
    memset(binds, 0, sizeof(binds));
    for (size_t i = 0; i < param_count; i++)
        bind_one(&binds[i], &params[i]);
    if (param_count > 0 && mysql_stmt_bind_param(r->handle, binds) != 0)
        return fail_stmt(r);
    if (mysql_stmt_execute(r->handle) != 0)
        return fail_stmt(r);
    return 0;
}

/* --- Rows out -----------------------------------------------------------------------------------
 */

/* Cells land in the connection's own buffers, whose size is fixed, and are copied from there. */
static int bind_cells(struct run *r, unsigned columns)
{
    struct db_conn *c = r->conn;
    MYSQL_BIND *binds = c->binds;

    memset(binds, 0, columns * sizeof(binds[0]));
    for (unsigned i = 0; i < columns; i++) {
        binds[i].buffer_type = MYSQL_TYPE_STRING;
        binds[i].buffer = c->cells[i];
        binds[i].buffer_length = CONN_CELL_SIZE;
        binds[i].length = &c->lengths[i];
        binds[i].is_null = &c->nulls[i];
        binds[i].error = &c->cut[i];
    }
    return mysql_stmt_bind_result(r->handle, binds) != 0 ? fail_stmt(r) : 0;
}

static int copy_long_cell(const char **out, struct run *r, unsigned column)
{
    MYSQL_BIND bind;
    unsigned long len = r->conn->lengths[column];
    unsigned long got = 0;
    my_bool is_null = 0;
    my_bool cut = 0;

    if (len > STMT_CELL_MAX)
        return fail_here(r, "a cell is too large");
    char *text = arena_alloc(r->arena, len + 1);
    memset(&bind, 0, sizeof(bind));
    bind.buffer_type = MYSQL_TYPE_STRING;
    bind.buffer = text;
    bind.buffer_length = len;
    bind.length = &got;
    bind.is_null = &is_null;
    bind.error = &cut;
    if (mysql_stmt_fetch_column(r->handle, &bind, column, 0) != 0)
        return fail_stmt(r);
    if (is_null || got != len)
        return fail_here(r, "a cell changed its length");
    text[len] = '\0';
    *out = text;
    return 0;
}

/* Makes room for one more row. */
static void grow(struct run *r)
{
    struct db_rows *rows = r->rows;
    size_t room = r->room > 0 ? 2 * r->room : STMT_ROWS_FIRST;

    if (rows->row_count < r->room)
        return;
    if (room > r->row_max)
        room = r->row_max;
    const char **cells = arena_alloc(r->arena, room * rows->column_count * sizeof(*cells));
    if (rows->row_count > 0)
        memcpy(cells, rows->cells, rows->row_count * rows->column_count * sizeof(*cells));
    rows->cells = cells;
    r->room = room;
}

static int copy_row(struct run *r)
{
    struct db_conn *c = r->conn;
    struct db_rows *rows = r->rows;

    if (rows->row_count >= r->row_max)
        return fail_here(r, "more rows than expected");
    grow(r);
    const char **row = &rows->cells[rows->row_count * rows->column_count];
    for (unsigned i = 0; i < rows->column_count; i++) {
        if (c->nulls[i])
            row[i] = NULL;
        else if (c->lengths[i] <= CONN_CELL_SIZE)
            row[i] = arena_strndup(r->arena, c->cells[i], c->lengths[i]);
        else if (copy_long_cell(&row[i], r, i) != 0)
            return -1;
    }
    rows->row_count++;
    return 0;
}

/* The rows of one result set, straight from the wire. */
static int read_rows(struct run *r)
{
    unsigned columns = mysql_stmt_field_count(r->handle);
    int rc;

    if (columns > DB_COLUMN_MAX)
        return fail_here(r, "too many columns");
    if (bind_cells(r, columns) != 0)
        return -1;
    r->rows->column_count = columns;
    while ((rc = mysql_stmt_fetch(r->handle)) == 0 || rc == MYSQL_DATA_TRUNCATED)
        if (copy_row(r) != 0)
            return -1;
    return rc == MYSQL_NO_DATA ? 0 : fail_stmt(r);
}

/* Reads to the end of the last result. Of several result sets the first one is kept, the library
 * skips what is not fetched. */
static int read_results(struct run *r)
{
    int rc;

    do {
        if (mysql_stmt_field_count(r->handle) == 0)
            r->rows->affected = mysql_stmt_affected_rows(r->handle);
        else if (r->rows->column_count == 0 && read_rows(r) != 0)
            return -1;
        rc = mysql_stmt_next_result(r->handle);
    } while (rc == 0);
    return rc < 0 ? 0 : fail_stmt(r);
}

int db_exec(struct db_rows *out, struct db_conn *conn, struct arena *arena, const char *sql,
            const struct db_param *params, size_t param_count, size_t row_max, struct err *err)
{
    struct db_rows rows = {0};
    struct run r = {
        .conn = conn, .arena = arena, .rows = &rows, .row_max = row_max, .sql = sql, .err = err};
    int64_t start_ms = timing_mono_ms();

    *out = (struct db_rows){0};
    conn->fault = DB_FAULT_NONE;
    if (prepare(&r) != 0 || execute(&r, params, param_count) != 0 || read_results(&r) != 0) {
        /* A server that is there but silent: let another host serve for a while. */
        if (conn->fault == DB_FAULT_LOST &&
            timing_mono_ms() - start_ms >= (int64_t)conn->read_limit_s * 1000 - 100)
            conn->host_unfit = true;
        if (conn->fault != DB_FAULT_LOST)
            forget_stmt(conn, sql);
        return -1;
    }
    *out = rows;
    return 0;
}
