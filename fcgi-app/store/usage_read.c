/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/usage_read.h"

#include "base/timing.h"

#include <string.h>

static const char SQL_LIST[] = "CALL usage_list(?, ?, ?, ?, ?, ?, ?, ?, ?)";

/* clang-format off */
static const struct table_column LIST_COLUMNS[] = {
    {"id", TABLE_TEXT}, {"created_at", TABLE_TEXT}, {"place", TABLE_OWN}, {"model", TABLE_TEXT},
    {"provider", TABLE_TEXT}, {"hedged_from", TABLE_TEXT}, {"status", TABLE_TEXT},
    {"http_status", TABLE_INT}, {"stream", TABLE_BOOL}, {"estimated", TABLE_BOOL},
    {"key.id", TABLE_INT}, {"key.name", TABLE_TEXT}, {"team.id", TABLE_INT},
    {"team.name", TABLE_TEXT}, {"member", TABLE_TEXT}, {"input_tokens", TABLE_INT},
    {"cached_tokens", TABLE_INT}, {"output_tokens", TABLE_INT}, {"charge_usd", TABLE_USD},
    {"first_byte_ms", TABLE_INT}, {"duration_ms", TABLE_INT},
};

/* The hours that the filter means: those that the account paid for and those of its own keys that
 * others pay for; or those of one key. From and to are whole hours. */
#define SUMS_FROM                                                                                  \
    "FROM (SELECT s.* FROM spend_hourly s"                                                         \
    "        WHERE s.account_id = ? AND s.hour >= ? AND s.hour < ? AND (? = 0 OR s.key_id = ?)"    \
    "    UNION ALL SELECT s.* FROM api_key k"                                                      \
    "        JOIN spend_hourly s FORCE INDEX (key_hour) ON s.key_id = k.id"                        \
    "        WHERE k.account_id = ? AND k.member_id IS NOT NULL AND s.account_id <> k.account_id"  \
    "            AND s.hour >= ? AND s.hour < ? AND (? = 0 OR s.key_id = ?)) s "
#define SUMS_WHAT                                                                                  \
    "SUM(s.calls), SUM(s.input_tokens), SUM(s.output_tokens), SUM(s.charge_usd) "

static const char *const SQL_SUMS[] = {
    [USAGE_BY_DAY] = "SELECT DATE(s.hour), DATE(s.hour), " SUMS_WHAT SUMS_FROM
                     "GROUP BY DATE(s.hour) ORDER BY DATE(s.hour) LIMIT ?",
    [USAGE_BY_HOUR] = "SELECT DATE_FORMAT(s.hour, '%Y-%m-%dT%H:00:00Z') AS g,"
                      "    DATE_FORMAT(s.hour, '%Y-%m-%dT%H:00:00Z'), " SUMS_WHAT SUMS_FROM
                      "GROUP BY s.hour ORDER BY s.hour LIMIT ?",
    [USAGE_BY_MODEL] = "SELECT d.name, d.name, " SUMS_WHAT SUMS_FROM
                       "JOIN model d ON d.id = s.model_id "
                       "GROUP BY d.name ORDER BY SUM(s.charge_usd) DESC, d.name LIMIT ?",
    [USAGE_BY_KEY] = "SELECT k.id, k.name, " SUMS_WHAT SUMS_FROM
                     "JOIN api_key k ON k.id = s.key_id "
                     "GROUP BY k.id, k.name ORDER BY SUM(s.charge_usd) DESC, k.id LIMIT ?",
    [USAGE_BY_MEMBER] = "SELECT o.id, o.email, " SUMS_WHAT SUMS_FROM
                        "JOIN api_key k ON k.id = s.key_id JOIN account o ON o.id = k.account_id "
                        "GROUP BY o.id, o.email ORDER BY SUM(s.charge_usd) DESC, o.id LIMIT ?",
    [USAGE_BY_PROVIDER] = "SELECT s.provider, s.provider, " SUMS_WHAT SUMS_FROM
                          "GROUP BY s.provider ORDER BY SUM(s.charge_usd) DESC, s.provider LIMIT ?",
};
static_assert(ARRAY_LEN(SQL_SUMS) == USAGE_BY__COUNT, "a query for every group");
static const struct table_column SUM_COLUMNS[] = {
    {"group", TABLE_TEXT}, {"label", TABLE_TEXT}, {"calls", TABLE_INT},
    {"input_tokens", TABLE_INT}, {"output_tokens", TABLE_INT}, {"charge_usd", TABLE_USD},
};
/* clang-format on */

const char *const usage_group_names[USAGE_BY__COUNT] = {
    [USAGE_BY_DAY] = "day", [USAGE_BY_HOUR] = "hour",     [USAGE_BY_MODEL] = "model",
    [USAGE_BY_KEY] = "key", [USAGE_BY_MEMBER] = "member", [USAGE_BY_PROVIDER] = "provider",
};

static struct db_param id_or_null(int64_t id)
{
    return id != 0 ? db_i64(id) : db_null();
}

/* Takes a place apart; false if it is none. */
static bool split_place(const char **to, const char **before, struct arena *arena,
                        const char *place)
{
    int64_t ignored;
    size_t time_len = USAGE_PLACE_LEN - IDENT_REQUEST_LEN - 1;

    if (strlen(place) != USAGE_PLACE_LEN || place[time_len] != '_')
        return false;
    char *time = arena_strndup(arena, place, time_len);
    if (time[10] == 'T')
        time[10] = ' ';
    *to = time;
    *before = place + time_len + 1;
    return timing_parse_sql(&ignored, time) == 0 && ident_request_valid(*before);
}

int usage_list(struct table *out, const char **next, struct store *s, struct arena *arena,
               const struct usage_filter *filter, size_t limit, struct err *err)
{
    const char *to = filter->to;
    const char *before = "";

    if (filter->after != NULL && !split_place(&to, &before, arena, filter->after))
        return err_set(err, ERR_BAD_REQUEST, "after",
                       "'after' must be the 'next' of the page before.");
    const struct db_param params[] = {
        id_or_null(filter->actor_id),
        id_or_null(filter->key_id),
        db_text(filter->from),
        db_text(to),
        db_text(before),
        id_or_null(filter->model_id),
        db_text(filter->status),
        db_text(filter->text),
        db_i64((int64_t)limit + 1),
    };
    if (table_read(out, s, arena, SQL_LIST, LIST_COLUMNS, ARRAY_LEN(LIST_COLUMNS), params,
                   ARRAY_LEN(params), limit + 2, err) != 0)
        return -1;
    /* The first row says where reading stopped. */
    const char *cut = table_cell(out, 0, "place");
    out->cells += out->column_count;
    out->row_count--;
    bool more = table_cut(out, limit);
    *next = more ? table_cell(out, limit - 1, "place") : cut;
    return 0;
}

int usage_sums(struct table *out, struct store *s, struct arena *arena, enum usage_group group,
               const struct usage_filter *filter, struct err *err)
{
    struct db_param account = db_i64(filter->actor_id);
    struct db_param key = db_i64(filter->key_id);
    struct db_param from = db_text(filter->from);
    struct db_param to = db_text(filter->to);
    const struct db_param params[] = {
        account, from, to, key, key, account, from, to, key, key, db_i64(USAGE_SUMS_MAX)};

    return table_read(out, s, arena, SQL_SUMS[group], SUM_COLUMNS, ARRAY_LEN(SUM_COLUMNS), params,
                      ARRAY_LEN(params), USAGE_SUMS_MAX, err);
}
