/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client asks for: the query of a GET, members of a body, ids in a path. Everything
 * is bounded and checked; a failure is a 400 that names the field. Results are in the arena of the
 * endpoint.
 */
#ifndef AIG_ASK_H
#define AIG_ASK_H

#include "base/base.h"

#include "api/endpoint.h"
#include "base/jsonx.h"

enum { ASK_LIMIT = 50, ASK_LIMIT_MAX = 200 };

/* A number in a path; 404 when it is none. */
int ask_path_id(int64_t *out, const char *text, struct err *err) AIG_MUST_USE;

/* A parameter of the query, decoded; *out stays as it is when it is absent or empty. At most `max`
 * characters. */
int ask_query_text(const char **out, struct endpoint *ep, struct exchange *x, const char *name,
                   size_t max, struct err *err) AIG_MUST_USE;
int ask_query_i64(int64_t *out, struct endpoint *ep, struct exchange *x, const char *name,
                  int64_t min, int64_t max, struct err *err) AIG_MUST_USE;
/* A day or a time ("2026-11-23", "2026-11-23T10:00:00Z", UTC) as SQL has it. */
int ask_query_time(const char **out, struct endpoint *ep, struct exchange *x, const char *name,
                   struct err *err) AIG_MUST_USE;

/* Members of a body. Absent: 0 and *out unchanged; null: *out becomes NULL. */
/* 1 to max characters without control characters, blanks at the ends taken off; null is refused. */
int ask_name(const char **out, struct endpoint *ep, struct json_object *body, const char *key,
             size_t max, struct err *err) AIG_MUST_USE;
/* An amount of US dollars, not negative: a number, or its text. */
int ask_usd(const char **out, struct endpoint *ep, struct json_object *body, const char *key,
            struct err *err) AIG_MUST_USE;
int ask_time(const char **out, struct endpoint *ep, struct json_object *body, const char *key,
             struct err *err) AIG_MUST_USE;
/* One of `words`; null is refused. */
int ask_word(const char **out, struct json_object *body, const char *key, const char *const *words,
             size_t word_count, struct err *err) AIG_MUST_USE;
/* cap_usd and period, each if it is there; bits are added to *set. */
int ask_cap(const char **cap_usd, const char **period, int64_t *set, int64_t cap_bit,
            int64_t period_bit, struct endpoint *ep, struct json_object *body,
            struct err *err) AIG_MUST_USE;

#endif
