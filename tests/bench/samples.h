/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing list of durations in nanoseconds and its percentiles.
 */
#ifndef AIG_BENCH_SAMPLES_H
#define AIG_BENCH_SAMPLES_H

#include "base/base.h"

struct samples {
    int64_t *ns;
    size_t count;
    size_t cap;
};

/* All zero is an empty list. */
void samples_fini(struct samples *s);
void samples_add(struct samples *s, int64_t ns);
/* Sorts; must come before samples_at. */
void samples_sort(struct samples *s);
/* The value that a share of per_mille / 1000 of all do not exceed, in microseconds; 0 if there is
 * none. */
double samples_us_at(const struct samples *s, int per_mille);

#endif
