/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/ask.h"

#include "base/decimal.h"
#include "base/timing.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUOTED_MAX = 1024 * 1024,
    TIME_TEXT_MAX = 40,
};

static const char *const periods[] = {"none", "daily", "weekly", "monthly"};

int ask_path_id(int64_t *out, const char *text, struct err *err)
{
    size_t len = strlen(text);

    if (len == 0 || len > 10 || strspn(text, "0123456789") != len)
        return err_set(err, ERR_NOT_FOUND, NULL, "'%.40s' is no number of anything here.", text);
    *out = strtoll(text, NULL, 10);
    return 0;
}

/* --- Query --------------------------------------------------------------------------------------
 */

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* NULL: a bad escape or a NUL. */
static char *decode(struct arena *arena, const char *text, size_t len)
{
    char *out = arena_alloc(arena, len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)text[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            int high = i + 1 < len ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0)
            return NULL;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return out;
}

/* Characters of valid UTF-8 without control characters; SIZE_MAX if it is anything else. */
static size_t count_characters(const char *text)
{
    struct jsontext_fault fault;
    struct buf quoted;
    size_t count = 0;

    buf_init(&quoted, QUOTED_MAX);
    jsonx_write_string(&quoted, text, strlen(text));
    bool bad = buf_failed(&quoted) || jsontext_check(&fault, quoted.data, quoted.len) != 0;
    buf_fini(&quoted);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && !bad; p++) {
        bad = *p < 0x20 || *p == 0x7f;
        count += (*p & 0xc0) != 0x80;
    }
    return bad ? SIZE_MAX : count;
}

int ask_query_text(const char **out, struct endpoint *ep, struct exchange *x, const char *name,
                   size_t max, struct err *err)
{
    const char *query = exchange_param(x, "QUERY_STRING");
    size_t name_len = strlen(name);

    while (query != NULL && *query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > name_len && strncmp(query, name, name_len) == 0 && query[name_len] == '=') {
            const char *text = decode(ep->arena, query + name_len + 1, len - name_len - 1);
            if (text == NULL || count_characters(text) > max)
                return err_set(err, ERR_BAD_REQUEST, name,
                               "'%s' in the query must be text of at most %zu characters.", name,
                               max);
            *out = text[0] != '\0' ? text : *out;
            return 0;
        }
        query += len + (query[len] == '&' ? 1 : 0);
    }
    return 0;
}

