/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/store.h"

#include "base/decimal.h"
#include "base/log.h"
#include "db/stmt.h"
#include "db/txn.h"
#include "store/ledger.h"

static const char SQL_VERSION[] = "SELECT COALESCE(MAX(version), 0) FROM schema_version";

/* A name may have 64 characters; several databases of one server must not meet. */
static const char SQL_LOCK[] = "SELECT GET_LOCK(CONCAT(LEFT(?, 30), '.', MD5(DATABASE())), 0)";
static const char SQL_UNLOCK[] = "SELECT RELEASE_LOCK(CONCAT(LEFT(?, 30), '.', MD5(DATABASE())))";

enum {
    BATCH_CONNECTIONS = 2, /* the lock's and the work's */
    BATCH_READ_TIMEOUT_S = 3600,
};

struct store_lock {
    struct db_conn *conn;
    const char *name;
    struct arena *arena;
};

static struct db_config config_of(const struct conf *conf)
{
    return (struct db_config){
        .hosts = conf->db_hosts,
        .host_count = conf->db_host_count,
        .port = (unsigned)conf->db_port,
        .socket = conf->db_socket,
        .user = conf->db_user,
        .password = conf->db_password,
        .name = conf->db_name,
        .max = (size_t)conf->db_pool,
    };
}

void store_init(struct store *s, const struct conf *conf)
{
    struct db_config config = config_of(conf);
    s->pool = db_pool_new(&config);
    ledger_open(s);
}

void store_init_batch(struct store *s, const struct conf *conf)
{
    struct db_config config = config_of(conf);
    config.max = BATCH_CONNECTIONS;
    config.read_timeout_s = BATCH_READ_TIMEOUT_S;
    s->pool = db_pool_new(&config);
    ledger_open(s);
}

void store_fini(struct store *s)
{
    ledger_close(s);
    db_pool_free(s->pool);
    s->pool = NULL;
}

int store_check(int64_t *version, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_VERSION, NULL, 0, 1, 0, err) != 0)
        return -1;
    int64_t found = db_cell_i64(&rows, 0, 0, 0);
    if (version != NULL)
        *version = found;
    if (found >= STORE_SCHEMA_VERSION)
        return 0;
    err_set(err, ERR_DATABASE, NULL,
            "The database is at schema version %lld, but this program needs %d: "
            "sql/migrate.sh has to be run.",
            (long long)found, STORE_SCHEMA_VERSION);
    return -1;
}

const char *store_decimal(struct arena *arena, const char *cell)
{
    char text[DECIMAL_SIZE];

    if (cell == NULL)
        return NULL;
    decimal_trim(text, cell);
    return arena_strdup(arena, text);
}

/* Runs SQL_LOCK on a connection of its own; one that was lost while idle is no failure. */
static int ask_for_lock(struct db_conn **conn, struct db_rows *rows, struct store *s,
                        struct arena *arena, const char *name, struct err *err)
{
    const struct db_param params[] = {db_text(name)};

    for (int tries = 1;; tries++) {
        if (db_pool_take(conn, s->pool, 0, err) != 0)
            return -1;
        if (db_exec(rows, *conn, arena, SQL_LOCK, params, 1, 1, err) == 0)
            return 0;
        bool lost = db_conn_fault(*conn) == DB_FAULT_LOST;
        db_pool_give(s->pool, *conn);
        if (!lost || tries == 2)
            return -1;
    }
}

int store_lock(struct store_lock **out, struct store *s, struct arena *arena, const char *name,
               struct err *err)
{
    struct db_conn *conn = NULL;
    struct db_rows rows;

    *out = NULL;
    if (ask_for_lock(&conn, &rows, s, arena, name, err) != 0)
        return -1;
    if (db_cell_i64(&rows, 0, 0, 0) != 1) {
        db_pool_give(s->pool, conn);
        return 0;
    }
    struct store_lock *lock = arena_zalloc(arena, sizeof(*lock));
    lock->conn = conn;
    lock->name = arena_strdup(arena, name);
    lock->arena = arena;
    *out = lock;
    return 0;
}

void store_unlock(struct store_lock *lock, struct store *s)
{
    struct db_rows rows;
    struct err err;

    if (lock == NULL)
        return;
    const struct db_param params[] = {db_text(lock->name)};
    if (db_exec(&rows, lock->conn, lock->arena, SQL_UNLOCK, params, 1, 1, &err) != 0)
        log_write(LOG_LEVEL_INFO, NULL, "lock %s was lost on the way: %s", lock->name, err.detail);
    db_pool_give(s->pool, lock->conn);
}
