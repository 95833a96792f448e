/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/jsontext.h"

#include <string.h>

struct scan {
    const char *p;
    const char *end;
    const char *wrong; /* what is wrong at p; NULL: nothing */
    int depth;
    int containers;
    int values;
    bool in_object[JSONTEXT_DEPTH_MAX]; /* by nesting depth; else in an array */
};

static bool fail(struct scan *s, const char *wrong)
{
    s->wrong = wrong;
    return false;
}

static char peek(const struct scan *s)
{
    return s->p < s->end ? *s->p : '\0';
}

static void skip_blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) {
        s->p++;
    }
}

size_t jsontext_utf8_len(const char *p, size_t len)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t want = u[0] < 0x80                   ? 1
                  : u[0] >= 0xC2 && u[0] < 0xE0 ? 2
                  : u[0] >= 0xE0 && u[0] < 0xF0 ? 3
                  : u[0] >= 0xF0 && u[0] < 0xF5 ? 4
                                                : 0;
    if (want == 0 || want > len) {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if ((u[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool bad = (u[0] == 0xE0 && u[1] < 0xA0) ||  /* overlong */
               (u[0] == 0xED && u[1] >= 0xA0) || /* surrogate */
               (u[0] == 0xF0 && u[1] < 0x90) ||  /* overlong */
               (u[0] == 0xF4 && u[1] >= 0x90);   /* above U+10FFFF */
    return bad ? 0 : want;
}

size_t jsontext_cut(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);

    if (len <= max)
        return len;
    for (len = max; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;)
        len--;
    return len;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* p stands at a backslash. */
static bool scan_escape(struct scan *s, bool is_key)
{
    const char *p = s->p + 1;
    if (p >= s->end || *p == '\0' || strchr("\"\\/bfnrtu", *p) == NULL) {
        return fail(s, "an invalid escape sequence in a string");
    }
    if (*p != 'u') {
        s->p += 2;
        return true;
    }
    for (int i = 1; i <= 4; i++) {
        if (s->end - p <= i || !is_hex(p[i])) {
            return fail(s, "an invalid \\u escape in a string");
        }
    }
    if (is_key && memcmp(p, "u0000", 5) == 0) {
        return fail(s, "a member name with \\u0000");
    }
    s->p += 6;
    return true;
}

/* p stands at the opening quote. */
static bool scan_string(struct scan *s, bool is_key)
{
    s->p++;
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p;
        if (c == '"') {
            s->p++;
            return true;
        }
        if (c == '\\') {
            if (!scan_escape(s, is_key)) {
                return false;
            }
        } else if (c < 0x20) {
            return fail(s, "a control character in a string (it must be escaped)");
        } else if (c < 0x80) {
            s->p++;
        } else {
            size_t n = jsontext_utf8_len(s->p, (size_t)(s->end - s->p));
            if (n == 0) {
                return fail(s, "invalid UTF-8");
            }
            s->p += n;
        }
    }
    return fail(s, "a string without its end");
}

static size_t skip_digits(struct scan *s)
{
    const char *first = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
    }
    return (size_t)(s->p - first);
}

/* An integer must fit int64_t or uint64_t: json-c would clamp it. */
static bool fits_64_bits(const char *digits, size_t len, bool negative)
{
    static const char most[] = "18446744073709551615";
    static const char least[] = "9223372036854775808";
    const char *limit = negative ? least : most;
    size_t limit_len = strlen(limit);
    return len < limit_len || (len == limit_len && memcmp(digits, limit, len) <= 0);
}

static bool scan_number(struct scan *s)
{
    bool negative = peek(s) == '-';
    if (negative) {
        s->p++;
    }
    const char *whole = s->p;
    size_t whole_len = skip_digits(s);
    if (whole_len == 0 || (whole_len > 1 && whole[0] == '0')) {
        s->p = whole;
        return fail(s, "an invalid number");
    }
    bool integer = true;
    if (peek(s) == '.') {
        integer = false;
        s->p++;
        if (skip_digits(s) == 0) {
            return fail(s, "an invalid number");
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        integer = false;
        s->p++;
        if (peek(s) == '+' || peek(s) == '-') {
            s->p++;
        }
        if (skip_digits(s) == 0) {
            return fail(s, "an invalid number");
        }
    }
    if (integer && !fits_64_bits(whole, whole_len, negative)) {
        s->p = whole;
        return fail(s, "an integer that does not fit 64 bits");
    }
    return true;
}

static bool scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0) {
        return fail(s, "an unknown word (expected a value)");
    }
    s->p += len;
    return true;
}

