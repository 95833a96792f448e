/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (html.spec.whatwg.org, "Server-sent events", 9.2.6): an incremental reader
 * that takes bytes cut anywhere, LF, CRLF or CR line ends, `data:` with or without a blank,
 * comments and a byte order mark. Several data lines are joined with LF. One reader belongs to one
 * thread.
 */
#ifndef AIG_SSE_H
#define AIG_SSE_H

#include "base/base.h"
#include "base/buf.h"

/* Longest event (all its lines together) that is accepted; far above what providers send. */
enum { SSE_EVENT_MAX = 16 * 1024 * 1024 };

struct sse_event {
    struct span name; /* `event:`; empty if there was none */
    struct span data;
};

/* Spans are valid during the call only. Return non-zero to stop the reading. */
typedef int sse_event_fn(const struct sse_event *event, void *arg);

struct sse_reader {
    struct buf line;
    struct buf name;
    struct buf data;
    bool has_data;
    bool skip_lf;
    bool bom_done;
};

void sse_reader_init(struct sse_reader *r);
void sse_reader_fini(struct sse_reader *r);
/* For the next stream; gives back memory of unusually large events. */
void sse_reader_reset(struct sse_reader *r);

/* Feeds bytes and calls `fn` for each complete event. 0; the non-zero answer of fn; or SSE_TOO_LONG
 * when an event exceeds SSE_EVENT_MAX (the reader is then of no further use). */
enum { SSE_TOO_LONG = -1000 };
int sse_reader_feed(struct sse_reader *r, const char *data, size_t len, sse_event_fn *fn,
                    void *arg) AIG_MUST_USE;

/* At the end of the stream: true if the last event was not ended by a blank line (it is discarded,
 * as the specification says). */
bool sse_reader_partial(const struct sse_reader *r);

/* Appends one event: "data: ...\n\n"; with a name, "event: ...\n" goes before it. LFs in data
 * become several data lines. */
void sse_write(struct buf *out, const char *name, struct span data);
/* Appends ": text\n\n". */
void sse_write_comment(struct buf *out, const char *text);

#endif
