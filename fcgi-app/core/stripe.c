/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/stripe.h"

#include "base/ident.h"
#include "base/jsonx.h"
#include "base/log.h"
#include "base/timing.h"
#include "core/stripe_sign.h"
#include "net/transfer.h"

#include <string.h>

/* The version whose shapes are read here, so that a newer default of the account changes nothing.
 */
#define STRIPE_VERSION "2024-06-20"

enum {
    ANSWER_MAX = 1024 * 1024,
    FORM_MAX = 16 * 1024,
    CALL_TIMEOUT_MS = 20 * 1000,
    STRIPE_ID_MAX = 128, /* columns of the database */
    TYPE_MAX = 64,
    RETRY_MAX = 100,
};

/* --- Asking Stripe ------------------------------------------------------------------------------
 */

static int on_head(const struct transfer_head *head, void *arg)
{
    (void)head;
    (void)arg;
    return 0;
}

static int on_tick(bool watched, void *arg)
{
    (void)watched;
    (void)arg;
    return 0;
}

static int on_data(const char *data, size_t len, void *arg)
{
    struct buf *answer = arg;

    buf_append(answer, data, len);
    return buf_failed(answer) ? -1 : 0;
}

static void form_encode(struct buf *form, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            buf_append_char(form, *text);
        else
            buf_printf(form, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

/* Names are constants that need no encoding but for their brackets, which Stripe takes as they are.
 */
static void form_add(struct buf *form, const char *name, const char *value)
{
    if (form->len > 0)
        buf_append_char(form, '&');
    buf_append_str(form, name);
    buf_append_char(form, '=');
    form_encode(form, value);
}

/* *status 0: no whole answer came. *answer is NULL unless it is JSON; the caller owns it. */
static void ask(int *status, struct json_object **answer, const struct stripe_call *call,
                const char *path, const struct buf *form, const char *idempotency_key)
{
    static const struct transfer_callbacks callbacks = {
        .head = on_head, .data = on_data, .tick = on_tick};
    const struct conf *conf = call->conf;
    const char *const headers[] = {
        arena_printf(call->arena, "Authorization: Bearer %s", conf->stripe_key),
        arena_printf(call->arena, "Idempotency-Key: %s", idempotency_key),
        "Content-Type: application/x-www-form-urlencoded",
        "Stripe-Version: " STRIPE_VERSION,
        "Accept: application/json",
    };
    struct transfer_request request = {
        .url = arena_printf(call->arena, "%s%s", conf->stripe_url, path),
        .headers = headers,
        .header_count = ARRAY_LEN(headers),
        .body = buf_span(form),
        .connect_timeout_ms = conf->connect_timeout_ms,
        .first_byte_timeout_ms = CALL_TIMEOUT_MS,
        .idle_timeout_ms = CALL_TIMEOUT_MS,
        .deadline_ms = timing_mono_ms() + CALL_TIMEOUT_MS,
        .tick_ms = 1000,
        .watch_fd = -1,
    };
    struct transfer_result result;
    struct transfer *transfer = transfer_new();
    struct buf body;
    struct err ignored;

    *answer = NULL;
    buf_init(&body, ANSWER_MAX);
    transfer_run(&result, transfer, &request, &callbacks, &body);
    *status = result.end == TRANSFER_DONE ? result.head.status : 0;
    if (*status != 0 && jsonx_parse(answer, body.data, body.len, &ignored) != 0)
        *answer = NULL;
    if (*status == 0)
        log_write(LOG_LEVEL_WARN, NULL, "stripe %s: %s", path, result.detail);
    else if (*status >= 400)
        log_write(LOG_LEVEL_WARN, NULL, "stripe %s: HTTP %d %s", path, *status,
                  jsonx_str(jsonx_object(*answer, "error"), "code", ""));
    buf_fini(&body);
    transfer_free(transfer);
}

static int configured(const struct conf *conf, struct err *err)
{
    if (conf->stripe_key != NULL)
        return 0;
    return err_set(err, ERR_NOT_FOUND, NULL,
                   "Credit cannot be bought here: the operator has not set up payments. Ask for "
                   "another way to pay.");
}

/* Numbers of ours look like request ids with another prefix of three letters. */
static void new_id(char out[IDENT_REQUEST_SIZE], const char *prefix)
{
    ident_request(out);
    memcpy(out, prefix, 3);
}

/* --- Checkout -----------------------------------------------------------------------------------
 */

static void write_checkout(struct buf *form, const struct stripe_call *call, const char *id,
                           const struct payments_checkout *checkout)
{
    const char *base = call->conf->public_url;

    form_add(form, "mode", "payment");
    form_add(form, "client_reference_id", id);
    form_add(form, "metadata[checkout_id]", id);
    form_add(form, "payment_intent_data[metadata][checkout_id]", id);
    form_add(form, "customer_email", checkout->email);
    form_add(form, "line_items[0][quantity]", "1");
    form_add(form, "line_items[0][price_data][currency]", "usd");
    form_add(form, "line_items[0][price_data][unit_amount]", checkout->cents);
    form_add(form, "line_items[0][price_data][product_data][name]", "AI credit");
    form_add(form, "success_url", arena_printf(call->arena, "%s/dashboard/#credit=paid", base));
    form_add(form, "cancel_url", arena_printf(call->arena, "%s/dashboard/#credit=cancelled", base));
}

int stripe_checkout(const char **url, const struct stripe_call *call, int64_t account_id,
                    const char *amount_usd, struct err *err)
{
    char id[IDENT_REQUEST_SIZE];
    struct payments_checkout checkout;
    struct json_object *answer = NULL;
    struct buf form;
    struct err ignored;
    int status = 0;
    int rc = -1;

    if (configured(call->conf, err) != 0)
        return -1;
    if (call->conf->public_url == NULL) {
        err_set(err, ERR_INTERNAL, NULL, "The server is not set up for payments.");
        return err_detail(err, "public_url is not set");
    }
    new_id(id, "chk");
    if (payments_open(&checkout, call->store, call->arena, account_id, id, amount_usd, err) != 0)
        return -1;
    buf_init(&form, FORM_MAX);
    write_checkout(&form, call, id, &checkout);
    ask(&status, &answer, call, "/v1/checkout/sessions", &form, id);
    const char *page = jsonx_str(answer, "url", NULL);
    const char *session = jsonx_str(answer, "id", NULL);
    bool good = status == 200 && page != NULL && strncmp(page, "http", 4) == 0 && session != NULL &&
                strlen(session) <= STRIPE_ID_MAX;
    if (good) {
        *url = arena_strdup(call->arena, page);
        rc = payments_opened(call->store, call->arena, id, session, err);
    } else {
        err_set(err, ERR_UPSTREAM, NULL,
                "The payment page could not be opened. Nothing was bought; try again.");
        /* That it failed is only worth knowing. */
        if (status != 0 && payments_opened(call->store, call->arena, id, NULL, &ignored) != 0)
            log_write(LOG_LEVEL_INFO, NULL, "checkout %s not marked: %s", id, ignored.detail);
    }
    json_object_put(answer);
    buf_fini(&form);
    return rc;
}

/* --- Events -------------------------------------------------------------------------------------
 */

/* A number of Stripe's, or an object that was put in its place and has it. NULL: none. */
static const char *id_in(struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);
    const char *id = json_object_is_type(v, json_type_object) ? jsonx_str(v, "id", NULL)
                                                              : jsonx_str(obj, key, NULL);

    return id != NULL && strlen(id) <= STRIPE_ID_MAX ? id : NULL;
}

/* One of ours; NULL if it cannot be one. */
static const char *our_id(const char *id, const char *prefix)
{
    return id != NULL && strlen(id) == IDENT_REQUEST_LEN && strncmp(id, prefix, 3) == 0 ? id : NULL;
}

static const char *checkout_id_of(struct json_object *object)
{
    const char *id =
        our_id(jsonx_str(jsonx_object(object, "metadata"), "checkout_id", NULL), "chk");

    return id != NULL ? id : our_id(jsonx_str(object, "client_reference_id", NULL), "chk");
}

static int on_paid(const char **outcome, const struct stripe_call *call,
                   struct payments_event *event, struct json_object *object, struct err *err)
{
    if (strcmp(jsonx_str(object, "payment_status", ""), "paid") != 0) {
        *outcome = "waiting"; /* for async_payment_succeeded */
        return 0;
    }
    event->session_id = id_in(object, "id");
    event->payment_id = id_in(object, "payment_intent");
    event->cents = jsonx_i64(object, "amount_total", -1);
    event->currency = jsonx_str(object, "currency", "");
    if (strlen(event->currency) != 3)
        event->currency = "";
    if (event->checkout_id == NULL || event->session_id == NULL) {
        *outcome = "ignored";
        return 0;
    }
    int rc = payments_paid(outcome, call->store, call->arena, event, err);
    if (rc == 0 && strcmp(*outcome, "mismatch") == 0)
        log_write(LOG_LEVEL_ERROR, NULL,
                  "checkout %s was paid with %lld %s, which is not its price; see v_checkout",
                  event->checkout_id, (long long)event->cents, event->currency);
    return rc;
}

static int on_expired(const char **outcome, const struct stripe_call *call,
                      struct payments_event *event, struct json_object *object, struct err *err)
{
    (void)object;
    return payments_unpaid(outcome, call->store, call->arena, event, "expired", err);
}

static int on_failed(const char **outcome, const struct stripe_call *call,
                     struct payments_event *event, struct json_object *object, struct err *err)
{
    (void)object;
    return payments_unpaid(outcome, call->store, call->arena, event, "failed", err);
}

static int on_charge_refunded(const char **outcome, const struct stripe_call *call,
                              struct payments_event *event, struct json_object *object,
                              struct err *err)
{
    event->payment_id = id_in(object, "payment_intent");
    event->cents = jsonx_i64(object, "amount_refunded", 0);
    if (payments_refunded(outcome, call->store, call->arena, event, err) != 0)
        return -1;
    if (strcmp(*outcome, "refunded_in_part") == 0)
        log_write(LOG_LEVEL_ERROR, NULL,
                  "more of payment %s was refunded at Stripe than was left of its credit",
                  event->payment_id != NULL ? event->payment_id : "?");
    if (strcmp(*outcome, "early") == 0 || strcmp(*outcome, "held") == 0)
        return err_set(err, ERR_CONFLICT, NULL,
                       "The credit of this refund cannot be taken back yet; send it again later.");
    return 0;
}

static int on_refund(const char **outcome, const struct stripe_call *call,
                     struct payments_event *event, struct json_object *object, struct err *err)
{
    const char *id = our_id(jsonx_str(jsonx_object(object, "metadata"), "refund_id", NULL), "rfd");
    const char *status = jsonx_str(object, "status", "");
    bool failed = strcmp(status, "failed") == 0 || strcmp(status, "canceled") == 0;

    (void)event;
    if (id == NULL || (!failed && strcmp(status, "succeeded") != 0)) {
        *outcome = "ignored";
        return 0;
    }
    return payments_refund_end(outcome, call->store, call->arena, id, !failed, id_in(object, "id"),
                               failed ? jsonx_str(object, "failure_reason", status) : NULL, err);
}

static const struct {
    const char *type;
    int (*handle)(const char **outcome, const struct stripe_call *call,
                  struct payments_event *event, struct json_object *object, struct err *err);
} EVENTS[] = {
    {"checkout.session.completed", on_paid},
    {"checkout.session.async_payment_succeeded", on_paid},
    {"checkout.session.async_payment_failed", on_failed},
    {"checkout.session.expired", on_expired},
    {"charge.refunded", on_charge_refunded},
    {"charge.refund.updated", on_refund},
    {"refund.created", on_refund},
    {"refund.updated", on_refund},
    {"refund.failed", on_refund},
};

static int handle_event(const char **outcome, const struct stripe_call *call,
                        struct json_object *body, struct err *err)
{
    struct json_object *object = jsonx_object(jsonx_object(body, "data"), "object");
    struct payments_event event = {
        .id = id_in(body, "id"),
        .type = jsonx_str(body, "type", NULL),
        .checkout_id = checkout_id_of(object),
    };

    if (event.id == NULL || event.type == NULL || strlen(event.type) > TYPE_MAX || object == NULL)
        return err_set(err, ERR_BAD_REQUEST, NULL, "This is no event of Stripe.");
    *outcome = "ignored";
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++)
        if (strcmp(event.type, EVENTS[i].type) == 0)
            return EVENTS[i].handle(outcome, call, &event, object, err);
    return 0;
}

