/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/jsontext.h"
#include "base/jsonx.h"

#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* json-c duplicates the thread's locale at each parse. For the process's own one glibc takes a lock
 * of all threads to do so, on which a thousand streams spend most of their time; the "C" locale it
 * hands out as it is. It is what the program runs in anyway. */
static void leave_global_locale(void)
{
    if (uselocale((locale_t)0) == LC_GLOBAL_LOCALE)
        (void)uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

int jsonx_parse(struct json_object **out, const char *text, size_t len, struct err *err)
{
    struct json_tokener *tokener = NULL;
    struct json_object *v = NULL;
    int rc = -1;

    *out = NULL;
    if (len > INT_MAX) {
        return err_set(err, ERR_TOO_LARGE, NULL, "The JSON text is too large.");
    }
    struct jsontext_fault fault;
    if (jsontext_check(&fault, text, len) != 0) {
        return err_set(err, ERR_BAD_REQUEST, NULL, "The JSON is not valid: %s at byte %zu.",
                       fault.what, fault.at + 1);
    }
    /* json-c counts a scalar as a level; one more so that it never refuses what was accepted. */
    tokener = json_tokener_new_ex(JSONX_DEPTH_MAX + 2);
    if (tokener == NULL) {
        err_set(err, ERR_INTERNAL, NULL, "Out of memory.");
        goto out;
    }
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    leave_global_locale();
    v = json_tokener_parse_ex(tokener, text, (int)len);
    if (json_tokener_get_error(tokener) == json_tokener_continue) {
        /* A number or word at the very end: the NUL says that it is complete. */
        v = json_tokener_parse_ex(tokener, "", 1);
    }
    if (json_tokener_get_error(tokener) != json_tokener_success) {
        err_set(err, ERR_BAD_REQUEST, NULL, "The JSON is not valid: %s at byte %zu.",
                json_tokener_error_desc(json_tokener_get_error(tokener)),
                json_tokener_get_parse_end(tokener) + 1);
        goto out;
    }
    *out = v;
    v = NULL;
    rc = 0;
out:
    json_object_put(v);
    if (tokener != NULL) {
        json_tokener_free(tokener);
    }
    return rc;
}

/* --- Writing --------------------------------------------------------------------------------- */

static void write_escaped(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char short_forms[] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                       ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};
    if (c < sizeof(short_forms) && short_forms[c] != 0) {
        const char text[2] = {'\\', short_forms[c]};
        buf_append(out, text, sizeof(text));
    } else {
        const char text[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
        buf_append(out, text, sizeof(text));
    }
}

void jsonx_write_string(struct buf *out, const char *s, size_t len)
{
    buf_append_char(out, '"');
    size_t from = 0; /* what is not written yet begins here */
    size_t i = 0;
    while (i < len) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t n = c >= 0x80 ? jsontext_utf8_len(s + i, len - i) : 0;
        if (n > 0) {
            i += n;
            continue;
        }
        buf_append(out, s + from, i - from);
        if (c >= 0x80) {
            buf_append_str(out, "\xEF\xBF\xBD"); /* U+FFFD for a byte that is no UTF-8 */
        } else {
            write_escaped(out, c);
        }
        i++;
        from = i;
    }
    buf_append(out, len > 0 ? s + from : "", len - from);
    buf_append_char(out, '"');
}

static void write_int(struct buf *out, struct json_object *v)
{
    char text[24];
    char *p = text + sizeof(text);
    int64_t value = json_object_get_int64(v);
    bool negative = value < 0;
    /* A uint64_t above INT64_MAX reads as INT64_MAX. */
    uint64_t rest = negative ? UINT64_C(0) - (uint64_t)value : json_object_get_uint64(v);
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (negative) {
        *--p = '-';
    }
    buf_append(out, p, (size_t)(text + sizeof(text) - p));
}

static void write_value(struct buf *out, struct json_object *v);

static void write_object(struct buf *out, struct json_object *v)
{
    bool first = true;
    buf_append_char(out, '{');
    json_object_object_foreach(v, key, member)
    {
        if (!first) {
            buf_append_char(out, ',');
        }
        first = false;
        jsonx_write_string(out, key, strlen(key));
        buf_append_char(out, ':');
        write_value(out, member);
    }
    buf_append_char(out, '}');
}

