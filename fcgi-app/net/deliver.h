/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many POSTs at once to URLs that customers gave, by one libcurl multi handle: http(s) only, TLS
 * verified, no credentials, no proxy, every connection under the address guard, no redirect
 * followed. Of an answer the status, Retry-After and the beginning of the body are kept; the rest
 * is read to a limit and dropped. Connections stay open from one to the next.
 *
 * A deliverer belongs to one thread; after transfer_global_init.
 */
#ifndef AIG_DELIVER_H
#define AIG_DELIVER_H

#include "base/base.h"
#include "base/buf.h"

enum {
    DELIVER_EXCERPT_MAX = 1024,           /* bytes of the body that are kept */
    DELIVER_BODY_MAX = 64 * 1024,         /* then the connection is closed; the status counts */
    DELIVER_HEADER_BYTES_MAX = 64 * 1024, /* of one answer */
    DELIVER_CONNECTIONS_KEPT = 64,
};

struct deliver_request {
    const char *url;
    const char *const *headers; /* "Name: value"; copied */
    size_t header_count;
    struct span body;   /* borrowed until the result has been taken */
    int64_t timeout_ms; /* for all of it */
    void *tag;          /* comes back with the result */
};

struct deliver_result {
    void *tag;
    int status;          /* 0: no whole head of an answer came */
    const char *failure; /* why there is no status, a sentence for the customer; else NULL */
    int retry_after_s;   /* 0: none; an HTTP date is turned into seconds */
    int64_t elapsed_ms;
    char excerpt[DELIVER_EXCERPT_MAX]; /* raw */
    size_t excerpt_len;
    char detail[256]; /* libcurl's words, for the log */
};

struct deliver;

struct deliver *deliver_new(bool allow_private) AIG_MUST_USE;
/* Breaks off what is under way. NULL is allowed. */
void deliver_free(struct deliver *d);

/* Adds a POST. It makes progress within deliver_run and ends as a result, whatever happens. */
void deliver_start(struct deliver *d, const struct deliver_request *request);
size_t deliver_active(const struct deliver *d);

/* Waits up to wait_ms for something to happen, and does what can be done. */
void deliver_run(struct deliver *d, int wait_ms);

/* The next one that has ended; false: none. */
bool deliver_take(struct deliver_result *out, struct deliver *d);

#endif
