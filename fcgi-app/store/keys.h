/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys as their owners manage them. The actor is the account that is signed in; it sees its own
 * keys and those of the members of the teams that it owns or administers.
 */
#ifndef AIG_KEYS_H
#define AIG_KEYS_H

#include "base/base.h"

#include "base/ident.h"
#include "store/table.h"

enum keys_field {
    KEYS_NAME = 1,
    KEYS_CAP = 2,
    KEYS_PERIOD = 4,
    KEYS_EXPIRES = 8,
    KEYS_MODELS = 16,
    KEYS_ENABLED = 32,
};

struct keys_values {
    int64_t set; /* which of these count */
    const char *name;
    const char *cap_usd;    /* NULL: no cap */
    const char *period;     /* none, daily, weekly, monthly */
    const char *expires_at; /* as SQL has it; NULL: never */
    const char *models;     /* JSON array of names; NULL: every model */
    bool enabled;
};

/* Keys with ids below `before` (0: from the newest), newest first, one row more than `limit` where
 * there are more; id not 0: that one only. */
int keys_list(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
              int64_t before, int64_t id, size_t limit, struct err *err) AIG_MUST_USE;

/* `key` is only hashed. team_id 0: the actor pays. */
int keys_create(int64_t *id, struct store *s, struct arena *arena, int64_t actor_id,
                int64_t team_id, const char key[IDENT_KEY_SIZE], const struct keys_values *values,
                struct err *err) AIG_MUST_USE;
int keys_change(struct store *s, struct arena *arena, int64_t actor_id, int64_t id,
                const struct keys_values *values, struct err *err) AIG_MUST_USE;
int keys_rotate(struct store *s, struct arena *arena, int64_t actor_id, int64_t id,
                const char key[IDENT_KEY_SIZE], struct err *err) AIG_MUST_USE;
int keys_delete(struct store *s, struct arena *arena, int64_t actor_id, int64_t id,
                struct err *err) AIG_MUST_USE;

#endif
