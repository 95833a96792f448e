/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mail to a mail server, by libcurl (RFC 5321). smtps:// is TLS from the start; smtp:// must
 * offer STARTTLS, unless the server is this host. User name and password stand in the URL; the
 * certificate is verified, against the CAs of SSL_CERT_FILE where that is set. Any thread, after
 * transfer_global_init.
 */
#ifndef AIG_SMTP_H
#define AIG_SMTP_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum { SMTP_TIMEOUT_MS = 60 * 1000 };

/* Whether the server of this URL is this host by its name: localhost, 127.x.x.x, ::1. */
bool smtp_is_loopback(const char *url);

/* Sends a message (headers and body with CRLF) from one address to another; both are valid
 * addresses. -1: ERR_UPSTREAM; `detail` is what went wrong or what the server said, `retryable`
 * that no other mail could be sent either: the server is not there or does not let us in. */
int smtp_send(const char *url, struct span from, struct span to, struct span message,
              int64_t connect_timeout_ms, struct err *err) AIG_MUST_USE;

#endif
