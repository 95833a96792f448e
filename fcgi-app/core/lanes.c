/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/lanes.h"

#include "base/mem.h"

enum { BUCKETS = 1024 };

struct lane {
    bool is_host;
    int64_t key;
    unsigned window;
    unsigned waiting;
    unsigned running;
    int64_t paused_until_ms;
    bool listed;       /* as busy, the last time */
    struct lane *next; /* in its bucket */
};

struct lanes {
    struct lane *buckets[BUCKETS];
    size_t count;
    bool got_room;
};

struct lanes *lanes_new(void)
{
    return mem_zalloc(sizeof(struct lanes));
}

/* Forgets those with nobody in them, or all. */
static void sweep(struct lanes *l, bool all, int64_t now_ms)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct lane **at = &l->buckets[i];
        while (*at != NULL) {
            struct lane *lane = *at;
            bool idle = lane->waiting == 0 && lane->running == 0 && lane->paused_until_ms <= now_ms;
            if (all || idle) {
                *at = lane->next;
                mem_free(lane);
                l->count--;
            } else {
                at = &lane->next;
            }
        }
    }
}

void lanes_free(struct lanes *l)
{
    if (l == NULL)
        return;
    sweep(l, true, 0);
    mem_free(l);
}

static struct lane **bucket_of(struct lanes *l, bool is_host, int64_t key)
{
    uint64_t hash = ((uint64_t)key * 2 + is_host) * UINT64_C(0x9E3779B97F4A7C15);

    return &l->buckets[(hash >> 32) % BUCKETS];
}

static struct lane *find(struct lanes *l, bool is_host, int64_t key)
{
    struct lane *lane = *bucket_of(l, is_host, key);

    while (lane != NULL && (lane->is_host != is_host || lane->key != key))
        lane = lane->next;
    return lane;
}

static struct lane *find_or_make(struct lanes *l, bool is_host, int64_t key)
{
    struct lane *lane = find(l, is_host, key);

    if (lane != NULL)
        return lane;
    struct lane **bucket = bucket_of(l, is_host, key);
    lane = mem_zalloc(sizeof *lane);
    lane->is_host = is_host;
    lane->key = key;
    lane->window = is_host ? LANES_HOST_FIRST : LANES_ACCOUNT_MAX;
    lane->next = *bucket;
    *bucket = lane;
    l->count++;
    return lane;
}

/* How many may run and wait. Where it goes quickly many may, so that they can be claimed many at a
 * time. */
static unsigned most_in(const struct lane *lane)
{
    if (!lane->is_host)
        return LANES_ACCOUNT_HELD_MAX;
    return lane->window >= LANES_HOST_MAX / 2 ? 6 * lane->window : 2 * lane->window;
}

static unsigned room_in(const struct lane *lane)
{
    unsigned most = most_in(lane);
    unsigned held = lane->waiting + lane->running;

    return most > held ? most - held : 0;
}

bool lanes_enter(struct lanes *l, int64_t host, int64_t account, int64_t now_ms)
{
    if (l->count > LANES_KEPT_MAX)
        sweep(l, false, now_ms);
    struct lane *of_host = find_or_make(l, true, host);
    struct lane *of_account = find_or_make(l, false, account);
    if (room_in(of_host) == 0 || room_in(of_account) == 0)
        return false;
    of_host->waiting++;
    of_account->waiting++;
    return true;
}

static bool is_full(const struct lane *lane)
{
    return room_in(lane) < most_in(lane) / 2;
}

static void note_room(struct lanes *l, struct lane *lane)
{
    if (lane->listed && !is_full(lane)) {
        lane->listed = false;
        l->got_room = true;
    }
}

static bool may_start(const struct lane *lane, int64_t now_ms)
{
    return lane->running < lane->window && lane->paused_until_ms <= now_ms;
}

bool lanes_start(struct lanes *l, int64_t host, int64_t account, int64_t now_ms)
{
    struct lane *of_host = find(l, true, host);
    struct lane *of_account = find(l, false, account);

    assert(of_host != NULL && of_host->waiting > 0);
    assert(of_account != NULL && of_account->waiting > 0);
    if (!may_start(of_host, now_ms) || !may_start(of_account, now_ms))
        return false;
    of_host->waiting--;
    of_account->waiting--;
    of_host->running++;
    of_account->running++;
    return true;
}

void lanes_leave(struct lanes *l, int64_t host, int64_t account)
{
    struct lane *of_host = find(l, true, host);
    struct lane *of_account = find(l, false, account);

    assert(of_host != NULL && of_host->waiting > 0);
    assert(of_account != NULL && of_account->waiting > 0);
    of_host->waiting--;
    of_account->waiting--;
    note_room(l, of_host);
    note_room(l, of_account);
}

void lanes_end(struct lanes *l, int64_t host, int64_t account, int64_t now_ms, int64_t elapsed_ms,
               bool overloaded, int64_t pause_ms)
{
    struct lane *of_host = find(l, true, host);
    struct lane *of_account = find(l, false, account);

    assert(of_host != NULL && of_host->running > 0);
    assert(of_account != NULL && of_account->running > 0);
    of_host->running--;
    of_account->running--;
    if (overloaded) {
        pause_ms = pause_ms < LANES_PAUSE_MIN_MS ? LANES_PAUSE_MIN_MS : pause_ms;
        pause_ms = pause_ms > LANES_PAUSE_MAX_MS ? LANES_PAUSE_MAX_MS : pause_ms;
        of_host->paused_until_ms = now_ms + pause_ms;
        of_host->window = 1;
    } else if (elapsed_ms >= LANES_SLOW_MS) {
        of_host->window = of_host->window > 1 ? of_host->window / 2 : 1;
    } else if (elapsed_ms <= LANES_QUICK_MS && of_host->window < LANES_HOST_MAX) {
        of_host->window++;
    }
    note_room(l, of_host);
    note_room(l, of_account);
}

void lanes_list_busy(struct buf *hosts, struct buf *accounts, struct lanes *l, int64_t now_ms)
{
    l->got_room = false;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct lane *lane = l->buckets[i]; lane != NULL; lane = lane->next) {
            struct buf *list = lane->is_host ? hosts : accounts;
            lane->listed = is_full(lane);
            if (lane->listed || lane->paused_until_ms > now_ms)
                buf_printf(list, "%s%lld", list->len > 0 ? "," : "", (long long)lane->key);
        }
    }
}

bool lanes_got_room(struct lanes *l)
{
    bool got_room = l->got_room;

    l->got_room = false;
    return got_room;
}
