/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short HTTP calls to providers, several at a time by one curl multi handle: whole answers, no
 * streams. TLS is verified, redirects are not followed, only http and https are spoken. Any thread,
 * one handle a call; after transfer_global_init.
 */
#ifndef AIG_BATCH_H
#define AIG_BATCH_H

#include "base/base.h"
#include "base/buf.h"
#include "net/transfer.h"

struct batch_request {
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    struct span body; /* POST; ptr NULL: GET */
};

struct batch_result {
    enum transfer_end end; /* TRANSFER_UNREACHABLE: nothing of the request was sent */
    int status;
    struct buf body;  /* as far as it came */
    char detail[256]; /* libcurl's words, for the log */
};

struct batch_limits {
    size_t at_once; /* calls at the same time */
    int64_t connect_timeout_ms;
    int64_t timeout_ms; /* for one call */
    size_t body_max;
};

/* Runs them all to their ends. Fills results[0..count); each body is to be freed by batch_free. */
void batch_run(struct batch_result *results, const struct batch_request *requests, size_t count,
               const struct batch_limits *limits);
void batch_free(struct batch_result *results, size_t count);

#endif
