/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anthropic's Messages as an upstream's format. Source: Anthropic API reference, "Create a
 * Message", "Streaming Messages", "Errors". The request is wire/messages_request. Pure.
 *
 * Thinking that must travel back comes as one EVENT_REASONING_STATE before the finish, in the shape
 * that OpenRouter uses for Claude: [{"type": "reasoning.text", "text", "signature", "format":
 * "anthropic-claude-v1", "index"}, {"type": "reasoning.encrypted", "data", "format", "index"}];
 * `index` is the block's position among the message's blocks. Where a forced call was asked for in
 * words (wire/messages_request), none is offered: it would not be valid without those words.
 *
 * A stream tells the counts of the prompt at its beginning and those of the answer at its end:
 * usage is `known` from then on, before that its prompt counts are filled in.
 */
#ifndef AIG_MESSAGES_H
#define AIG_MESSAGES_H

#include "base/base.h"
#include "wire/format.h"

extern const struct format messages_format;

#endif
