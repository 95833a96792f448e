/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/mailaddr.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef AIG_CONF_FILE
#define AIG_CONF_FILE "/etc/ai-generate.conf"
#endif
#ifndef AIG_SPOOL_DIR
#define AIG_SPOOL_DIR "/var/spool/ai-generate"
#endif

enum {
    CONF_FILE_MAX = 1024 * 1024,
    SECRET_KEY_MIN = 32,
    ENV_NAME_MAX = 64,
};

enum kind {
    KIND_TEXT,     /* "" becomes NULL */
    KIND_SECRET,   /* KIND_TEXT of at least `min` characters */
    KIND_URL,      /* http(s), without trailing slashes */
    KIND_MAIL_URL, /* smtp(s) */
    KIND_SENDER,   /* address, or "Name <address>" */
    KIND_HOSTS,    /* comma list */
    KIND_INT,
    KIND_BYTES,   /* 32768, 512K, 32M */
    KIND_SECONDS, /* 0.5; stored as milliseconds, which min and max are, too */
    KIND_BOOL,
    KIND_LEVEL,
};

struct option {
    const char *key;
    enum kind kind;
    size_t offset;
    const char *dflt; /* as it would stand in the file; an empty value in the file means this */
    int64_t min;
    int64_t max;
};

#define AT(field) offsetof(struct conf, field)

/* clang-format off */
#define PROVIDER(name, p, url_default)                                                            \
    {name "_url", KIND_URL, AT(url) + (p) * sizeof(const char *), url_default, 0, 0},             \
    {name "_key", KIND_TEXT, AT(key) + (p) * sizeof(const char *), "", 0, 0}
/* clang-format on */

static const struct option options[] = {
    {"secret_key", KIND_SECRET, AT(secret_key), "", SECRET_KEY_MIN, 0},
    {"db_host", KIND_HOSTS, AT(db_hosts), "localhost", 0, 0},
    {"db_port", KIND_INT, AT(db_port), "3306", 1, 65535},
    {"db_socket", KIND_TEXT, AT(db_socket), "", 0, 0},
    {"db_user", KIND_TEXT, AT(db_user), "aigenerate", 0, 0},
    {"db_password", KIND_TEXT, AT(db_password), "", 0, 0},
    {"db_name", KIND_TEXT, AT(db_name), "aigenerate", 0, 0},
    {"db_pool", KIND_INT, AT(db_pool), "8", 1, 1000},
    PROVIDER("openai", PROVIDER_OPENAI, "https://api.openai.com"),
    PROVIDER("anthropic", PROVIDER_ANTHROPIC, "https://api.anthropic.com"),
    PROVIDER("google", PROVIDER_GOOGLE, "https://generativelanguage.googleapis.com"),
    PROVIDER("openrouter", PROVIDER_OPENROUTER, "https://openrouter.ai/api"),
    PROVIDER("kie", PROVIDER_KIE, "https://api.kie.ai"),
    PROVIDER("recraft", PROVIDER_RECRAFT, "https://external.api.recraft.ai"),
    PROVIDER("mureka", PROVIDER_MUREKA, "https://api.mureka.ai"),
    PROVIDER("replicate", PROVIDER_REPLICATE, "https://api.replicate.com"),
    {"kie_webhook_key", KIND_TEXT, AT(kie_webhook_key), "", 0, 0},
    {"stripe_url", KIND_URL, AT(stripe_url), "https://api.stripe.com", 0, 0},
    {"stripe_key", KIND_TEXT, AT(stripe_key), "", 0, 0},
    {"stripe_webhook_key", KIND_TEXT, AT(stripe_webhook_key), "", 0, 0},
    {"public_url", KIND_URL, AT(public_url), "", 0, 0},
    {"mail_url", KIND_MAIL_URL, AT(mail_url), "", 0, 0},
    {"mail_from", KIND_SENDER, AT(mail_from), "", 0, 0},
    {"spool_dir", KIND_TEXT, AT(spool_dir), AIG_SPOOL_DIR, 0, 0},
    {"threads", KIND_INT, AT(threads), "256", 1, 4096},
    {"threads_reserved", KIND_INT, AT(threads_reserved), "8", 0, 4095},
    {"max_body", KIND_BYTES, AT(max_body), "32M", 1024, 1024 * 1024 * 1024},
    {"connect_timeout", KIND_SECONDS, AT(connect_timeout_ms), "5", 1, 3600 * 1000},
    {"first_byte_timeout", KIND_SECONDS, AT(first_byte_timeout_ms), "120", 1, 24 * 3600 * 1000},
    {"idle_timeout", KIND_SECONDS, AT(idle_timeout_ms), "120", 1, 24 * 3600 * 1000},
    {"max_call_time", KIND_SECONDS, AT(max_call_time_ms), "3600", 1, 7 * 24 * 3600 * 1000},
    {"allow_private_webhooks", KIND_BOOL, AT(allow_private_webhooks), "no", 0, 0},
    {"log_level", KIND_LEVEL, AT(log_level), "info", 0, 0},
};

