/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAI's Responses as an upstream's format. Source of the answers: OpenAI API reference,
 * "Responses" (response object, streaming events, error codes). wire/responses_request and
 * wire/responses_input write the requests; failures have the envelope of chat completions. Pure.
 *
 * Nothing is stored at the provider: reasoning is offered in its encrypted form for the next turn,
 * as reasoning_details of type "reasoning.encrypted" and format "openai-responses-v1".
 */
#ifndef AIG_RESPONSES_H
#define AIG_RESPONSES_H

#include "base/base.h"
#include "wire/format.h"

extern const struct format responses_format;

#endif
