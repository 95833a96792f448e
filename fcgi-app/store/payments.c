/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/payments.h"

#include "base/jsontext.h"
#include "db/txn.h"
#include "store/outcome.h"

#include <string.h>

static const char SQL_OPEN[] = "CALL checkout_open(?, ?, ?)";
static const char SQL_OPENED[] = "CALL checkout_answered(?, ?)";
static const char SQL_PAID[] = "CALL stripe_paid(?, ?, ?, ?, ?, ?, ?)";
static const char SQL_UNPAID[] = "CALL stripe_unpaid(?, ?, ?, ?)";
static const char SQL_REFUNDED[] = "CALL stripe_refunded(?, ?, ?, ?, ?)";
static const char SQL_REFUND_BEGIN[] = "CALL refund_begin(?, ?, ?)";
static const char SQL_REFUND_END[] = "CALL refund_end(?, ?, ?, ?)";
static const char SQL_PENDING[] =
    "SELECT r.id, c.payment_id, CAST(r.amount_usd * 100 AS DECIMAL(12,0)), r.amount_usd "
    "FROM refund r JOIN checkout c ON c.purchase_id = r.purchase_id "
    "WHERE r.state = 'pending' AND r.created_at < UTC_TIMESTAMP() - INTERVAL 1 MINUTE "
    "ORDER BY r.created_at LIMIT ?";

enum { NOTE_MAX = 200 };

int payments_open(struct payments_checkout *out, struct store *s, struct arena *arena,
                  int64_t actor_id, const char *id, const char *amount_usd, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_text(id), db_text(amount_usd)};
    struct db_rows rows;

    if (outcome_call(&rows, s, arena, SQL_OPEN, params, ARRAY_LEN(params), err) != 0)
        return -1;
    out->cents = db_cell(&rows, 0, 1);
    out->email = db_cell(&rows, 0, 2);
    return 0;
}

int payments_opened(struct store *s, struct arena *arena, const char *id, const char *session_id,
                    struct err *err)
{
    const struct db_param params[] = {db_text(id), db_text(session_id)};
    struct db_rows rows;

    return outcome_call(&rows, s, arena, SQL_OPENED, params, ARRAY_LEN(params), err);
}

/* A CALL whose one cell says what was done. */
static int tell(const char **outcome, struct store *s, struct arena *arena, const char *sql,
                const struct db_param *params, size_t param_count, struct err *err)
{
    struct db_rows rows;

    *outcome = "";
    if (db_run(&rows, s->pool, arena, sql, params, param_count, 1, 0, err) != 0)
        return -1;
    if (rows.row_count == 1 && db_cell(&rows, 0, 0) != NULL)
        *outcome = db_cell(&rows, 0, 0);
    return 0;
}

int payments_paid(const char **outcome, struct store *s, struct arena *arena,
                  const struct payments_event *event, struct err *err)
{
    const struct db_param params[] = {
        db_text(event->id),         db_text(event->type),       db_text(event->checkout_id),
        db_text(event->session_id), db_text(event->payment_id), db_i64(event->cents),
        db_text(event->currency),
    };

    return tell(outcome, s, arena, SQL_PAID, params, ARRAY_LEN(params), err);
}

int payments_unpaid(const char **outcome, struct store *s, struct arena *arena,
                    const struct payments_event *event, const char *state, struct err *err)
{
    const struct db_param params[] = {db_text(event->id), db_text(event->type),
                                      db_text(event->checkout_id), db_text(state)};

    return tell(outcome, s, arena, SQL_UNPAID, params, ARRAY_LEN(params), err);
}

int payments_refunded(const char **outcome, struct store *s, struct arena *arena,
                      const struct payments_event *event, struct err *err)
{
    const struct db_param params[] = {
        db_text(event->id),         db_text(event->type), db_text(event->checkout_id),
        db_text(event->payment_id), db_i64(event->cents),
    };

    return tell(outcome, s, arena, SQL_REFUNDED, params, ARRAY_LEN(params), err);
}

int payments_refund_begin(struct payments_refund *out, struct store *s, struct arena *arena,
                          int64_t actor_id, int64_t purchase_id, const char *id, struct err *err)
{
    const struct db_param params[] = {db_i64(actor_id), db_i64(purchase_id), db_text(id)};
    struct db_rows rows;

    if (outcome_call(&rows, s, arena, SQL_REFUND_BEGIN, params, ARRAY_LEN(params), err) != 0)
        return -1;
    *out = (struct payments_refund){
        .id = db_cell(&rows, 0, 1),
        .payment_id = db_cell(&rows, 0, 2),
        .cents = db_cell(&rows, 0, 3),
        .amount_usd = store_decimal(arena, db_cell(&rows, 0, 4)),
    };
    return 0;
}

/* A column of 255 characters. */
static const char *cut(struct arena *arena, const char *note)
{
    return note != NULL ? arena_strndup(arena, note, jsontext_cut(note, NOTE_MAX)) : NULL;
}

int payments_refund_end(const char **state, struct store *s, struct arena *arena, const char *id,
                        bool done, const char *stripe_id, const char *note, struct err *err)
{
    const struct db_param params[] = {db_text(id), db_i64(done), db_text(stripe_id),
                                      db_text(cut(arena, note))};

    return tell(state, s, arena, SQL_REFUND_END, params, ARRAY_LEN(params), err);
}

int payments_refunds_pending(struct payments_refund **out, size_t *count, struct store *s,
                             struct arena *arena, size_t max, struct err *err)
{
    const struct db_param params[] = {db_i64((int64_t)max)};
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_PENDING, params, 1, max, 0, err) != 0)
        return -1;
    *out = arena_alloc(arena, (rows.row_count + 1) * sizeof(**out));
    *count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++)
        (*out)[i] = (struct payments_refund){
            .id = db_cell(&rows, i, 0),
            .payment_id = db_cell(&rows, i, 1),
            .cents = db_cell(&rows, i, 2),
            .amount_usd = store_decimal(arena, db_cell(&rows, i, 3)),
        };
    return 0;
}
