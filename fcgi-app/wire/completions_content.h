/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat completions request taken apart into neutral content, for providers of another format.
 * Source: OpenAI API reference, "Create chat completion". Pure.
 */
#ifndef AIG_COMPLETIONS_CONTENT_H
#define AIG_COMPLETIONS_CONTENT_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/neutral.h"

/* Sets request->content from request->body; everything in the arena or borrowed from the body. 400
 * for what is of a wrong type, for roles and parts that are not known, and for fields that only
 * OpenAI can serve and that change the answer. */
int completions_read_content(struct neutral_request *request, struct arena *arena,
                             struct err *err) AIG_MUST_USE;

#endif
