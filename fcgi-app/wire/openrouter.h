/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenRouter as an upstream: a dialect on top of wire/completions. Source: OpenRouter API
 * reference, "Chat completion", "Usage accounting", "Errors".
 */
#ifndef AIG_OPENROUTER_H
#define AIG_OPENROUTER_H

#include "base/base.h"
#include "wire/format.h"

extern const struct format openrouter_format;

#endif
