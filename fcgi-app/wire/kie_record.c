/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/kie_record.h"

#include <string.h>

/* The words that a family has for a state, and its progress. */
struct words {
    int64_t success_flag;
    const char *suno;
    const char *runway;
    const char *image_4o;
    const char *progress;
};

static const struct words state_words[] = {
    [MEDIA_WAITING] = {0, "PENDING", "wait", "GENERATING", "0.00"},
    [MEDIA_QUEUING] = {0, "PENDING", "queueing", "GENERATING", "0.00"},
    [MEDIA_GENERATING] = {0, "TEXT_SUCCESS", "generating", "GENERATING", "0.50"},
    [MEDIA_SUCCESS] = {1, "SUCCESS", "success", "SUCCESS", "1.00"},
    [MEDIA_FAIL] = {3, "GENERATE_AUDIO_FAILED", "fail", "GENERATE_FAILED", "0.00"},
};

/* NULL when the text is no object. A new reference. */
static struct json_object *parse(const char *text)
{
    struct json_object *v = NULL;
    struct err err;

    if (text == NULL || jsonx_parse(&v, text, strlen(text), &err) != 0)
        return NULL;
    if (!json_object_is_type(v, json_type_object)) {
        json_object_put(v);
        return NULL;
    }
    return v;
}

static void set_time(struct json_object *obj, const char *key, int64_t ms)
{
    if (ms > 0)
        jsonx_set_i64(obj, key, ms);
    else
        jsonx_set_null(obj, key);
}

/* A number, or the mark that becomes one. */
static void set_charge(struct json_object *obj, const char *key, const char *charge)
{
    if (charge != NULL && strcmp(charge, KIE_RECORD_CHARGE) == 0)
        jsonx_set_str(obj, key, charge);
    else
        jsonx_set_decimal(obj, key, charge);
}

static void set_model(struct json_object *data, const struct kie_record *r)
{
    struct json_object *param = parse(r->param);

    jsonx_set_str(data, "model", jsonx_str(param, "model", r->model));
    json_object_put(param);
}

static void set_failure(struct json_object *data, const struct kie_record *r, const char *code,
                        const char *msg)
{
    jsonx_set_str(data, code, r->state == MEDIA_FAIL ? r->fail_code : "");
    jsonx_set_str(data, msg, r->state == MEDIA_FAIL ? r->fail_msg : "");
}

static void write_job(struct json_object *data, const struct kie_record *r)
{
    int64_t end = r->completed_ms;

    set_model(data, r);
    jsonx_set_str(data, "state", media_state_name(r->state));
    jsonx_set_str(data, "param", r->param);
    jsonx_set_str(data, "resultJson", r->result != NULL ? r->result : "");
    set_failure(data, r, "failCode", "failMsg");
    jsonx_set_i64(data, "costTime", end > 0 ? (end - r->created_ms) / 1000 : 0);
    set_charge(data, "creditsConsumed", r->charge_usd);
    set_time(data, "createTime", r->created_ms);
    set_time(data, "updateTime", r->updated_ms);
    set_time(data, "completeTime", end);
}

/* Veo, Aleph, Flux Kontext, 4o image, Suno: a response object beside a flag or status. */
static void write_response(struct json_object *data, enum media_api shape,
                           const struct kie_record *r)
{
    const struct words *w = &state_words[r->state];
    struct json_object *response = parse(r->result);

    jsonx_set_str(data, shape == MEDIA_SUNO ? "param" : "paramJson", r->param);
    set_time(data, "createTime", r->created_ms);
    set_time(data, "completeTime", r->completed_ms);
    if (response != NULL && !jsonx_has(response, "taskId"))
        jsonx_set_str(response, "taskId", r->task_id);
    if (response != NULL)
        jsonx_set(data, "response", response);
    else
        jsonx_set_null(data, "response");
    if (shape == MEDIA_SUNO)
        jsonx_set_str(data, "status", w->suno);
    else
        jsonx_set_i64(data, "successFlag", w->success_flag);
    if (shape == MEDIA_4O) {
        jsonx_set_str(data, "status", w->image_4o);
        jsonx_set_str(data, "progress", w->progress);
    }
    if (r->state == MEDIA_FAIL)
        set_failure(data, r, "errorCode", "errorMessage");
    else {
        jsonx_set_null(data, "errorCode");
        jsonx_set_null(data, "errorMessage");
    }
}

static void write_runway(struct json_object *data, const struct kie_record *r)
{
    struct json_object *info = parse(r->result);

    jsonx_set_str(data, "parentTaskId", "");
    jsonx_set_str(data, "generateParam", r->param);
    jsonx_set_str(data, "state", state_words[r->state].runway);
    set_time(data, "generateTime", r->completed_ms);
    if (info != NULL)
        jsonx_set(data, "videoInfo", info);
    else
        jsonx_set_null(data, "videoInfo");
    jsonx_set_i64(data, "expireFlag", 0);
    set_failure(data, r, "failCode", "failMsg");
}

void kie_write_record(struct buf *out, enum media_api shape, const struct kie_record *r)
{
    struct json_object *root = json_object_new_object();
    struct json_object *data = json_object_new_object();

    jsonx_set_i64(root, "code", 200);
    jsonx_set_str(root, "msg", "success");
    jsonx_set_str(data, "taskId", r->task_id);
    if (shape == MEDIA_RUNWAY)
        write_runway(data, r);
    else if (shape == MEDIA_KIE || shape >= MEDIA_KIE__COUNT)
        write_job(data, r);
    else
        write_response(data, shape, r);
    jsonx_set(root, "data", data);
    jsonx_write(out, root);
    json_object_put(root);
}

void kie_write_created(struct buf *out, const char *task_id, const char *record_id)
{
    struct json_object *root = json_object_new_object();
    struct json_object *data = json_object_new_object();

    jsonx_set_i64(root, "code", 200);
    jsonx_set_str(root, "msg", "success");
    jsonx_set_str(data, "taskId", task_id);
    jsonx_set_str(data, "recordId", record_id);
    jsonx_set(root, "data", data);
    jsonx_write(out, root);
    json_object_put(root);
}

static void set_or_null(struct json_object *obj, const char *key, const char *text)
{
    jsonx_set_str(obj, key, text[0] != '\0' ? text : NULL);
}

void kie_write_error(struct buf *out, const struct err *e)
{
    struct json_object *root = json_object_new_object();
    struct json_object *error = json_object_new_object();

    jsonx_set_i64(root, "code", e->status);
    jsonx_set_str(root, "msg", e->message);
    jsonx_set_null(root, "data");
    jsonx_set_str(error, "message", e->message);
    set_or_null(error, "type", e->type);
    set_or_null(error, "param", e->param);
    set_or_null(error, "code", e->code_text);
    jsonx_set(root, "error", error);
    jsonx_write(out, root);
    json_object_put(root);
}

struct json_object *kie_list_entry(const struct kie_record *r)
{
    struct json_object *obj = json_object_new_object();
    struct json_object *result = parse(r->result);

    jsonx_set_str(obj, "taskId", r->task_id);
    jsonx_set_str(obj, "model", r->model);
    jsonx_set_str(obj, "state", media_state_name(r->state));
    set_time(obj, "createTime", r->created_ms);
    set_time(obj, "completeTime", r->completed_ms);
    jsonx_set_decimal(obj, "charge_usd", r->charge_usd);
    jsonx_set(obj, "resultUrls", media_result_urls(result));
    jsonx_set_str(obj, "failMsg", r->state == MEDIA_FAIL ? r->fail_msg : NULL);
    json_object_put(result);
    return obj;
}
