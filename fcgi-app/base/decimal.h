/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decimal text for amounts of money: checked and brought into one form, never computed with. All
 * arithmetic on money is SQL's.
 */
#ifndef AIG_DECIMAL_H
#define AIG_DECIMAL_H

#include "base/base.h"

enum { DECIMAL_SIZE = 48 };

/* Accepts JSON number text (sign, fraction, exponent) and writes it as plain decimal text without
 * an exponent: at most 9 digits before the point (DECIMAL(18,9)), digits after the ninth place
 * rounded half up, trailing zeros kept off ("1.40" -> "1.4", "0.000" -> "0"). -1 when the text is
 * no number or too large. */
int decimal_normalise(char out[DECIMAL_SIZE], const char *text) AIG_MUST_USE;

/* Plain decimal text (as MariaDB prints DECIMAL) without trailing zeros: "0.001400000" -> "0.0014",
 * "10.000000000" -> "10". Copies what is no plain decimal unchanged. */
void decimal_trim(char out[DECIMAL_SIZE], const char *text);

bool decimal_is_zero(const char *text);
bool decimal_is_negative(const char *text);

#endif
