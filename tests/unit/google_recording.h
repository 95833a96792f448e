/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads tests/upstream/recordings/google. For the tests of wire/gemini* and wire/embeddings.
 */
#ifndef AIG_TEST_GOOGLE_RECORDING_H
#define AIG_TEST_GOOGLE_RECORDING_H

#include "base/base.h"

#include "base/buf.h"
#include "base/jsonx.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORDING_MAX = 4 * 1024 * 1024, RECORDING_PATH_SIZE = 1024 };

/* provider "google" and so on; the caller ends *out with buf_fini. */
static inline void recording_read(struct buf *out, const char *provider, const char *name,
                                  const char *file)
{
    const char *top = getenv("top_srcdir");
    char path[RECORDING_PATH_SIZE];
    char chunk[4096];
    size_t n;

    buf_init(out, RECORDING_MAX);
    snprintf(path, sizeof path, "%s/tests/upstream/recordings/%s/%s/%s", top != NULL ? top : ".",
             provider, name, file);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("%s cannot be opened (top_srcdir says where the source is)", path);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_append(out, chunk, n);
    fclose(f);
    assert_false(buf_failed(out));
}

static inline struct json_object *recording_json(const char *provider, const char *name,
                                                 const char *file)
{
    struct json_object *v = NULL;
    struct err err;
    struct buf text;

    recording_read(&text, provider, name, file);
    assert_int_equal(jsonx_parse(&v, text.data, text.len, &err), 0);
    buf_fini(&text);
    return v;
}

#endif
