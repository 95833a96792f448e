/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/webhook_drain.h"

#include "base/log.h"
#include "base/timing.h"
#include "core/lanes.h"
#include "core/webhook.h"
#include "net/transfer.h"

#include <poll.h>
#include <string.h>

enum {
    CLAIM_MIN = 16, /* rows of one claim: adapts to how many of the last could be kept */
    CLAIM_MAX = 128,
    BUSY_MAX = 60 * 1000,  /* bytes of a list of hosts; what does not fit is not left out */
    IDLE_MS = 500,         /* between two looks at a line that was empty */
    WAIT_MAX_MS = 10000,   /* in here, before a row goes back: far below its lease */
    RESULTS_BATCH = 64,    /* written down when there are so many */
    RESULTS_AGE_MS = 50,   /* or the first is so old */
    RESULTS_MAX = 4 << 20, /* of all that may be held */
    AWAY_MS = 2000,        /* between two tries when the database is away */
    GIVE_UP_MS = 15000,    /* so long at the end for writing down results */
};

struct item {
    struct webhook_attempt attempt;
    int64_t claimed_ms;
    struct item *next; /* in the line or among the free ones */
};

struct drain {
    const struct webhook_drain_options *o;
    struct webhook_drain_report *report;
    struct deliver *deliver; /* made when the first row comes: a run with nothing due is cheap */
    struct lanes *lanes;
    struct arena *arena;
    struct item *free;
    struct item *first; /* those that wait, the oldest first */
    struct item **last;
    size_t waiting;
    struct buf results;
    size_t result_count;
    int64_t results_since_ms;
    int64_t write_again_ms; /* not before this, after a failure */
    int64_t next_claim_ms;
    int64_t nothing_until_ms; /* the last claim found nothing; not to be repeated before this */
    struct buf hosts;         /* that it left out */
    struct buf accounts;
    size_t claim_size;
    bool empty; /* the last claim found nothing, and nothing was held then */
    bool away;  /* the database, at the last step */
    int64_t ending_since_ms;
};

static size_t running(const struct drain *d)
{
    return d->deliver != NULL ? deliver_active(d->deliver) : 0;
}

static bool ending(const struct drain *d)
{
    return (d->o->stop != NULL && *d->o->stop != 0) || timing_passed(d->o->deadline_ms);
}

/* --- Results ------------------------------------------------------------------------------------
 */

static void note_result(struct drain *d, int64_t now)
{
    if (d->result_count++ == 0)
        d->results_since_ms = now;
}

static void count_outcome(struct drain *d, enum hook_outcome outcome)
{
    d->report->delivered += outcome == HOOK_DELIVERED;
    d->report->retried += outcome == HOOK_RETRY;
    d->report->dead += outcome == HOOK_DEAD;
}

static void note_away(struct drain *d, const char *what, const struct err *err)
{
    if (!d->away)
        log_write(LOG_LEVEL_WARN, NULL, "webhooks: %s: %s", what,
                  err->detail[0] != '\0' ? err->detail : err->message);
    d->away = true;
}

/* -1: they are kept for another try. */
static int write_results(struct drain *d, int64_t now, struct err *err)
{
    if (hook_finish(&d->results, d->o->store, d->arena, err) != 0) {
        note_away(d, "results cannot be written down", err);
        d->write_again_ms = now + AWAY_MS;
        return -1;
    }
    d->result_count = 0;
    d->away = false;
    return 0;
}

static bool results_are_due(const struct drain *d, int64_t now)
{
    if (d->result_count == 0 || now < d->write_again_ms)
        return false;
    return d->result_count >= RESULTS_BATCH || now - d->results_since_ms >= RESULTS_AGE_MS ||
           running(d) == 0;
}

/* --- The line -----------------------------------------------------------------------------------
 */

static struct item *take_item(struct drain *d)
{
    struct item *item = d->free;

    if (item != NULL) {
        d->free = item->next;
    } else {
        item = mem_alloc(sizeof *item);
        webhook_attempt_init(&item->attempt);
    }
    item->next = NULL;
    return item;
}

static void give_item(struct drain *d, struct item *item)
{
    item->next = d->free;
    d->free = item;
}

static void append(struct drain *d, struct item *item)
{
    *d->last = item;
    d->last = &item->next;
    d->waiting++;
}

/* Takes the one at *at out of the line. */
static struct item *unlink_item(struct drain *d, struct item **at)
{
    struct item *item = *at;

    *at = item->next;
    if (d->last == &item->next)
        d->last = at;
    item->next = NULL;
    d->waiting--;
    return item;
}

static void hand_back(struct drain *d, struct item *item, int64_t now)
{
    webhook_attempt_back(&d->results, &item->attempt);
    note_result(d, now);
    give_item(d, item);
}

/* Starts it; what cannot be sent has failed at once. */
static void start(struct drain *d, struct item *item, int64_t now)
{
    const struct webhook_attempt *a = &item->attempt;
    const char *error = NULL;

    if (webhook_attempt_start(&error, &item->attempt, d->deliver, timing_wall_s()) == 0)
        return;
    count_outcome(d, webhook_attempt_fail(&d->results, a, error));
    note_result(d, now);
    lanes_end(d->lanes, a->host_key, a->account_id, now, 0, false, 0);
    give_item(d, item);
}

