/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: fuzz_x [FILE...]. Without files, every file in
 * $srcdir/tests/fuzz/corpus/x, and of the short ones every beginning, too: a parser must survive a
 * cut at any byte.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/mem.h"
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

enum {
    INPUT_MAX = 64 * 1024 * 1024,
    CUTS_MAX = 4096, /* longest input that is cut everywhere */
    PATH_SIZE = 4096,
};

/* From memory of the exact size, so that a sanitizer sees a read behind the end. */
static void run_one(const char *data, size_t len)
{
    uint8_t *copy = mem_alloc(len);
    if (len > 0) {
        memcpy(copy, data, len);
    }
    LLVMFuzzerTestOneInput(copy, len);
    mem_free(copy);
}

static int run_file(const char *path)
{
    struct buf text;
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    buf_init(&text, INPUT_MAX);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_append(&text, chunk, n);
    }
    int rc = ferror(f) || buf_failed(&text) ? -1 : 0;
    if (rc == 0) {
        run_one(text.data, text.len);
        for (size_t len = 0; len < text.len && text.len <= CUTS_MAX; len++) {
            run_one(text.data, len);
        }
    } else {
        fprintf(stderr, "%s: cannot be read\n", path);
    }
    fclose(f);
    buf_fini(&text);
    return rc;
}

static int run_corpus(const char *folder)
{
    int count = 0;
    int rc = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return -1;
    }
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        char path[PATH_SIZE];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        rc = len > 0 && (size_t)len < sizeof(path) ? run_file(path) : -1;
        count++;
    }
    closedir(dir);
    if (rc == 0 && count == 0) {
        fprintf(stderr, "%s: no inputs\n", folder);
        return -1;
    }
    printf("%d inputs in %s\n", count, folder);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        int rc = 0;
        for (int i = 1; i < argc && rc == 0; i++) {
            rc = run_file(argv[i]);
        }
        return rc == 0 ? 0 : 1;
    }
    const char *slash = strrchr(argv[0], '/');
    const char *name = strstr(slash != NULL ? slash : argv[0], "fuzz_");
    const char *top = getenv("srcdir");
    char folder[PATH_SIZE];
    int len = snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", top != NULL ? top : ".",
                       name != NULL ? name + strlen("fuzz_") : "");
    if (len < 0 || (size_t)len >= sizeof(folder)) {
        return 1;
    }
    return run_corpus(folder) == 0 ? 0 : 1;
}
