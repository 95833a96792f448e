/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "db/conn.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <string.h>

/* One statement, so one round trip. A lock is waited for less long than an answer, so that a lock
 * wait ends with the server's word and not with a lost connection. */
static const char SQL_SESSION[] =
    "SET time_zone = '+00:00', tx_isolation = 'READ-COMMITTED', autocommit = 1, "
    "innodb_lock_wait_timeout = 5, lock_wait_timeout = 5, "
    "sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "NO_ENGINE_SUBSTITUTION'";

enum {
    /* Galera: this node is not (or no longer) part of a primary component. */
    ER_NODE_NOT_READY = ER_UNKNOWN_COM_ERROR,
};

static const struct {
    unsigned number;
    enum db_fault fault;
} FAULTS[] = {
    {ER_LOCK_DEADLOCK, DB_FAULT_CONFLICT},
    {ER_LOCK_WAIT_TIMEOUT, DB_FAULT_CONFLICT},
    {ER_CHECKREAD, DB_FAULT_CONFLICT},         /* innodb_snapshot_isolation */
    {CR_NEW_STMT_METADATA, DB_FAULT_CONFLICT}, /* a migration ran meanwhile: prepare it anew */
    {CR_CONNECTION_ERROR, DB_FAULT_LOST},
    {CR_CONN_HOST_ERROR, DB_FAULT_LOST},
    {CR_UNKNOWN_HOST, DB_FAULT_LOST},
    {CR_SERVER_GONE_ERROR, DB_FAULT_LOST},
    {CR_SERVER_HANDSHAKE_ERR, DB_FAULT_LOST},
    {CR_SERVER_LOST, DB_FAULT_LOST},
    {CR_SERVER_LOST_EXTENDED, DB_FAULT_LOST},
    {CR_COMMANDS_OUT_OF_SYNC, DB_FAULT_LOST},
    {CR_MALFORMED_PACKET, DB_FAULT_LOST},
    {CR_ERR_NET_READ, DB_FAULT_LOST},
    {CR_ERR_NET_WRITE, DB_FAULT_LOST},
    {ER_NODE_NOT_READY, DB_FAULT_LOST},
    {ER_SERVER_SHUTDOWN, DB_FAULT_LOST},
    {ER_NORMAL_SHUTDOWN, DB_FAULT_LOST},
    {ER_OPTION_PREVENTS_STATEMENT, DB_FAULT_LOST}, /* --read-only: a replica */
    {ER_QUERY_INTERRUPTED, DB_FAULT_LOST},
    {ER_CONNECTION_KILLED, DB_FAULT_LOST},
    {ER_NEW_ABORTING_CONNECTION, DB_FAULT_LOST},
    {ER_NET_READ_ERROR, DB_FAULT_LOST},
    {ER_NET_READ_INTERRUPTED, DB_FAULT_LOST},
    {ER_NET_ERROR_ON_WRITE, DB_FAULT_LOST},
    {ER_NET_WRITE_INTERRUPTED, DB_FAULT_LOST},
    {ER_NET_PACKETS_OUT_OF_ORDER, DB_FAULT_LOST},
    {ER_ERROR_DURING_COMMIT, DB_FAULT_LOST},  /* Galera: outcome not known */
    {ER_UNKNOWN_STMT_HANDLER, DB_FAULT_LOST}, /* a proxy moved the session */
};

enum db_fault conn_classify(unsigned error_number)
{
    for (size_t i = 0; i < ARRAY_LEN(FAULTS); i++)
        if (FAULTS[i].number == error_number)
            return FAULTS[i].fault;
    /* A failure without a number: the library lost track. */
    return error_number == 0 ? DB_FAULT_LOST : DB_FAULT_OTHER;
}

bool conn_is_unfit(unsigned error_number)
{
    return error_number == ER_NODE_NOT_READY || error_number == ER_OPTION_PREVENTS_STATEMENT;
}

static bool is_crowded(unsigned error_number)
{
    return error_number == ER_CON_COUNT_ERROR || error_number == ER_TOO_MANY_USER_CONNECTIONS ||
           error_number == ER_USER_LIMIT_REACHED;
}

static void set_options(MYSQL *mysql, const struct db_config *config, unsigned timeout_s)
{
    unsigned read_s = config->read_timeout_s > 0 ? config->read_timeout_s : CONN_READ_TIMEOUT_S;
    unsigned write_s = CONN_WRITE_TIMEOUT_S;
    my_bool no = 0;
    unsigned off = 0;

    mysql_options(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &timeout_s);
    mysql_options(mysql, MYSQL_OPT_READ_TIMEOUT, &read_s);
    mysql_options(mysql, MYSQL_OPT_WRITE_TIMEOUT, &write_s);
    mysql_options(mysql, MYSQL_OPT_RECONNECT, &no);
    mysql_options(mysql, MYSQL_OPT_LOCAL_INFILE, &off); /* a server must not ask for our files */
    mysql_options(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(mysql, MYSQL_INIT_COMMAND, SQL_SESSION);
}

int conn_open(struct db_conn **out, const struct db_config *config, size_t host, unsigned timeout_s,
              enum conn_refusal *refusal, struct err *err)
{
    *out = NULL;
    *refusal = CONN_REFUSAL_OTHER;
    MYSQL *mysql = mysql_init(NULL);
    if (mysql == NULL)
        return err_set(err, ERR_INTERNAL, NULL, "The server is out of memory.");

    set_options(mysql, config, timeout_s);
    const char *name = config->socket != NULL ? "localhost" : config->hosts[host];
    if (mysql_real_connect(mysql, name, config->user, config->password, config->name, config->port,
                           config->socket, 0) == NULL) {
        unsigned number = mysql_errno(mysql);
        if (is_crowded(number))
            *refusal = CONN_REFUSAL_CROWDED;
        err_set(err, ERR_DATABASE, NULL, DB_AWAY_MESSAGE);
        err_detail(err, "connect to %s: %u %s", config->socket != NULL ? config->socket : name,
                   number, mysql_error(mysql));
        mysql_close(mysql);
        return -1;
    }
    struct db_conn *conn = mem_zalloc(sizeof(*conn));
    conn->mysql = mysql;
    conn->host = host;
    conn->read_limit_s = config->read_timeout_s > 0 ? config->read_timeout_s : CONN_READ_TIMEOUT_S;
    conn->opened_ms = timing_mono_ms();
    conn->given_ms = conn->opened_ms;
    *out = conn;
    return 0;
}

void conn_close(struct db_conn *conn)
{
    if (conn == NULL)
        return;
    /* The server drops the statements with the session: closing the session first saves one
     * packet for each. */
    mysql_close(conn->mysql);
    for (size_t i = 0; i < conn->stmt_count; i++)
        mysql_stmt_close(conn->stmts[i].handle);
    mem_free(conn);
}

bool conn_alive(struct db_conn *conn)
{
    return mysql_ping(conn->mysql) == 0;
}
