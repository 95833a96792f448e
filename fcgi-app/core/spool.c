/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/spool.h"

#include "base/buf.h"
#include "base/ident.h"
#include "base/log.h"
#include "base/timing.h"
#include "core/spool_entry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * <request id>.settle   complete, to be replayed (core/spool_entry)
 * .<request id>.tmp     being written
 * <request id>.bad      could not be understood
 */
static const char SUFFIX[] = ".settle";

enum {
    SPOOL_NAME_SIZE = IDENT_REQUEST_SIZE + 8,
    SPOOL_TMP_MAX_AGE_S = 24 * 3600,
};

/* --- Writing ------------------------------------------------------------------------------------
 */

static int fail(struct err *err, const char *what, const char *name)
{
    int number = errno;

    err_set(err, ERR_INTERNAL, NULL, "The server had an internal error.");
    return err_detail(err, "spool: %s %s: %s", what, name, strerror(number));
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The folder, made if it is missing. */
static int open_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT)
        return fd;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return -1;
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int write_tmp(int dir_fd, const char *name, const struct buf *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return -1;
    int rc = write_all(fd, text->data, text->len);
    if (rc == 0)
        rc = fsync(fd);
    if (close(fd) != 0)
        rc = -1;
    return rc;
}

int spool_write(const char *dir, const char *request_id, const struct ledger_usage *usage,
                const struct ledger_outcome *how, struct err *err)
{
    struct spool_entry e;
    struct buf text;
    char tmp[SPOOL_NAME_SIZE];
    char name[SPOOL_NAME_SIZE];
    int rc = -1;

    assert(ident_request_valid(request_id));
    buf_init(&text, SPOOL_FILE_MAX);
    spool_entry_fill(&e, request_id, usage, how);
    spool_entry_print(&text, &e);
    snprintf(tmp, sizeof(tmp), ".%s.tmp", request_id);
    snprintf(name, sizeof(name), "%s%s", request_id, SUFFIX);
    int dir_fd = open_dir(dir);
    if (dir_fd < 0) {
        fail(err, "open", dir);
        goto out;
    }
    assert(!buf_failed(&text));
    /* The name appears only once the contents are safe; the folder is synced for the name itself.
     */
    if (write_tmp(dir_fd, tmp, &text) != 0 || renameat(dir_fd, tmp, dir_fd, name) != 0 ||
        fsync(dir_fd) != 0) {
        fail(err, "write", request_id);
        unlinkat(dir_fd, tmp, 0);
        goto out;
    }
    rc = 0;
out:
    if (dir_fd >= 0)
        close(dir_fd);
    buf_fini(&text);
    return rc;
}

/* --- Reading ------------------------------------------------------------------------------------
 */

/* Whole contents with a NUL; -1 and errno, EFBIG for one that is too long. */
static int read_file(char out[SPOOL_FILE_MAX + 1], int dir_fd, const char *name)
{
    size_t len = 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -1;
    for (;;) {
        ssize_t n = read(fd, out + len, SPOOL_FILE_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0 && len + (size_t)n > SPOOL_FILE_MAX) {
            errno = EFBIG;
            n = -1;
        }
        if (n <= 0) {
            int number = errno;
            close(fd);
            errno = number;
            out[n == 0 ? len : 0] = '\0';
            return n == 0 ? 0 : -1;
        }
        len += (size_t)n;
    }
}

static bool is_entry(const char *name)
{
    char id[IDENT_REQUEST_SIZE];

    if (strlen(name) != IDENT_REQUEST_LEN + sizeof(SUFFIX) - 1 ||
        strcmp(name + IDENT_REQUEST_LEN, SUFFIX) != 0)
        return false;
    memcpy(id, name, IDENT_REQUEST_LEN);
    id[IDENT_REQUEST_LEN] = '\0';
    return ident_request_valid(id);
}

/* What a process left that died while writing: it never said that the file was safe. */
static void drop_stale_tmp(int dir_fd, const char *name)
{
    struct stat st;
    size_t len = strlen(name);

    if (name[0] == '.' && len > 4 && strcmp(name + len - 4, ".tmp") == 0 &&
        fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_mtime < (time_t)(timing_wall_s() - SPOOL_TMP_MAX_AGE_S))
        unlinkat(dir_fd, name, 0);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the complete files in order of their ULIDs, which is that of time. */
static int list(const char ***names, size_t *count, int dir_fd, bool dry_run, struct arena *arena)
{
    size_t room = 0;
    int fd = dup(dir_fd);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

    *names = NULL;
    *count = 0;
    if (d == NULL) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (!is_entry(entry->d_name)) {
            if (!dry_run)
                drop_stale_tmp(dir_fd, entry->d_name);
            continue;
        }
        if (*count == room) {
            room = room > 0 ? 2 * room : 64;
            const char **more = arena_alloc(arena, room * sizeof(*more));
            if (*count > 0)
                memcpy(more, *names, *count * sizeof(*more));
            *names = more;
        }
        (*names)[(*count)++] = arena_strdup(arena, entry->d_name);
    }
    closedir(d);
    if (*count > 1)
        qsort(*names, *count, sizeof(**names), compare_names);
    return 0;
}

