/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token counts of OpenAI's Responses. Source: OpenAI API reference, response object, usage.
 * Pure.
 */
#ifndef AIG_RESPONSES_USAGE_H
#define AIG_RESPONSES_USAGE_H

#include "base/base.h"
#include "base/jsonx.h"
#include "wire/usage.h"

/* Reads a usage object. Kinds never exceed the count that they are part of. */
void responses_read_usage(struct usage *out, struct json_object *usage);

#endif
