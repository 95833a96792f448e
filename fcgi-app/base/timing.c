/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/timing.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { MS_PER_S = 1000, S_PER_DAY = 86400 };

/* 9999-12-31T23:59:59.999Z */
#define WALL_MS_MAX INT64_C(253402300799999)

static _Atomic int64_t wall_shift_ms;

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    assert(rc == 0);
    (void)rc;
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t timing_mono_ns(void)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

int64_t timing_mono_ms(void)
{
    return timing_mono_ns() / 1000000;
}

int64_t timing_wall_ms(void)
{
    return read_clock_ns(CLOCK_REALTIME) / 1000000 + atomic_load(&wall_shift_ms);
}

int64_t timing_wall_s(void)
{
    return timing_wall_ms() / MS_PER_S;
}

void timing_shift_wall_ms(int64_t shift_ms)
{
    atomic_store(&wall_shift_ms, shift_ms);
}

int timing_left_ms(int64_t deadline_ms)
{
    if (deadline_ms == 0) {
        return -1;
    }
    int64_t left = deadline_ms - timing_mono_ms();
    if (left < 0) {
        return 0;
    }
    return left > INT_MAX ? INT_MAX : (int)left;
}

bool timing_passed(int64_t deadline_ms)
{
    return deadline_ms != 0 && timing_mono_ms() >= deadline_ms;
}

/* Days since 1970-01-01 of a Gregorian date. Years are counted from March, so that the leap day is
 * a year's last; 400 years have 146097 days. */
static int64_t days_of_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* The reverse, for days from 1970 on. */
static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t doe = shifted - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2 ? 1 : 0));
}

/* Writes `width` digits and the character after them. */
static char *put(char *p, int value, int width, char after)
{
    for (int i = width; i > 0; i--) {
        p[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    p[width] = after;
    return p + width + 1;
}

void timing_iso(char out[TIMING_ISO_SIZE], int64_t wall_ms)
{
    int64_t ms = wall_ms < 0 ? 0 : wall_ms > WALL_MS_MAX ? WALL_MS_MAX : wall_ms;
    int64_t seconds = ms / MS_PER_S;
    int of_day = (int)(seconds % S_PER_DAY);
    int year;
    int month;
    int day;
    date_of_days(seconds / S_PER_DAY, &year, &month, &day);

    char *p = put(out, year, 4, '-');
    p = put(p, month, 2, '-');
    p = put(p, day, 2, 'T');
    p = put(p, of_day / 3600, 2, ':');
    p = put(p, of_day / 60 % 60, 2, ':');
    p = put(p, of_day % 60, 2, '.');
    p = put(p, (int)(ms % MS_PER_S), 3, 'Z');
    *p = '\0';
}

/* `count` digits at *s as a number; -1 if there are fewer. */
static int read_digits(const char **s, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*s)[0];
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
        (*s)++;
    }
    return value;
}

static bool skip_char(const char **s, char c)
{
    if ((*s)[0] != c) {
        return false;
    }
    (*s)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static int read_date(const char **s, int64_t *days)
{
    int year = read_digits(s, 4);
    if (year < 0 || !skip_char(s, '-')) {
        return -1;
    }
    int month = read_digits(s, 2);
    if (month < 1 || month > 12 || !skip_char(s, '-')) {
        return -1;
    }
    int day = read_digits(s, 2);
    if (day < 1 || day > days_in_month(year, month)) {
        return -1;
    }
    *days = days_of_date(year, month, day);
    return 0;
}

static int read_time(const char **s, int *seconds)
{
    int hour = read_digits(s, 2);
    if (hour < 0 || hour > 23 || !skip_char(s, ':')) {
        return -1;
    }
    int minute = read_digits(s, 2);
    if (minute < 0 || minute > 59 || !skip_char(s, ':')) {
        return -1;
    }
    int second = read_digits(s, 2);
    if (second < 0 || second > 59) {
        return -1;
    }
    *seconds = hour * 3600 + minute * 60 + second;
    if (skip_char(s, '.')) {
        int count = 0;
        while (read_digits(s, 1) >= 0) {
            count++;
        }
        return count >= 1 && count <= 6 ? 0 : -1;
    }
    return 0;
}

int timing_parse_sql(int64_t *wall_s, const char *text)
{
    const char *s = text;
    int64_t days;
    int seconds = 0;
    if (read_date(&s, &days) != 0) {
        return -1;
    }
    if (skip_char(&s, ' ') && read_time(&s, &seconds) != 0) {
        return -1;
    }
    if (*s != '\0') {
        return -1;
    }
    *wall_s = days * S_PER_DAY + seconds;
    return 0;
}
