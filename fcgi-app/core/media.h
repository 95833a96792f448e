/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image, video, music and voice jobs: made at a provider, and ended when it is known there how they
 * ended, be that from a callback, from poll-jobs or from the answer to the creation itself. A hold
 * covers the price from the beginning to the end.
 *
 * Any thread. Of the app, poll and callback use only conf and store; make also models.
 */
#ifndef AIG_MEDIA_H
#define AIG_MEDIA_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/media_end.h"
#include "store/task.h"
#include "wire/media.h"

struct media_order {
    const char *request_id;
    const unsigned char *key_hash;
    const char *model; /* the catalog's name, an alias, or kie.ai's id */
    enum media_api shape; /* MEDIA_KIE: createTask; else one of kie.ai's old paths */
    struct json_object *input; /* an object; is filled in */
    const char *callback_url;  /* the customer's; NULL: none */
};

struct media_made {
    char id[TASK_ID_SIZE];
    const char *provider;
    const char *substituted; /* name of the retired model or word; NULL: none was replaced */
    bool later; /* media_make_later must run once the customer has the answer */
    /* What it needs: in the arena. */
    const char *body;
    size_t body_len;
};

/* Makes a job. 0: it is open (or, with made->later, will be worked on). -1: nothing is held. */
int media_make(struct media_made *made, struct app *app, struct arena *arena,
               const struct media_order *order, struct err *err) AIG_MUST_USE;

/* The work of a provider that answers only when it is done. */
void media_make_later(struct media_outcome *out, struct app *app, struct arena *arena,
                      const struct media_made *made);

/* A callback of kie.ai for a job: headers may be NULL. 0: taken in. 403: not from there, too old, or
 * repeated. What it says is not believed: how the job is, kie.ai is asked. */
int media_callback(struct media_outcome *out, struct app *app, struct arena *arena, const char *id,
                   const char *timestamp, const char *signature, struct span body,
                   struct err *err) AIG_MUST_USE;

struct media_polled {
    size_t asked;
    size_t ended;
    size_t failed;             /* no answer, or none that was understood; asked again later */
    const char **delivery_ids; /* webhooks that are due now; in the arena */
    size_t delivery_count;
};

/* Asks the providers how these jobs are, at_once of them at the same time. -1: the database is away.
 */
int media_poll(struct media_polled *out, struct app *app, struct arena *arena,
               const struct task *tasks, size_t count, size_t at_once,
               struct err *err) AIG_MUST_USE;

#endif
