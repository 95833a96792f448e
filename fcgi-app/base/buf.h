/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Growable bytes with a maximum stated at birth. A failure (maximum or memory) sticks: append as
 * you like, ask buf_failed once. `data` is always NUL-terminated (after buf_init: ""), the NUL is
 * not counted in `len`.
 */
#ifndef AIG_BUF_H
#define AIG_BUF_H

#include "base/base.h"

#include <stdarg.h>

/* Borrowed bytes, not NUL-terminated. */
struct span {
    const char *ptr;
    size_t len;
};

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Empties it, keeps the memory, clears a failure. */
void buf_clear(struct buf *b);
/* Empties it and gives back memory above `keep` bytes. */
void buf_shrink(struct buf *b, size_t keep);

void buf_append(struct buf *b, const void *data, size_t len);
void buf_append_str(struct buf *b, const char *s);
void buf_append_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) AIG_PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) AIG_PRINTF(2, 0);

/* Drops the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
bool buf_failed(const struct buf *b);

struct span buf_span(const struct buf *b);
struct span span_of(const char *s);
bool span_equals(struct span s, const char *text);

#endif
