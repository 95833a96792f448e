/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded pool of MariaDB connections (shared hosts allow few). db/ is the home of <mysql.h>.
 *
 * Connections open lazily, try the configured hosts in turn, run with time_zone '+00:00', READ
 * COMMITTED, utf8mb4, read and write timeouts, no automatic reconnect (it would lose a transaction
 * silently) and no multi-statements. A connection is held inside one step only and never while an
 * upstream is waited for. Any thread may call these.
 *
 * Encryption is what the client library does by itself: Connector/C 3.3 (Debian 12) uses none, 3.4
 * and later TLS with verification. Across a network that is not trusted use a tunnel.
 */
#ifndef AIG_DB_POOL_H
#define AIG_DB_POOL_H

#include "base/base.h"
#include "base/err.h"

struct db_pool;
struct db_conn;

enum db_fault {
    DB_FAULT_NONE,
    DB_FAULT_LOST,     /* not reachable, connection lost, timeout, server shutting down: whether the
                          step took effect is unknown */
    DB_FAULT_CONFLICT, /* deadlock, lock wait or Galera certification (1213, 1205): rolled back, run
                          it again */
    DB_FAULT_OTHER,    /* a mistake in the statement or its data */
};

struct db_config {
    const char *const *hosts;
    size_t host_count;
    unsigned port;
    const char *socket; /* NULL: TCP, but host "localhost" means the library's default socket */
    const char *user;
    const char *password; /* may be NULL */
    const char *name;
    size_t max;              /* connections */
    unsigned read_timeout_s; /* for one answer; 0: 10 s */
};

/* Copies nothing: the strings must outlive the pool. Opens no connection yet. */
struct db_pool *db_pool_new(const struct db_config *config) AIG_MUST_USE;
/* All connections must have been given back. NULL is allowed. */
void db_pool_free(struct db_pool *pool);

/* Takes an idle connection, opens one while fewer than max exist, or waits until deadline_ms
 * (monotonic; 0: 10 s from now); those who wait are served in turn. -1: 503 ERR_DATABASE. A
 * connection idle for more than 30 s is pinged first. A host that failed is tried last for some
 * seconds. */
int db_pool_take(struct db_conn **out, struct db_pool *pool, int64_t deadline_ms,
                 struct err *err) AIG_MUST_USE;
/* Closes it instead of keeping it when its last statement ended in DB_FAULT_LOST, and with it the
 * idle ones to the same host, which most likely are gone too. NULL is allowed. */
void db_pool_give(struct db_pool *pool, struct db_conn *conn);

/* Fault of the last statement on this connection. */
enum db_fault db_conn_fault(const struct db_conn *conn);

#endif
