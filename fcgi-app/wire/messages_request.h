/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to Anthropic's Messages from neutral content. Source: Anthropic API reference, "Create
 * a Message", and the pages "Thinking", "Tool use", "Structured outputs", "Prompt caching"; what a
 * generation takes is in wire/dialect. Pure.
 *
 * Where two wishes exclude each other, what the request demands outright wins over how much it is
 * to be thought: a forced tool call and a last message to be continued switch thinking off where
 * the generation cannot do both. Where a forced call is not possible at all, the request asks for
 * it in words.
 */
#ifndef AIG_MESSAGES_REQUEST_H
#define AIG_MESSAGES_REQUEST_H

#include "base/base.h"
#include "wire/format.h"
#include "wire/neutral.h"

/* As in struct format. */
int messages_write_request(struct buf *out, const struct neutral_request *request,
                           const struct neutral_target *target, struct err *err);

#endif
