/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/kie.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* US dollars that one of kie.ai's credits costs. */
#define CREDIT_USD "0.005"

static const struct {
    const char *create;
    const char *query;
    bool needs_callback;
} families[] = {
    [MEDIA_KIE] = {"/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo", false},
    [MEDIA_VEO] = {"/api/v1/veo/generate", "/api/v1/veo/record-info", false},
    [MEDIA_SUNO] = {"/api/v1/generate", "/api/v1/generate/record-info", true},
    [MEDIA_RUNWAY] = {"/api/v1/runway/generate", "/api/v1/runway/record-detail", false},
    [MEDIA_ALEPH] = {"/api/v1/aleph/generate", "/api/v1/aleph/record-info", false},
    [MEDIA_FLUX] = {"/api/v1/flux/kontext/generate", "/api/v1/flux/kontext/record-info", false},
    [MEDIA_4O] = {"/api/v1/gpt4o-image/generate", "/api/v1/gpt4o-image/record-info", false},
};
static_assert(ARRAY_LEN(families) == MEDIA_KIE__COUNT, "paths for every family");

const char *kie_create_path(enum media_api api)
{
    return families[api].create;
}

const char *kie_query_path(enum media_api api)
{
    return families[api].query;
}

bool kie_needs_callback(enum media_api api)
{
    return families[api].needs_callback;
}

void kie_write_request(struct buf *out, enum media_api api, const char *upstream_model,
                       struct json_object *input, const char *callback_url)
{
    struct json_object *body = json_object_new_object();

    if (api == MEDIA_KIE) {
        jsonx_set_str(body, "model", upstream_model);
        jsonx_set_ref(body, "input", input);
    } else {
        json_object_object_foreach(input, key, v)
        {
            jsonx_set_ref(body, key, v);
        }
    }
    if (callback_url != NULL)
        jsonx_set_str(body, "callBackUrl", callback_url);
    jsonx_write(out, body);
    json_object_put(body);
}

/* --- Answers ------------------------------------------------------------------------------------
 */

/* A member that is a text or a number, as text in the arena; "" if it is neither. */
static const char *text_of(struct arena *arena, struct json_object *obj, const char *key)
{
    struct json_object *v = jsonx_get(obj, key);

    if (json_object_is_type(v, json_type_string) || json_object_is_type(v, json_type_int) ||
        json_object_is_type(v, json_type_double))
        return arena_strdup(arena, json_object_get_string(v));
    return "";
}

struct answer {
    struct json_object *root; /* owned */
    struct json_object *data; /* borrowed; may be NULL */
    int64_t code;
    const char *msg;
};

/* -1: it is no answer of kie.ai. */
static int open_answer(struct answer *a, struct arena *arena, int http_status, struct span body,
                       struct err *err)
{
    struct err why;

    *a = (struct answer){0};
    if (jsonx_parse(&a->root, body.ptr, body.len, &why) != 0 ||
        !json_object_is_type(jsonx_get(a->root, "code"), json_type_int)) {
        json_object_put(a->root);
        a->root = NULL;
        err_set(err, ERR_UPSTREAM, NULL,
                "The media provider answered with something that is no answer. Please try again.");
        return err_detail(err, "kie: HTTP %d, %zu bytes: %.*s", http_status, body.len,
                          MEDIA_BEGINNING(body));
    }
    a->code = jsonx_i64(a->root, "code", 0);
    a->data = jsonx_object(a->root, "data");
    a->msg = text_of(arena, a->root, "msg");
    if (a->msg[0] == '\0')
        a->msg = text_of(arena, a->root, "message");
    return 0;
}

/* kie.ai's codes. What concerns our account there is no business of the customer's. */
static int refuse(const struct answer *a, struct arena *arena, struct err *err)
{
    const char *msg = media_words(arena, a->msg);

    switch (a->code) {
    case 401:
    case 402:
    case 403:
    case 433:
        err_set(err, ERR_UPSTREAM_AUTH, NULL,
                "The media provider is not available to this service at the moment. Nothing was "
                "charged; the operator has to look at it.");
        break;
    case 429:
        err_set(err, ERR_UPSTREAM_BUSY, NULL,
                "The media provider is busy. Nothing was charged; please try again shortly.");
        break;
    case 455:
        err_set(err, ERR_UPSTREAM_BUSY, NULL,
                "The media provider is under maintenance. Nothing was charged; please try again "
                "later.");
        break;
    case 400:
    case 404:
    case 413:
    case 422:
        err_set_upstream(err, a->code == 404 ? 400 : (int)a->code, "invalid_request_error", NULL,
                         NULL, msg[0] != '\0' ? msg : "The media provider refused the request.");
        break;
    default:
        err_set(err, ERR_UPSTREAM, NULL,
                "The media provider failed. Nothing was charged; please try again.");
        break;
    }
    return err_detail(err, "kie: code %lld: %s", (long long)a->code, a->msg);
}

