/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/mailer.h"

#include "base/log.h"
#include "base/mailaddr.h"
#include "base/timing.h"
#include "net/smtp.h"
#include "net/transfer.h"
#include "store/mail.h"
#include "wire/mime.h"

#include <string.h>

enum { MESSAGE_MAX = 512 * 1024 }; /* a TEXT column, quoted */

int mailer_start(const struct conf *conf, struct err *err)
{
    if (conf->mail_url == NULL || conf->mail_from == NULL)
        return err_set(err, ERR_NOT_CONFIGURED, NULL,
                       "mail_url and mail_from are not set, so no mail can be sent");
    return transfer_global_init(err);
}

void mailer_stop(void)
{
    transfer_global_fini();
}

static int send_mail(const struct conf *conf, const struct mail_entry *entry, struct err *err)
{
    struct mime_mail mail = {
        .to = span_of(entry->recipient),
        .subject = entry->subject,
        .body = entry->body != NULL ? entry->body : "",
        .id = entry->id,
        .date_s = entry->created_s,
    };
    struct buf message;
    int rc = -1;

    buf_init(&message, MESSAGE_MAX);
    if (mailaddr_parse_from(&mail.from_name, &mail.from, conf->mail_from) != 0 ||
        !mailaddr_valid(mail.to)) {
        err_set(err, ERR_UPSTREAM, NULL, "The mail could not be sent.");
        err_detail(err, "sender or recipient is no address");
        goto out;
    }
    mime_write(&message, &mail);
    if (buf_failed(&message)) {
        err_set(err, ERR_INTERNAL, NULL, "The mail is too large.");
        goto out;
    }
    rc = smtp_send(conf->mail_url, mail.from, mail.to, buf_span(&message), conf->connect_timeout_ms,
                   err);
out:
    buf_fini(&message);
    return rc;
}

/* 0: go on with the next. */
static int handle(struct mailer_report *report, const struct conf *conf, struct store *store,
                  struct arena *arena, const struct mail_entry *entry, struct err *err)
{
    struct err why;
    struct err done_err;
    const char *state = NULL;

    err_clear(&why);
    int rc = send_mail(conf, entry, &why);
    const char *error = why.detail[0] != '\0' ? why.detail : why.message;
    if (mail_done(&state, store, arena, entry, rc == 0 ? NULL : error, &done_err) != 0) {
        *err = done_err;
        return -1;
    }
    report->sent += rc == 0;
    report->dead += rc != 0 && strcmp(state, "dead") == 0;
    report->put_off += rc != 0 && strcmp(state, "dead") != 0;
    if (rc == 0)
        return 0;
    log_write(LOG_LEVEL_WARN, NULL, "mail %lld (%s), attempt %lld: %s", (long long)entry->id,
              entry->kind, (long long)entry->attempts, error);
    if (!why.retryable)
        return 0;
    *err = why;
    return -1;
}

int mailer_run(struct mailer_report *report, const struct conf *conf, struct store *store,
               struct arena *arena, int64_t deadline_ms, struct err *err)
{
    struct mail_entry entry;
    bool found = true;

    while (!timing_passed(deadline_ms)) {
        arena_reset(arena);
        if (mail_claim(&found, &entry, store, arena, err) != 0)
            return -1;
        if (!found)
            return 0;
        if (handle(report, conf, store, arena, &entry, err) != 0)
            return -1;
    }
    return 0;
}
