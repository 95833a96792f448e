/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/embeddings_scan.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_blanks(struct span *s)
{
    while (s->len > 0 && is_blank(s->ptr[0])) {
        s->ptr++;
        s->len--;
    }
}

static bool starts(const struct span *s, char c)
{
    return s->len > 0 && s->ptr[0] == c;
}

/* Length of the string that begins with the quote at p. */
static size_t string_len(const char *p, size_t len)
{
    size_t i = 1;

    while (i < len && p[i] != '"')
        i += p[i] == '\\' ? 2 : 1;
    return i < len ? i + 1 : len;
}

/* Length of the object or array that begins at p. */
static size_t nested_len(const char *p, size_t len)
{
    size_t depth = 0;
    size_t i = 0;

    while (i < len) {
        char c = p[i];
        if (c == '"') {
            i += string_len(p + i, len - i);
            continue;
        }
        i++;
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return i;
    }
    return len;
}

static size_t scalar_len(const char *p, size_t len)
{
    size_t i = 0;

    while (i < len && p[i] != ',' && p[i] != '}' && p[i] != ']' && !is_blank(p[i]))
        i++;
    return i;
}

/* Takes the value at the beginning of s off it. */
static struct span take_value(struct span *s)
{
    struct span value = *s;

    if (starts(s, '"'))
        value.len = string_len(s->ptr, s->len);
    else if (starts(s, '{') || starts(s, '['))
        value.len = nested_len(s->ptr, s->len);
    else
        value.len = scalar_len(s->ptr, s->len);
    s->ptr += value.len;
    s->len -= value.len;
    return value;
}

static void skip_char(struct span *s, char c)
{
    skip_blanks(s);
    if (starts(s, c)) {
        s->ptr++;
        s->len--;
    }
    skip_blanks(s);
}

struct span scan_document(const char *text, size_t len)
{
    struct span s = {text, len};

    skip_blanks(&s);
    return take_value(&s);
}

bool scan_member(struct span *out, struct span object, const char *name)
{
    size_t name_len = strlen(name);
    bool found = false;

    if (!starts(&object, '{'))
        return false;
    skip_char(&object, '{');
    while (starts(&object, '"')) {
        struct span key = take_value(&object);
        skip_char(&object, ':');
        struct span value = take_value(&object);
        skip_char(&object, ',');
        if (key.len == name_len + 2 && memcmp(key.ptr + 1, name, name_len) == 0) {
            *out = value;
            found = !span_equals(value, "null");
        }
    }
    return found;
}

bool scan_array(struct span *rest, struct span array)
{
    if (!starts(&array, '['))
        return false;
    *rest = array;
    skip_char(rest, '[');
    return true;
}

bool scan_element(struct span *out, struct span *rest)
{
    if (rest->len == 0 || starts(rest, ']'))
        return false;
    *out = take_value(rest);
    skip_char(rest, ',');
    return true;
}

size_t scan_index(struct span value, size_t max, size_t dflt)
{
    size_t n = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return dflt;
        n = n * 10 + (size_t)(value.ptr[i] - '0');
        if (n > max)
            return dflt;
    }
    return value.len > 0 ? n : dflt;
}
