/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/relay.h"

#include "base/log.h"
#include "base/sse.h"
#include "base/timing.h"
#include "core/bound.h"
#include "core/charge.h"
#include "core/hedge.h"
#include "core/images.h"
#include "core/reasoning.h"
#include "core/route.h"
#include "core/upstream.h"
#include "net/transfer.h"
#include "store/ledger.h"
#include "wire/responses_tools.h"

#include <string.h>
#include <strings.h>

enum {
    HELD_EVENTS_MAX =
        32, /* start-up chunks without content that wait for the first one with some */
    KEEP_BYTES = 64 * 1024, /* memory that an idle worker keeps of its buffers */
};

struct relay {
    struct app *app;
    struct transfer *transfer;
    struct sse_reader sse;
    struct buf request;
    struct buf answer;
};

/* What the answer of the upstream is taken for, decided at its head. */
enum intake { INTAKE_NONE, INTAKE_ANSWER, INTAKE_STREAM, INTAKE_FAILURE };

/* How an attempt at one upstream ended. */
enum verdict {
    VERDICT_WHOLE,  /* the answer is there, all but its end has been sent */
    VERDICT_GONE,   /* the client left */
    VERDICT_FAILED, /* err says why, status what the usage row calls it */
};

/* One call under way. */
struct run {
    struct relay *relay;
    const struct relay_call *call;
    const struct relay_sink *sink;
    void *sink_arg;
    const struct models_copy *models;
    const struct catalog_model *model;
    struct route_list routes;
    struct relay_head head;
    struct bound bound;
    struct ledger_hold hold;
    int64_t start_ms;
    int64_t last_sent_ms;
    int64_t renewed_ms;
    bool began;           /* the client's stream has begun */
    bool content;         /* the first content has gone to the sink: nobody else can serve now */
    bool gone;            /* the client left */
    int64_t output_bytes; /* of text sent to the client, or of a whole answer */

    /* Of the attempt under way. */
    size_t at; /* of the routes */
    const struct route *route;
    struct transfer_result result;
    struct format_reader reader;
    bool streams; /* the upstream does; the client may want a plain answer all the same */
    enum intake intake;
    struct json_object *held[HELD_EVENTS_MAX];
    size_t held_count;
    bool done;   /* the provider said that the answer is whole */
    bool failed; /* err is set: the upstream's answer is no good */
    struct usage usage;
    struct reasoning reasoning;
    const char *status;
    struct err err;

    struct err failure; /* of the provider that the client has chosen */
};

struct relay *relay_new(struct app *app)
{
    struct relay *r = mem_zalloc(sizeof *r);
    r->app = app;
    r->transfer = transfer_new();
    sse_reader_init(&r->sse);
    buf_init(&r->request, SIZE_MAX / 2);
    buf_init(&r->answer, RELAY_ANSWER_MAX);
    return r;
}

void relay_free(struct relay *r)
{
    if (r == NULL)
        return;
    transfer_free(r->transfer);
    sse_reader_fini(&r->sse);
    buf_fini(&r->request);
    buf_fini(&r->answer);
    mem_free(r);
}

struct transfer *relay_transfer(struct relay *r)
{
    return r->transfer;
}

/* The end of the money side. */

static struct ledger_outcome outcome_of(const struct run *run, const char *status)
{
    return (struct ledger_outcome){
        .status = status,
        .provider = run->route->format->name,
        .upstream_model = run->route->upstream_model,
        .hedged_from = run->head.hedged_from,
        .stream = run->call->request->stream,
        .http_status = run->result.head.status,
        .first_byte_ms = run->result.first_byte_ms,
        .duration_ms = timing_mono_ms() - run->start_ms,
    };
}

static struct charge_call charge_call_of(const struct run *run)
{
    return (struct charge_call){
        .app = run->relay->app,
        .arena = run->call->arena,
        .request_id = run->call->request_id,
    };
}

static void release(const struct run *run, const char *status)
{
    struct charge_call call = charge_call_of(run);
    struct ledger_outcome how = outcome_of(run, status);

    charge_release(&call, &how);
}

static const char *settle(struct run *run, const char *status)
{
    struct charge_call call = charge_call_of(run);
    struct ledger_outcome how = outcome_of(run, status);

    return charge_settle(&call, &run->usage, run->bound.estimate, bound_estimate(run->output_bytes),
                         &how);
}

