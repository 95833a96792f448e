/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/ask.h"
#include "api/endpoint.h"
#include "api/table_json.h"
#include "core/stripe.h"
#include "http/reply.h"
#include "store/credit.h"

#include <string.h>

enum { CSV_MAX = 64 * 1024 * 1024 };

/* The account's own: the key of a team's member must not show the payer's books. */
static int own_account(struct endpoint *ep, struct err *err)
{
    if (ep->principal.account_id == ep->account_id)
        return 0;
    return err_set(err, ERR_FORBIDDEN, NULL,
                   "This key spends the credit of a team, whose account only its owner sees. Use a "
                   "key of your own or sign in.");
}

int ep_credit(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    struct endpoint *ep = context;
    struct table balance;
    struct table lots;

    (void)match;
    if (own_account(ep, err) != 0 ||
        credit_balance(&balance, &ep->app->store, ep->arena, ep->account_id, err) != 0 ||
        credit_lots(&lots, &ep->app->store, ep->arena, ep->account_id, err) != 0)
        return -1;
    if (balance.row_count == 0)
        return err_set(err, ERR_NOT_FOUND, NULL, "There is no such account.");
    struct json_object *body = table_row_json(&balance, 0);
    jsonx_set_bool(body, "can_buy", ep->app->conf->stripe_key != NULL);
    jsonx_set(body, "lots", table_rows_json(&lots));
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

/* --- Statements ---------------------------------------------------------------------------------
 */

int ep_statements(void *context, struct exchange *x, const struct router_match *match,
                  struct err *err)
{
    struct endpoint *ep = context;
    struct table months;

    (void)match;
    if (own_account(ep, err) != 0 ||
        credit_months(&months, &ep->app->store, ep->arena, ep->account_id, err) != 0)
        return -1;
    struct json_object *body = table_list_json(&months, NULL);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}

/* A text for a spreadsheet: quoted, and what would begin a formula begins with an apostrophe
 * (OWASP, "CSV Injection"). NULL: an empty field. */
static void csv_text(struct buf *out, const char *text)
{
    buf_append_char(out, '"');
    if (text != NULL && text[0] != '\0' && strchr("=+-@\t\r\n", text[0]) != NULL)
        buf_append_char(out, '\'');
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '"')
            buf_append_char(out, '"');
        buf_append_char(out, *text);
    }
    buf_append_char(out, '"');
}

/* Numbers come from the database and have no other characters than digits, '-' and '.'. */
static void csv_line(struct buf *out, const struct table *t, size_t row)
{
    static const char *const texts[] = {"at", "kind", "description", "model"};
    static const char *const numbers[] = {"calls", "input_tokens", "output_tokens", "amount_usd"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        csv_text(out, table_cell(t, row, texts[i]));
        buf_append_char(out, ',');
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        const char *number = table_cell(t, row, numbers[i]);
        buf_append_str(out, number != NULL ? number : "");
        buf_append_str(out, i + 1 < ARRAY_LEN(numbers) ? "," : "\r\n");
    }
}

static int answer_csv(struct exchange *x, const struct table *t, const char *month, struct err *err)
{
    struct buf out;

    buf_init(&out, CSV_MAX);
    buf_append_str(&out,
                   "at,kind,description,model,calls,input_tokens,output_tokens,amount_usd\r\n");
    for (size_t i = 0; i < t->row_count; i++)
        csv_line(&out, t, i);
    if (buf_failed(&out)) {
        buf_fini(&out);
        return err_set(err, ERR_INTERNAL, NULL, "The statement is too large.");
    }
    reply_common_headers(x);
    exchange_header(x, "Content-Type", "text/csv; charset=utf-8; header=present");
    exchange_header(x, "Content-Disposition", "attachment; filename=\"statement-%s.csv\"", month);
    exchange_header(x, "X-Content-Type-Options", "nosniff");
    exchange_header(x, "Content-Length", "%zu", out.len);
    exchange_begin(x, 200);
    (void)exchange_write(x, out.data, out.len);
    buf_fini(&out);
    return 0;
}

