/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Google's generateContent and streamGenerateContent as an upstream's format. Source of the
 * answers: Gemini API reference, "Generating content" (GenerateContentResponse, Candidate,
 * FinishReason, UsageMetadata). wire/gemini_request writes the requests, wire/gemini_failure reads
 * the failures. Pure.
 */
#ifndef AIG_GEMINI_H
#define AIG_GEMINI_H

#include "base/base.h"
#include "wire/format.h"

extern const struct format gemini_format;

#endif