static struct reasoning_call reasoning_call_of(const struct run *run)
{
    return (struct reasoning_call){
        .app = run->relay->app,
        .arena = run->call->arena,
        .request_id = run->call->request_id,
        .origin = {.account_id = run->hold.account_id,
                   .provider = run->route->format->name,
                   .upstream_model = run->route->upstream_model},
    };
}

/* Towards the client. */

static int client_gone(struct run *run)
{
    run->gone = true;
    return -1;
}

static int begin_stream(struct run *run)
{
    if (run->began)
        return 0;
    run->began = true;
    return run->sink->begin(&run->head, run->sink_arg) != 0 ? client_gone(run) : 0;
}

static int send_event(struct run *run, const struct event *event)
{
    if (run->sink->event(event, run->sink_arg) != 0)
        return client_gone(run);
    run->output_bytes += event->output_bytes;
    run->last_sent_ms = timing_mono_ms();
    return 0;
}

static void drop_held(struct run *run)
{
    for (size_t i = 0; i < run->held_count; i++)
        json_object_put(run->held[i]);
    run->held_count = 0;
}

/* The first content is here: the answer is really coming, so the client gets its head and what was
 * held back. */
static int send_held(struct run *run)
{
    int rc = run->call->request->stream ? begin_stream(run) : 0;

    for (size_t i = 0; i < run->held_count && rc == 0; i++) {
        struct event event = {.kind = EVENT_CHUNK, .json = run->held[i]};
        rc = send_event(run, &event);
    }
    drop_held(run);
    run->content = true;
    /* From here on nobody else can serve: a stream need not carry its prompt along. */
    if (format_passes(run->route->format, run->call->request)) {
        run->call->request->content = NULL;
        neutral_request_fini(run->call->request);
    }
    return rc;
}

/* Start-up chunks wait for the first content: until then a failure can still become a proper error.
 */
static int on_content_event(struct run *run, const struct event *event)
{
    if (event->kind == EVENT_BEGIN)
        return 0; /* says nothing to a client */
    if (run->streams && !run->content) {
        if (!event->content && run->held_count < HELD_EVENTS_MAX && event->kind == EVENT_CHUNK) {
            run->held[run->held_count++] = json_object_get(event->json);
            return 0;
        }
        if (send_held(run) != 0)
            return -1;
    }
    return send_event(run, event);
}

static int on_event(const struct event *event, void *arg)
{
    struct run *run = arg;

    if (event->kind == EVENT_DONE) {
        run->done = true;
        return 0;
    }
    if (run->route->format->wants_reasoning)
        reasoning_take(&run->reasoning, run->call->arena, event);
    if (event->kind == EVENT_USAGE) {
        run->usage = *event->usage;
        return run->sink->event(event, run->sink_arg) != 0 ? client_gone(run) : 0;
    }
    return on_content_event(run, event);
}

/* From the upstream. */

static int on_sse(const struct sse_event *event, void *arg)
{
    struct run *run = arg;

    if (run->done || event->data.len == 0)
        return 0;
    if (run->route->format->read_event(&run->reader, event->data, on_event, run, &run->err) != 0) {
        run->failed = !run->gone;
        return -1;
    }
    return 0;
}

static bool is_event_stream(const char *content_type)
{
    return strncasecmp(content_type, "text/event-stream", strlen("text/event-stream")) == 0;
}

static int on_head(const struct transfer_head *head, void *arg)
{
    struct run *run = arg;
    bool ok = head->status >= 200 && head->status < 300;

    if (!ok)
        run->intake = INTAKE_FAILURE;
    else if (!run->streams)
        run->intake = INTAKE_ANSWER;
    else
        run->intake = is_event_stream(head->content_type) ? INTAKE_STREAM : INTAKE_FAILURE;
    return 0;
}

static int on_data(const char *data, size_t len, void *arg)
{
    struct run *run = arg;
    struct buf *answer = &run->relay->answer;
    int rc = 0;

    switch (run->intake) {
    case INTAKE_STREAM:
        rc = sse_reader_feed(&run->relay->sse, data, len, on_sse, run);
        if (rc == SSE_TOO_LONG) {
            run->failed = true;
            format_nonsense(&run->err, "an event of the stream is too long");
        }
        return rc;
    case INTAKE_ANSWER:
        buf_append(answer, data, len);
        if (buf_failed(answer)) {
            run->failed = true;
            return format_nonsense(&run->err, "the answer is too large");
        }
        return 0;
    case INTAKE_FAILURE:
    case INTAKE_NONE:
        if (answer->len < RELAY_FAILURE_MAX)
            buf_append(answer, data,
                       len < RELAY_FAILURE_MAX - answer->len ? len
                                                             : RELAY_FAILURE_MAX - answer->len);
        return 0;
    }
    return 0;
}

