/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the prompt bound of a request in Anthropic's language is computed from. Source: Anthropic
 * API reference, "Create a Message"; "Vision", "PDF support", "Tool use" (tokens of its own tools).
 * Pure.
 */
#ifndef AIG_MESSAGES_SIZE_H
#define AIG_MESSAGES_SIZE_H

#include "base/base.h"
#include "base/jsonx.h"
#include "wire/neutral.h"

/* Measures a request whose messages have been checked. True: it names files by ids. */
bool messages_measure(struct neutral_size *size, struct json_object *body);

#endif
