/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this text JSON? Strictly RFC 8259 and RFC 3629, without building anything and without
 * recursion. json-c 0.16 accepts more than JSON even when told to be strict (NaN, 'quotes', 00, raw
 * control characters), clamps integers that do not fit, cuts member names at \u0000 and lets
 * surrogates and overlong forms pass as UTF-8, so jsonx asks here first. Any thread may call these.
 */
#ifndef AIG_JSONTEXT_H
#define AIG_JSONTEXT_H

#include "base/base.h"

/* An empty object is two bytes and 800 once json-c has built it, so a client's body could take 250
 * times its size in memory: the values are limited, too. With these limits it is some 200 MiB. */
enum {
    JSONTEXT_DEPTH_MAX = 100, /* nesting of objects and arrays */
    JSONTEXT_CONTAINERS_MAX = 100 * 1000,
    JSONTEXT_VALUES_MAX = 1000 * 1000, /* with the containers */
};

struct jsontext_fault {
    const char *what; /* static text: "an invalid number" */
    size_t at;        /* offset in bytes */
};

/* 0 if the text is one JSON value with nothing but blanks around it, within the limits above, its
 * integers within int64_t or uint64_t and its member names without NUL; else -1 and what is wrong
 * where. */
int jsontext_check(struct jsontext_fault *fault, const char *text, size_t len) AIG_MUST_USE;

/* Length of the UTF-8 character at p (len > 0 bytes), 0 if there is none. */
size_t jsontext_utf8_len(const char *p, size_t len);

/* Length of the beginning of a UTF-8 text that has at most `max` bytes and whole characters. */
size_t jsontext_cut(const char *text, size_t max);

#endif
