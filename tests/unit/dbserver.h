/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private MariaDB for unit tests: its own data directory, socket and port, nothing of the
 * machine's configuration. It dies with the test. One thread only.
 */
#ifndef AIG_DBSERVER_H
#define AIG_DBSERVER_H

#include "base/base.h"
#include "db/pool.h"

#include <sys/types.h>

struct dbserver {
    char dir[64];
    char socket[96];
    const char *address;     /* to listen on; NULL before the start: 127.0.0.1 */
    unsigned port;           /* 0 before the start: a free one */
    pid_t pid;               /* 0: not running */
    struct db_config config; /* database "aig", user root, at most 4 connections, by the socket */
};

/* `d` is zero, or has address and port set. Exits with 77 (skipped) when MariaDB's server is not
 * installed, and with 1 when it does not start. */
void dbserver_start(struct dbserver *d);
/* kill -9. */
void dbserver_kill(struct dbserver *d);
/* After dbserver_kill: the same data again. */
void dbserver_again(struct dbserver *d);
/* Ends it and removes its data. */
void dbserver_stop(struct dbserver *d);

/* Runs SQL by the mariadb client; exits when it fails. */
void dbserver_sql(struct dbserver *d, const char *sql);
/* The program's schema into database "aig": sql/migrate.sh. */
void dbserver_schema(struct dbserver *d);

#endif