static const char *const provider_names[] = {
    [PROVIDER_OPENAI] = "openai", [PROVIDER_ANTHROPIC] = "anthropic",
    [PROVIDER_GOOGLE] = "google", [PROVIDER_OPENROUTER] = "openrouter",
    [PROVIDER_KIE] = "kie",       [PROVIDER_RECRAFT] = "recraft",
    [PROVIDER_MUREKA] = "mureka", [PROVIDER_REPLICATE] = "replicate",
};
static_assert(ARRAY_LEN(provider_names) == PROVIDER__COUNT, "a name for every provider");

/* AIG_ variables that are no keys: where the file is, and what the tests use. A '*' at the end
 * stands for anything. */
static const char *const other_variables[] = {
    "AIG_CONFIG",  "AIG_VENV",   "AIG_PYTHON", "AIG_UPSTREAM_PYTHON",
    "AIG_NO_SKIP", "AIG_TEST_*", "AIG_E2E_*",
};

/* The public struct first: conf_free gets a pointer to it. */
struct loaded {
    struct conf conf;
    struct arena *arena; /* owns the strings */
};

/* Where a value comes from, for messages. */
struct source {
    const char *file; /* NULL: the environment */
    size_t line;
};

extern char **environ;

const char *conf_provider_name(enum conf_provider p)
{
    return (size_t)p < ARRAY_LEN(provider_names) ? provider_names[p] : "unknown";
}

/* --- Values: each parser returns NULL, or what the value must be. ------------------------------
 */

static const char *set_text(struct loaded *l, const char **out, const char *value)
{
    *out = value[0] != '\0' ? arena_strdup(l->arena, value) : NULL;
    return NULL;
}

static const char *parse_secret(struct loaded *l, const struct option *o, const char **out,
                                const char *value)
{
    static_assert(SECRET_KEY_MIN == 32, "the message says 32");
    if (value[0] != '\0' && strlen(value) < (size_t)o->min) {
        return "at least 32 characters long";
    }
    return set_text(l, out, value);
}

static bool url_ok(const char *value, const char *const schemes[], size_t count)
{
    size_t skip = 0;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(value, schemes[i], strlen(schemes[i])) == 0) {
            skip = strlen(schemes[i]);
        }
    }
    const char *host = value + skip;
    if (skip == 0 || !(isalnum((unsigned char)host[0]) || host[0] == '[')) {
        return false;
    }
    for (const char *p = host; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7F || *p == '?' || *p == '#' || *p == '"') {
            return false;
        }
    }
    return true;
}

static const char *parse_url(struct loaded *l, const struct option *o, const char **out,
                             const char *value)
{
    static const char *const web[] = {"http://", "https://"};
    static const char *const smtp[] = {"smtp://", "smtps://"};
    bool mail = o->kind == KIND_MAIL_URL;
    *out = NULL;
    if (value[0] == '\0') {
        return NULL;
    }
    if (!url_ok(value, mail ? smtp : web, 2)) {
        return mail ? "a URL that begins with smtp:// or smtps://"
                    : "a URL that begins with http:// or https:// and has no query";
    }
    size_t len = strlen(value);
    while (value[len - 1] == '/') {
        len--;
    }
    *out = arena_strndup(l->arena, value, len);
    return NULL;
}

