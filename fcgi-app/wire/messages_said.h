/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a request in Anthropic's language as neutral ones, for wire/messages_content.
 * Source: Anthropic API reference, "Create a Message" (messages, system). Pure.
 */
#ifndef AIG_MESSAGES_SAID_H
#define AIG_MESSAGES_SAID_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/neutral.h"

/* Sets messages and message_count; everything in the arena or the request's. */
int messages_read_said(struct neutral_content *content, struct neutral_request *request,
                       struct arena *arena, struct err *err) AIG_MUST_USE;

#endif
