/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmocka with the headers that it needs, behind base/base.h. For tests only.
 */
#ifndef AIG_TEST_UNIT_H
#define AIG_TEST_UNIT_H

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka last: it needs the three above and stddef.h. */
#include <cmocka.h>

#endif
