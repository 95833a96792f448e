/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with a client over FastCGI or plain CGI: parameters, a bounded body, the answer's
 * head, writes and flushes, and whether the client is still there. This is the home of <fcgiapp.h>.
 * An exchange belongs to one thread.
 */
#ifndef AIG_FCGI_H
#define AIG_FCGI_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/ident.h"
#include "base/mem.h"

enum {
    EXCHANGE_PARAM_COUNT_MAX = 256,       /* CGI variables, so about as many headers */
    EXCHANGE_PARAM_BYTES_MAX = 96 * 1024, /* all of them together */
    EXCHANGE_PATH_MAX = 2048,
    EXCHANGE_SOCKET_TIMEOUT_S = 60, /* one read of the body or one write may take this long */
};

struct exchange;

/* True when this process was started by a CGI server rather than by a FastCGI one. */
bool exchange_is_cgi(void);

/* An exchange for one thread, reused from call to call. */
struct exchange *exchange_new(void) AIG_MUST_USE;
void exchange_free(struct exchange *x);

/* Waits for the next request: 0; -1 when the process is to stop (exchange_stop_accepting) or, in
 * plain CGI, when its one request has been had. Errors of accept(2) are logged and tried again. */
int exchange_accept(struct exchange *x);
/* Ends the request: sends what is buffered. */
void exchange_finish(struct exchange *x);
/* Makes exchange_accept of all threads answer -1 once a signal interrupts them. Safe in a signal
 * handler. */
void exchange_stop_accepting(void);

/* A CGI variable ("REQUEST_METHOD", "HTTP_AUTHORIZATION"); NULL if absent. Borrowed until
 * exchange_finish. */
const char *exchange_param(const struct exchange *x, const char *name);
/* 431 when there are too many or too long parameters. */
int exchange_check_params(const struct exchange *x, struct err *err) AIG_MUST_USE;
/* The decoded path of REQUEST_URI without its query, in the arena. 400 for a bad escape, NUL,
 * control characters, or a path longer than EXCHANGE_PATH_MAX; 404 for "." and ".." segments. */
int exchange_path(char **out, const struct exchange *x, struct arena *arena,
                  struct err *err) AIG_MUST_USE;

/* Reads the body whole. 413 for more than max bytes: by Content-Length before anything is read. 400
 * when it is shorter than announced or the client is too slow. */
int exchange_read_body(struct buf *out, struct exchange *x, size_t max,
                       struct err *err) AIG_MUST_USE;

/* "req_...": made at accept. */
const char *exchange_request_id(const struct exchange *x);
/* From now on the exchange goes by this id (ident_request_valid). */
void exchange_adopt_id(struct exchange *x, const char *request_id);
/* Monotonic milliseconds since accept. */
int64_t exchange_elapsed_ms(const struct exchange *x);

/* Adds a header to the answer; control characters in the value become blanks. Before
 * exchange_begin. */
void exchange_header(struct exchange *x, const char *name, const char *fmt, ...) AIG_PRINTF(3, 4);
/* Forgets the headers added so far. */
void exchange_clear_headers(struct exchange *x);
/* Queues status and headers; they go out with the first flush. */
void exchange_begin(struct exchange *x, int status);
bool exchange_began(const struct exchange *x);
/* Queues bytes of the body. -1 when the client is gone. */
int exchange_write(struct exchange *x, const void *data, size_t len);
/* Sends what is queued. -1 when the client is gone. */
int exchange_flush(struct exchange *x);

/* Copies what is answered: the status, the header lines (each with its line end) and the body, as
 * they are sent, also when the client is gone. The caller owns the bufs; their maximum is how much
 * is kept, a longer one has failed. */
struct exchange_tap {
    int status; /* 0: nothing was answered yet */
    bool spoilt;
    struct buf head;
    struct buf body;
    void (*polled)(
        void *arg); /* called by exchange_gone, so about once a second while a call runs */
    void *arg;
};
/* Before exchange_begin. NULL ends it. */
void exchange_set_tap(struct exchange *x, struct exchange_tap *tap);
/* What has been answered is not the whole answer (a stream that fails): sets the tap's `spoilt`. */
void exchange_spoil(struct exchange *x);

/* True once a write failed or the web server closed its side. Read the body first. */
bool exchange_gone(struct exchange *x);
/* A descriptor that becomes readable when the client leaves (where the web server passes that on),
 * or -1. */
int exchange_watch_fd(const struct exchange *x);

#endif