static const char *parse_sender(struct loaded *l, const char **out, const char *value)
{
    struct span name;
    struct span address;
    if (value[0] != '\0' && mailaddr_parse_from(&name, &address, value) != 0) {
        return "an e-mail address, or a name and an address: AI Generate <no-reply@example.org>";
    }
    return set_text(l, out, value);
}

static const char *parse_hosts(struct loaded *l, const char *value)
{
    static_assert(CONF_DB_HOST_MAX == 8, "the message says 8");
    static const char expected[] = "a list of at most 8 host names with commas between them";
    struct conf *c = &l->conf;
    size_t count = 0;
    const char *p = value;
    for (;;) {
        p += strspn(p, " \t");
        size_t len = strcspn(p, ", \t");
        const char *next = p + len + strspn(p + len, " \t");
        if (len == 0 || count == CONF_DB_HOST_MAX || (*next != ',' && *next != '\0')) {
            return expected;
        }
        c->db_hosts[count++] = arena_strndup(l->arena, p, len);
        if (*next == '\0') {
            c->db_host_count = count;
            return NULL;
        }
        p = next + 1;
    }
}

/* Reads digits into *out and moves *s behind them; false if there are none or they overflow. */
static bool read_digits(int64_t *out, const char **s)
{
    int64_t n = 0;
    const char *first = *s;
    for (; **s >= '0' && **s <= '9'; (*s)++) {
        int d = **s - '0';
        if (n > (INT64_MAX - d) / 10) {
            return false;
        }
        n = n * 10 + d;
    }
    *out = n;
    return *s > first;
}

static bool read_integer(int64_t *out, const char *value)
{
    const char *s = value;
    return read_digits(out, &s) && *s == '\0';
}

static bool read_bytes(int64_t *out, const char *value)
{
    const char *s = value;
    int64_t unit = 1;
    if (!read_digits(out, &s)) {
        return false;
    }
    if (*s == 'K' || *s == 'k') {
        unit = 1024;
        s++;
    } else if (*s == 'M' || *s == 'm') {
        unit = 1024 * 1024;
        s++;
    }
    if (*s != '\0' || *out > INT64_MAX / unit) {
        return false;
    }
    *out *= unit;
    return true;
}

/* "2", "0.5", ".5": seconds to milliseconds; further digits are cut off. */
static bool read_seconds(int64_t *out, const char *value)
{
    const char *s = value;
    int64_t whole = 0;
    int64_t ms = 0;
    if (*s != '.' && !read_digits(&whole, &s)) {
        return false;
    }
    if (*s == '.') {
        s++;
        if (!isdigit((unsigned char)*s)) {
            return false;
        }
        for (int64_t unit = 100; isdigit((unsigned char)*s); unit /= 10, s++) {
            ms += (*s - '0') * unit;
        }
    }
    if (*s != '\0' || whole > INT64_MAX / 1000 - 1) {
        return false;
    }
    *out = whole * 1000 + ms;
    return true;
}

static const char *parse_number(struct loaded *l, const struct option *o, void *out,
                                const char *value)
{
    int64_t n = 0;
    const char *what = o->kind == KIND_BYTES     ? "a number of bytes (or with K or M)"
                       : o->kind == KIND_SECONDS ? "a number of seconds"
                                                 : "a number";
    bool read = o->kind == KIND_BYTES     ? read_bytes(&n, value)
                : o->kind == KIND_SECONDS ? read_seconds(&n, value)
                                          : read_integer(&n, value);
    if (!read || n < o->min || n > o->max) {
        if (o->kind == KIND_SECONDS) {
            return arena_printf(l->arena, "%s from 0.001 to %" PRId64, what, o->max / 1000);
        }
        return arena_printf(l->arena, "%s from %" PRId64 " to %" PRId64, what, o->min, o->max);
    }
    if (o->kind == KIND_INT) {
        *(int *)out = (int)n;
    } else {
        *(int64_t *)out = n;
    }
    return NULL;
}