static void write_array(struct buf *out, struct json_object *v)
{
    size_t count = json_object_array_length(v);
    buf_append_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_char(out, ',');
        }
        write_value(out, json_object_array_get_idx(v, i));
    }
    buf_append_char(out, ']');
}

/* A tree from jsonx_parse is JSONX_DEPTH_MAX deep; what the program wraps around it adds little. */
static void write_value(struct buf *out, struct json_object *v)
{
    size_t len = 0;
    const char *text;
    switch (json_object_get_type(v)) {
    case json_type_null:
        buf_append_str(out, "null");
        break;
    case json_type_boolean:
        buf_append_str(out, json_object_get_boolean(v) ? "true" : "false");
        break;
    case json_type_double:
        /* Keeps the text it was parsed from. */
        text = json_object_to_json_string_length(v, JSON_C_TO_STRING_PLAIN, &len);
        buf_append(out, text, len);
        break;
    case json_type_int:
        write_int(out, v);
        break;
    case json_type_object:
        write_object(out, v);
        break;
    case json_type_array:
        write_array(out, v);
        break;
    case json_type_string:
        jsonx_write_string(out, json_object_get_string(v), (size_t)json_object_get_string_len(v));
        break;
    }
}

void jsonx_write(struct buf *out, struct json_object *v)
{
    write_value(out, v);
}

/* --- Reading --------------------------------------------------------------------------------- */

struct json_object *jsonx_get(struct json_object *obj, const char *key)
{
    struct json_object *v = NULL;
    if (!json_object_is_type(obj, json_type_object) || !json_object_object_get_ex(obj, key, &v)) {
        return NULL;
    }
    return v;
}

bool jsonx_has(struct json_object *obj, const char *key)
{
    return json_object_is_type(obj, json_type_object) && json_object_object_get_ex(obj, key, NULL);
}

/* The member if it has this type, else NULL. */
static struct json_object *get_typed(struct json_object *obj, const char *key, enum json_type type)
{
    struct json_object *v = jsonx_get(obj, key);
    return v != NULL && json_object_is_type(v, type) ? v : NULL;
}

const char *jsonx_str(struct json_object *obj, const char *key, const char *dflt)
{
    struct json_object *v = get_typed(obj, key, json_type_string);
    return v != NULL ? json_object_get_string(v) : dflt;
}

int64_t jsonx_i64(struct json_object *obj, const char *key, int64_t dflt)
{
    struct json_object *v = get_typed(obj, key, json_type_int);
    return v != NULL ? json_object_get_int64(v) : dflt;
}

bool jsonx_bool(struct json_object *obj, const char *key, bool dflt)
{
    struct json_object *v = get_typed(obj, key, json_type_boolean);
    return v != NULL ? json_object_get_boolean(v) : dflt;
}

struct json_object *jsonx_array(struct json_object *obj, const char *key)
{
    return get_typed(obj, key, json_type_array);
}

struct json_object *jsonx_object(struct json_object *obj, const char *key)
{
    return get_typed(obj, key, json_type_object);
}

const char *jsonx_type_name(struct json_object *v)
{
    static const char *const names[] = {
        [json_type_null] = "null",        [json_type_boolean] = "a boolean",
        [json_type_double] = "a number",  [json_type_int] = "an integer",
        [json_type_object] = "an object", [json_type_array] = "an array",
        [json_type_string] = "a string",
    };
    return names[json_object_get_type(v)];
}

/* *v is the member if it has the type, NULL if it is absent or null. */
static int want(struct json_object **v, struct json_object *obj, const char *key, const char *path,
                enum json_type type, const char *expected, struct err *err)
{
    *v = jsonx_get(obj, key);
    if (*v != NULL && !json_object_is_type(*v, type)) {
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be %s, but it is %s.", path, expected,
                       jsonx_type_name(*v));
    }
    return 0;
}

int jsonx_want_str(const char **out, struct json_object *obj, const char *key, const char *path,
                   struct err *err)
{
    struct json_object *v;
    if (want(&v, obj, key, path, json_type_string, "a string", err) != 0) {
        return -1;
    }
    if (v != NULL) {
        const char *text = json_object_get_string(v);
        if (strlen(text) != (size_t)json_object_get_string_len(v)) {
            return err_set(err, ERR_BAD_REQUEST, path, "'%s' must not contain \\u0000.", path);
        }
        *out = text;
    }
    return 0;
}

