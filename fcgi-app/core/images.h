/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For providers that take bytes only, of images or just of files: fetches the images and files that
 * a request names by URL and puts their base64 in the place of the URL. Bounded for the request as
 * a whole, in number, size and time. Blocks the worker.
 */
#ifndef AIG_IMAGES_H
#define AIG_IMAGES_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/route.h"
#include "wire/neutral.h"

enum {
    IMAGES_COUNT_MAX = 16,
    IMAGES_BYTES_MAX = 50 * 1024 * 1024, /* all of a request, before base64 */
    IMAGES_TIME_MAX_MS = 30 * 1000,      /* all of a request */
};

struct images_call {
    struct app *app;
    const struct route_list *routes;
    const unsigned char *key_hash; /* the key must be valid: strangers make us fetch nothing */
    struct arena *arena;           /* owns the bytes */
    bool (*gone)(void *arg);       /* has the client left? */
    void *gone_arg;
};

/* Nothing to do unless a route's format wants bytes and request->content has URLs. -1: 400 with the
 * part of the message at fault, 401, 503, or ERR_CLIENT_GONE. */
int images_fetch(const struct images_call *call, const struct neutral_request *request,
                 struct err *err) AIG_MUST_USE;

#endif