static const char *parse_bool(bool *out, const char *value)
{
    static const char *const words[][2] = {
        {"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (int on = 0; on < 2; on++) {
            if (strcmp(value, words[i][on]) == 0) {
                *out = on == 1;
                return NULL;
            }
        }
    }
    return "yes or no";
}

static const char *parse_level(enum log_level *out, const char *value)
{
    return log_level_parse(out, value) == 0 ? NULL : "error, warn, info or debug";
}

/* NULL, or what the value must be. */
static const char *set_option(struct loaded *l, const struct option *o, const char *value)
{
    void *at = (char *)&l->conf + o->offset;
    if (value[0] == '\0') {
        value = o->dflt;
    }
    switch (o->kind) {
    case KIND_TEXT:
        return set_text(l, at, value);
    case KIND_SECRET:
        return parse_secret(l, o, at, value);
    case KIND_URL:
    case KIND_MAIL_URL:
        return parse_url(l, o, at, value);
    case KIND_SENDER:
        return parse_sender(l, at, value);
    case KIND_HOSTS:
        return parse_hosts(l, value);
    case KIND_INT:
    case KIND_BYTES:
    case KIND_SECONDS:
        return parse_number(l, o, at, value);
    case KIND_BOOL:
        return parse_bool(at, value);
    case KIND_LEVEL:
        return parse_level(at, value);
    }
    return "something else";
}

/* --- Sources ---------------------------------------------------------------------------------- */

static int complain(struct err *err, const struct source *from, const char *text)
{
    if (from->file == NULL) {
        return err_set(err, ERR_INTERNAL, NULL, "environment: %s", text);
    }
    return err_set(err, ERR_INTERNAL, NULL, "%s:%zu: %s", from->file, from->line, text);
}

static const struct option *find_option(const char *key, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        if (strlen(options[i].key) == len && memcmp(options[i].key, key, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/* Never shows the value: it may be a secret in the wrong place. */
static int apply(struct loaded *l, const struct source *from, const char *name,
                 const struct option *o, const char *value, struct err *err)
{
    const char *expected = set_option(l, o, value);
    if (expected != NULL) {
        return complain(err, from, arena_printf(l->arena, "%s must be %s", name, expected));
    }
    return 0;
}

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t len = strlen(s);
    while (len > 0 && strchr(" \t\r", s[len - 1]) != NULL) {
        len--;
    }
    s[len] = '\0';
    return s;
}

static int read_line(struct loaded *l, const struct source *from, char *line,
                     size_t seen[ARRAY_LEN(options)], struct err *err)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#') {
        return 0;
    }
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        return complain(err, from, "expected 'key = value'");
    }
    *equals = '\0';
    const char *key = trim(line);
    const struct option *o = find_option(key, strlen(key));
    if (o == NULL) {
        return complain(err, from, arena_printf(l->arena, "unknown key '%.64s'", key));
    }
    size_t *first = &seen[o - options];
    if (*first != 0) {
        return complain(err, from,
                        arena_printf(l->arena, "%s is set twice, first in line %zu", key, *first));
    }
    *first = from->line;
    return apply(l, from, o->key, o, trim(equals + 1), err);
}

static int read_lines(struct loaded *l, const char *path, struct buf *text, struct err *err)
{
    size_t seen[ARRAY_LEN(options)] = {0};
    struct source from = {.file = path, .line = 0};
    char *line = text->data;
    while (line != NULL && *line != '\0') {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        from.line++;
        if (read_line(l, &from, line, seen, err) != 0) {
            return -1;
        }
        line = end;
    }
    return 0;
}

