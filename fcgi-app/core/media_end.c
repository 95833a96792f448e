/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/media_end.h"

#include "base/timing.h"

#include <string.h>

enum { BODY_MAX = 4 * 1024 * 1024 };

struct kie_record media_record(const struct task *t)
{
    struct kie_record r = {
        .task_id = t->id,
        .model = t->model,
        .state = MEDIA_WAITING,
        .param = t->param,
        .result = t->result,
        .fail_code = t->fail_code,
        .fail_msg = t->fail_msg,
        .created_ms = t->created_ms,
        .updated_ms = t->updated_ms,
        .completed_ms = t->completed_ms,
        .charge_usd = t->charge_usd,
    };

    if (media_state_find(&r.state, t->state) != 0)
        r.state = MEDIA_WAITING;
    return r;
}

/* What the customer's webhook says about this end. NULL without one. In the arena. */
static const char *webhook_body(struct arena *arena, const struct task *t,
                                const struct task_end *end)
{
    struct kie_record r = media_record(t);
    enum media_api shape = MEDIA_KIE;
    struct buf out;

    if (t->callback_url == NULL)
        return NULL;
    if (media_api_find(&shape, t->shape) != 0)
        shape = MEDIA_KIE;
    r.state = end->ok ? MEDIA_SUCCESS : MEDIA_FAIL;
    r.result = end->ok ? end->result : NULL;
    r.fail_code = end->fail_code != NULL ? end->fail_code : "";
    r.fail_msg = end->fail_msg != NULL ? end->fail_msg : "";
    r.updated_ms = r.completed_ms = timing_wall_ms();
    r.charge_usd = KIE_RECORD_CHARGE;
    buf_init(&out, BODY_MAX);
    kie_write_record(&out, shape, &r);
    const char *body = buf_failed(&out) ? NULL : arena_strndup(arena, out.data, out.len);
    buf_fini(&out);
    return body;
}

static int finish(struct media_outcome *out, struct app *app, struct arena *arena,
                  const struct task *t, struct task_end *end, struct err *err)
{
    struct task_ended ended;

    end->upstream_id = t->upstream_id;
    end->body = webhook_body(arena, t, end);
    if (task_finish(&ended, &app->store, arena, t->id, end, err) != 0)
        return -1;
    out->ended = ended.charge_usd != NULL;
    out->delivery_id = ended.delivery_id;
    return 0;
}

int media_learn(struct media_outcome *out, struct app *app, struct arena *arena,
                const struct task *t, const struct media_news *news, struct err *err)
{
    struct task_end end = {
        .ok = news->state == MEDIA_SUCCESS,
        .result = news->result,
        .fail_code = news->fail_code,
        .fail_msg = news->fail_msg,
        .status = "upstream_error",
        .http_status = news->state == MEDIA_FAIL ? 502 : 0,
        .took = news->took,
        .cost = news->cost,
        .cost_rate = news->cost_rate,
    };
    const char *state = media_state_name(news->state);

    *out = (struct media_outcome){0};
    if (news->state == MEDIA_SUCCESS || news->state == MEDIA_FAIL)
        return finish(out, app, arena, t, &end, err);
    if (strcmp(state, t->state) == 0)
        return 0;
    return task_progress(&app->store, arena, t->id, state, err);
}

int media_give_up(struct media_outcome *out, struct app *app, struct arena *arena,
                  const struct task *t, const char *code, const char *msg, struct err *err)
{
    struct task_end end = {
        .fail_code = code,
        .fail_msg = msg,
        .status = "timeout",
        .http_status = 504,
    };

    *out = (struct media_outcome){0};
    return finish(out, app, arena, t, &end, err);
}