int kie_read_created(struct media_news *news, bool *sure, struct arena *arena, int http_status,
                     struct span body, struct err *err)
{
    struct answer a;
    int rc = -1;

    *news = (struct media_news){.state = MEDIA_WAITING};
    *sure = false;
    if (open_answer(&a, arena, http_status, body, err) != 0)
        return -1;
    const char *id = jsonx_str(a.data, "taskId", jsonx_str(a.data, "task_id", ""));
    if (a.code != 200) {
        *sure = true;
        rc = refuse(&a, arena, err);
    } else if (!media_id_valid(id)) {
        err_set(err, ERR_UPSTREAM, NULL, "The media provider named no task. Please try again.");
        rc = err_detail(err, "kie: no taskId in the answer to a creation");
    } else {
        news->upstream_id = arena_strdup(arena, id);
        rc = 0;
    }
    json_object_put(a.root);
    return rc;
}

/* --- Records ------------------------------------------------------------------------------------
 */

struct word {
    const char *word;
    enum media_state state;
};

static const struct word job_states[] = {
    {"waiting", MEDIA_WAITING},       {"wait", MEDIA_WAITING},    {"queuing", MEDIA_QUEUING},
    {"queueing", MEDIA_QUEUING},      {"success", MEDIA_SUCCESS}, {"fail", MEDIA_FAIL},
    {"generating", MEDIA_GENERATING},
};

/* Suno: each song may come by itself; a callback that failed says nothing about the songs. */
static const struct word status_words[] = {
    {"PENDING", MEDIA_WAITING},           {"TEXT_SUCCESS", MEDIA_GENERATING},
    {"FIRST_SUCCESS", MEDIA_GENERATING},  {"CALLBACK_EXCEPTION", MEDIA_GENERATING},
    {"GENERATING", MEDIA_GENERATING},     {"SUCCESS", MEDIA_SUCCESS},
    {"SENSITIVE_WORD_ERROR", MEDIA_FAIL},
};

static int find_word(enum media_state *out, const struct word *words, size_t count,
                     const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].word, word) == 0) {
            *out = words[i].state;
            return 0;
        }
    return -1;
}

static int read_state(enum media_state *out, enum media_api api, struct json_object *data)
{
    const char *status = jsonx_str(data, "status", "");

    if (api == MEDIA_KIE || api == MEDIA_RUNWAY)
        return find_word(out, job_states, ARRAY_LEN(job_states), jsonx_str(data, "state", ""));
    if (status[0] != '\0') {
        if (strstr(status, "FAILED") != NULL) {
            *out = MEDIA_FAIL;
            return 0;
        }
        return find_word(out, status_words, ARRAY_LEN(status_words), status);
    }
    switch (jsonx_i64(data, "successFlag", -1)) {
    case 0:
        *out = MEDIA_GENERATING;
        return 0;
    case 1:
        *out = MEDIA_SUCCESS;
        return 0;
    case 2:
    case 3:
        *out = MEDIA_FAIL;
        return 0;
    default:
        return -1;
    }
}

/* The object with the files: it may be JSON in a text. A new reference, or NULL. */
static struct json_object *result_of(enum media_api api, struct json_object *data)
{
    const char *name = api == MEDIA_KIE      ? "resultJson"
                       : api == MEDIA_RUNWAY ? "videoInfo"
                                             : "response";
    struct json_object *v = jsonx_get(data, name);
    struct json_object *parsed = NULL;
    struct err why;

    if (json_object_is_type(v, json_type_string)) {
        const char *text = json_object_get_string(v);
        if (jsonx_parse(&parsed, text, strlen(text), &why) != 0)
            return NULL;
    } else {
        parsed = json_object_get(v);
    }
    if (parsed != NULL && !json_object_is_type(parsed, json_type_object)) {
        json_object_put(parsed);
        parsed = NULL;
    }
    return parsed;
}

static bool has_files(struct json_object *result)
{
    struct json_object *urls = media_result_urls(result);
    bool any = json_object_array_length(urls) > 0;

    json_object_put(urls);
    return any;
}

static void read_failure(struct media_news *news, struct arena *arena, struct json_object *data,
                         const char *upstream_id)
{
    const char *code = text_of(arena, data, "failCode");
    const char *msg = text_of(arena, data, "failMsg");

    if (code[0] == '\0')
        code = text_of(arena, data, "errorCode");
    if (msg[0] == '\0')
        msg = text_of(arena, data, "errorMessage");
    news->fail_code = strnlen(code, 33) <= 32 ? code : "";
    /* A text that names the task is not shown: the customer knows it by another name. */
    news->fail_msg = msg[0] == '\0' || strstr(msg, upstream_id) != NULL
                         ? "The provider could not make it."
                         : media_words(arena, msg);
}