int stripe_event(const char **outcome, const struct stripe_call *call, struct span body,
                 const char *signature, struct err *err)
{
    struct json_object *event = NULL;

    if (call->conf->stripe_webhook_key == NULL)
        return err_set(err, ERR_NOT_FOUND, NULL, "Payments through Stripe are not set up here.");
    if (stripe_sign_check(signature, body, call->conf->stripe_webhook_key, timing_wall_s(), err) !=
            0 ||
        jsonx_parse(&event, body.ptr, body.len, err) != 0)
        return -1;
    int rc = handle_event(outcome, call, event, err);
    if (rc == 0)
        *outcome = arena_strdup(call->arena, *outcome);
    json_object_put(event);
    return rc;
}

/* --- Refunds ------------------------------------------------------------------------------------
 */

/* What an answer means: 1 paid back (or on its way), 0 not known yet, -1 refused for good. Errors
 * of our account at Stripe (401, 403), of the network and of Stripe itself are none of the
 * refund's. */
static int verdict(int status, struct json_object *answer)
{
    const char *state = jsonx_str(answer, "status", "");

    if (status == 200)
        return strcmp(state, "failed") == 0 || strcmp(state, "canceled") == 0 ? -1 : 1;
    return status == 400 || status == 402 || status == 404 ? -1 : 0;
}

