/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Google's failures, {"error":{"code","message","status","details"}}, for whatever method was
 * called. Sources: Gemini API guide "Troubleshooting", Google Cloud APIs "Errors". Pure.
 */
#ifndef AIG_GEMINI_FAILURE_H
#define AIG_GEMINI_FAILURE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* As read_failure in struct format. */
void gemini_read_failure(struct err *err, int status, int retry_after_s, struct span body);

#endif
