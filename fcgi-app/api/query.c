/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/query.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, c | (c >= 'A' ? 0x20 : 0)) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* -1: a bad escape, or what has no place in a value. */
static int decode(char *out, const char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int c = text[i] == '+' ? ' ' : (unsigned char)text[i];
        if (text[i] == '%') {
            int high = i + 2 < len ? hex_digit(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = high * 16 + low;
            i += 2;
        }
        if (c < ' ' || c == 127)
            return -1;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return 0;
}

int query_get(const char **out, const struct exchange *x, const char *name, struct arena *arena,
              struct err *err)
{
    const char *query = exchange_param(x, "QUERY_STRING");
    size_t name_len = strlen(name);

    *out = NULL;
    while (query != NULL && *query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=') {
            const char *value = query + name_len + 1;
            size_t value_len = len - name_len - 1;
            char *text = arena_alloc(arena, QUERY_VALUE_MAX + 1);
            if (value_len > QUERY_VALUE_MAX || decode(text, value, value_len) != 0)
                return err_set(err, ERR_BAD_REQUEST, name, "'%s' in the query is not understood.",
                               name);
            *out = text[0] != '\0' ? text : NULL;
            return 0;
        }
        query += len;
        query += *query == '&' ? 1 : 0;
    }
    return 0;
}

int query_get_i64(int64_t *out, const struct exchange *x, const char *name, int64_t min,
                  int64_t max, struct arena *arena, struct err *err)
{
    const char *text = NULL;

    if (query_get(&text, x, name, arena, err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    size_t len = strlen(text);
    int64_t n = len <= 18 && strspn(text, "0123456789") == len ? strtoll(text, NULL, 10) : -1;
    if (n < min || n > max)
        return err_set(err, ERR_BAD_REQUEST, name, "'%s' must be a whole number from %lld to %lld.",
                       name, (long long)min, (long long)max);
    *out = n;
    return 0;
}
