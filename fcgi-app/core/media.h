/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image, video, music and voice jobs: made at a provider, and ended when it is known there how they
 * ended, be that from a callback, from poll-jobs (core/media_poll) or from the answer to the
 * creation itself. A hold covers the price from the beginning to the end. Any thread.
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
    const char *model;         /* the catalog's name, an alias, or kie.ai's id */
    enum media_api shape;      /* MEDIA_KIE: createTask; else one of kie.ai's old paths */
    struct json_object *input; /* an object; is filled in */
    const char *callback_url;  /* the customer's; NULL: none */
};

struct media_made {
    char id[TASK_ID_SIZE];
    const char *provider;
    const char *substituted; /* name of the retired model or word; NULL: none was replaced */
    bool later;              /* media_make_later must run once the customer has the answer */
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

#endif
