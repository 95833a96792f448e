/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/webhook.h"

#include "base/jsontext.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/timing.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    TIME_DIGITS = 10, /* of Unix seconds, until 2286 */
    CONTENT_HEAD = HOOK_ID_LEN + 1 + TIME_DIGITS + 1,
    BODY_MAX = 1024 * 1024, /* as in webhook_claimed_inner */
    CONTENT_KEEP = 8 * 1024,
    SEALED_MAX = SECRET_SEAL_OVERHEAD + WEBHOOK_SECRET_BYTES,
    RESULTS_MAX = 16 * 1024, /* of one attempt */
};

static const char secret_prefix[] = "whsec_";
static const char seal_purpose[] = "webhook_secret";

int webhook_can_sign(const struct conf *conf, struct err *err)
{
    if (conf->secret_key != NULL && conf->secret_key[0] != '\0')
        return 0;
    err_set(err, ERR_INTERNAL, NULL, "The server is not set up for webhooks.");
    return err_detail(err, "secret_key is not set in the configuration, so webhooks cannot be "
                           "signed");
}

/* --- Secrets ------------------------------------------------------------------------------------
 */

static void write_text(struct webhook_secret *secret)
{
    struct buf b;

    buf_init(&b, WEBHOOK_SECRET_SIZE);
    buf_append_str(&b, secret_prefix);
    secret_base64(&b, secret->bytes, sizeof secret->bytes);
    assert(!buf_failed(&b) && b.len == WEBHOOK_SECRET_LEN);
    memcpy(secret->text, b.data, WEBHOOK_SECRET_SIZE);
    buf_fini(&b);
}

/* A sealed secret opens for its account only. */
static struct span place_of(char text[32], int64_t account_id)
{
    snprintf(text, 32, "account:%lld", (long long)account_id);
    return span_of(text);
}

void webhook_secret_make(struct webhook_secret *out, struct buf *sealed, const char *secret_key,
                         int64_t account_id)
{
    char place[32];

    secret_random(out->bytes, sizeof out->bytes);
    write_text(out);
    secret_seal(sealed, secret_key, seal_purpose, place_of(place, account_id),
                (struct span){(const char *)out->bytes, sizeof out->bytes});
}

