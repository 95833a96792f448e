/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __has_feature
#define MEM_CLANG_ASAN __has_feature(address_sanitizer)
#else
#define MEM_CLANG_ASAN 0
#endif

/* Under the address sanitizer every arena allocation is a block of its own and of its exact size,
 * so that it sees each. */
#if defined(__SANITIZE_ADDRESS__) || MEM_CLANG_ASAN
enum { ARENA_BLOCK_SIZE = 0 };
#else
enum { ARENA_BLOCK_SIZE = 4 * 1024 };
#endif

struct block {
    struct block *next;
    size_t size;
    size_t used;
    _Alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *blocks; /* newest first */
};

/* Negative: off; else the number of mem_try_realloc calls that still succeed. */
static atomic_long calls_left = -1;

_Noreturn static void out_of_memory(void)
{
    static const char text[] = "out of memory\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);
    if (p == NULL) {
        out_of_memory();
    }
    return p;
}

void *mem_zalloc(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);
    if (p == NULL) {
        out_of_memory();
    }
    return p;
}

char *mem_strdup(const char *s)
{
    size_t size = strlen(s) + 1;
    return memcpy(mem_alloc(size), s, size);
}

void mem_free(void *p)
{
    free(p);
}

static bool must_fail(void)
{
    long left = atomic_load(&calls_left);
    while (left > 0) {
        if (atomic_compare_exchange_weak(&calls_left, &left, left - 1)) {
            return false;
        }
    }
    return left == 0;
}

void *mem_try_realloc(void *p, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    return realloc(p, size > 0 ? size : 1);
}

void mem_fail_after(long n)
{
    atomic_store(&calls_left, n > 0 ? n - 1 : n);
}

struct arena *arena_new(void)
{
    return mem_zalloc(sizeof(struct arena));
}

static void free_blocks(struct block *b)
{
    while (b != NULL) {
        struct block *next = b->next;
        mem_free(b);
        b = next;
    }
}

void arena_free(struct arena *a)
{
    if (a != NULL) {
        free_blocks(a->blocks);
        mem_free(a);
    }
}

void arena_reset(struct arena *a)
{
    struct block *keep = NULL;
    struct block *b = a->blocks;
    while (b != NULL) {
        struct block *next = b->next;
        if (keep == NULL && b->size == ARENA_BLOCK_SIZE) {
            keep = b;
        } else {
            mem_free(b);
        }
        b = next;
    }
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->blocks = keep;
}

static struct block *block_new(size_t size)
{
    struct block *b = mem_alloc(sizeof(*b) + size);
    b->next = NULL;
    b->size = size;
    b->used = 0;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (size > SIZE_MAX / 2) {
        out_of_memory();
    }
    size_t need = size > 0 ? (size + align - 1) / align * align : align;
    bool own_block = need > ARENA_BLOCK_SIZE / 2;
    struct block *b = a->blocks;
    if (own_block && b != NULL) {
        /* Behind the block that still has room. */
        struct block *large = block_new(size);
        large->next = b->next;
        b->next = large;
        b = large;
    } else if (own_block || b == NULL || need > b->size - b->used) {
        b = block_new(own_block ? size : ARENA_BLOCK_SIZE);
        b->next = a->blocks;
        a->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += own_block ? size : need;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    return memset(arena_alloc(a, size), 0, size);
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
    char *copy = arena_alloc(a, len + 1);
    if (len > 0) {
        memcpy(copy, s, len);
    }
    copy[len] = '\0';
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(len >= 0);

    size_t size = (size_t)len + 1;
    char *text = arena_alloc(a, size);
    va_start(ap, fmt);
    len = vsnprintf(text, size, fmt, ap);
    va_end(ap);
    assert(len >= 0 && (size_t)len < size);
    return text;
}
