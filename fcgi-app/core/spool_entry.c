/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/spool_entry.h"

#include "base/decimal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT_LINE[] = "aig-spool 1";

static const struct field {
    const char *name;
    size_t offset;
    bool text;
    bool optional; /* a number that is left out where it is 0 */
} FIELDS[] = {
    {"request_id", offsetof(struct spool_entry, request_id), true, false},
    {"input", offsetof(struct spool_entry, input), false, false},
    {"cached", offsetof(struct spool_entry, cached), false, false},
    {"cache_write_5m", offsetof(struct spool_entry, cache_write_5m), false, false},
    {"cache_write_1h", offsetof(struct spool_entry, cache_write_1h), false, false},
    {"output", offsetof(struct spool_entry, output), false, false},
    {"reasoning", offsetof(struct spool_entry, reasoning), false, false},
    {"upstream_cost_usd", offsetof(struct spool_entry, upstream_cost_usd), true, false},
    {"estimated", offsetof(struct spool_entry, estimated), false, false},
    {"status", offsetof(struct spool_entry, status), true, false},
    {"provider", offsetof(struct spool_entry, provider), true, false},
    {"upstream_model", offsetof(struct spool_entry, upstream_model), true, false},
    {"hedged_from", offsetof(struct spool_entry, hedged_from), true, false},
    {"stream", offsetof(struct spool_entry, stream), false, false},
    {"http_status", offsetof(struct spool_entry, http_status), false, false},
    {"first_byte_ms", offsetof(struct spool_entry, first_byte_ms), false, false},
    {"duration_ms", offsetof(struct spool_entry, duration_ms), false, false},
    {"web_searches", offsetof(struct spool_entry, web_searches), false, true},
    {"preview_searches", offsetof(struct spool_entry, preview_searches), false, true},
    {"file_searches", offsetof(struct spool_entry, file_searches), false, true},
    {"containers", offsetof(struct spool_entry, containers), false, true},
    {"container_gb", offsetof(struct spool_entry, container_gb), false, true},
};

static char *text_at(const struct spool_entry *e, const struct field *f)
{
    return (char *)(uintptr_t)e + f->offset;
}

static int64_t *number_at(const struct spool_entry *e, const struct field *f)
{
    return (int64_t *)(void *)text_at(e, f);
}

/* Printable ASCII only, so that a value cannot end its line. NULL becomes "". */
static void set_text(char out[SPOOL_TEXT_SIZE], const char *text)
{
    size_t len = text != NULL ? strnlen(text, SPOOL_TEXT_SIZE - 1) : 0;

    for (size_t i = 0; i < len; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[len] = '\0';
}

/* What is no cost counts as not reported, as in ledger_settle. */
static void set_cost(char out[SPOOL_TEXT_SIZE], const char *cost_usd)
{
    char amount[DECIMAL_SIZE];
    bool good = decimal_normalise(amount, cost_usd) == 0 && !decimal_is_negative(amount);

    set_text(out, good ? amount : "");
}

void spool_entry_fill(struct spool_entry *e, const char *request_id,
                      const struct ledger_usage *usage, const struct ledger_outcome *how)
{
    *e = (struct spool_entry){
        .input = usage->input,
        .cached = usage->cached,
        .cache_write_5m = usage->cache_write_5m,
        .cache_write_1h = usage->cache_write_1h,
        .output = usage->output,
        .reasoning = usage->reasoning,
        .estimated = usage->estimated,
        .stream = how->stream,
        .http_status = how->http_status,
        .first_byte_ms = how->first_byte_ms,
        .duration_ms = how->duration_ms,
        .web_searches = usage->web_searches,
        .preview_searches = usage->preview_searches,
        .file_searches = usage->file_searches,
        .containers = usage->containers,
        .container_gb = usage->container_gb,
    };
    set_text(e->request_id, request_id);
    set_cost(e->upstream_cost_usd, usage->upstream_cost_usd);
    set_text(e->status, how->status);
    set_text(e->provider, how->provider);
    set_text(e->upstream_model, how->upstream_model);
    set_text(e->hedged_from, how->hedged_from);
}

void spool_entry_print(struct buf *out, const struct spool_entry *e)
{
    buf_printf(out, "%s\n", FORMAT_LINE);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        const struct field *f = &FIELDS[i];
        if (f->optional && *number_at(e, f) == 0)
            continue;
        if (!f->text)
            buf_printf(out, "%s %" PRId64 "\n", f->name, *number_at(e, f));
        else if (text_at(e, f)[0] != '\0')
            buf_printf(out, "%s %s\n", f->name, text_at(e, f));
        else
            buf_printf(out, "%s\n", f->name);
    }
    buf_append_str(out, "end\n");
}

/* Cuts the next line off *at: NULL when there is no whole line left. */
static char *next_line(char **at)
{
    char *line = *at;
    char *end = strchr(line, '\n');

    if (end == NULL)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return line;
}

static int parse_number(int64_t *out, const char *text)
{
    char *end;

    errno = 0;
    long long v = strtoll(text, &end, 10);
    /* strtoll would take blanks and a plus sign. */
    if (end == text || *end != '\0' || errno != 0 || strspn(text, "-0123456789") != strlen(text))
        return -1;
    *out = v;
    return 0;
}

static int parse_field(struct spool_entry *e, const struct field *f, char *line)
{
    size_t len = strlen(f->name);

    if (strncmp(line, f->name, len) != 0 || (line[len] != ' ' && line[len] != '\0'))
        return -1;
    const char *value = line[len] == ' ' ? line + len + 1 : "";
    if (!f->text)
        return parse_number(number_at(e, f), value);
    if (strlen(value) >= SPOOL_TEXT_SIZE)
        return -1;
    set_text(text_at(e, f), value);
    return strcmp(text_at(e, f), value) == 0 ? 0 : -1;
}

/* What no writer of this version puts down. */
static bool is_sound(const struct spool_entry *e)
{
    char amount[DECIMAL_SIZE];

    if (!ident_request_valid(e->request_id) || e->status[0] == '\0')
        return false;
    if (e->upstream_cost_usd[0] != '\0' && (strlen(e->upstream_cost_usd) >= DECIMAL_SIZE ||
                                            decimal_normalise(amount, e->upstream_cost_usd) != 0))
        return false;
    return (e->estimated == 0 || e->estimated == 1) && (e->stream == 0 || e->stream == 1) &&
           e->http_status >= INT_MIN && e->http_status <= INT_MAX;
}

int spool_entry_parse(struct spool_entry *e, char *text)
{
    char *at = text;
    char *line = next_line(&at);

    *e = (struct spool_entry){0};
    if (line == NULL || strcmp(line, FORMAT_LINE) != 0)
        return -1;
    line = next_line(&at);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        bool there = line != NULL && parse_field(e, &FIELDS[i], line) == 0;
        if (there)
            line = next_line(&at);
        else if (!FIELDS[i].optional)
            return -1;
    }
    return line != NULL && strcmp(line, "end") == 0 && *at == '\0' && is_sound(e) ? 0 : -1;
}
