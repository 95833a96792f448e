/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of people who are signed in. A session is known by the SHA-256 of its token; it ends
 * SESSION_LIFE_S after it was opened, or SESSION_IDLE_S after its last use.
 */
#ifndef AIG_SESSION_H
#define AIG_SESSION_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "store/store.h"

enum {
    SESSION_LIFE_S = 30 * 24 * 3600,
    SESSION_IDLE_S = 7 * 24 * 3600,
    SESSION_TOUCH_S = 300, /* last use is written at most this often */
    SESSION_PER_ACCOUNT_MAX = 50,
    SESSION_USER_AGENT_MAX = 200, /* characters */
};

struct session_principal {
    int64_t session_id;
    int64_t account_id;
    const char *email;
    const char *name;
    const char *markup;     /* fraction as decimal text */
    const char *expires_at; /* ISO 8601 UTC, at the latest */
};

/* Who has this session; notes that it was used. -1: 401 for an unknown or ended one or a disabled
 * account, 503 without database. */
int session_find(struct session_principal *out, struct store *s, struct arena *arena,
                 const unsigned char hash[SECRET_SHA256_SIZE], struct err *err) AIG_MUST_USE;

struct session_entry {
    int64_t id;
    const char *created_at; /* ISO 8601 UTC, as the next two */
    const char *last_used_at;
    const char *expires_at;
    const char *user_agent;
    const char *network;
};

/* All of an account, newest first; at most SESSION_PER_ACCOUNT_MAX. */
int session_list(struct session_entry **out, size_t *count, struct store *s, struct arena *arena,
                 int64_t account_id, struct err *err) AIG_MUST_USE;

/* Ends a session of this account, or with id 0 all of them. *ended counts those that were there. */
int session_close(uint64_t *ended, struct store *s, struct arena *arena, int64_t account_id,
                  int64_t id, struct err *err) AIG_MUST_USE;

#endif