static void start_waiting(struct drain *d, int64_t now)
{
    bool stop = ending(d);

    for (struct item **at = &d->first; *at != NULL;) {
        const struct webhook_attempt *a = &(*at)->attempt;
        if (stop || now - (*at)->claimed_ms > WAIT_MAX_MS) {
            lanes_leave(d->lanes, a->host_key, a->account_id);
            hand_back(d, unlink_item(d, at), now);
        } else if (running(d) < WEBHOOK_DRAIN_RUNNING_MAX &&
                   lanes_start(d->lanes, a->host_key, a->account_id, now)) {
            start(d, unlink_item(d, at), now);
        } else {
            at = &(*at)->next;
        }
    }
}

static void end_one(struct drain *d, const struct deliver_result *answer, int64_t now)
{
    struct item *item = answer->tag; /* the attempt is its first member */
    const struct webhook_attempt *a = &item->attempt;
    bool overloaded = answer->status == 429 || answer->status == 502 || answer->status == 503 ||
                      answer->status == 504;

    count_outcome(d, webhook_attempt_conclude(&d->results, a, answer));
    note_result(d, now);
    log_write(LOG_LEVEL_DEBUG, NULL, "webhook %s: HTTP %d after %lld ms %s", a->id, answer->status,
              (long long)answer->elapsed_ms, answer->detail);
    lanes_end(d->lanes, a->host_key, a->account_id, now, answer->elapsed_ms, overloaded,
              (int64_t)answer->retry_after_s * 1000);
    give_item(d, item);
}

/* --- Claims -------------------------------------------------------------------------------------
 */

static size_t held(const struct drain *d)
{
    return running(d) + d->waiting;
}

/* Puts it in line; false: its host or account has enough there. */
static bool place(struct drain *d, const struct hook_job *job, int64_t now)
{
    struct item *item = take_item(d);
    struct err err;

    err_clear(&err);
    item->claimed_ms = now;
    if (webhook_attempt_load(&item->attempt, job, d->o->store, d->arena, d->o->conf, &err) != 0)
        note_away(d, "a secret cannot be had", &err);
    else if (lanes_enter(d->lanes, job->host_key, job->account_id, now)) {
        append(d, item);
        return true;
    }
    hand_back(d, item, now);
    return false;
}

static int make_deliver(struct drain *d, struct err *err)
{
    if (d->deliver != NULL)
        return 0;
    if (transfer_global_init(err) != 0)
        return -1;
    d->deliver = deliver_new(d->o->conf->allow_private_webhooks);
    return 0;
}

/* Which hosts and accounts the next claim leaves out. false: the last one that left out the same
 * found nothing, just now. */
static bool list_busy(struct drain *d, int64_t now)
{
    struct buf hosts;
    struct buf accounts;

    buf_init(&hosts, BUSY_MAX);
    buf_init(&accounts, BUSY_MAX);
    lanes_list_busy(&hosts, &accounts, d->lanes, now);
    bool any = hosts.len + accounts.len > 0;
    bool same =
        strcmp(hosts.data, d->hosts.data) == 0 && strcmp(accounts.data, d->accounts.data) == 0;
    buf_fini(&d->hosts);
    buf_fini(&d->accounts);
    d->hosts = hosts;
    d->accounts = accounts;
    return !(any && same && now < d->nothing_until_ms);
}

static void adapt_claims(struct drain *d, size_t limit, size_t count, size_t kept, int64_t now)
{
    d->empty = count == 0 && held(d) == 0;
    d->nothing_until_ms = count == 0 ? now + IDLE_MS : 0;
    d->next_claim_ms = count < limit || kept < count ? now + IDLE_MS : now;
    if (kept < count)
        d->claim_size = kept;
    else if (count == limit)
        d->claim_size += CLAIM_MIN / 2;
    d->claim_size = d->claim_size < CLAIM_MIN ? CLAIM_MIN : d->claim_size;
    d->claim_size = d->claim_size > CLAIM_MAX ? CLAIM_MAX : d->claim_size;
}

static int claim(struct drain *d, int64_t now, struct err *err)
{
    struct hook_job *jobs = NULL;
    size_t room = WEBHOOK_DRAIN_HELD_MAX - held(d);
    size_t limit = d->claim_size < room ? d->claim_size : room;
    size_t kept = 0;
    size_t count = 0;

    if (!list_busy(d, now)) {
        d->next_claim_ms = d->nothing_until_ms;
        return 0;
    }
    if (hook_claim(&jobs, &count, d->o->store, d->arena, limit, d->hosts.data, d->accounts.data,
                   err) != 0) {
        note_away(d, "nothing can be claimed", err);
        d->next_claim_ms = now + AWAY_MS;
        return -1;
    }
    if (count > 0 && make_deliver(d, err) != 0)
        return -1;
    d->away = false;
    for (size_t i = 0; i < count; i++)
        kept += place(d, &jobs[i], now);
    adapt_claims(d, limit, count, kept, now);
    return 0;
}

