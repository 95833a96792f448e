/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of the mails about sign-up, sign-in and teams. Pure; texts live in the arena. The
 * service is named by the host of public_url.
 */
#ifndef AIG_LETTER_H
#define AIG_LETTER_H

#include "base/base.h"
#include "base/mem.h"
#include "store/signup.h"

/* `network`: where the request came from, so that a stranger's request can be told from one's own.
 * `token` goes into the link. */
struct signup_mail letter_verify(struct arena *arena, const char *public_url, const char *token,
                                 const char *network);
/* To an address that has an account already. */
struct signup_mail letter_known(struct arena *arena, const char *public_url, const char *network);
struct signup_mail letter_reset(struct arena *arena, const char *public_url, const char *token,
                                const char *network);
/* The password was changed. */
struct signup_mail letter_changed(struct arena *arena, const char *public_url, const char *network);

/* From a member of a team to an address that may have no account yet. */
struct signup_mail letter_invite(struct arena *arena, const char *public_url, const char *token,
                                 const char *from, const char *team, const char *address);

/* Lives of the links, which the letters tell in words. */
enum {
    LETTER_VERIFY_LIFE_S = 48 * 3600,
    LETTER_RESET_LIFE_S = 3600,
    LETTER_INVITE_LIFE_DAYS = 7,
};

#endif