void webhook_secret_last4(char out[5], const struct webhook_secret *secret)
{
    memcpy(out, secret->text + WEBHOOK_SECRET_LEN - 4, 5);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads pairs up to the comma or the end. */
static size_t unhex(char *out, size_t size, const char *hex)
{
    size_t n = 0;

    while (n < size && hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0) {
        out[n++] = (char)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
        hex += 2;
    }
    return n;
}

static bool open_secret(struct webhook_secret *out, const char *hex, const char *secret_key,
                        int64_t account_id)
{
    char sealed[SEALED_MAX];
    char place[32];
    struct buf plain;

    buf_init(&plain, WEBHOOK_SECRET_BYTES);
    size_t len = unhex(sealed, sizeof sealed, hex);
    bool opened = secret_open(&plain, secret_key, seal_purpose, place_of(place, account_id),
                              (struct span){sealed, len}) == 0 &&
                  plain.len == WEBHOOK_SECRET_BYTES;
    if (opened) {
        memcpy(out->bytes, plain.data, WEBHOOK_SECRET_BYTES);
        write_text(out);
    }
    buf_fini(&plain);
    return opened;
}

static void open_secrets(struct webhook_attempt *a, const char *list, const char *secret_key)
{
    a->secret_count = 0;
    while (list != NULL && *list != '\0' && a->secret_count < HOOK_SECRETS_MAX) {
        if (open_secret(&a->secrets[a->secret_count], list, secret_key, a->account_id))
            a->secret_count++;
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    if (a->secret_count == 0)
        log_write(LOG_LEVEL_WARN, NULL,
                  "the webhook secrets of account %lld do not open: has secret_key been changed?",
                  (long long)a->account_id);
}

/* --- When --------------------------------------------------------------------------------------
 */

int64_t webhook_delay_ms(int64_t failed, uint32_t random, int retry_after_s)
{
    static const int64_t delays_s[] = {5,        60,       5 * 60,    30 * 60,
                                       2 * 3600, 5 * 3600, 10 * 3600, 24 * 3600};
    static_assert(ARRAY_LEN(delays_s) == WEBHOOK_ATTEMPTS - 1, "a pause between two attempts");

    if (failed < 1 || failed >= WEBHOOK_ATTEMPTS)
        return -1;
    int64_t delay_ms = delays_s[failed - 1] * 1000;
    delay_ms += delay_ms / 5 * (int64_t)(random >> 16) / 65536;
    int64_t asked_ms = (int64_t)retry_after_s * 1000;
    return asked_ms > delay_ms ? asked_ms : delay_ms;
}

/* --- Signatures ---------------------------------------------------------------------------------
 */

static void append_hmac(struct buf *out, const void *key, size_t key_len, const void *data,
                        size_t len)
{
    unsigned char mac[SECRET_SHA256_SIZE];

    secret_hmac_sha256(mac, key, key_len, data, len);
    secret_base64(out, mac, sizeof mac);
}

void webhook_append_signature(struct buf *out, const void *key, size_t key_len, struct span content)
{
    buf_append_str(out, "v1,");
    append_hmac(out, key, key_len, content.ptr, content.len);
}

static void set_header(struct webhook_attempt *a, size_t which, const struct buf *line)
{
    assert(!buf_failed(line) && line->len < WEBHOOK_HEADER_MAX);
    memcpy(a->headers[which], line->data, line->len + 1);
}

void webhook_sign(struct webhook_attempt *a, int64_t now_s)
{
    char head[CONTENT_HEAD + 32];
    char signed_by_kie[sizeof a->task_id + 32];
    struct buf line;

    assert(a->secret_count > 0);
    snprintf(head, sizeof head, "%s.%010lld.", a->id, (long long)(now_s % 10000000000));
    memcpy(a->content.data, head, CONTENT_HEAD);
    snprintf(a->headers[0], WEBHOOK_HEADER_MAX, "webhook-id: %s", a->id);
    snprintf(a->headers[1], WEBHOOK_HEADER_MAX, "webhook-timestamp: %lld", (long long)now_s);
    snprintf(a->headers[3], WEBHOOK_HEADER_MAX, "X-Webhook-Timestamp: %lld", (long long)now_s);
    snprintf(a->headers[5], WEBHOOK_HEADER_MAX, "Content-Type: application/json");

    buf_init(&line, WEBHOOK_HEADER_MAX);
    buf_append_str(&line, "webhook-signature:");
    for (size_t i = 0; i < a->secret_count; i++) {
        buf_append_char(&line, ' ');
        webhook_append_signature(&line, a->secrets[i].bytes, WEBHOOK_SECRET_BYTES,
                                 buf_span(&a->content));
    }
    set_header(a, 2, &line);
    buf_clear(&line);
    int len =
        snprintf(signed_by_kie, sizeof signed_by_kie, "%s.%lld", a->task_id, (long long)now_s);
    buf_append_str(&line, "X-Webhook-Signature: ");
    append_hmac(&line, a->secrets[0].text, WEBHOOK_SECRET_LEN, signed_by_kie, (size_t)len);
    set_header(a, 4, &line);
    buf_fini(&line);
}

/* --- Attempts -----------------------------------------------------------------------------------
 */

void webhook_attempt_init(struct webhook_attempt *a)
{
    memset(a, 0, sizeof *a);
    buf_init(&a->content, CONTENT_HEAD + BODY_MAX);
}

void webhook_attempt_fini(struct webhook_attempt *a)
{
    buf_fini(&a->content);
    mem_free(a->url);
}

struct span webhook_attempt_body(const struct webhook_attempt *a)
{
    return (struct span){a->content.data + CONTENT_HEAD, a->content.len - CONTENT_HEAD};
}

static int first_secret(const char **hex, const struct webhook_attempt *a, struct store *s,
                        struct arena *arena, const struct conf *conf, struct err *err)
{
    struct webhook_secret secret;
    struct buf sealed;
    char last4[5];

    buf_init(&sealed, SEALED_MAX);
    webhook_secret_make(&secret, &sealed, conf->secret_key, a->account_id);
    webhook_secret_last4(last4, &secret);
    int rc = hook_secret_first(hex, s, arena, a->account_id, buf_span(&sealed), last4, err);
    buf_fini(&sealed);
    return rc;
}

int webhook_attempt_load(struct webhook_attempt *a, const struct hook_job *job, struct store *s,
                         struct arena *arena, const struct conf *conf, struct err *err)
{
    const char *secrets = job->secrets;

    snprintf(a->id, sizeof a->id, "%s", job->id);
    snprintf(a->claim, sizeof a->claim, "%s", job->claim);
    snprintf(a->task_id, sizeof a->task_id, "%s", job->task_id);
    a->account_id = job->account_id;
    a->host_key = job->host_key;
    a->step = job->step;
    mem_free(a->url);
    a->url = mem_strdup(job->url);
    a->has_body = job->body != NULL;
    buf_shrink(&a->content, CONTENT_KEEP);
    buf_printf(&a->content, "%*s", CONTENT_HEAD, ""); /* webhook_sign fills it in */
    buf_append_str(&a->content, a->has_body ? job->body : "");
    if (buf_failed(&a->content))
        return err_set(err, ERR_INTERNAL, NULL, "Memory is out.");
    if (secrets == NULL && first_secret(&secrets, a, s, arena, conf, err) != 0)
        return -1;
    open_secrets(a, secrets, conf->secret_key);
    return 0;
}

int webhook_attempt_start(const char **error, struct webhook_attempt *a, struct deliver *d,
                          int64_t now_s)
{
    const char *headers[WEBHOOK_HEADER_COUNT];

    *error = NULL;
    if (!a->has_body)
        *error = "The body is larger than 1 MiB and cannot be sent.";
    else if (a->secret_count == 0)
        *error = "The signing secret cannot be read. Make a new one.";
    if (*error != NULL)
        return -1;
    webhook_sign(a, now_s);
    for (size_t i = 0; i < WEBHOOK_HEADER_COUNT; i++)
        headers[i] = a->headers[i];
    const struct deliver_request request = {
        .url = a->url,
        .headers = headers,
        .header_count = WEBHOOK_HEADER_COUNT,
        .body = webhook_attempt_body(a),
        .timeout_ms = WEBHOOK_TIMEOUT_MS,
        .tag = a,
    };
    deliver_start(d, &request);
    return 0;
}

/* Do these bytes look like a character whose end is missing? */
static bool is_cut(const char *data, size_t len)
{
    unsigned char lead = (unsigned char)data[0];
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

    if (lead < 0xc2 || lead > 0xf4 || len >= whole)
        return false;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)data[i] & 0xc0) != 0x80)
            return false;
    return true;
}

