/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { BUF_CAP_MIN = 64 };

/* What `data` points at while nothing is allocated (cap 0); never written to. */
static char nothing[1];

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.data = nothing, .max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

void buf_fini(struct buf *b)
{
    if (b->cap > 0) {
        mem_free(b->data);
    }
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->cap > 0) {
        b->data[0] = '\0';
    }
}

void buf_shrink(struct buf *b, size_t keep)
{
    if (b->cap > keep) {
        buf_fini(b);
    } else {
        buf_clear(b);
    }
}

/* Makes room for `extra` bytes and the NUL. */
static bool reserve(struct buf *b, size_t extra)
{
    if (b->failed) {
        return false;
    }
    if (extra > b->max - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->cap) {
        return true;
    }
    size_t cap = b->cap > SIZE_MAX / 2 ? need : b->cap * 2;
    cap = cap < BUF_CAP_MIN ? BUF_CAP_MIN : cap;
    cap = cap > b->max + 1 ? b->max + 1 : cap;
    cap = cap < need ? need : cap;

    char *data = mem_try_realloc(b->cap > 0 ? b->data : NULL, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    b->data[b->len] = '\0';
    return true;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0 || !reserve(b, len)) {
        return;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

void buf_append_str(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_append_char(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    if (len < 0) {
        b->failed = true;
    } else if (reserve(b, (size_t)len)) {
        int written = vsnprintf(b->data + b->len, (size_t)len + 1, fmt, again);
        assert(written == len);
        b->len += (size_t)written;
    }
    va_end(again);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    if (n == 0) {
        return;
    }
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
    b->data[b->len] = '\0';
}

bool buf_failed(const struct buf *b)
{
    return b->failed;
}

struct span buf_span(const struct buf *b)
{
    return (struct span){.ptr = b->data, .len = b->len};
}

struct span span_of(const char *s)
{
    return (struct span){.ptr = s, .len = strlen(s)};
}

bool span_equals(struct span s, const char *text)
{
    return s.len == strlen(text) && (s.len == 0 || memcmp(s.ptr, text, s.len) == 0);
}