static int on_tick(bool watched, void *arg)
{
    struct run *run = arg;
    int64_t now = timing_mono_ms();

    (void)watched;
    if (run->sink->gone(run->sink_arg))
        return client_gone(run);
    upstream_renew(run->relay->app, run->call->arena, run->call->request_id, &run->renewed_ms);
    if (!run->call->request->stream || now - run->last_sent_ms < RELAY_KEEPALIVE_MS)
        return 0;
    if (begin_stream(run) != 0 || run->sink->comment(run->sink_arg) != 0)
        return client_gone(run);
    run->last_sent_ms = now;
    return 0;
}

static void call_upstream(struct run *run)
{
    static const struct transfer_callbacks callbacks = {
        .head = on_head, .data = on_data, .tick = on_tick};
    const struct format *f = run->route->format;
    struct upstream_call call = {
        .conf = run->relay->app->conf,
        .arena = run->call->arena,
        .base_url = run->route->base_url,
        .path = run->streams && f->stream_path != NULL ? f->stream_path : f->path,
        .model = run->route->upstream_model,
        .auth = f->auth,
        .key = run->route->key,
        .extra_header = f->extra_header,
        .passed_header = format_passes(f, run->call->request) ? run->call->passed_header : NULL,
        .stream = run->streams,
        .body = buf_span(&run->relay->request),
        .start_ms = run->start_ms,
        .watch_fd = run->sink->watch_fd(run->sink_arg),
    };

    upstream_run(&run->result, run->relay->transfer, &call, &callbacks, run);
}

/* The end of an attempt. */

static enum verdict fail_as(struct run *run, const char *status)
{
    run->status = status;
    return VERDICT_FAILED;
}

static enum verdict fail_broken(struct run *run, enum err_code code, const char *status,
                                const char *message)
{
    return fail_as(run, upstream_broken(&run->err, code, status, &run->result, message));
}

static enum verdict judge_answer(struct run *run)
{
    struct json_object *answer = NULL;
    int rc = 0;

    if (jsonx_parse(&answer, run->relay->answer.data, run->relay->answer.len, &run->err) != 0)
        rc = format_nonsense(&run->err, "the answer is no JSON");
    else
        rc = run->route->format->read_answer(&run->reader, answer, on_event, run, &run->err);
    json_object_put(answer);
    return rc == 0 ? VERDICT_WHOLE : fail_as(run, "upstream_error");
}

static enum verdict judge_stream(struct run *run)
{
    const struct format *format = run->route->format;

    if (!run->done && run->result.end == TRANSFER_DONE && format->end_stream != NULL &&
        format->end_stream(&run->reader, on_event, run, &run->err) != 0)
        return run->gone ? VERDICT_GONE : fail_as(run, "upstream_error");
    if (!run->done)
        return run->result.end == TRANSFER_TIMEOUT
                   ? fail_broken(run, ERR_TIMEOUT, "timeout",
                                 "The provider was silent for too long.")
                   : fail_broken(run, ERR_UPSTREAM, "upstream_error",
                                 "The provider's stream broke off before its end.");
    if (!run->content && send_held(run) != 0)
        return VERDICT_GONE;
    return VERDICT_WHOLE;
}

static enum verdict judge_done(struct run *run)
{
    switch (run->intake) {
    case INTAKE_ANSWER:
        return judge_answer(run);
    case INTAKE_STREAM:
        return judge_stream(run);
    case INTAKE_FAILURE:
    case INTAKE_NONE:
        run->route->format->read_failure(&run->err, run->result.head.status,
                                         run->result.head.retry_after_s,
                                         buf_span(&run->relay->answer));
        return fail_as(run, "upstream_error");
    }
    return fail_as(run, "upstream_error");
}

static enum verdict judge(struct run *run)
{
    if (run->gone)
        return VERDICT_GONE;
    if (run->failed)
        return fail_as(run, "upstream_error");
    if (run->result.end == TRANSFER_DONE)
        return judge_done(run);
    /* What a connection does after the provider's last word changes nothing. */
    if (run->intake == INTAKE_STREAM)
        return judge_stream(run);
    return fail_as(run, upstream_unanswered(&run->err, &run->result));
}