/* Reads a whole file. */
static int slurp(struct buf *out, FILE *file, const char *path, struct err *err)
{
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buf_append(out, chunk, n);
    }
    if (ferror(file)) {
        return err_set(err, ERR_INTERNAL, NULL, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (buf_failed(out)) {
        return err_set(err, ERR_INTERNAL, NULL, "%s: is larger than 1 MiB", path);
    }
    if (strlen(out->data) != out->len) {
        return err_set(err, ERR_INTERNAL, NULL, "%s: contains a NUL byte", path);
    }
    return 0;
}

static int read_file(struct loaded *l, const char *path, bool may_miss, struct err *err)
{
    struct buf text;
    int rc = -1;
    buf_init(&text, CONF_FILE_MAX);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        rc = errno == ENOENT && may_miss
                 ? 0
                 : err_set(err, ERR_INTERNAL, NULL, "%s: cannot be opened: %s", path,
                           strerror(errno));
        goto out;
    }
    if (slurp(&text, file, path, err) != 0) {
        goto out;
    }
    rc = read_lines(l, path, &text, err);
out:
    if (file != NULL) {
        fclose(file);
    }
    buf_fini(&text);
    return rc;
}

static bool is_other_variable(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(other_variables); i++) {
        size_t other_len = strlen(other_variables[i]);
        bool prefix = other_variables[i][other_len - 1] == '*';
        if (prefix) {
            other_len--;
        }
        if ((prefix ? len > other_len : len == other_len) &&
            memcmp(other_variables[i], name, other_len) == 0) {
            return true;
        }
    }
    return false;
}

static int read_environment(struct loaded *l, struct err *err)
{
    static const char prefix[] = "AIG_";
    const size_t prefix_len = sizeof(prefix) - 1;
    const struct source from = {.file = NULL};
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        if (equals == NULL || strncmp(*e, prefix, prefix_len) != 0 ||
            is_other_variable(*e, (size_t)(equals - *e))) {
            continue;
        }
        char key[ENV_NAME_MAX];
        size_t len = (size_t)(equals - *e) - prefix_len;
        const struct option *o = NULL;
        if (len < sizeof(key)) {
            for (size_t i = 0; i < len; i++) {
                char c = (*e)[prefix_len + i];
                key[i] = islower((unsigned char)c) ? '?' : (char)tolower((unsigned char)c);
            }
            o = find_option(key, len);
        }
        const char *name = arena_strndup(l->arena, *e, (size_t)(equals - *e));
        if (o == NULL) {
            return complain(err, &from, arena_printf(l->arena, "unknown key '%.64s'", name));
        }
        if (apply(l, &from, name, o, equals + 1, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_together(struct conf *c, struct err *err)
{
    if (c->threads == 1) {
        c->threads_reserved = 0;
    }
    if (c->threads_reserved >= c->threads) {
        return err_set(err, ERR_INTERNAL, NULL,
                       "threads_reserved (%d) must be less than threads (%d)", c->threads_reserved,
                       c->threads);
    }
    return 0;
}

int conf_load(struct conf **out, const char *path, struct err *err)
{
    struct loaded *l = mem_zalloc(sizeof(*l));
    l->arena = arena_new();
    int rc = -1;

    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const char *wrong = set_option(l, &options[i], "");
        assert(wrong == NULL);
        (void)wrong;
    }
    bool may_miss = false;
    if (path == NULL) {
        path = getenv("AIG_CONFIG");
    }
    if (path == NULL || path[0] == '\0') {
        path = AIG_CONF_FILE;
        may_miss = true;
    }
    if (read_file(l, path, may_miss, err) != 0 || read_environment(l, err) != 0 ||
        check_together(&l->conf, err) != 0) {
        goto out;
    }
    *out = &l->conf;
    l = NULL;
    rc = 0;
out:
    if (l != NULL) {
        conf_free(&l->conf);
    }
    return rc;
}

void conf_free(struct conf *c)
{
    if (c != NULL) {
        struct loaded *l = (struct loaded *)c;
        arena_free(l->arena);
        mem_free(l);
    }
}