static int read_success(struct media_news *news, struct arena *arena, enum media_api api,
                        struct json_object *data, const char *upstream_id, const char *task_id)
{
    struct json_object *result = result_of(api, data);

    if (result != NULL && has_files(result))
        news->result = media_result_text(arena, result, upstream_id, task_id);
    json_object_put(result);
    if (news->result != NULL)
        return 0;
    news->state = MEDIA_FAIL;
    news->fail_code = "no_result";
    news->fail_msg = "The provider reported success, but gave no files.";
    return 0;
}

static int read_data(struct media_news *news, struct arena *arena, enum media_api api,
                     struct json_object *data, const char *upstream_id, const char *task_id,
                     struct err *err)
{
    const char *named = jsonx_str(data, "taskId", upstream_id);
    const char *credits = text_of(arena, data, "creditsConsumed");

    if (strcmp(named, upstream_id) != 0 || read_state(&news->state, api, data) != 0) {
        err_set(err, ERR_UPSTREAM, NULL, "The media provider's answer was not understood.");
        return err_detail(err, "kie: record of task '%.40s', state '%.40s' status '%.40s'", named,
                          jsonx_str(data, "state", ""), jsonx_str(data, "status", ""));
    }
    if (credits[0] != '\0') {
        news->cost = credits;
        news->cost_rate = CREDIT_USD;
    }
    if (news->state == MEDIA_SUCCESS)
        return read_success(news, arena, api, data, upstream_id, task_id);
    if (news->state == MEDIA_FAIL)
        read_failure(news, arena, data, upstream_id);
    return 0;
}

int kie_read_record(struct media_news *news, struct arena *arena, enum media_api api,
                    const char *upstream_id, const char *task_id, int http_status, struct span body,
                    struct err *err)
{
    struct answer a;
    int rc = -1;

    *news = (struct media_news){.state = MEDIA_WAITING};
    if (open_answer(&a, arena, http_status, body, err) != 0)
        return -1;
    if (a.code == 404 || (a.code == 422 && a.data == NULL)) {
        err_set(err, ERR_NOT_FOUND, NULL, "The media provider does not know this task.");
        rc = err_detail(err, "kie: code %lld: %s", (long long)a.code, a.msg);
    } else if (a.data == NULL) {
        rc = refuse(&a, arena, err);
    } else if (a.code != 200 && a.code != 500 && a.code != 501) {
        rc = refuse(&a, arena, err);
    } else {
        rc = read_data(news, arena, api, a.data, upstream_id, task_id, err);
    }
    json_object_put(a.root);
    return rc;
}

/* --- Callbacks ----------------------------------------------------------------------------------
 */

static int deny(struct err *err, const char *why)
{
    err_set(err, ERR_FORBIDDEN, NULL, "This callback is not accepted.");
    return err_detail(err, "kie callback: %s", why);
}

/* Unix seconds, digits only. -1: none. */
static int64_t read_ts(const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;

    if (len == 0 || len > 12 || strspn(text, "0123456789") != len)
        return -1;
    return strtoll(text, NULL, 10);
}

static bool signature_fits(const char *key, const char *upstream_id, const char *timestamp,
                           const char *signature)
{
    unsigned char mac[SECRET_SHA256_SIZE];
    struct buf signed_text;
    struct buf right;

    buf_init(&signed_text, 256);
    buf_init(&right, 128);
    buf_printf(&signed_text, "%s.%s", upstream_id, timestamp);
    secret_hmac_sha256(mac, key, strlen(key), signed_text.data, signed_text.len);
    secret_base64(&right, mac, sizeof mac);
    bool fits = !buf_failed(&signed_text) && strlen(signature) == right.len &&
                secret_equal(signature, right.data, right.len);
    buf_fini(&right);
    buf_fini(&signed_text);
    return fits;
}

int kie_read_callback(struct kie_callback *out, struct arena *arena, const char *key,
                      const char *timestamp, const char *signature, struct span body, int64_t now_s,
                      struct err *err)
{
    struct json_object *root = NULL;
    struct err why;
    int64_t ts = read_ts(timestamp);

    if (ts < 0 || signature == NULL)
        return deny(err, "not signed");
    if (ts < now_s - KIE_CALLBACK_SKEW_S || ts > now_s + KIE_CALLBACK_SKEW_S)
        return deny(err, "too old or too new");
    if (jsonx_parse(&root, body.ptr, body.len, &why) != 0)
        return deny(err, "no JSON");
    struct json_object *data = jsonx_object(root, "data");
    const char *id =
        jsonx_str(data, "taskId", jsonx_str(data, "task_id", jsonx_str(root, "taskId", "")));
    bool known = media_id_valid(id);
    out->upstream_id = known ? arena_strdup(arena, id) : "";
    out->ts = ts;
    json_object_put(root);
    if (!known)
        return deny(err, "no task id");
    return signature_fits(key, out->upstream_id, timestamp, signature)
               ? 0
               : deny(err, "the signature does not fit");
}
