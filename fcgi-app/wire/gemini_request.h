/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A generateContent request from neutral content. Sources: Gemini API reference, "Generating
 * content" (GenerateContentRequest, Content, Part, GenerationConfig), guides "Function calling",
 * "Thought signatures", "Thinking", "Structured output". Pure.
 */
#ifndef AIG_GEMINI_REQUEST_H
#define AIG_GEMINI_REQUEST_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/neutral.h"

/* As write_request in struct format. */
int gemini_write_request(struct buf *out, const struct neutral_request *request,
                         const struct neutral_target *target, struct err *err) AIG_MUST_USE;

#endif
