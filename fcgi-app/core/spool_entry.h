/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of a file of the spool: a version line, a line `name value` for each field below in this
 * order, and the line `end`. A text that is absent has no value: `hedged_from` alone. The counts of
 * tools stand there only where they are not 0, so that files without them are those of the versions
 * that knew no tools. Printable ASCII only. Plain functions, any thread.
 */
#ifndef AIG_SPOOL_ENTRY_H
#define AIG_SPOOL_ENTRY_H

#include "base/base.h"
#include "base/buf.h"
#include "store/ledger.h"

enum { SPOOL_FILE_MAX = 4096, SPOOL_TEXT_SIZE = 192 };

struct spool_entry {
    char request_id[SPOOL_TEXT_SIZE];
    int64_t input;
    int64_t cached;
    int64_t cache_write_5m;
    int64_t cache_write_1h;
    int64_t output;
    int64_t reasoning;
    char upstream_cost_usd[SPOOL_TEXT_SIZE];
    int64_t estimated;
    char status[SPOOL_TEXT_SIZE];
    char provider[SPOOL_TEXT_SIZE];
    char upstream_model[SPOOL_TEXT_SIZE];
    char hedged_from[SPOOL_TEXT_SIZE];
    int64_t stream;
    int64_t http_status;
    int64_t first_byte_ms;
    int64_t duration_ms;
    int64_t web_searches;
    int64_t preview_searches;
    int64_t file_searches;
    int64_t containers;
    int64_t container_gb;
};

/* Texts are cut to their size, characters that are not printable ASCII become '?'. */
void spool_entry_fill(struct spool_entry *e, const char *request_id,
                      const struct ledger_usage *usage, const struct ledger_outcome *how);
void spool_entry_print(struct buf *out, const struct spool_entry *e);

/* Takes `text` apart (it is changed). -1 when it is not what spool_entry_print writes. */
int spool_entry_parse(struct spool_entry *e, char *text) AIG_MUST_USE;

#endif
