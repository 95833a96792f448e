/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "samples.h"

#include "base/mem.h"

#include <stdlib.h>

void samples_fini(struct samples *s)
{
    mem_free(s->ns);
    *s = (struct samples){0};
}

void samples_add(struct samples *s, int64_t ns)
{
    if (s->count == s->cap) {
        size_t cap = s->cap > 0 ? 2 * s->cap : 4096;
        int64_t *more = mem_try_realloc(s->ns, cap * sizeof *more);
        if (more == NULL)
            abort();
        s->ns = more;
        s->cap = cap;
    }
    s->ns[s->count++] = ns;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;

    return (*x > *y) - (*x < *y);
}

void samples_sort(struct samples *s)
{
    if (s->count > 0)
        qsort(s->ns, s->count, sizeof *s->ns, compare);
}

double samples_us_at(const struct samples *s, int per_mille)
{
    if (s->count == 0)
        return 0;
    size_t at = s->count * (size_t)per_mille / 1000;
    if (at == s->count)
        at--;
    return (double)s->ns[at] / 1000.0;
}
