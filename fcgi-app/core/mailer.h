/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the outbox to the mail server, one mail at a time. Each is claimed first, so senders may run
 * beside each other, also on several hosts. One that dies between the server's yes and the mark in
 * the outbox sends that mail twice, with the same Message-ID.
 */
#ifndef AIG_MAILER_H
#define AIG_MAILER_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

struct mailer_report {
    size_t sent;
    size_t put_off; /* tried again later */
    size_t dead;    /* given up */
};

/* Before the first mail. -1: mail is not configured, or libcurl is not there. */
int mailer_start(const struct conf *conf, struct err *err) AIG_MUST_USE;
void mailer_stop(void);

/* Sends what is due until nothing is, or until deadline_ms (monotonic; 0: none). -1: no more mail
 * could be sent just now (err says why: the server is away, or the database). */
int mailer_run(struct mailer_report *report, const struct conf *conf, struct store *store,
               struct arena *arena, int64_t deadline_ms, struct err *err) AIG_MUST_USE;

#endif