/* --- Replay -------------------------------------------------------------------------------------
 */

struct replay {
    struct spool_report *report;
    int dir_fd;
    struct store *store;
    struct arena *work; /* for one file */
    bool dry_run;
    bool failed;
};

static void set_aside(struct replay *r, const char *name, const char *why)
{
    char bad[SPOOL_NAME_SIZE];

    r->report->bad++;
    log_write(LOG_LEVEL_ERROR, NULL, "spool: %s %s", name, why);
    if (r->dry_run)
        return;
    snprintf(bad, sizeof(bad), "%.*s.bad", IDENT_REQUEST_LEN, name);
    if (renameat(r->dir_fd, name, r->dir_fd, bad) != 0)
        log_write(LOG_LEVEL_ERROR, NULL, "spool: rename %s: %s", name, strerror(errno));
}

static int settle(struct replay *r, const struct spool_entry *e, struct err *err)
{
    struct ledger_charge charge;
    struct ledger_usage usage = {
        .input = e->input,
        .cached = e->cached,
        .cache_write_5m = e->cache_write_5m,
        .cache_write_1h = e->cache_write_1h,
        .output = e->output,
        .reasoning = e->reasoning,
        .web_searches = e->web_searches,
        .preview_searches = e->preview_searches,
        .file_searches = e->file_searches,
        .containers = e->containers,
        .container_gb = e->container_gb,
        .estimated = e->estimated != 0,
    };
    const struct ledger_outcome how = {
        .status = e->status,
        .provider = e->provider,
        .upstream_model = e->upstream_model,
        .hedged_from = e->hedged_from[0] != '\0' ? e->hedged_from : NULL,
        .stream = e->stream != 0,
        .http_status = (int)e->http_status,
        .first_byte_ms = e->first_byte_ms,
        .duration_ms = e->duration_ms,
    };

    memcpy(usage.upstream_cost_usd, e->upstream_cost_usd, sizeof(usage.upstream_cost_usd));
    if (ledger_settle(&charge, r->store, r->work, e->request_id, &usage, &how, err) != 0)
        return -1;
    log_write(LOG_LEVEL_INFO, e->request_id, "settled from the spool, charged %s",
              charge.charge_usd);
    return 0;
}

/* What became of a file whose settlement failed. -1 when the others would fare no better. */
static int not_settled(struct replay *r, const char *name, const struct err *why, struct err *err)
{
    if (why->code == ERR_NOT_FOUND) {
        set_aside(r, name, "has no hold in this database");
        return 0;
    }
    *err = *why;
    r->failed = true;
    r->report->left++;
    if (why->code == ERR_DATABASE)
        return -1;
    log_write(LOG_LEVEL_ERROR, NULL, "spool: %s is not settled: %s", name, why->detail);
    return 0;
}

/* As errno says. */
static int not_read(struct replay *r, const char *name, struct err *err)
{
    if (errno == ENOENT) {
        r->report->settled++; /* by another replay */
    } else if (errno == EFBIG || errno == ELOOP || errno == EISDIR) {
        set_aside(r, name, "is no file of the spool");
    } else {
        fail(err, "read", name);
        r->failed = true;
        r->report->left++;
    }
    return 0;
}

static int replay_one(struct replay *r, const char *name, struct err *err)
{
    char text[SPOOL_FILE_MAX + 1];
    struct spool_entry e;
    struct err why;

    if (read_file(text, r->dir_fd, name) != 0)
        return not_read(r, name, err);
    if (spool_entry_parse(&e, text) != 0 || strncmp(e.request_id, name, IDENT_REQUEST_LEN) != 0) {
        set_aside(r, name, "cannot be understood");
        return 0;
    }
    if (r->dry_run) {
        r->report->left++;
        return 0;
    }
    if (settle(r, &e, &why) != 0)
        return not_settled(r, name, &why, err);
    r->report->settled++;
    if (unlinkat(r->dir_fd, name, 0) != 0 && errno != ENOENT)
        return fail(err, "unlink", name);
    return 0;
}

int spool_replay(struct spool_report *out, const char *dir, struct store *s, struct arena *arena,
                 int64_t deadline_ms, bool dry_run, struct err *err)
{
    struct replay r = {.report = out, .store = s, .dry_run = dry_run};
    const char **names = NULL;
    size_t count = 0;
    size_t i = 0;
    int rc = -1;

    *out = (struct spool_report){0};
    r.work = arena_new();
    r.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r.dir_fd < 0 && errno == ENOENT) {
        rc = 0; /* nothing was ever spooled */
        goto out;
    }
    if (r.dir_fd < 0 || list(&names, &count, r.dir_fd, dry_run, arena) != 0) {
        fail(err, "read", dir);
        goto out;
    }
    rc = 0;
    for (; i < count && rc == 0 && !timing_passed(deadline_ms); i++) {
        rc = replay_one(&r, names[i], err);
        arena_reset(r.work);
    }
    out->left += count - i;
    if (r.failed)
        rc = -1;
out:
    if (r.dir_fd >= 0)
        close(r.dir_fd);
    arena_free(r.work);
    return rc;
}
