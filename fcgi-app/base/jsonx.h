/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by json-c; this is its home (other modules include json-c through this header only). Parsing
 * is bounded in size (by the caller's buffer) and depth, refuses invalid UTF-8, trailing bytes and
 * integers that do not fit 64 bits; text of fractional numbers is kept, so a value that is passed
 * on does not change.
 */
#ifndef AIG_JSONX_H
#define AIG_JSONX_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsontext.h"

#include <json-c/json.h>

enum { JSONX_DEPTH_MAX = JSONTEXT_DEPTH_MAX };

/* The caller owns the result (json_object_put). On failure -1 and a message that names the
 * position. A JSON `null` document gives *out = NULL and 0. */
int jsonx_parse(struct json_object **out, const char *text, size_t len,
                struct err *err) AIG_MUST_USE;

/* Serialises without blanks and without escaping '/'; appends to out. */
void jsonx_write(struct buf *out, struct json_object *v);
/* Appends s as a JSON string with its quotes. */
void jsonx_write_string(struct buf *out, const char *s, size_t len);

/* Borrowed member or NULL: when obj is no object, or the key is absent, or its value is null. */
struct json_object *jsonx_get(struct json_object *obj, const char *key);
/* The key is there, even if null. */
bool jsonx_has(struct json_object *obj, const char *key);

/* Lenient getters for what providers send: absent or of another type gives the default. */
const char *jsonx_str(struct json_object *obj, const char *key, const char *dflt);
int64_t jsonx_i64(struct json_object *obj, const char *key, int64_t dflt);
bool jsonx_bool(struct json_object *obj, const char *key, bool dflt);
/* Borrowed array or object member; NULL if absent or of another type. */
struct json_object *jsonx_array(struct json_object *obj, const char *key);
struct json_object *jsonx_object(struct json_object *obj, const char *key);

/* Strict getters for what clients send. Absent or null: 0 and *out unchanged. Another type: -1 and
 * a 400 that names `path` and says what is expected ("'stream' must be a boolean, but it is a
 * string."). */
int jsonx_want_str(const char **out, struct json_object *obj, const char *key, const char *path,
                   struct err *err) AIG_MUST_USE;
int jsonx_want_bool(bool *out, struct json_object *obj, const char *key, const char *path,
                    struct err *err) AIG_MUST_USE;
/* Integers only: a fraction, even .0, is refused; the value must lie in [min, max]. */
int jsonx_want_i64(int64_t *out, struct json_object *obj, const char *key, const char *path,
                   int64_t min, int64_t max, struct err *err) AIG_MUST_USE;
int jsonx_want_array(struct json_object **out, struct json_object *obj, const char *key,
                     const char *path, struct err *err) AIG_MUST_USE;
int jsonx_want_object(struct json_object **out, struct json_object *obj, const char *key,
                      const char *path, struct err *err) AIG_MUST_USE;

/* Builders: set a member of obj (a new reference is taken for `v` only by jsonx_set_ref). */
void jsonx_set_str(struct json_object *obj, const char *key,
                   const char *value); /* NULL: JSON null */
void jsonx_set_strn(struct json_object *obj, const char *key, const char *value, size_t len);
void jsonx_set_i64(struct json_object *obj, const char *key, int64_t value);
void jsonx_set_bool(struct json_object *obj, const char *key, bool value);
void jsonx_set_null(struct json_object *obj, const char *key);
/* A JSON number with exactly this decimal text (base/decimal has checked it); NULL: JSON null. */
void jsonx_set_decimal(struct json_object *obj, const char *key, const char *decimal);
void jsonx_set(struct json_object *obj, const char *key, struct json_object *v); /* takes v over */
void jsonx_set_ref(struct json_object *obj, const char *key, struct json_object *v); /* shares v */

/* "an object", "a string", ... of a value (NULL: "null"). */
const char *jsonx_type_name(struct json_object *v);

#endif