/* The end of a call. */

static int finish_well(struct run *run)
{
    const struct reasoning_call kept = reasoning_call_of(run);

    /* Before the client can come back with the next turn. */
    if (!run->call->request->keep_nothing)
        reasoning_keep(&run->reasoning, &kept);
    const char *charge = settle(run, "ok");

    (void)run->sink->end(&run->head, &run->usage, charge, run->sink_arg);
    return 0;
}

/* A client that left in mid-stream pays for the prompt and what it had got; before that, nothing.
 */
static int finish_gone(struct run *run, struct err *err)
{
    if (run->call->request->stream && run->intake == INTAKE_STREAM)
        (void)settle(run, "client_gone");
    else
        release(run, "client_gone");
    return err_set(err, ERR_CLIENT_GONE, NULL, "The client left.");
}

/* Nothing is charged; the client gets the error as an answer or, once its stream has begun, as an
 * event. */
static int finish_failed(struct run *run, struct err *err)
{
    release(run, run->status);
    if (run->began) {
        (void)run->sink->fail(&run->failure, run->sink_arg);
        return 0;
    }
    *err = run->failure;
    return -1;
}

/* The beginning of a call. */

static struct ledger_want want_of(const struct run *run)
{
    const struct neutral_request *request = run->call->request;
    struct ledger_want want = {
        .request_id = run->call->request_id,
        .model_id = run->model->id,
        .price_model_id = run->route->price_model_id,
        .prompt_bound = run->bound.prompt,
        .prompt_likely = run->bound.likely,
        .output_limit = request->output_limit,
        .output_max = run->model->max_output_tokens,
        .choices = request->choices,
        .tools = request->hosted.priced[0] != '\0' ? request->hosted.priced : NULL,
        .tool_calls = request->hosted.max_calls,
    };

    memcpy(want.key_hash, run->call->key_hash, sizeof want.key_hash);
    return want;
}

/* The largest answer of the model that serves on the present route. */
static int64_t output_max(const struct run *run)
{
    const struct catalog_model *serving = models_find_id(run->models, run->route->price_model_id);

    return serving != NULL && run->head.hedged_from != NULL ? serving->max_output_tokens
                                                            : run->model->max_output_tokens;
}

static int authorize(struct run *run, struct err *err)
{
    struct ledger_want want = want_of(run);

    want.output_max = output_max(run);
    if (ledger_authorize(&run->hold, &run->relay->app->store, run->call->arena, &want, err) != 0)
        return -1;
    bool lowered = want.output_limit == 0 ? run->hold.output_limit < run->model->max_output_tokens
                                          : run->call->request->limit_is_ceiling &&
                                                run->hold.output_limit < want.output_limit;
    if (lowered)
        run->head.output_limit = run->hold.output_limit;
    if (run->call->request->hosted.limit_is_ours)
        run->head.tool_call_limit = run->call->request->hosted.max_calls;
    return 0;
}

/* Another model does not take what only the client's own language can say (sound, custom tools),
 * and most give one answer only: none of it may be left out in silence. */
static bool may_hedge(const struct run *run)
{
    const struct relay_call *call = run->call;
    struct err err;

    return call->request->choices == 1 &&
           (call->request->content != NULL ||
            call->read_content(call->request, call->arena, &err) == 0);
}

static void choose(struct run *run, size_t at)
{
    run->at = at;
    run->route = &run->routes.routes[at];
    run->head.provider = run->route->format->name;
    run->head.hedged_from = at > 0 ? run->routes.routes[0].format->name : NULL;
}

/* While a provider is marked down the hold is made for its hedge at once, which saves extending it.
 * Whatever is in the way of that, the provider that was asked decides what the client gets. */
static int admit(struct run *run, struct err *err)
{
    const struct relay_call *call = run->call;
    struct hedge *hedge = run->relay->app->hedge;
    bool down = run->routes.count > 1 && call->request->hosted.kinds == 0 &&
                hedge_is_down(hedge, run->routes.routes[0].format->name, call->arena);

    if (down && may_hedge(run)) {
        for (size_t at = 1; at < run->routes.count; at++) {
            choose(run, at);
            if (authorize(run, err) == 0)
                return 0;
            if (err->code == ERR_DATABASE)
                return -1;
            err_clear(err);
        }
    }
    choose(run, 0);
    return authorize(run, err);
}

/* Another provider serves at another price, or the prompt grows: the hold must cover that too.
 * `undone` is for the log: what is not done if it cannot. */
