/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What customers see of their tasks, in the forms that kie.ai's clients know: recordInfo for
 * createTask, and the record-info of its old families (docs.kie.ai). Pure.
 */
#ifndef AIG_KIE_RECORD_H
#define AIG_KIE_RECORD_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "wire/media.h"

struct kie_record {
    const char *task_id;
    const char *model; /* the catalog's name; where param names another one, that is shown */
    enum media_state state;
    const char *param;  /* JSON text */
    const char *result; /* JSON text; NULL while there is none */
    const char *fail_code;
    const char *fail_msg;
    int64_t created_ms; /* unix */
    int64_t updated_ms;
    int64_t completed_ms;   /* 0: open */
    const char *charge_usd; /* decimal text; NULL: not known yet */
};

/* In place of charge_usd: the database puts the charge in (procedure job_finish). */
#define KIE_RECORD_CHARGE "@charge"

/* Appends {"code":200,"msg":"success","data":{...}} in the form of one family (MEDIA_KIE:
 * createTask's). */
void kie_write_record(struct buf *out, enum media_api shape, const struct kie_record *r);

/* Appends the answer to a creation. record_id: the request id. */
void kie_write_created(struct buf *out, const char *task_id, const char *record_id);

/* Appends kie.ai's {"code","msg","data":null} together with OpenAI's {"error":{...}}. */
void kie_write_error(struct buf *out, const struct err *e);

/* One line of GET /v1/jobs. A new object. */
struct json_object *kie_list_entry(const struct kie_record *r) AIG_MUST_USE;

#endif