int jsonx_want_bool(bool *out, struct json_object *obj, const char *key, const char *path,
                    struct err *err)
{
    struct json_object *v;
    if (want(&v, obj, key, path, json_type_boolean, "a boolean", err) != 0) {
        return -1;
    }
    if (v != NULL) {
        *out = json_object_get_boolean(v);
    }
    return 0;
}

static int out_of_range(const char *path, int64_t min, int64_t max, struct err *err)
{
    if (max == INT64_MAX) {
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be at least %" PRId64 ".", path, min);
    }
    if (min == INT64_MIN) {
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be at most %" PRId64 ".", path, max);
    }
    return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be between %" PRId64 " and %" PRId64 ".",
                   path, min, max);
}

int jsonx_want_i64(int64_t *out, struct json_object *obj, const char *key, const char *path,
                   int64_t min, int64_t max, struct err *err)
{
    struct json_object *v;
    if (want(&v, obj, key, path, json_type_int, "an integer", err) != 0) {
        return -1;
    }
    if (v != NULL) {
        int64_t value = json_object_get_int64(v);
        if (value == INT64_MAX && json_object_get_uint64(v) > INT64_MAX) {
            return err_set(err, ERR_BAD_REQUEST, path, "'%s' is too large.", path);
        }
        if (value < min || value > max) {
            return out_of_range(path, min, max, err);
        }
        *out = value;
    }
    return 0;
}

int jsonx_want_array(struct json_object **out, struct json_object *obj, const char *key,
                     const char *path, struct err *err)
{
    struct json_object *v;
    if (want(&v, obj, key, path, json_type_array, "an array", err) != 0) {
        return -1;
    }
    *out = v != NULL ? v : *out;
    return 0;
}

int jsonx_want_object(struct json_object **out, struct json_object *obj, const char *key,
                      const char *path, struct err *err)
{
    struct json_object *v;
    if (want(&v, obj, key, path, json_type_object, "an object", err) != 0) {
        return -1;
    }
    *out = v != NULL ? v : *out;
    return 0;
}

/* --- Building -------------------------------------------------------------------------------- */

/* json-c answers NULL only when memory is out; the rest of the program aborts then, too. */
static struct json_object *made(struct json_object *v)
{
    if (v == NULL) {
        abort();
    }
    return v;
}

void jsonx_set(struct json_object *obj, const char *key, struct json_object *v)
{
    assert(json_object_is_type(obj, json_type_object));
    if (json_object_object_add(obj, key, v) != 0) {
        abort();
    }
}

void jsonx_set_ref(struct json_object *obj, const char *key, struct json_object *v)
{
    jsonx_set(obj, key, json_object_get(v));
}

void jsonx_set_strn(struct json_object *obj, const char *key, const char *value, size_t len)
{
    assert(len <= INT_MAX);
    jsonx_set(obj, key, made(json_object_new_string_len(len > 0 ? value : "", (int)len)));
}

void jsonx_set_str(struct json_object *obj, const char *key, const char *value)
{
    if (value == NULL) {
        jsonx_set_null(obj, key);
    } else {
        jsonx_set_strn(obj, key, value, strlen(value));
    }
}

void jsonx_set_i64(struct json_object *obj, const char *key, int64_t value)
{
    jsonx_set(obj, key, made(json_object_new_int64(value)));
}

void jsonx_set_bool(struct json_object *obj, const char *key, bool value)
{
    jsonx_set(obj, key, made(json_object_new_boolean(value)));
}

void jsonx_set_null(struct json_object *obj, const char *key)
{
    jsonx_set(obj, key, NULL);
}

void jsonx_set_decimal(struct json_object *obj, const char *key, const char *decimal)
{
    if (decimal == NULL) {
        jsonx_set_null(obj, key);
        return;
    }
    assert(decimal[0] != '\0' && decimal[strspn(decimal, "-.0123456789")] == '\0');
    /* Only the text counts: nobody reads the value back. */
    jsonx_set(obj, key, made(json_object_new_double_s(0.0, decimal)));
}