void webhook_excerpt(struct buf *out, const char *data, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)data[i];
        size_t n = jsontext_utf8_len(data + i, len - i);
        bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
        if (n == 0 && is_cut(data + i, len - i))
            return;
        if (n > 0 && !control)
            buf_append(out, data + i, n);
        else
            buf_append_str(out, "\xef\xbf\xbd");
        i += n > 0 ? n : 1;
    }
}

static enum hook_outcome add_result(struct buf *results, const struct webhook_attempt *a,
                                    struct hook_result *r, int retry_after_s)
{
    uint32_t random;

    r->id = a->id;
    r->claim = a->claim;
    if (r->outcome == HOOK_RETRY) {
        secret_random(&random, sizeof random);
        r->delay_ms = webhook_delay_ms(a->step + 1, random, retry_after_s);
        if (r->delay_ms < 0) {
            r->outcome = HOOK_DEAD;
            r->delay_ms = 0;
        }
    }
    hook_result_add(results, r);
    return r->outcome;
}

enum hook_outcome webhook_attempt_conclude(struct buf *results, const struct webhook_attempt *a,
                                           const struct deliver_result *answer)
{
    struct hook_result r = {.outcome = HOOK_RETRY, .status = answer->status};
    struct buf excerpt;
    char error[96];

    buf_init(&excerpt, 3 * DELIVER_EXCERPT_MAX);
    webhook_excerpt(&excerpt, answer->excerpt, answer->excerpt_len);
    if (answer->status >= 200 && answer->status < 300) {
        r.outcome = HOOK_DELIVERED;
    } else if (answer->status == 410) {
        r.outcome = HOOK_DEAD;
        r.error = "The endpoint is gone (HTTP 410).";
    } else if (answer->status != 0) {
        snprintf(error, sizeof error,
                 answer->status < 400 ? "Redirects are not followed (HTTP %d)."
                                      : "The answer was HTTP %d.",
                 answer->status);
        r.error = error;
    } else {
        r.error = answer->failure;
    }
    r.excerpt = excerpt.len > 0 ? excerpt.data : NULL;
    enum hook_outcome outcome = add_result(results, a, &r, answer->retry_after_s);
    buf_fini(&excerpt);
    return outcome;
}

