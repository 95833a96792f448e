/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain text mail as it goes over the wire: RFC 5322 with CRLF, UTF-8 by MIME (RFC 2045, 2047).
 * Pure.
 */
#ifndef AIG_MIME_H
#define AIG_MIME_H

#include "base/base.h"
#include "base/buf.h"

struct mime_mail {
    struct span from_name; /* may be empty */
    struct span from;      /* address, valid, as `to` */
    struct span to;
    const char *subject; /* UTF-8; control characters become blanks */
    const char *body;    /* UTF-8, lines end with "\n" or "\r\n" */
    int64_t id;     /* with date_s and the sender's domain the Message-ID: the same mail has the
                       same when it is sent again */
    int64_t date_s; /* since 1970 */
};

/* Appends the mail; not dot-stuffed. */
void mime_write(struct buf *out, const struct mime_mail *mail);

#endif
