/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database with the program's schema, a few models with round prices, accounts and keys, for the
 * tests of store/, core/spool and cron/.
 */
#ifndef AIG_MONEYFIX_H
#define AIG_MONEYFIX_H

#include "base/base.h"
#include "dbserver.h"
#include "store/ledger.h"
#include "store/store.h"

/* Markup 0.4 everywhere. Prices a million tokens. */
enum {
    MODEL_CHAT = 9001,  /* $1 in, $10 out, cached $0.1, cache writes $1.25 and $2 */
    MODEL_STEPS = 9002, /* $1 in, $10 out, reasoning $20; above 1000 tokens $2, $15, $30 */
    MODEL_EMBED = 9003, /* $0.5 in */
    MODEL_FREE = 9004,  /* no price */
    MODEL_DEAR = 9005,  /* $100 in, $1000 out */
};

/* Accounts 1 (alice, $10), 2 (bob, nothing), 3 (carol, member 2 of team 1, for which alice pays).
 */
enum money_key {
    MONEY_ALICE = 1, /* key 1: no cap */
    MONEY_BOB = 2,
    MONEY_CAPPED = 3,   /* alice, $0.01 a day */
    MONEY_DISABLED = 4, /* alice */
    MONEY_EXPIRED = 5,  /* alice */
    MONEY_TEAM = 6,     /* carol for the team; member cap $1 a month, team cap $2 a week */
};

struct moneyfix {
    struct dbserver server;
    struct store store;
    struct arena *arena;
    struct err err;
};

void moneyfix_start(struct moneyfix *f);
void moneyfix_stop(struct moneyfix *f);

/* A wish of 1000 prompt tokens at most and 100 of output for MODEL_CHAT: $0.0042. Its request id is
 * new and lies in `id`. */
struct ledger_want moneyfix_want(char id[IDENT_REQUEST_SIZE], enum money_key key);
/* Authorizes it; fails the test if that is refused. */
void moneyfix_hold(struct moneyfix *f, char id[IDENT_REQUEST_SIZE]);
/* How a call went that went well. */
struct ledger_outcome moneyfix_ok(void);
/* First cell of a query as text in the arena. `sql` is used as it is. */
const char *moneyfix_ask(struct moneyfix *f, const char *sql);
/* Fails the test when the ledger's check finds anything. */
void moneyfix_verify(struct moneyfix *f);

#endif
