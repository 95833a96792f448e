/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: monotonic for deadlines and durations, wall clock for stamps. Tests can move the wall
 * clock. Any thread may call these.
 */
#ifndef AIG_TIMING_H
#define AIG_TIMING_H

#include "base/base.h"

int64_t timing_mono_ms(void);
int64_t timing_mono_ns(void);
int64_t timing_wall_ms(void); /* since 1970-01-01 UTC */
int64_t timing_wall_s(void);

/* Tests only: shifts the wall clock by this much; 0 switches it off. */
void timing_shift_wall_ms(int64_t shift_ms);

/* Milliseconds from now to a monotonic deadline, at least 0, at most INT_MAX; deadline 0 = never:
 * -1 (which poll(2) and curl take as "no limit"). */
int timing_left_ms(int64_t deadline_ms);
/* True once a deadline (not 0) has passed. */
bool timing_passed(int64_t deadline_ms);

enum { TIMING_ISO_SIZE = 25 };
/* "2026-11-23T10:00:00.123Z" */
void timing_iso(char out[TIMING_ISO_SIZE], int64_t wall_ms);
/* "2026-11-23" or "2026-11-23 10:00:00[.ffffff]" (as MariaDB prints it, UTC) to seconds since 1970;
 * -1 and no change when the text is no date. */
int timing_parse_sql(int64_t *wall_s, const char *text) AIG_MUST_USE;

#endif
