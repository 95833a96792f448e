/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First include of every file: configuration, the integer types and the attributes that headers
 * use.
 */
#ifndef AIG_BASE_H
#define AIG_BASE_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define AIG_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define AIG_MUST_USE           __attribute__((warn_unused_result))
#define AIG_NONNULL            __attribute__((nonnull))

#endif
