/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/credit.h"

#include "store/cap.h"

#include <string.h>

/* clang-format off */
static const char SQL_BALANCE[] =
    "SELECT balance_usd, held_usd, balance_usd - held_usd FROM account WHERE id = ?";
static const struct table_column BALANCE_COLUMNS[] = {
    {"balance_usd", TABLE_USD}, {"held_usd", TABLE_USD}, {"available_usd", TABLE_USD},
};

/* v_purchase for one account, whose balance is read once. What was paid through Stripe is paid back
 * in whole cents. */
static const char SQL_LOTS[] =
    "SELECT p.id, 'credit', p.kind, p.amount_usd, p.left_usd, p.refunded_usd,"
    "    IF(p.kind = 'purchase' AND p.payment_id IS NOT NULL"
    "            AND p.created_at > UTC_TIMESTAMP(6) - INTERVAL 30 DAY,"
    "        TRUNCATE(LEAST(p.left_usd, p.free_usd), 2), 0),"
    "    IF(p.payment_id IS NULL, NULL, 'stripe'),"
    "    (SELECT SUM(r.amount_usd) FROM refund r"
    "        WHERE r.purchase_id = p.id AND r.state = 'pending'),"
    "    " ISO_SQL("p.created_at") ", p.note "
    "FROM (SELECT u.*, LEAST(u.remaining_usd, GREATEST(0, u.up_to_here - u.unassigned)) AS left_usd"
    "    FROM (SELECT p.id, p.kind, p.amount_usd, p.remaining_usd, p.refunded_usd, p.note,"
    "            p.created_at, c.payment_id, a.balance_usd - a.held_usd AS free_usd,"
    "            SUM(p.remaining_usd) OVER (ORDER BY p.kind = 'grant' DESC, p.created_at, p.id)"
    "                AS up_to_here,"
    "            SUM(p.remaining_usd) OVER () - a.balance_usd AS unassigned"
    "        FROM account a JOIN purchase p ON p.account_id = a.id"
    "            LEFT JOIN checkout c ON c.purchase_id = p.id"
    "        WHERE a.id = ?) u) p "
    "ORDER BY p.created_at DESC, p.id DESC LIMIT ?";
static const struct table_column LOT_COLUMNS[] = {
    {"id", TABLE_INT}, {"object", TABLE_TEXT}, {"kind", TABLE_TEXT}, {"amount_usd", TABLE_USD},
    {"remaining_usd", TABLE_USD}, {"refunded_usd", TABLE_USD}, {"refundable_usd", TABLE_USD},
    {"paid_through", TABLE_TEXT}, {"refund_pending_usd", TABLE_USD}, {"created_at", TABLE_TEXT},
    {"note", TABLE_TEXT},
};

static const char SQL_MONTHS[] =
    "WITH RECURSIVE months AS ("
    "    SELECT UTC_DATE() - INTERVAL DAYOFMONTH(UTC_DATE()) - 1 DAY AS month"
    "    UNION ALL"
    "    SELECT m.month - INTERVAL 1 MONTH FROM months m JOIN account a ON a.id = ?"
    "    WHERE m.month > a.created_at) "
    "SELECT DATE_FORMAT(month, '%Y-%m'), month + INTERVAL 1 MONTH <= UTC_DATE() FROM months "
    "ORDER BY month DESC LIMIT ?";
static const struct table_column MONTH_COLUMNS[] = {
    {"month", TABLE_TEXT}, {"complete", TABLE_BOOL},
};

static const char SQL_STATEMENT[] = "CALL account_statement(?, ?)";
static const struct table_column STATEMENT_COLUMNS[] = {
    {"position", TABLE_OWN}, {"at", TABLE_TEXT}, {"kind", TABLE_TEXT}, {"description", TABLE_TEXT},
    {"model", TABLE_TEXT}, {"calls", TABLE_INT}, {"input_tokens", TABLE_INT},
    {"output_tokens", TABLE_INT}, {"amount_usd", TABLE_USD},
};
/* clang-format on */

enum { MONTHS_MAX = 240 };

int credit_balance(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                   struct err *err)
{
    const struct db_param params[] = {db_i64(account_id)};

    return table_read(out, s, arena, SQL_BALANCE, BALANCE_COLUMNS, ARRAY_LEN(BALANCE_COLUMNS),
                      params, ARRAY_LEN(params), 1, err);
}

int credit_lots(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                struct err *err)
{
    const struct db_param params[] = {db_i64(account_id), db_i64(CREDIT_LOTS_MAX)};

    return table_read(out, s, arena, SQL_LOTS, LOT_COLUMNS, ARRAY_LEN(LOT_COLUMNS), params,
                      ARRAY_LEN(params), CREDIT_LOTS_MAX, err);
}

int credit_months(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                  struct err *err)
{
    const struct db_param params[] = {db_i64(account_id), db_i64(MONTHS_MAX)};

    return table_read(out, s, arena, SQL_MONTHS, MONTH_COLUMNS, ARRAY_LEN(MONTH_COLUMNS), params,
                      ARRAY_LEN(params), MONTHS_MAX, err);
}

/* "2026-11" */
static bool is_month(const char *text)
{
    return strlen(text) == 7 && strncmp(text, "20", 2) == 0 && text[4] == '-' &&
           strspn(text, "0123456789") == 4 && strspn(text + 5, "0123456789") == 2 &&
           strcmp(text + 5, "01") >= 0 && strcmp(text + 5, "12") <= 0;
}

int credit_statement(struct table *out, struct store *s, struct arena *arena, int64_t account_id,
                     const char *month, struct err *err)
{
    const struct db_param params[] = {db_i64(account_id),
                                      db_text(arena_printf(arena, "%.7s-01", month))};
    struct table months;

    if (!is_month(month))
        return err_set(err, ERR_NOT_FOUND, NULL,
                       "'%.20s' is no month; they are written like 2026-11.", month);
    if (credit_months(&months, s, arena, account_id, err) != 0)
        return -1;
    for (size_t i = 0; i < months.row_count; i++)
        if (strcmp(table_cell(&months, i, "month"), month) == 0)
            return table_read(out, s, arena, SQL_STATEMENT, STATEMENT_COLUMNS,
                              ARRAY_LEN(STATEMENT_COLUMNS), params, ARRAY_LEN(params),
                              CREDIT_LINES_MAX, err);
    return err_set(err, ERR_NOT_FOUND, NULL,
                   "There is no statement of %s. GET /v1/statements lists those that there are.",
                   month);
}
