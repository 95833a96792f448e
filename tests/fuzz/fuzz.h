/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target is fuzz_<name>.c with this function and a folder corpus/<name>. It aborts when
 * something is wrong (FUZZ_REQUIRE works without assertions, too). driver.c runs it over the corpus
 * in `make check`; configured with --enable-fuzz CC=clang it is a libFuzzer program.
 */
#ifndef AIG_TEST_FUZZ_H
#define AIG_TEST_FUZZ_H

#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_REQUIRE(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

_Noreturn static inline void fuzz_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, condition);
    abort();
}

/* Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