static void answer_statement(struct exchange *x, struct table *t, const char *month)
{
    struct json_object *body = json_object_new_object();
    struct json_object *first = table_row_json(t, 0);
    struct json_object *last = table_row_json(t, t->row_count - 1);
    struct table lines = *t;

    lines.cells += lines.column_count;
    lines.row_count -= 2;
    jsonx_set_str(body, "object", "statement");
    jsonx_set_str(body, "month", month);
    jsonx_set_ref(body, "opening_usd", jsonx_get(first, "amount_usd"));
    jsonx_set(body, "lines", table_rows_json(&lines));
    jsonx_set_ref(body, "closing_usd", jsonx_get(last, "amount_usd"));
    (void)reply_json(x, 200, body);
    json_object_put(first);
    json_object_put(last);
    json_object_put(body);
}

int ep_statement(void *context, struct exchange *x, const struct router_match *match,
                 struct err *err)
{
    struct endpoint *ep = context;
    const char *format = "json";
    struct table t;

    if (own_account(ep, err) != 0 || ask_query_text(&format, ep, x, "format", 8, err) != 0)
        return -1;
    bool csv = strcmp(format, "csv") == 0;
    if (!csv && strcmp(format, "json") != 0)
        return err_set(err, ERR_BAD_REQUEST, "format", "'format' must be json or csv.");
    if (credit_statement(&t, &ep->app->store, ep->arena, ep->account_id, match->params[0], err) !=
        0)
        return -1;
    assert(t.row_count >= 2);
    if (csv)
        return answer_csv(x, &t, match->params[0], err);
    answer_statement(x, &t, match->params[0]);
    return 0;
}

/* --- Stripe -------------------------------------------------------------------------------------
 */

static struct stripe_call stripe_call_of(const struct endpoint *ep)
{
    return (struct stripe_call){
        .conf = ep->app->conf, .store = &ep->app->store, .arena = ep->arena};
}

int ep_credit_checkout(void *context, struct exchange *x, const struct router_match *match,
                       struct err *err)
{
    static const char *const names[] = {"amount_usd"};
    struct endpoint *ep = context;
    struct stripe_call call = stripe_call_of(ep);
    struct json_object *body = NULL;
    const char *amount = NULL;
    const char *url = NULL;

    (void)match;
    if (endpoint_read_object(&body, ep, x, names, ARRAY_LEN(names), false, err) != 0)
        return -1;
    int rc = ask_usd(&amount, ep, body, "amount_usd", err);
    json_object_put(body);
    if (rc != 0)
        return -1;
    if (amount == NULL)
        return err_set(err, ERR_BAD_REQUEST, "amount_usd", "'amount_usd' is missing.");
    if (stripe_checkout(&url, &call, ep->account_id, amount, err) != 0)
        return -1;
    struct json_object *answer = json_object_new_object();
    jsonx_set_str(answer, "object", "checkout");
    jsonx_set_str(answer, "url", url);
    (void)reply_json(x, 200, answer);
    json_object_put(answer);
    return 0;
}

int ep_credit_refund(void *context, struct exchange *x, const struct router_match *match,
                     struct err *err)
{
    struct endpoint *ep = context;
    struct stripe_call call = stripe_call_of(ep);
    struct payments_refund refund;
    struct json_object *body = NULL;
    const char *state = NULL;
    int64_t id = 0;

    if (ask_path_id(&id, match->params[0], err) != 0 ||
        endpoint_read_object(&body, ep, x, NULL, 0, true, err) != 0)
        return -1;
    json_object_put(body);
    if (stripe_refund(&refund, &state, &call, ep->account_id, id, err) != 0)
        return -1;
    body = json_object_new_object();
    jsonx_set_str(body, "object", "refund");
    jsonx_set_str(body, "id", refund.id);
    jsonx_set_i64(body, "credit_id", id);
    jsonx_set_decimal(body, "amount_usd", refund.amount_usd);
    jsonx_set_str(body, "state", state);
    (void)reply_json(x, strcmp(state, "done") == 0 ? 200 : 202, body);
    json_object_put(body);
    return 0;
}

int ep_stripe_webhook(void *context, struct exchange *x, const struct router_match *match,
                      struct err *err)
{
    struct endpoint *ep = context;
    struct stripe_call call = stripe_call_of(ep);
    const char *outcome = NULL;

    (void)match;
    if (endpoint_read_json(ep, x, err) != 0 ||
        stripe_event(&outcome, &call, buf_span(&ep->body),
                     exchange_param(x, "HTTP_STRIPE_SIGNATURE"), err) != 0)
        return -1;
    struct json_object *body = json_object_new_object();
    jsonx_set_bool(body, "received", true);
    jsonx_set_str(body, "outcome", outcome);
    (void)reply_json(x, 200, body);
    json_object_put(body);
    return 0;
}
