/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MariaDB connection: private to db/, for pool.c and stmt.c. A connection belongs to one thread
 * at a time; the pool's mutex guards the list it lies in while idle.
 */
#ifndef AIG_DB_CONN_H
#define AIG_DB_CONN_H

#include "base/base.h"
#include "base/err.h"
#include "db/pool.h"
#include "db/stmt.h"

#include <mysql.h>

enum {
    CONN_CONNECT_TIMEOUT_S = 3,
    CONN_READ_TIMEOUT_S = 10,
    CONN_WRITE_TIMEOUT_S = 10,
    CONN_STMT_MAX = 64,   /* prepared statements kept on a connection */
    CONN_CELL_SIZE = 256, /* longer cells are fetched a second time, straight into the arena */
};

struct conn_stmt {
    const char *sql; /* compared by address */
    MYSQL_STMT *handle;
};

struct db_conn {
    MYSQL *mysql;
    struct db_conn *next;  /* in the pool's idle list */
    size_t host;           /* index of the host it is connected to */
    enum db_fault fault;   /* of the last statement */
    bool host_unfit;       /* the server answers, but does not take statements */
    unsigned read_limit_s; /* read timeout */
    int64_t opened_ms;     /* monotonic */
    int64_t given_ms;
    size_t stmt_count;
    size_t stmt_next; /* replaced next once the table is full */
    struct conn_stmt stmts[CONN_STMT_MAX];
    MYSQL_BIND binds[DB_COLUMN_MAX]; /* here, because they would be the deepest part of every
                                        worker's stack */
    unsigned long lengths[DB_COLUMN_MAX];
    my_bool nulls[DB_COLUMN_MAX];
    my_bool cut[DB_COLUMN_MAX];
    char cells[DB_COLUMN_MAX][CONN_CELL_SIZE];
};

/* For the client; what happened stands in the detail. */
#define DB_AWAY_MESSAGE "The database is not available at the moment. Please try again shortly."

/* Why a host was refused. */
enum conn_refusal {
    CONN_REFUSAL_OTHER,
    CONN_REFUSAL_CROWDED, /* the server is there but allows no further connection */
};

/* Connects to host number `host` of the configuration within `timeout_s`; the session is set up
 * when it answers 0. -1: 503 ERR_DATABASE. */
int conn_open(struct db_conn **out, const struct db_config *config, size_t host, unsigned timeout_s,
              enum conn_refusal *refusal, struct err *err) AIG_MUST_USE;
/* NULL is allowed. */
void conn_close(struct db_conn *conn);
/* One round trip: is the server still there? */
bool conn_alive(struct db_conn *conn);

/* Kind of a client or server error number of a statement that failed. */
enum db_fault conn_classify(unsigned error_number);
/* The server behind this error takes no statement now, though it answers: another host may. */
bool conn_is_unfit(unsigned error_number);

#endif
