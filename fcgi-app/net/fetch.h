/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image or PDF by a URL that a customer gave: http(s) only, no credentials, no proxy, TLS
 * verified, at most FETCH_REDIRECTS_MAX redirects, each under the address guard; bounded in size
 * and time. What comes must be one of the known types both by its header and by its first bytes.
 *
 * Any thread, one handle a call; after transfer_global_init.
 */
#ifndef AIG_FETCH_H
#define AIG_FETCH_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    FETCH_BYTES_MAX = 20 * 1024 * 1024,
    FETCH_REDIRECTS_MAX = 5,
    FETCH_URL_MAX = 8 * 1024,
    FETCH_HEADER_BYTES_MAX = 64 * 1024, /* of all answers on the way together */
};

struct fetch_request {
    const char *url;
    const char *path;   /* where the client has put it, for messages: "messages[0].content[1]..." */
    bool allow_private; /* the operator lets every address pass */
    size_t bytes_max;   /* at most FETCH_BYTES_MAX */
    const char *too_large; /* says so in another way: a sentence's rest; or NULL */
    int64_t connect_timeout_ms;
    int64_t deadline_ms;     /* monotonic */
    bool (*gone)(void *arg); /* asked about once a second whether nobody waits any more; or NULL */
    void *gone_arg;
};

/* Fills *out (initialised by the caller, with a maximum of at least bytes_max). *media_type is a
 * constant ("image/png"). -1: 400 with what the client can do about it, or ERR_CLIENT_GONE. */
int fetch_media(struct buf *out, const char **media_type, const struct fetch_request *request,
                struct err *err) AIG_MUST_USE;

#endif
