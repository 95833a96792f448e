/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's chat completions request. Source: OpenAI API reference, "Create chat completion".
 * Pure.
 */
#ifndef AIG_COMPLETIONS_REQUEST_H
#define AIG_COMPLETIONS_REQUEST_H

#include "base/base.h"
#include "base/err.h"
#include "wire/neutral.h"

enum { COMPLETIONS_CHOICES_MAX = 128, COMPLETIONS_OUTPUT_MAX = 100 * 1000 * 1000 };

/* Reads a client's request. What is used here is checked; all other fields pass through untouched.
 * On success the caller owns *out (neutral_request_fini); on failure nothing. */
int completions_read_request(struct neutral_request *out, const char *text, size_t len,
                             struct err *err) AIG_MUST_USE;

#endif