static int extend(struct run *run, const char *undone)
{
    struct ledger_want want = want_of(run);
    struct err err;

    want.output_max = output_max(run);
    if (ledger_extend(&run->hold, &run->relay->app->store, run->call->arena, &want, &err) == 0)
        return 0;
    log_write(LOG_LEVEL_INFO, run->call->request_id, "%s %s: %s", undone,
              run->route->upstream_model, err.message);
    return -1;
}

/* Thoughts that are put back are prompt, too. */
static int afford(int64_t bytes, void *arg)
{
    struct run *run = arg;
    struct neutral_size *size = &run->call->request->size;

    size->text_bytes += bytes;
    bound_prompt(&run->bound, size, run->model);
    if (extend(run, "without its thoughts:") == 0)
        return 0;
    size->text_bytes -= bytes;
    bound_prompt(&run->bound, size, run->model);
    return -1;
}

/* The client's own limit goes to the provider of its choice as it is: one above the model's maximum
 * is the provider's to refuse, unless the client's language means no more by it than a ceiling. */
static int64_t output_limit(const struct run *run)
{
    const struct neutral_request *request = run->call->request;

    if (request->output_limit > 0 && run->head.hedged_from == NULL && !request->limit_is_ceiling)
        return request->output_limit;
    return run->hold.output_limit;
}

static void begin_attempt(struct run *run)
{
    struct relay *r = run->relay;

    buf_clear(&r->request);
    buf_clear(&r->answer);
    sse_reader_reset(&r->sse);
    drop_held(run);
    reasoning_reset(&run->reasoning);
    run->intake = INTAKE_NONE;
    run->done = false;
    run->failed = false;
    memset(&run->usage, 0, sizeof run->usage);
    err_clear(&run->err);
    run->reader = (struct format_reader){
        .request = run->call->request,
        .arena = run->call->arena,
        .state = arena_zalloc(run->call->arena, run->route->format->state_size),
    };
}

/* Which parameters the model that serves takes. */
static const char *dialect_of(const struct run *run)
{
    const struct catalog_model *serving = models_find_id(run->models, run->route->price_model_id);

    return serving != NULL && run->head.hedged_from != NULL ? serving->dialect
                                                            : run->model->dialect;
}

static bool wants_stream(const struct run *run, int64_t limit)
{
    const struct neutral_request *request = run->call->request;
    const struct format *format = run->route->format;

    return request->stream ||
           (format->plain_max > 0 && limit > format->plain_max && !format_passes(format, request));
}

/* One upstream is asked. */
static enum verdict attempt(struct run *run)
{
    const struct neutral_request *request = run->call->request;
    struct neutral_target target = {
        .upstream_model = run->route->upstream_model,
        .dialect = dialect_of(run),
        .model = run->model->name,
        .hedge = run->head.hedged_from != NULL,
        .output_limit = output_limit(run),
    };

    begin_attempt(run);
    run->streams = target.stream = wants_stream(run, target.output_limit);
    if (run->route->format->wants_reasoning) {
        struct reasoning_call restored = reasoning_call_of(run);
        restored.afford = afford;
        restored.arg = run;
        reasoning_restore(&run->reasoning, &restored, run->call->request);
    }
    if (run->route->format->write_request(&run->relay->request, request, &target, &run->err) != 0)
        return fail_as(run, "error");
    call_upstream(run);
    enum verdict verdict = judge(run);
    format_conceal(&run->err, run->route->key);
    if (request->hosted.kinds != 0)
        responses_tools_conceal(&run->err, request);
    if (verdict == VERDICT_FAILED)
        log_write(LOG_LEVEL_WARN, run->call->request_id, "%s %s: %s: %s", run->route->format->name,
                  run->route->upstream_model, err_name(run->err.code),
                  run->err.detail[0] != '\0' ? run->err.detail : run->err.message);
    return verdict;
}

/* The next route takes over; false if there is none, or it cannot say what is asked, or the hold
 * cannot be made large enough for it. */
static bool take_next(struct run *run)
{
    size_t asked = run->at;

    if (asked + 1 >= run->routes.count || !may_hedge(run))
        return false;
    for (size_t at = asked + 1; at < run->routes.count; at++) {
        choose(run, at);
        if (extend(run, "not hedged to") == 0)
            return true;
    }
    choose(run, asked); /* the usage row names who was asked */
    return false;
}

