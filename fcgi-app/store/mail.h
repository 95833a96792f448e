/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outbox (table outbox_mail), as send-mail empties it.
 */
#ifndef AIG_STORE_MAIL_H
#define AIG_STORE_MAIL_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

enum { MAIL_LEASE_S = 300 }; /* a sender that needs longer has lost its claim */

struct mail_entry {
    int64_t id;
    int64_t attempts;
    const char *recipient;
    const char *subject;
    const char *body;
    const char *kind;
    int64_t created_s; /* since 1970 */
};

/* Claims the mail that is due longest. *found false: none is due. */
int mail_claim(bool *found, struct mail_entry *out, struct store *s, struct arena *arena,
               struct err *err) AIG_MUST_USE;
/* Ends the claim. error NULL: sent; else what the mail server said. *state: "sent", "pending"
 * (tried again later) or "dead". The text of a mail that is not tried again is wiped. */
int mail_done(const char **state, struct store *s, struct arena *arena,
              const struct mail_entry *mail, const char *error, struct err *err) AIG_MUST_USE;
/* How many are due now. */
int mail_due(int64_t *count, struct store *s, struct arena *arena, struct err *err) AIG_MUST_USE;

#endif