static bool scan_scalar(struct scan *s)
{
    if (s->p >= s->end) {
        return fail(s, "the end of the text where a value is expected");
    }
    char c = *s->p;
    if (c == '"') {
        return scan_string(s, false);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return scan_number(s);
    }
    if (c == 't') {
        return scan_word(s, "true");
    }
    if (c == 'f') {
        return scan_word(s, "false");
    }
    if (c == 'n') {
        return scan_word(s, "null");
    }
    return fail(s, "an unexpected character where a value is expected");
}

/* A member's name and colon. */
static bool scan_name(struct scan *s)
{
    skip_blanks(s);
    if (peek(s) != '"') {
        return fail(s, s->p < s->end ? "an unexpected character where a member name in double "
                                       "quotes is expected"
                                     : "the end of the text inside an object");
    }
    if (!scan_string(s, true)) {
        return false;
    }
    skip_blanks(s);
    if (peek(s) != ':') {
        return fail(s, "a member name without a colon after it");
    }
    s->p++;
    return true;
}

/* Opens the container at p. *done: it was empty and is closed again. */
static bool scan_open(struct scan *s, bool *done)
{
    if (s->depth >= JSONTEXT_DEPTH_MAX) {
        return fail(s, "too deep nesting (at most 100 levels)");
    }
    if (++s->containers > JSONTEXT_CONTAINERS_MAX) {
        return fail(s, "too many objects and arrays (at most 100000)");
    }
    bool object = *s->p == '{';
    s->p++;
    skip_blanks(s);
    *done = peek(s) == (object ? '}' : ']');
    if (*done) {
        s->p++;
        return true;
    }
    s->in_object[s->depth++] = object;
    return !object || scan_name(s);
}

/* After a value: closes what ends here. True with depth 0: all is read; else the next value
 * follows. */
static bool scan_after_value(struct scan *s)
{
    while (s->depth > 0) {
        bool object = s->in_object[s->depth - 1];
        skip_blanks(s);
        if (peek(s) == ',') {
            s->p++;
            return !object || scan_name(s);
        }
        if (peek(s) != (object ? '}' : ']')) {
            return fail(s, s->p >= s->end ? "the end of the text inside an object or array"
                           : object       ? "an unexpected character where ',' or '}' is expected"
                                          : "an unexpected character where ',' or ']' is expected");
        }
        s->p++;
        s->depth--;
    }
    return true;
}

static_assert(JSONTEXT_DEPTH_MAX == 100 && JSONTEXT_CONTAINERS_MAX == 100000 &&
                  JSONTEXT_VALUES_MAX == 1000000,
              "the messages say these numbers");

static bool scan_document(struct scan *s)
{
    do {
        if (++s->values > JSONTEXT_VALUES_MAX) {
            return fail(s, "too many values (at most 1000000)");
        }
        skip_blanks(s);
        if (peek(s) == '{' || peek(s) == '[') {
            bool done;
            if (!scan_open(s, &done)) {
                return false;
            }
            if (!done) {
                continue;
            }
        } else if (!scan_scalar(s)) {
            return false;
        }
        if (!scan_after_value(s)) {
            return false;
        }
    } while (s->depth > 0);
    skip_blanks(s);
    return s->p == s->end || fail(s, "more text after the JSON value");
}

int jsontext_check(struct jsontext_fault *fault, const char *text, size_t len)
{
    struct scan s = {.p = text, .end = text + len};
    if (scan_document(&s)) {
        return 0;
    }
    *fault = (struct jsontext_fault){.what = s.wrong, .at = (size_t)(s.p - text)};
    return -1;
}