/* Asks the routes in turn until one serves. Nothing of a failed attempt has reached the client. */
static enum verdict serve(struct run *run)
{
    struct hedge *hedge = run->relay->app->hedge;
    struct arena *arena = run->call->arena;
    bool hedged = run->routes.count > 1;
    enum verdict verdict;

    if (hedged && run->at == 0 && !hedge_is_up(hedge, run->route->format->name, arena) &&
        !take_next(run))
        run->routes.count = 1;
    for (;;) {
        verdict = attempt(run);
        /* A provider's 4xx is about the request: nobody else would do better. */
        bool fault =
            verdict == VERDICT_FAILED && run->err.retryable && run->err.code != ERR_UPSTREAM_STATUS;
        if (hedged && verdict != VERDICT_GONE && (fault || verdict == VERDICT_WHOLE))
            hedge_report(hedge, run->route->format->name, fault ? err_name(run->err.code) : NULL,
                         arena);
        if (run->failure.code == ERR_NONE)
            run->failure = run->err;
        if (!fault || run->content || !take_next(run))
            return verdict;
    }
}

static int run_held(struct run *run, struct err *err)
{
    struct relay *r = run->relay;
    int rc = 0;

    err_clear(&run->failure);
    switch (serve(run)) {
    case VERDICT_WHOLE:
        rc = finish_well(run);
        break;
    case VERDICT_GONE:
        rc = finish_gone(run, err);
        break;
    case VERDICT_FAILED:
        rc = finish_failed(run, err);
        break;
    }
    drop_held(run);
    reasoning_fini(&run->reasoning);
    buf_shrink(&r->request, KEEP_BYTES);
    buf_shrink(&r->answer, KEEP_BYTES);
    return rc;
}

/* A provider that speaks the client's language, too, is spoken to in it. */
static void choose_languages(struct run *run)
{
    for (size_t i = 0; i < run->routes.count; i++)
        run->routes.routes[i].format =
            format_for(run->routes.routes[i].format, run->call->request->language);
}

/* Takes the request apart where a provider speaks another language. What only the client's own
 * language can say keeps those that hedge away, not the one that was asked. */
static int read_content(struct run *run, struct err *err)
{
    const struct relay_call *call = run->call;
    struct route_list *list = &run->routes;
    bool first_passes = format_passes(list->routes[0].format, call->request);

    for (size_t i = 0; i < list->count; i++) {
        if (format_passes(list->routes[i].format, call->request) ||
            call->request->content != NULL ||
            call->read_content(call->request, call->arena, err) == 0)
            continue;
        if (!first_passes)
            return -1;
        err_clear(err);
        list->count = 1;
    }
    return 0;
}

/* Where a provider takes bytes only. */
static int fetch_images(const struct run *run, struct err *err)
{
    const struct images_call images = {
        .app = run->relay->app,
        .routes = &run->routes,
        .key_hash = run->call->key_hash,
        .arena = run->call->arena,
        .gone = run->sink->gone,
        .gone_arg = run->sink_arg,
    };

    return images_fetch(&images, run->call->request, err);
}

int relay_run(struct relay *r, const struct relay_call *call, const struct relay_sink *sink,
              void *sink_arg, struct err *err)
{
    struct run *run = arena_zalloc(call->arena, sizeof *run);

    run->relay = r;
    run->call = call;
    run->sink = sink;
    run->sink_arg = sink_arg;
    run->start_ms = timing_mono_ms();
    run->last_sent_ms = run->start_ms;
    run->renewed_ms = run->start_ms;
    run->result.first_byte_ms = -1;
    if (models_take(&run->models, r->app->models, err) != 0)
        return -1;
    int rc =
        models_find(&run->model, &run->head.substituted, run->models, call->request->model, err);
    if (rc == 0)
        rc = route_choose(&run->routes, run->model, call->kind, r->app->conf, err);
    if (rc == 0) {
        choose_languages(run);
        rc = read_content(run, err);
    }
    if (rc == 0 && call->kind == KIND_CHAT)
        rc = route_check(run->model, call->request, err);
    if (rc == 0)
        rc = fetch_images(run, err);
    if (rc == 0) {
        bound_prompt(&run->bound, &call->request->size, run->model);
        if (call->request->hosted.kinds != 0)
            bound_tools(&run->bound, call->request->hosted.max_calls, run->model);
        rc = admit(run, err);
    }
    if (rc == 0)
        rc = run_held(run, err);
    models_give(r->app->models, run->models);
    return rc;
}