static bool has_room(const struct drain *d)
{
    return WEBHOOK_DRAIN_HELD_MAX - held(d) >= CLAIM_MIN && running(d) < WEBHOOK_DRAIN_RUNNING_MAX;
}

/* At the end of a single run the line is looked at once more without a pause. */
static bool may_claim(const struct drain *d, int64_t now)
{
    bool last_look = !d->o->watch && held(d) == 0 && !d->away;

    return !ending(d) && has_room(d) && (now >= d->next_claim_ms || last_look) &&
           now >= d->write_again_ms;
}

/* --- The loop -----------------------------------------------------------------------------------
 */

static int wait_ms(const struct drain *d, int64_t now)
{
    int64_t until = now + 1000;

    if (!ending(d) && has_room(d) && d->next_claim_ms < until)
        until = d->next_claim_ms;
    if (d->result_count > 0) {
        int64_t due = d->results_since_ms + RESULTS_AGE_MS;
        until = due < until ? due : until;
    }
    if (until < d->write_again_ms)
        until = d->write_again_ms;
    return until <= now ? 0 : (int)(until - now);
}

static void run_network(struct drain *d, int64_t now)
{
    struct deliver_result answer;
    int wait = wait_ms(d, now);

    if (d->deliver == NULL) {
        poll(NULL, 0, wait);
        return;
    }
    deliver_run(d->deliver, wait);
    while (deliver_take(&answer, d->deliver))
        end_one(d, &answer, timing_mono_ms());
}

/* -1: a single run ends because the database is away; what is on its way is waited for first. */
static int step(struct drain *d, struct err *err)
{
    int64_t now = timing_mono_ms();

    arena_reset(d->arena);
    start_waiting(d, now);
    if (results_are_due(d, now) && write_results(d, now, err) != 0 && !d->o->watch)
        return -1;
    if (lanes_got_room(d->lanes) && d->next_claim_ms > now && !d->away)
        d->next_claim_ms = now;
    if (may_claim(d, now)) {
        if (claim(d, now, err) != 0 && !d->o->watch)
            return -1;
        start_waiting(d, now);
    }
    return 0;
}

static bool done(struct drain *d)
{
    if (held(d) > 0 || d->result_count > 0) {
        bool late = ending(d) && d->result_count > 0 && held(d) == 0;
        if (!late)
            return false;
        if (d->ending_since_ms == 0)
            d->ending_since_ms = timing_mono_ms();
        return timing_mono_ms() - d->ending_since_ms > GIVE_UP_MS;
    }
    return ending(d) || (!d->o->watch && d->empty);
}

/* After a failure of a single run: what is on its way ends, what waits goes back. */
static void finish(struct drain *d, struct err *err)
{
    struct err again;
    int64_t begin = timing_mono_ms();

    err_clear(&again);
    while (running(d) > 0)
        run_network(d, timing_mono_ms());
    for (struct item **at = &d->first; *at != NULL;)
        hand_back(d, unlink_item(d, at), begin);
    arena_reset(d->arena);
    if (d->result_count > 0 && write_results(d, begin, &again) != 0 && err->code == ERR_NONE)
        *err = again;
}

static void drain_fini(struct drain *d)
{
    if (d->deliver != NULL) {
        deliver_free(d->deliver);
        transfer_global_fini();
    }
    while (d->free != NULL) {
        struct item *item = d->free;
        d->free = item->next;
        webhook_attempt_fini(&item->attempt);
        mem_free(item);
    }
    lanes_free(d->lanes);
    buf_fini(&d->hosts);
    buf_fini(&d->accounts);
    buf_fini(&d->results);
    arena_free(d->arena);
}

/* Without a key nothing is claimed; that matters only if something is due. */
static int check_key(struct drain *d, struct err *err)
{
    struct hook_job *jobs;
    size_t count = 0;
    struct err missing;

    if (webhook_can_sign(d->o->conf, &missing) == 0)
        return 0;
    if (hook_list_due(&jobs, &count, d->o->store, d->arena, 1, err) == 0 && count > 0)
        *err = missing;
    return -1;
}

int webhook_drain(struct webhook_drain_report *out, const struct webhook_drain_options *options,
                  struct err *err)
{
    struct drain d = {.o = options, .report = out, .claim_size = CLAIM_MAX};

    *out = (struct webhook_drain_report){0};
    d.last = &d.first;
    d.lanes = lanes_new();
    d.arena = arena_new();
    buf_init(&d.results, RESULTS_MAX);
    buf_init(&d.hosts, BUSY_MAX);
    buf_init(&d.accounts, BUSY_MAX);
    int rc = check_key(&d, err);
    while (rc == 0 && !done(&d)) {
        rc = step(&d, err);
        if (rc == 0 && !done(&d))
            run_network(&d, timing_mono_ms());
    }
    if (rc != 0 || d.result_count > 0) {
        finish(&d, err);
        rc = err->code != ERR_NONE ? -1 : 0;
    }
    drain_fini(&d);
    return rc;
}