/* *state: done, failed, pending. */
static int pay_back(const char **state, const struct stripe_call *call,
                    const struct payments_refund *refund, struct err *err)
{
    struct json_object *answer = NULL;
    struct buf form;
    int status = 0;
    int rc = 0;

    if (configured(call->conf, err) != 0)
        return -1;
    buf_init(&form, FORM_MAX);
    form_add(&form, "payment_intent", refund->payment_id);
    form_add(&form, "amount", refund->cents);
    form_add(&form, "reason", "requested_by_customer");
    form_add(&form, "metadata[refund_id]", refund->id);
    ask(&status, &answer, call, "/v1/refunds", &form, refund->id);
    int said = verdict(status, answer);
    *state = "pending";
    if (said != 0)
        rc = payments_refund_end(
            state, call->store, call->arena, refund->id, said > 0,
            status == 200 ? id_in(answer, "id") : NULL,
            jsonx_str(jsonx_object(answer, "error"), "message", "Stripe refused it"), err);
    json_object_put(answer);
    buf_fini(&form);
    return rc;
}

int stripe_refund(struct payments_refund *out, const char **state, const struct stripe_call *call,
                  int64_t account_id, int64_t purchase_id, struct err *err)
{
    char id[IDENT_REQUEST_SIZE];

    new_id(id, "rfd");
    if (payments_refund_begin(out, call->store, call->arena, account_id, purchase_id, id, err) != 0)
        return -1;
    /* From here on the credit is out of the balance. What cannot be done now is done later. */
    if (call->conf->stripe_key == NULL || pay_back(state, call, out, err) != 0) {
        log_write(LOG_LEVEL_WARN, NULL, "refund %s is pending", out->id);
        *state = "pending";
        return 0;
    }
    if (strcmp(*state, "failed") == 0)
        return err_set(err, ERR_UPSTREAM, NULL,
                       "Stripe did not accept the refund, so the credit is yours again. Ask the "
                       "operator of this service.");
    return 0;
}

static int retry(struct stripe_retry *out, const struct stripe_call *call,
                 const struct payments_refund *refunds, size_t count, int64_t deadline_ms,
                 struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *state = "pending";
        if (!timing_passed(deadline_ms) && pay_back(&state, call, &refunds[i], err) != 0)
            return -1;
        out->done += strcmp(state, "done") == 0;
        out->failed += strcmp(state, "failed") == 0;
        out->open += strcmp(state, "pending") == 0;
    }
    return 0;
}

int stripe_refund_retry(struct stripe_retry *out, const struct stripe_call *call,
                        int64_t deadline_ms, bool dry_run, struct err *err)
{
    struct payments_refund *refunds = NULL;
    size_t count = 0;

    *out = (struct stripe_retry){0};
    if (payments_refunds_pending(&refunds, &count, call->store, call->arena, RETRY_MAX, err) != 0)
        return -1;
    out->open = dry_run ? count : 0;
    if (dry_run || count == 0)
        return 0;
    if (transfer_global_init(err) != 0)
        return -1;
    int rc = retry(out, call, refunds, count, deadline_ms, err);
    transfer_global_fini();
    return rc;
}