int ask_query_i64(int64_t *out, struct endpoint *ep, struct exchange *x, const char *name,
                  int64_t min, int64_t max, struct err *err)
{
    const char *text = NULL;

    if (ask_query_text(&text, ep, x, name, 20, err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    size_t len = strlen(text);
    int64_t value = len <= 18 && strspn(text, "0123456789") == len ? strtoll(text, NULL, 10) : -1;
    if (value < min || value > max)
        return err_set(err, ERR_BAD_REQUEST, name,
                       "'%s' in the query must be a number from %lld to %lld.", name,
                       (long long)min, (long long)max);
    *out = value;
    return 0;
}

/* "2026-11-23", "2026-11-23T10:00:00[.123]Z": as SQL has it, NULL if it is none. */
static const char *sql_time(struct arena *arena, const char *text)
{
    size_t len = strlen(text);
    int64_t ignored;

    if (len > TIME_TEXT_MAX)
        return NULL;
    char *copy = arena_strdup(arena, text);
    if (len > 10) {
        if (copy[len - 1] != 'Z' || copy[10] != 'T')
            return NULL;
        copy[len - 1] = '\0';
        copy[10] = ' ';
    }
    return timing_parse_sql(&ignored, copy) == 0 && copy[0] >= '1' ? copy : NULL;
}

int ask_query_time(const char **out, struct endpoint *ep, struct exchange *x, const char *name,
                   struct err *err)
{
    const char *text = NULL;

    if (ask_query_text(&text, ep, x, name, TIME_TEXT_MAX, err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    *out = sql_time(ep->arena, text);
    if (*out == NULL)
        return err_set(err, ERR_BAD_REQUEST, name,
                       "'%s' in the query must be a UTC time such as 2026-11-23T10:00:00Z or a day "
                       "such as 2026-11-23.",
                       name);
    return 0;
}

/* --- Body ---------------------------------------------------------------------------------------
 */

static int must_not_be_null(struct json_object *body, const char *key, struct err *err)
{
    if (jsonx_has(body, key) && jsonx_get(body, key) == NULL)
        return err_set(err, ERR_BAD_REQUEST, key, "'%s' must not be null.", key);
    return 0;
}

int ask_name(const char **out, struct endpoint *ep, struct json_object *body, const char *key,
             size_t max, struct err *err)
{
    const char *text = NULL;

    if (must_not_be_null(body, key, err) != 0 || jsonx_want_str(&text, body, key, key, err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    bool whole = (size_t)json_object_get_string_len(jsonx_get(body, key)) == strlen(text);
    text += strspn(text, " ");
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == ' ')
        len--;
    text = arena_strndup(ep->arena, text, len);
    if (!whole || len == 0 || count_characters(text) > max)
        return err_set(err, ERR_BAD_REQUEST, key,
                       "'%s' must be text of 1 to %zu characters without control characters.", key,
                       max);
    *out = text;
    return 0;
}

int ask_usd(const char **out, struct endpoint *ep, struct json_object *body, const char *key,
            struct err *err)
{
    char text[DECIMAL_SIZE];

    if (!jsonx_has(body, key))
        return 0;
    struct json_object *v = jsonx_get(body, key);
    *out = NULL;
    if (v == NULL)
        return 0;
    bool fits = json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double) ||
                json_object_is_type(v, json_type_string);
    if (!fits || decimal_normalise(text, json_object_get_string(v)) != 0 ||
        decimal_is_negative(text))
        return err_set(err, ERR_BAD_REQUEST, key,
                       "'%s' must be an amount of US dollars: a number from 0 to 999999999.", key);
    *out = arena_strdup(ep->arena, text);
    return 0;
}

int ask_time(const char **out, struct endpoint *ep, struct json_object *body, const char *key,
             struct err *err)
{
    const char *text = NULL;

    if (!jsonx_has(body, key))
        return 0;
    if (jsonx_want_str(&text, body, key, key, err) != 0)
        return -1;
    *out = text != NULL ? sql_time(ep->arena, text) : NULL;
    if (text != NULL && *out == NULL)
        return err_set(err, ERR_BAD_REQUEST, key,
                       "'%s' must be a UTC time such as 2026-11-23T10:00:00Z.", key);
    return 0;
}

int ask_word(const char **out, struct json_object *body, const char *key, const char *const *words,
             size_t word_count, struct err *err)
{
    const char *text = NULL;
    char all[256] = "";

    if (must_not_be_null(body, key, err) != 0 || jsonx_want_str(&text, body, key, key, err) != 0)
        return -1;
    if (text == NULL)
        return 0;
    for (size_t i = 0; i < word_count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = words[i];
            return 0;
        }
        size_t len = strlen(all);
        snprintf(all + len, sizeof all - len, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return err_set(err, ERR_BAD_REQUEST, key, "'%s' must be one of: %s.", key, all);
}

int ask_cap(const char **cap_usd, const char **period, int64_t *set, int64_t cap_bit,
            int64_t period_bit, struct endpoint *ep, struct json_object *body, struct err *err)
{
    if (ask_usd(cap_usd, ep, body, "cap_usd", err) != 0 ||
        ask_word(period, body, "period", periods, ARRAY_LEN(periods), err) != 0)
        return -1;
    *set |= jsonx_has(body, "cap_usd") ? cap_bit : 0;
    *set |= jsonx_has(body, "period") ? period_bit : 0;
    return 0;
}
