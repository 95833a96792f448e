/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/hedge.h"

#include "base/log.h"
#include "base/timing.h"

#include <pthread.h>
#include <string.h>

enum { ENTRIES_MAX = 16, NAME_MAX_LEN = 32 };

struct entry {
    char provider[NAME_MAX_LEN + 1];
    bool failing; /* has failures on record */
    bool down;
    bool unproven;
};

struct hedge {
    struct store *store;
    pthread_mutex_t lock; /* guards what is below */
    struct entry entries[ENTRIES_MAX];
    size_t count;
    int64_t loaded_ms;
    bool loaded;
};

struct hedge *hedge_new(struct store *store)
{
    struct hedge *h = mem_zalloc(sizeof *h);
    h->store = store;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

void hedge_free(struct hedge *h)
{
    if (h == NULL)
        return;
    pthread_mutex_destroy(&h->lock);
    mem_free(h);
}

static void keep(struct hedge *h, const struct health_entry *entries, size_t count)
{
    h->count = 0;
    for (size_t i = 0; i < count && h->count < ENTRIES_MAX; i++) {
        size_t len = strlen(entries[i].provider);
        struct entry *e = &h->entries[h->count];
        if (len > NAME_MAX_LEN)
            continue;
        memcpy(e->provider, entries[i].provider, len + 1);
        e->failing = entries[i].failures > 0;
        e->down = entries[i].down;
        e->unproven = entries[i].unproven;
        h->count++;
    }
}

/* The provider's entry of now; all false if it has none. */
static struct entry look_up(struct hedge *h, const char *provider, struct arena *arena)
{
    struct entry found = {.provider = ""};
    struct health_entry *entries = NULL;
    size_t count = 0;
    struct err err;

    pthread_mutex_lock(&h->lock);
    bool stale = !h->loaded || timing_mono_ms() - h->loaded_ms >= HEDGE_TTL_MS;
    if (stale)
        h->loaded_ms =
            timing_mono_ms(); /* this thread renews it, the others go on with the old copy */
    pthread_mutex_unlock(&h->lock);
    bool fresh = stale && health_load(&entries, &count, h->store, arena, &err) == 0;

    pthread_mutex_lock(&h->lock);
    h->loaded = true;
    if (fresh)
        keep(h, entries, count);
    for (size_t i = 0; i < h->count; i++)
        if (strcmp(h->entries[i].provider, provider) == 0)
            found = h->entries[i];
    pthread_mutex_unlock(&h->lock);
    return found;
}

bool hedge_is_up(struct hedge *h, const char *provider, struct arena *arena)
{
    struct entry e = look_up(h, provider, arena);
    bool won = false;
    struct err err;

    if (e.down)
        return false;
    if (!e.unproven)
        return true;
    return health_probe(&won, h->store, arena, provider, &err) != 0 || won;
}

bool hedge_is_down(struct hedge *h, const char *provider, struct arena *arena)
{
    return look_up(h, provider, arena).down;
}

/* The next look goes to the database. */
static void forget(struct hedge *h)
{
    pthread_mutex_lock(&h->lock);
    h->loaded = false;
    pthread_mutex_unlock(&h->lock);
}

void hedge_report(struct hedge *h, const char *provider, const char *what, struct arena *arena)
{
    struct err err;
    int rc = 0;

    if (what != NULL) {
        rc = health_fail(h->store, arena, provider, what, &err);
        forget(h);
    } else if (look_up(h, provider, arena).failing) {
        rc = health_recover(h->store, arena, provider, &err);
        forget(h);
    }
    if (rc != 0)
        log_write(LOG_LEVEL_WARN, NULL, "health of %s not recorded: %s", provider, err.detail);
}
