/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/decimal.h"

#include <stdio.h>
#include <string.h>

enum {
    WHOLE_MAX = 9,    /* digits before the point of DECIMAL(18,9) */
    FRACTION_MAX = 9, /* and after it */
    DIGITS = WHOLE_MAX + FRACTION_MAX,
};

/* Larger exponents mean the same: too large, or nothing left. Far above any length of a text. */
#define EXPONENT_MAX (INT64_C(1) << 60)

/* A JSON number taken apart; the pointers lead into its text. */
struct number {
    bool negative;
    const char *whole;
    int64_t whole_len;
    const char *fraction;
    int64_t fraction_len;
    int64_t exponent;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t count_digits(const char *s)
{
    int64_t n = 0;
    while (is_digit(s[n])) {
        n++;
    }
    return n;
}

/* Reads the exponent behind 'e'; the end of the text, or NULL if it has no digits. */
static const char *read_exponent(int64_t *out, const char *s)
{
    bool negative = *s == '-';
    if (*s == '-' || *s == '+') {
        s++;
    }
    if (!is_digit(*s)) {
        return NULL;
    }
    int64_t value = 0;
    for (; is_digit(*s); s++) {
        value = value < EXPONENT_MAX / 10 ? value * 10 + (*s - '0') : EXPONENT_MAX;
    }
    *out = negative ? -value : value;
    return s;
}

static int split(struct number *n, const char *text)
{
    const char *s = text;
    *n = (struct number){.negative = *s == '-'};
    if (n->negative) {
        s++;
    }
    n->whole = s;
    n->whole_len = count_digits(s);
    if (n->whole_len == 0 || (n->whole_len > 1 && s[0] == '0')) {
        return -1;
    }
    s += n->whole_len;
    n->fraction = s;
    if (*s == '.') {
        n->fraction = s + 1;
        n->fraction_len = count_digits(s + 1);
        if (n->fraction_len == 0) {
            return -1;
        }
        s = n->fraction + n->fraction_len;
    }
    if (*s == 'e' || *s == 'E') {
        s = read_exponent(&n->exponent, s + 1);
    }
    return s != NULL && *s == '\0' ? 0 : -1;
}

/* Puts digits whose first has the place `place` (0 = ones) into their slots; digits[DIGITS] is the
 * tenth place after the point, which decides the rounding. -1 if one is above the slots. */
static int place_digits(char digits[DIGITS + 1], const char *s, int64_t len, int64_t place)
{
    for (int64_t i = 0; i < len; i++) {
        int64_t slot = WHOLE_MAX - 1 - (place - i);
        if (s[i] == '0' || slot > DIGITS) {
            continue;
        }
        if (slot < 0) {
            return -1;
        }
        digits[slot] = (char)(s[i] - '0');
    }
    return 0;
}

static int round_up(char digits[DIGITS])
{
    for (int i = DIGITS - 1; i >= 0; i--) {
        if (digits[i] < 9) {
            digits[i]++;
            return 0;
        }
        digits[i] = 0;
    }
    return -1;
}

static void print_digits(char out[DECIMAL_SIZE], const char digits[DIGITS], bool negative)
{
    int first = 0;
    while (first < WHOLE_MAX - 1 && digits[first] == 0) {
        first++;
    }
    int end = DIGITS;
    while (end > WHOLE_MAX && digits[end - 1] == 0) {
        end--;
    }
    char *p = out;
    if (negative && !(end == WHOLE_MAX && first == WHOLE_MAX - 1 && digits[first] == 0)) {
        *p++ = '-';
    }
    for (int i = first; i < end; i++) {
        if (i == WHOLE_MAX) {
            *p++ = '.';
        }
        *p++ = (char)('0' + digits[i]);
    }
    *p = '\0';
}

int decimal_normalise(char out[DECIMAL_SIZE], const char *text)
{
    struct number n;
    char digits[DIGITS + 1] = {0};
    if (split(&n, text) != 0 ||
        place_digits(digits, n.whole, n.whole_len, n.whole_len - 1 + n.exponent) != 0 ||
        place_digits(digits, n.fraction, n.fraction_len, n.exponent - 1) != 0) {
        return -1;
    }
    if (digits[DIGITS] >= 5 && round_up(digits) != 0) {
        return -1;
    }
    print_digits(out, digits, n.negative);
    return 0;
}

/* "-12.50": a sign, digits, perhaps a point and digits. */
static bool is_plain(const char *text)
{
    const char *s = *text == '-' ? text + 1 : text;
    int64_t whole = count_digits(s);
    s += whole;
    if (whole == 0) {
        return false;
    }
    if (*s == '.') {
        int64_t fraction = count_digits(s + 1);
        s += 1 + fraction;
        return fraction > 0 && *s == '\0';
    }
    return *s == '\0';
}

bool decimal_is_zero(const char *text)
{
    return is_plain(text) && text[strspn(text, "-0.")] == '\0';
}

bool decimal_is_negative(const char *text)
{
    return is_plain(text) && text[0] == '-' && !decimal_is_zero(text);
}

void decimal_trim(char out[DECIMAL_SIZE], const char *text)
{
    if (decimal_is_zero(text)) {
        text = "0";
    }
    snprintf(out, DECIMAL_SIZE, "%s", text);
    size_t len = strlen(out);
    if (strlen(text) != len || !is_plain(text) || strchr(text, '.') == NULL) {
        return;
    }
    while (out[len - 1] == '0') {
        len--;
    }
    if (out[len - 1] == '.') {
        len--;
    }
    out[len] = '\0';
}
