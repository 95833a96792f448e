/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/log.h"
#include "base/timing.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

/* What stands before a secret. Ids of accounts begin like ordinary words ("user-defined"), so
 * theirs count only when what follows looks random. */
struct mask_rule {
    const char *prefix;
    bool always;
    bool ignore_case;
};

static const struct mask_rule mask_rules[] = {
    {"sk-", true, false},    {"sk_", true, false},    {"AIza", true, false},
    {"rk_", true, false},    {"whsec_", true, false}, {"r8_", true, false},
    {"bearer ", true, true}, {"key-", false, false},  {"org-", false, false},
    {"proj_", false, false}, {"user-", false, false}, {"user_", false, false},
    {"acct_", false, false},
};

enum {
    RANDOM_MIN = 8,       /* shortest text that may look random */
    RANDOM_ALWAYS = 16,   /* letters and digits without a break: it does */
    NO_BOUNDARY_MIN = 20, /* a secret this long counts in the middle of a word, too ("\nsk-...") */
};

static atomic_int threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

int log_level_parse(enum log_level *out, const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool has_prefix(const char *text, size_t len, const struct mask_rule *rule)
{
    for (size_t i = 0; rule->prefix[i] != '\0'; i++) {
        if (i >= len) {
            return false;
        }
        char c = text[i];
        if (c != rule->prefix[i] &&
            !(rule->ignore_case && tolower((unsigned char)c) == rule->prefix[i])) {
            return false;
        }
    }
    return true;
}

static bool looks_random(const char *s, size_t len)
{
    size_t run = 0;
    bool mixed = false;
    for (size_t i = 0; i < len; i++) {
        run = isalnum((unsigned char)s[i]) ? run + 1 : 0;
        mixed = mixed || isdigit((unsigned char)s[i]) || isupper((unsigned char)s[i]);
        if (run >= RANDOM_ALWAYS) {
            return true;
        }
    }
    return mixed && len >= RANDOM_MIN;
}

/* Length of what follows the prefix and belongs to the secret. A bearer token is any text without
 * a blank or quote. */
static size_t secret_len(const char *s, size_t len, const struct mask_rule *rule)
{
    size_t n = 0;
    while (n < len &&
           (is_word(s[n]) || (rule->ignore_case && strchr("._~+/=", s[n]) != NULL && s[n] != 0))) {
        n++;
    }
    return n;
}

/* How many bytes at text[at] a rule covers (prefix included), 0 if none. */
static size_t match_at(size_t *prefix_len, const char *text, size_t len, size_t at)
{
    bool boundary = at == 0 || !isalnum((unsigned char)text[at - 1]);
    for (size_t i = 0; i < ARRAY_LEN(mask_rules); i++) {
        const struct mask_rule *rule = &mask_rules[i];
        if (!has_prefix(text + at, len - at, rule)) {
            continue;
        }
        size_t skip = strlen(rule->prefix);
        const char *s = text + at + skip;
        size_t n = secret_len(s, len - at - skip, rule);
        if (n == 0 || !(boundary || (rule->always && n >= NO_BOUNDARY_MIN)) ||
            !(rule->always || looks_random(s, n))) {
            continue;
        }
        *prefix_len = skip;
        return skip + n;
    }
    return 0;
}

void log_mask(char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        size_t prefix_len = 0;
        size_t n = match_at(&prefix_len, text, len, at);
        if (n == 0) {
            at++;
            continue;
        }
        memset(text + at + prefix_len, '*', n - prefix_len);
        at += n;
    }
}

/* One byte as it may stand in a line; at most 4 characters. C1 controls (C2 80 to C2 9F) count. */
static size_t escape(char out[5], const char *s, size_t len, size_t i)
{
    unsigned char c = (unsigned char)s[i];
    unsigned char next = i + 1 < len ? (unsigned char)s[i + 1] : 0;
    if (c == '\n' || c == '\r' || c == '\t') {
        return (size_t)snprintf(out, 5, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    }
    if (c < 0x20 || c == 0x7F || (c == 0xC2 && next >= 0x80 && next < 0xA0)) {
        return (size_t)snprintf(out, 5, "\\x%02x", (unsigned)c);
    }
    out[0] = (char)c;
    return 1;
}

static void write_line(const char *line, size_t len)
{
    ssize_t n;
    do {
        n = write(STDERR_FILENO, line, len);
    } while (n < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *request_id, const char *fmt, ...)
{
    if ((int)level > atomic_load(&threshold)) {
        return;
    }
    int saved_errno = errno;
    char text[LOG_LINE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    size_t text_len = n < 0 ? 0 : strlen(text);
    bool cut = n >= (int)sizeof(text);
    log_mask(text, text_len);

    char stamp[TIMING_ISO_SIZE];
    timing_iso(stamp, timing_wall_ms());
    char line[LOG_LINE_MAX];
    int head = snprintf(line, sizeof(line), "%s %s %.64s ", stamp, level_names[level],
                        request_id != NULL ? request_id : "-");
    assert(head > 0 && (size_t)head < sizeof(line) / 2);

    static const char ellipsis[] = "...";
    const size_t end = sizeof(line) - sizeof(ellipsis); /* room for it and the line feed */
    size_t len = (size_t)head;
    for (size_t i = 0; i < text_len; i++) {
        char piece[5];
        size_t piece_len = escape(piece, text, text_len, i);
        if (len + piece_len > end) {
            cut = true;
            break;
        }
        memcpy(line + len, piece, piece_len);
        len += piece_len;
    }
    if (cut) {
        memcpy(line + len, ellipsis, sizeof(ellipsis) - 1);
        len += sizeof(ellipsis) - 1;
    }
    line[len++] = '\n';
    write_line(line, len);
    errno = saved_errno;
}
