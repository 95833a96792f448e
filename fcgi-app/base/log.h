/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line an event on stderr:
 *   2026-11-23T10:00:00.123Z info req_01... text
 * Control characters are escaped, a line is cut at LOG_LINE_MAX and written with one write(2), so
 * lines of threads do not mix. What looks like a key (sk-..., Bearer ...) is masked. Any thread may
 * call it.
 */
#ifndef AIG_LOG_H
#define AIG_LOG_H

#include "base/base.h"
#include "base/buf.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_LINE_MAX = 2048 };

void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug"; -1 for another text. */
int log_level_parse(enum log_level *out, const char *text) AIG_MUST_USE;

/* request_id NULL: "-". */
void log_write(enum log_level level, const char *request_id, const char *fmt, ...) AIG_PRINTF(3, 4);

/* Overwrites with '*' what looks like a secret or an account id of a provider in a text of `len`
 * bytes: sk-..., key-..., AIza..., "Bearer ...", whsec_..., org-..., proj_..., user-/user_...,
 * acct_... . */
void log_mask(char *text, size_t len);

#endif
