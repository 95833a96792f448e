/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_fence.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Decides by the next character while it is not clear what the text begins with. False: nothing
 * more is to be decided, and c belongs to the text. */
static bool begin(struct messages_fence *f, char c)
{
    if (f->phase == FENCE_START) {
        if (is_blank(c) && f->held_len == 0)
            return true;
        if (c != '`') {
            f->phase = FENCE_OFF;
            return false;
        }
        f->held[f->held_len++] = c;
        if (f->held_len == 3)
            f->phase = FENCE_LANGUAGE;
        return true;
    }
    if (c == '\n' || c == '{' || c == '[') {
        f->phase = FENCE_JSON;
        f->held_len = 0;
        return c == '\n';
    }
    if (f->held_len == sizeof f->held) {
        f->phase = FENCE_OFF;
        return false;
    }
    f->held[f->held_len++] = c;
    return true;
}

/* How many of these bytes lie within the fence. A backtick outside of a string is no JSON. */
static size_t within(struct messages_fence *f, struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (f->escaped) {
            f->escaped = false;
        } else if (f->in_string) {
            f->escaped = c == '\\';
            f->in_string = c != '"';
        } else if (c == '"') {
            f->in_string = true;
        } else if (c == '`') {
            f->phase = FENCE_CLOSED;
            return i;
        }
    }
    return s.len;
}

struct span messages_fence_take(struct messages_fence *fence, struct span piece,
                                struct arena *arena)
{
    size_t at = 0;

    while (at < piece.len && (fence->phase == FENCE_START || fence->phase == FENCE_LANGUAGE) &&
           begin(fence, piece.ptr[at]))
        at++;
    struct span rest = {piece.ptr + at, piece.len - at};
    switch (fence->phase) {
    case FENCE_JSON:
        rest.len = within(fence, rest);
        return rest;
    case FENCE_OFF:
        break;
    case FENCE_START:
    case FENCE_LANGUAGE:
    case FENCE_CLOSED:
        rest.len = 0;
        return rest;
    }
    if (fence->held_len == 0)
        return rest;
    char *text = arena_alloc(arena, fence->held_len + rest.len);
    memcpy(text, fence->held, fence->held_len);
    if (rest.len > 0)
        memcpy(text + fence->held_len, rest.ptr, rest.len);
    rest = (struct span){text, fence->held_len + rest.len};
    fence->held_len = 0;
    return rest;
}

struct span messages_fence_end(struct messages_fence *fence)
{
    struct span held = {fence->held, fence->held_len};

    fence->held_len = 0;
    fence->phase = FENCE_CLOSED;
    return held;
}
