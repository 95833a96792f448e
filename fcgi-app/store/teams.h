/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Teams as their members manage them. The actor is the account that is signed in;
 * sql/procedures/p_team_api.sql has the table of who may do what.
 */
#ifndef AIG_TEAMS_H
#define AIG_TEAMS_H

#include "base/base.h"

#include "base/secret.h"
#include "store/table.h"

enum { TEAMS_NAME = 1, TEAMS_CAP = 2, TEAMS_PERIOD = 4 };    /* of teams_change */
enum { MEMBER_ROLE = 1, MEMBER_CAP = 2, MEMBER_PERIOD = 4 }; /* of teams_change_member */
enum { TEAMS_MEMBERS_MAX = 1000, TEAMS_INVITE_DAYS = 7 };

/* The teams that the actor is in, newest first, below `before`; team_id not 0: that one only. One
 * row more than `limit` where there are more. */
int teams_list(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
               int64_t before, int64_t team_id, size_t limit, struct err *err) AIG_MUST_USE;
/* Of a team that teams_list has shown. What the others have spent is NULL for a mere member. */
int teams_members(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
                  int64_t team_id, struct err *err) AIG_MUST_USE;
/* The open ones; none for a mere member. */
int teams_invitations(struct table *out, struct store *s, struct arena *arena, int64_t actor_id,
                      int64_t team_id, struct err *err) AIG_MUST_USE;

int teams_create(int64_t *id, struct store *s, struct arena *arena, int64_t actor_id,
                 const char *name, struct err *err) AIG_MUST_USE;
int teams_change(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                 int64_t set, const char *name, const char *cap_usd, const char *period,
                 struct err *err) AIG_MUST_USE;

struct teams_invite {
    const char *email;
    const char *role; /* admin, member */
    unsigned char token_hash[SECRET_SHA256_SIZE];
    const char *subject; /* of the mail */
    const char *body;
};
int teams_invite(int64_t *id, struct store *s, struct arena *arena, int64_t actor_id,
                 int64_t team_id, const struct teams_invite *invite, struct err *err) AIG_MUST_USE;
int teams_uninvite(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                   int64_t invitation_id, struct err *err) AIG_MUST_USE;
/* *team_id: the team that the actor has joined. */
int teams_join(int64_t *team_id, struct store *s, struct arena *arena, int64_t actor_id,
               const unsigned char token_hash[SECRET_SHA256_SIZE], struct err *err) AIG_MUST_USE;

int teams_change_member(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                        int64_t member_id, int64_t set, const char *role, const char *cap_usd,
                        const char *period, struct err *err) AIG_MUST_USE;
int teams_remove_member(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                        int64_t member_id, struct err *err) AIG_MUST_USE;
/* An offer by the owner, or its acceptance by the member. */
int teams_transfer(struct store *s, struct arena *arena, int64_t actor_id, int64_t team_id,
                   int64_t member_id, struct err *err) AIG_MUST_USE;

#endif
