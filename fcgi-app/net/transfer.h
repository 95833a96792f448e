/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker's calls to upstreams, by libcurl; net/ is the home of <curl/curl.h>. A transfer object
 * belongs to one thread, keeps its connections open from call to call and shares DNS answers and
 * TLS sessions (nothing else) with the others.
 *
 * TLS is verified, redirects are not followed, only http and https are spoken.
 */
#ifndef AIG_TRANSFER_H
#define AIG_TRANSFER_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    TRANSFER_HEADER_BYTES_MAX = 64 * 1024, /* of one answer */
    TRANSFER_HEADER_COUNT_MAX = 200,
};

/* How a call ended. Only TRANSFER_DONE has a whole answer. */
enum transfer_end {
    TRANSFER_DONE,
    TRANSFER_UNREACHABLE, /* no connection: nothing was sent */
    TRANSFER_TIMEOUT,     /* first byte, idle or whole-call limit */
    TRANSFER_CUT,         /* the connection broke in mid-answer, or the answer was no HTTP */
    TRANSFER_STOPPED,     /* a callback asked for it */
    TRANSFER_TOO_LARGE,   /* headers beyond their limit */
    TRANSFER_FAILED,      /* our side: memory, a bad URL, TLS that does not verify */
};

struct transfer_head {
    int status;
    char content_type[128];
    int retry_after_s; /* 0: none; an HTTP date is turned into seconds */
};

struct transfer_callbacks {
    /* Once, before the first byte of the body (or at the end of an answer without one). Non-zero
     * stops. */
    int (*head)(const struct transfer_head *head, void *arg);
    /* Bytes of the body as they come. Non-zero stops. */
    int (*data)(const char *data, size_t len, void *arg);
    /* About every tick_ms and whenever watch_fd becomes readable (`watched`). Non-zero stops. */
    int (*tick)(bool watched, void *arg);
};

struct transfer_request {
    const char *url;
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    struct span body; /* POST */
    int64_t connect_timeout_ms;
    int64_t first_byte_timeout_ms; /* until the answer's head */
    int64_t idle_timeout_ms;       /* between two reads of its body */
    int64_t deadline_ms;           /* monotonic, for the whole call; 0: none */
    int64_t tick_ms;
    int watch_fd; /* -1: none */
};

struct transfer_result {
    enum transfer_end end;
    struct transfer_head head; /* status 0: none was received */
    int64_t first_byte_ms;     /* from the start to the answer's head; -1: none */
    char detail[256];          /* libcurl's words, for the log */
};

/* Before any thread is started, and after all have ended. */
int transfer_global_init(struct err *err) AIG_MUST_USE;
void transfer_global_fini(void);

struct transfer;

struct transfer *transfer_new(void) AIG_MUST_USE;
void transfer_free(struct transfer *t);

/* Runs one call to its end. Always fills *result. */
void transfer_run(struct transfer_result *result, struct transfer *t,
                  const struct transfer_request *request,
                  const struct transfer_callbacks *callbacks, void *arg);

#endif
