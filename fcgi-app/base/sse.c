/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/sse.h"

#include <string.h>

/* Memory that a reader keeps for the next stream. */
enum { SSE_KEEP = 64 * 1024 };

void sse_reader_init(struct sse_reader *r)
{
    buf_init(&r->line, SSE_EVENT_MAX);
    buf_init(&r->name, SSE_EVENT_MAX);
    buf_init(&r->data, SSE_EVENT_MAX);
    r->has_data = false;
    r->skip_lf = false;
    r->bom_done = false;
}

void sse_reader_fini(struct sse_reader *r)
{
    buf_fini(&r->line);
    buf_fini(&r->name);
    buf_fini(&r->data);
}

void sse_reader_reset(struct sse_reader *r)
{
    buf_shrink(&r->line, SSE_KEEP);
    buf_shrink(&r->name, SSE_KEEP);
    buf_shrink(&r->data, SSE_KEEP);
    r->has_data = false;
    r->skip_lf = false;
    r->bom_done = false;
}

static bool too_long(const struct sse_reader *r, size_t extra)
{
    /* Each is at most SSE_EVENT_MAX, extra at most a chunk: the sum cannot overflow. */
    return buf_failed(&r->line) || buf_failed(&r->name) || buf_failed(&r->data) ||
           r->line.len + r->name.len + r->data.len + extra > SSE_EVENT_MAX;
}

static int dispatch(struct sse_reader *r, sse_event_fn *fn, void *arg)
{
    int rc = 0;
    if (r->has_data) {
        struct sse_event event = {.name = buf_span(&r->name), .data = buf_span(&r->data)};
        rc = fn(&event, arg);
    }
    buf_clear(&r->name);
    buf_clear(&r->data);
    r->has_data = false;
    return rc;
}

/* `line` has no line end. A line without a colon is a field name with an empty value. */
static int take_line(struct sse_reader *r, struct span line, sse_event_fn *fn, void *arg)
{
    if (!r->bom_done) {
        r->bom_done = true;
        if (line.len >= 3 && memcmp(line.ptr, "\xEF\xBB\xBF", 3) == 0) {
            line.ptr += 3;
            line.len -= 3;
        }
    }
    if (line.len == 0) {
        return dispatch(r, fn, arg);
    }
    const char *colon = memchr(line.ptr, ':', line.len);
    struct span field = {line.ptr, colon != NULL ? (size_t)(colon - line.ptr) : line.len};
    struct span value = {line.ptr + line.len, 0};
    if (colon != NULL) {
        value.ptr = colon + 1;
        value.len = line.len - field.len - 1;
        if (value.len > 0 && value.ptr[0] == ' ') {
            value.ptr++;
            value.len--;
        }
    }
    if (span_equals(field, "data")) {
        if (r->has_data) {
            buf_append_char(&r->data, '\n');
        }
        r->has_data = true;
        buf_append(&r->data, value.ptr, value.len);
    } else if (span_equals(field, "event")) {
        buf_clear(&r->name);
        buf_append(&r->name, value.ptr, value.len);
    }
    return 0;
}

/* Ends the current line with these bytes, which are used in place when the line began with them. */
static int end_line(struct sse_reader *r, struct span rest, sse_event_fn *fn, void *arg)
{
    if (too_long(r, rest.len)) {
        return SSE_TOO_LONG;
    }
    if (r->line.len > 0) {
        buf_append(&r->line, rest.ptr, rest.len);
        rest = buf_span(&r->line);
    }
    int rc = too_long(r, 0) ? SSE_TOO_LONG : take_line(r, rest, fn, arg);
    buf_clear(&r->line);
    return rc == 0 && too_long(r, 0) ? SSE_TOO_LONG : rc;
}

int sse_reader_feed(struct sse_reader *r, const char *data, size_t len, sse_event_fn *fn, void *arg)
{
    const char *p = data;
    const char *end = data + len;
    const char *lf =
        NULL; /* the next LF at or after p; looked up once, else CRs cost a scan each */
    while (p < end) {
        if (r->skip_lf && *p == '\n') {
            p++;
        }
        r->skip_lf = false;
        if (lf == NULL || lf < p) {
            lf = memchr(p, '\n', (size_t)(end - p));
            lf = lf != NULL ? lf : end;
        }
        const char *cr = memchr(p, '\r', (size_t)(lf - p));
        const char *stop = cr != NULL ? cr : lf;
        struct span piece = {p, (size_t)(stop - p)};
        if (stop == end) {
            if (too_long(r, piece.len)) {
                return SSE_TOO_LONG;
            }
            buf_append(&r->line, piece.ptr, piece.len);
            return buf_failed(&r->line) ? SSE_TOO_LONG : 0;
        }
        int rc = end_line(r, piece, fn, arg);
        if (rc != 0) {
            return rc;
        }
        r->skip_lf = cr != NULL;
        p = stop + 1;
    }
    return 0;
}

bool sse_reader_partial(const struct sse_reader *r)
{
    bool in_comment = r->line.len > 0 && r->line.data[0] == ':';
    return r->has_data || r->name.len > 0 || (r->line.len > 0 && !in_comment);
}

/* Appends one field for each line of text. */
static void write_lines(struct buf *out, const char *field, struct span text)
{
    size_t at = 0;
    for (;;) {
        size_t len = 0;
        while (at + len < text.len && text.ptr[at + len] != '\n' && text.ptr[at + len] != '\r') {
            len++;
        }
        buf_append_str(out, field);
        buf_append(out, text.len > 0 ? text.ptr + at : "", len);
        buf_append_char(out, '\n');
        at += len;
        if (at >= text.len) {
            return;
        }
        bool crlf = text.ptr[at] == '\r' && at + 1 < text.len && text.ptr[at + 1] == '\n';
        at += crlf ? 2 : 1;
    }
}

void sse_write(struct buf *out, const char *name, struct span data)
{
    if (name != NULL) {
        assert(strpbrk(name, "\r\n") == NULL);
        buf_append_str(out, "event: ");
        buf_append_str(out, name);
        buf_append_char(out, '\n');
    }
    write_lines(out, "data: ", data);
    buf_append_char(out, '\n');
}

void sse_write_comment(struct buf *out, const char *text)
{
    write_lines(out, ": ", span_of(text));
    buf_append_char(out, '\n');
}
