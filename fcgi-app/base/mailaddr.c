/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/mailaddr.h"

#include <ctype.h>
#include <string.h>

/* What providers ignore in the part before the "@": everything from "+", dots. Several domains of
 * one provider may be one mailbox. By the providers' help pages: Gmail ("Dots don't matter in Gmail
 * addresses"; googlemail.com is gmail.com), Outlook.com and iCloud (plus addresses; me.com and
 * mac.com are older names), Proton (plus addresses, dots; pm.me is a short name), Fastmail (plus
 * addresses). */
static const struct {
    const char *domain;
    const char *same_as; /* NULL: itself */
    bool plus;
    bool dots;
} providers[] = {
    {"gmail.com", NULL, true, true},
    {"googlemail.com", "gmail.com", true, true},
    {"outlook.com", NULL, true, false},
    {"hotmail.com", NULL, true, false},
    {"live.com", NULL, true, false},
    {"msn.com", NULL, true, false},
    {"icloud.com", NULL, true, false},
    {"me.com", "icloud.com", true, false},
    {"mac.com", "icloud.com", true, false},
    {"proton.me", NULL, true, true},
    {"protonmail.com", "proton.me", true, true},
    {"pm.me", "proton.me", true, true},
    {"fastmail.com", NULL, true, false},
    {"fastmail.fm", NULL, true, false},
};

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 5322 3.2.3: atext. */
static bool is_atext(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool local_valid(struct span s)
{
    if (s.len == 0 || s.len > MAILADDR_LOCAL_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool dot = s.ptr[i] == '.';
        if (!dot && !is_atext(s.ptr[i]))
            return false;
        if (dot && (i == 0 || i + 1 == s.len || s.ptr[i + 1] == '.'))
            return false;
    }
    return true;
}

/* RFC 1123 2.1: labels of letters, digits and inner hyphens; the last is not a number. */
static bool domain_valid(struct span s)
{
    size_t labels = 0;
    size_t start = 0;
    bool letter = false;

    if (s.len == 0 || s.len > 253)
        return false;
    for (size_t i = 0; i <= s.len; i++) {
        if (i < s.len && s.ptr[i] != '.') {
            if (!is_alnum(s.ptr[i]) && s.ptr[i] != '-')
                return false;
            letter = letter || isalpha((unsigned char)s.ptr[i]) != 0;
            continue;
        }
        size_t len = i - start;
        if (len == 0 || len > 63 || s.ptr[start] == '-' || s.ptr[i - 1] == '-')
            return false;
        labels++;
        if (i < s.len)
            letter = false;
        start = i + 1;
    }
    return labels >= 2 && letter;
}

bool mailaddr_valid(struct span text)
{
    const char *at = text.len <= MAILADDR_MAX ? memchr(text.ptr, '@', text.len) : NULL;

    if (at == NULL)
        return false;
    size_t local_len = (size_t)(at - text.ptr);
    return local_valid((struct span){text.ptr, local_len}) &&
           domain_valid((struct span){at + 1, text.len - local_len - 1});
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void mailaddr_normal(char out[MAILADDR_SIZE], struct span text)
{
    bool in_domain = false;

    assert(text.len <= MAILADDR_MAX);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = in_domain ? lower(text.ptr[i]) : text.ptr[i];
        in_domain = in_domain || text.ptr[i] == '@';
    }
    out[text.len] = '\0';
}

void mailaddr_mailbox(char out[MAILADDR_SIZE], const char *address)
{
    size_t len = strlen(address);
    size_t provider = 0;
    size_t n = 0;

    assert(len <= MAILADDR_MAX);
    const char *at = strchr(address, '@');
    assert(at != NULL);
    char domain[MAILADDR_SIZE];
    for (const char *p = at + 1; *p != '\0'; p++)
        domain[n++] = lower(*p);
    domain[n] = '\0';
    while (provider < ARRAY_LEN(providers) && strcmp(providers[provider].domain, domain) != 0)
        provider++;
    bool known = provider < ARRAY_LEN(providers);
    n = 0;
    for (const char *p = address; p < at; p++) {
        /* "+x@" is a mailbox of that name, not a tag of none. */
        if (known && providers[provider].plus && *p == '+' && n > 0)
            break;
        if (!(known && providers[provider].dots && *p == '.'))
            out[n++] = lower(*p);
    }
    const char *to =
        known && providers[provider].same_as != NULL ? providers[provider].same_as : domain;
    out[n++] = '@';
    assert(n + strlen(to) <= MAILADDR_MAX);
    memcpy(out + n, to, strlen(to) + 1);
}

static struct span trimmed(struct span s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

int mailaddr_parse_from(struct span *name, struct span *address, const char *text)
{
    struct span all = trimmed(span_of(text));
    const char *open = memchr(all.ptr, '<', all.len);

    *name = (struct span){all.ptr, 0};
    *address = all;
    if (open != NULL) {
        size_t before = (size_t)(open - all.ptr);
        if (all.ptr[all.len - 1] != '>')
            return -1;
        *name = trimmed((struct span){all.ptr, before});
        *address = (struct span){open + 1, all.len - before - 2};
        if (name->len >= 2 && name->ptr[0] == '"' && name->ptr[name->len - 1] == '"')
            *name = (struct span){name->ptr + 1, name->len - 2};
    }
    for (size_t i = 0; i < name->len; i++)
        if ((unsigned char)name->ptr[i] < 0x20 || name->ptr[i] == 0x7f || name->ptr[i] == '"' ||
            name->ptr[i] == '\\')
            return -1;
    return name->len <= MAILADDR_NAME_MAX && mailaddr_valid(*address) ? 0 : -1;
}
