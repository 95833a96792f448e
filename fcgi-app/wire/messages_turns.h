/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation in the order that Anthropic's Messages wants: user and assistant in turns,
 * beginning with the user, results of calls first in their message, thinking where it stood. Pure.
 */
#ifndef AIG_MESSAGES_TURNS_H
#define AIG_MESSAGES_TURNS_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "wire/neutral.h"

struct messages_turns_rules {
    const char *model;   /* the name that the client knows */
    bool thoughts;       /* thinking goes back */
    bool thoughts_bound; /* only that of the turn under way */
    bool prefill;        /* the last message may be the assistant's */
};

/* The array of messages; the caller owns it. System messages are left out. -1: 400. */
int messages_turns(struct json_object **out, const struct neutral_content *content,
                   const struct messages_turns_rules *rules, struct err *err) AIG_MUST_USE;

/* The last message of this role, or NULL. */
const struct neutral_message *messages_last(const struct neutral_content *content,
                                            enum neutral_role role);

#endif
