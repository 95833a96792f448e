/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/models.h"

#include "base/log.h"
#include "base/timing.h"

#include <pthread.h>
#include <string.h>

/* A chain of retired models longer than this is a mistake in the catalog. */
enum { SUCCESSION_MAX = 8 };

struct models_copy {
    struct arena *arena;
    struct catalog catalog;
    unsigned users; /* guarded by models.lock */
};

struct models {
    struct store *store;
    pthread_mutex_t lock; /* guards what is below */
    struct models_copy *current;
    int64_t loaded_ms;
    bool loading;
};

struct models *models_new(struct store *store)
{
    struct models *m = mem_zalloc(sizeof *m);
    m->store = store;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void copy_free(struct models_copy *copy)
{
    if (copy == NULL)
        return;
    arena_free(copy->arena);
    mem_free(copy);
}

void models_free(struct models *m)
{
    if (m == NULL)
        return;
    copy_free(m->current);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

static struct models_copy *load(struct models *m, struct err *err)
{
    struct models_copy *copy = mem_zalloc(sizeof *copy);

    copy->arena = arena_new();
    if (catalog_load(&copy->catalog, m->store, copy->arena, err) != 0) {
        copy_free(copy);
        return NULL;
    }
    return copy;
}

/* Puts a new copy in place; the old one goes when its last user gives it back. */
static void replace(struct models *m, struct models_copy *copy)
{
    struct models_copy *old = m->current;

    m->current = copy;
    m->loaded_ms = timing_mono_ms();
    if (old != NULL && old->users == 0)
        copy_free(old);
}

int models_take(const struct models_copy **out, struct models *m, struct err *err)
{
    pthread_mutex_lock(&m->lock);
    bool stale = m->current == NULL || timing_mono_ms() - m->loaded_ms >= MODELS_TTL_MS;
    /* One thread renews it, the others go on with the old copy; only at the start all have to load.
     */
    if (stale && (!m->loading || m->current == NULL)) {
        m->loading = true;
        pthread_mutex_unlock(&m->lock);
        struct err why;
        struct models_copy *copy = load(m, &why);
        pthread_mutex_lock(&m->lock);
        m->loading = false;
        if (copy != NULL) {
            replace(m, copy);
        } else if (m->current == NULL) {
            *err = why;
        } else {
            m->loaded_ms = timing_mono_ms();
            log_write(LOG_LEVEL_WARN, NULL, "catalog not renewed: %s", why.detail);
        }
    }
    struct models_copy *copy = m->current;
    if (copy != NULL)
        copy->users++;
    pthread_mutex_unlock(&m->lock);
    *out = copy;
    return copy != NULL ? 0 : -1;
}

void models_give(struct models *m, const struct models_copy *copy)
{
    if (copy == NULL)
        return;
    struct models_copy *mine = (struct models_copy *)copy;
    pthread_mutex_lock(&m->lock);
    assert(mine->users > 0);
    mine->users--;
    bool last = mine->users == 0 && mine != m->current;
    pthread_mutex_unlock(&m->lock);
    if (last)
        copy_free(mine);
}

const struct catalog *models_catalog(const struct models_copy *copy)
{
    return &copy->catalog;
}

static const struct catalog_model *find_exact(const struct catalog *c, const char *name)
{
    for (size_t i = 0; i < c->model_count; i++)
        if (strcmp(c->models[i].name, name) == 0)
            return &c->models[i];
    for (size_t i = 0; i < c->alias_count; i++)
        if (strcmp(c->aliases[i].name, name) == 0 && strcmp(c->aliases[i].model, name) != 0)
            return find_exact(c, c->aliases[i].model);
    return NULL;
}

int models_find(const struct catalog_model **out, const char **substituted,
                const struct models_copy *copy, const char *name, struct err *err)
{
    const struct catalog_model *model = find_exact(&copy->catalog, name);
    int64_t now = timing_wall_s();

    *substituted = NULL;
    for (int i = 0; i < SUCCESSION_MAX && model != NULL; i++) {
        if (model->retires_on_s == 0 || model->retires_on_s > now || model->successor == NULL) {
            *out = model;
            return 0;
        }
        *substituted = *substituted != NULL ? *substituted : model->name;
        model = find_exact(&copy->catalog, model->successor);
    }
    return err_set(err, ERR_MODEL_NOT_FOUND, "model",
                   "The model '%.100s' does not exist here. GET /v1/models lists those that do.",
                   name);
}

const struct catalog_model *models_find_id(const struct models_copy *copy, int64_t id)
{
    for (size_t i = 0; i < copy->catalog.model_count; i++)
        if (copy->catalog.models[i].id == id)
            return &copy->catalog.models[i];
    return NULL;
}
