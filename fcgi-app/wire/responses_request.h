/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request to OpenAI's Responses from neutral content. Source: OpenAI API reference, "Create a
 * model response"; what a generation takes is in wire/dialect. Pure.
 *
 * What the API has no counterpart for and what changes the answer (n, stop, logprobs, logit_bias,
 * penalties) is a 400; so is an output limit below the least that it takes, as a larger one could
 * cost more than is held.
 */
#ifndef AIG_RESPONSES_REQUEST_H
#define AIG_RESPONSES_REQUEST_H

#include "base/base.h"
#include "wire/format.h"
#include "wire/neutral.h"

enum { RESPONSES_OUTPUT_MIN = 16 };

/* As in struct format. */
int responses_write_request(struct buf *out, const struct neutral_request *request,
                            const struct neutral_target *target, struct err *err);

#endif
