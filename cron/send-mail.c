/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the mails of the outbox. With --watch it looks again every two seconds until the next
 * minute's run takes over, so that nobody waits a minute for a link.
 */
#include "base/base.h"

#include "base/timing.h"
#include "core/mailer.h"
#include "cronmain.h"
#include "store/mail.h"
#include "store/signup.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>

enum {
    LIMIT_S = 57,
    LOOK_MS = 2000,
    AFTER_FAILURE_MS = 15 * 1000,
};

static int count_only(struct cron *cron, struct err *err)
{
    int64_t due = 0;

    if (mail_due(&due, cron->store, cron->arena, err) != 0)
        return CRON_FAILED;
    printf("send-mail: would send %lld mails\n", (long long)due);
    return CRON_OK;
}

/* Nothing to send is no failure where mail is not configured. */
static int start(bool *idle, struct cron *cron, struct err *err)
{
    int64_t due = 0;

    *idle = false;
    if (mailer_start(cron->conf, err) == 0)
        return 0;
    if (err->code != ERR_NOT_CONFIGURED)
        return -1;
    struct err why = *err;
    if (mail_due(&due, cron->store, cron->arena, err) != 0)
        return -1;
    *err = why;
    *idle = due == 0;
    return due == 0 ? 0 : -1;
}

/* Waits for the next look; false when the time is over. */
static bool look_again(const struct cron *cron, bool failed)
{
    if (!cron->watch)
        return false;
    int wait_ms = failed ? AFTER_FAILURE_MS : LOOK_MS;
    if (cron->deadline_ms != 0 && timing_left_ms(cron->deadline_ms) <= wait_ms)
        return false;
    poll(NULL, 0, wait_ms);
    return true;
}

static int run(struct cron *cron, struct err *err)
{
    struct mailer_report report = {0};
    bool idle = false;
    int rc = 0;

    if (cron->dry_run)
        return count_only(cron, err);
    if (signup_purge(cron->store, cron->arena, err) != 0 || start(&idle, cron, err) != 0)
        return CRON_FAILED;
    if (idle)
        return CRON_OK;
    struct arena *work = arena_new();
    (void)signal(SIGPIPE, SIG_IGN); /* a server that breaks off is an error like others */
    do
        rc = mailer_run(&report, cron->conf, cron->store, work, cron->deadline_ms, err);
    while (look_again(cron, rc != 0));
    arena_free(work);
    mailer_stop();
    if (cron->verbose)
        printf("send-mail: sent %zu, put off %zu, given up %zu\n", report.sent, report.put_off,
               report.dead);
    return rc == 0 ? CRON_OK : CRON_FAILED;
}

int main(int argc, char **argv)
{
    static const struct cron_program PROGRAM = {
        .name = "send-mail",
        .summary = "Sends the mails of the outbox, and deletes ended sessions and old links.",
        .can_watch = true,
        .limit_s = LIMIT_S,
        .watch_s = LIMIT_S,
        .run = run,
    };
    return cron_main(&PROGRAM, argc, argv);
}
