/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. Small allocations abort the process when memory is out: an open hold expires, so a crash
 * is harmless. Whatever a client can make large goes through mem_try_realloc (base/buf does) and
 * fails with an error instead.
 *
 * An arena belongs to one request and one thread; nothing in it outlives arena_reset.
 */
#ifndef AIG_MEM_H
#define AIG_MEM_H

#include "base/base.h"

/* Never NULL; size 0 is allowed. Free with mem_free. */
void *mem_alloc(size_t size) AIG_MUST_USE;
void *mem_zalloc(size_t size) AIG_MUST_USE;
char *mem_strdup(const char *s) AIG_MUST_USE;
void mem_free(void *p);

/* Like realloc; NULL when memory is out (p stays valid). */
void *mem_try_realloc(void *p, size_t size) AIG_MUST_USE;

/* Tests only: the n-th mem_try_realloc from now on and all later ones fail; n < 0 switches it off.
 */
void mem_fail_after(long n);

struct arena;

struct arena *arena_new(void) AIG_MUST_USE;
/* NULL is allowed. */
void arena_free(struct arena *a);
/* Forgets every allocation; keeps one block for the next request. */
void arena_reset(struct arena *a);

/* Never NULL, aligned for any type, not zeroed (arena_zalloc: zeroed). Owned by the arena. */
void *arena_alloc(struct arena *a, size_t size) AIG_MUST_USE;
void *arena_zalloc(struct arena *a, size_t size) AIG_MUST_USE;
char *arena_strdup(struct arena *a, const char *s) AIG_MUST_USE;
char *arena_strndup(struct arena *a, const char *s, size_t len) AIG_MUST_USE;
char *arena_printf(struct arena *a, const char *fmt, ...) AIG_PRINTF(2, 3) AIG_MUST_USE;

#endif