enum hook_outcome webhook_attempt_fail(struct buf *results, const struct webhook_attempt *a,
                                       const char *error)
{
    struct hook_result r = {.outcome = HOOK_RETRY, .error = error};

    return add_result(results, a, &r, 0);
}

void webhook_attempt_back(struct buf *results, const struct webhook_attempt *a)
{
    struct hook_result r = {.outcome = HOOK_BACK};

    (void)add_result(results, a, &r, 0);
}

/* --- At once ------------------------------------------------------------------------------------
 */

static void attempt_here(struct webhook_attempt *a, struct buf *results, bool allow_private)
{
    struct deliver *d = deliver_new(allow_private);
    struct deliver_result answer;
    const char *error = NULL;

    if (webhook_attempt_start(&error, a, d, timing_wall_s()) != 0) {
        (void)webhook_attempt_fail(results, a, error);
    } else {
        while (!deliver_take(&answer, d))
            deliver_run(d, 1000);
        (void)webhook_attempt_conclude(results, a, &answer);
    }
    deliver_free(d);
}

static int deliver_one(struct app *app, const char *id, struct arena *arena, struct err *err)
{
    struct webhook_attempt *a = NULL;
    struct hook_job *job = NULL;
    struct buf results;
    int rc = -1;

    buf_init(&results, RESULTS_MAX);
    if (webhook_can_sign(app->conf, err) != 0 ||
        hook_claim_one(&job, &app->store, arena, id, err) != 0)
        goto out;
    rc = 0;
    if (job == NULL)
        goto out;
    a = mem_alloc(sizeof *a);
    webhook_attempt_init(a);
    rc = webhook_attempt_load(a, job, &app->store, arena, app->conf, err);
    if (rc != 0)
        goto out;
    attempt_here(a, &results, app->conf->allow_private_webhooks);
    rc = hook_finish(&results, &app->store, arena, err);
out:
    if (a != NULL)
        webhook_attempt_fini(a);
    mem_free(a);
    buf_fini(&results);
    return rc;
}

void webhook_deliver_now(struct app *app, const char *id)
{
    static atomic_int under_way;
    struct arena *arena = NULL;
    struct err err;

    if (id == NULL)
        return;
    if (atomic_fetch_add(&under_way, 1) < WEBHOOK_HERE_MAX) {
        arena = arena_new();
        err_clear(&err);
        if (deliver_one(app, id, arena, &err) != 0)
            log_write(LOG_LEVEL_WARN, NULL, "webhook %.40s is left to drain-webhooks: %s", id,
                      err.detail[0] != '\0' ? err.detail : err.message);
        arena_free(arena);
    }
    atomic_fetch_sub(&under_way, 1);
}
