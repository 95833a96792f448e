/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/gemini.h"

#include "base/log.h"
#include "wire/gemini_failure.h"
#include "wire/gemini_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CHOICES_MAX = 8, ID_SIZE = 40, CALL_ID_SIZE = 80, ARGUMENTS_MAX = 64 * 1024 * 1024 };

/* Counts beyond this are nonsense; their sums stay far from the type's end. */
static const int64_t tokens_max = INT64_C(1000) * 1000 * 1000 * 1000;

/* What a finishReason means. */
enum verdict {
    VERDICT_NONE, /* not said yet */
    VERDICT_STOP,
    VERDICT_LENGTH,
    VERDICT_FILTERED,
    VERDICT_FAILED, /* what there is counts as the answer; nothing is a failure */
};

struct verdict_row {
    const char *reason;
    enum verdict verdict;
};

static const struct verdict_row verdicts[] = {
    {"STOP", VERDICT_STOP},
    {"MAX_TOKENS", VERDICT_LENGTH},
    {"SAFETY", VERDICT_FILTERED},
    {"RECITATION", VERDICT_FILTERED},
    {"LANGUAGE", VERDICT_FILTERED},
    {"BLOCKLIST", VERDICT_FILTERED},
    {"PROHIBITED_CONTENT", VERDICT_FILTERED},
    {"SPII", VERDICT_FILTERED},
    {"IMAGE_SAFETY", VERDICT_FILTERED},
    {"IMAGE_PROHIBITED_CONTENT", VERDICT_FILTERED},
    {"IMAGE_RECITATION", VERDICT_FILTERED},
    {"IMAGE_OTHER", VERDICT_FILTERED},
    {"MALFORMED_FUNCTION_CALL", VERDICT_FAILED},
    {"UNEXPECTED_TOOL_CALL", VERDICT_FAILED},
    {"TOO_MANY_TOOL_CALLS", VERDICT_FAILED},
    {"MISSING_THOUGHT_SIGNATURE", VERDICT_FAILED},
    {"MALFORMED_RESPONSE", VERDICT_FAILED},
    {"NO_IMAGE", VERDICT_FAILED},
    {"OTHER", VERDICT_FAILED},
};

struct choice {
    bool seen;
    const struct verdict_row *finish; /* NULL: not said yet */
    int64_t calls;
};

/* What is remembered between the events of a stream. */
struct gemini_state {
    bool began;
    bool blocked; /* the prompt was refused */
    bool output;  /* some text or call has come, in whatever choice */
    bool counted; /* usage holds counts */
    char id[ID_SIZE];
    int64_t calls; /* of all choices */
    struct usage usage;
    struct choice choices[CHOICES_MAX];
};

/* The reading of one answer or event. */
struct reading {
    struct format_reader *reader;
    struct gemini_state *state;
    event_fn *fn;
    void *arg;
    struct err *err;
    int64_t index;         /* of the choice */
    struct choice *choice; /* at that index */
};

static int emit(struct reading *r, struct event *event)
{
    event->choice = r->index;
    return r->fn(event, r->arg);
}

/* Calls. */

/* What of a provider's id may stand in ours: letters, digits, '-' and '_'. */
static void keep_id(char out[ID_SIZE], const char *id)
{
    size_t n = 0;

    for (size_t i = 0; id[i] != '\0' && n + 1 < ID_SIZE; i++)
        if ((id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'z') ||
            (id[i] >= 'A' && id[i] <= 'Z') || id[i] == '-' || id[i] == '_')
            out[n++] = id[i];
    out[n] = '\0';
}

/* Many models give no ids. An invented one must differ from all others of the conversation: it is
 * made from the answer's id or, without that, from the number of messages before it. */
static const char *call_id(char out[CALL_ID_SIZE], const struct reading *r,
                           struct json_object *call)
{
    const char *given = jsonx_str(call, "id", "");
    const struct neutral_content *content = r->reader->request->content;

    if (given[0] != '\0')
        return given;
    if (r->state->id[0] != '\0')
        snprintf(out, CALL_ID_SIZE, "call_%s_%" PRId64, r->state->id, r->state->calls);
    else
        snprintf(out, CALL_ID_SIZE, "call_%zu_%" PRId64,
                 content != NULL ? content->message_count : 0, r->state->calls);
    return out;
}

static int read_signature(struct reading *r, struct json_object *part)
{
    const char *signature = jsonx_str(part, "thoughtSignature", "");

    if (signature[0] == '\0')
        return 0;
    struct json_object *extra = json_object_new_object();
    struct json_object *google = json_object_new_object();
    jsonx_set_str(google, "thought_signature", signature);
    jsonx_set(extra, "google", google);
    struct event event = {.kind = EVENT_CALL_STATE, .index = r->choice->calls, .json = extra};
    int rc = emit(r, &event);
    json_object_put(extra);
    return rc;
}

static int read_arguments(struct reading *r, struct json_object *call)
{
    struct json_object *args = jsonx_get(call, "args");
    struct buf text;

    buf_init(&text, ARGUMENTS_MAX);
    if (args != NULL)
        jsonx_write(&text, args);
    else
        buf_append_str(&text, "{}");
    struct event event = {.kind = EVENT_CALL_ARGUMENTS,
                          .index = r->choice->calls,
                          .text = buf_span(&text),
                          .content = true,
                          .output_bytes = (int64_t)text.len};
    int rc = buf_failed(&text) ? format_nonsense(r->err, "the arguments of a call are too large")
                               : emit(r, &event);
    buf_fini(&text);
    return rc;
}

/* A client that wants one call at a time gets the first one only: Google cannot be told so, and the
 * model asks again for what it has not got. */
static bool is_unwanted(const struct reading *r)
{
    const struct neutral_content *content = r->reader->request->content;

    return content != NULL && content->parallel_tool_calls == 0 && r->choice->calls > 0;
}

static int read_call(struct reading *r, struct json_object *part, struct json_object *call)
{
    const char *name = jsonx_str(call, "name", "");
    char id[CALL_ID_SIZE];

    if (name[0] == '\0')
        return format_nonsense(r->err, "a functionCall without a name");
    if (is_unwanted(r))
        return 0;
    struct event event = {.kind = EVENT_CALL_BEGIN,
                          .index = r->choice->calls,
                          .id = call_id(id, r, call),
                          .name = name,
                          .content = true,
                          .output_bytes = (int64_t)strlen(name)};
    int rc = emit(r, &event);
    if (rc == 0)
        rc = read_signature(r, part);
    if (rc == 0)
        rc = read_arguments(r, call);
    r->choice->calls++;
    r->state->calls++;
    r->state->output = true;
    return rc;
}

/* Candidates. */

static int read_text(struct reading *r, struct json_object *part, struct json_object *text)
{
    int len = json_object_get_string_len(text);
    bool thought = jsonx_bool(part, "thought", false);

    if (len == 0)
        return 0;
    struct event event = {.kind = thought ? EVENT_REASONING : EVENT_TEXT,
                          .text = {json_object_get_string(text), (size_t)len},
                          .content = true,
                          .output_bytes = len};
    r->state->output = r->state->output || !thought;
    return emit(r, &event);
}

/* Parts of other kinds (code that Google ran, images) were not asked for. */
static int read_part(struct reading *r, struct json_object *part)
{
    struct json_object *call = jsonx_object(part, "functionCall");
    struct json_object *text = jsonx_get(part, "text");

    if (call != NULL)
        return read_call(r, part, call);
    if (json_object_is_type(text, json_type_string))
        return read_text(r, part, text);
    return 0;
}

static const struct verdict_row *find_verdict(const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
        if (strcmp(verdicts[i].reason, reason) == 0)
            return &verdicts[i];
    return &verdicts[ARRAY_LEN(verdicts) - 1];
}

static int read_candidate(struct reading *r, struct json_object *candidate)
{
    struct json_object *parts = jsonx_array(jsonx_object(candidate, "content"), "parts");
    const char *reason = jsonx_str(candidate, "finishReason", NULL);
    size_t count = parts != NULL ? json_object_array_length(parts) : 0;

    r->index = jsonx_i64(candidate, "index", 0);
    if (r->index < 0 || r->index >= CHOICES_MAX)
        return 0;
    r->choice = &r->state->choices[r->index];
    r->choice->seen = true;
    for (size_t i = 0; i < count; i++) {
        int rc = read_part(r, json_object_array_get_idx(parts, i));
        if (rc != 0)
            return rc;
    }
    if (reason != NULL)
        r->choice->finish = find_verdict(reason);
    return 0;
}

static int read_candidates(struct reading *r, struct json_object *chunk)
{
    struct json_object *candidates = jsonx_array(chunk, "candidates");
    size_t count = candidates != NULL ? json_object_array_length(candidates) : 0;
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        struct json_object *candidate = json_object_array_get_idx(candidates, i);
        if (json_object_is_type(candidate, json_type_object))
            rc = read_candidate(r, candidate);
    }
    r->index = 0;
    if (count == 0 && jsonx_str(jsonx_object(chunk, "promptFeedback"), "blockReason", NULL) != NULL)
        r->state->blocked = true;
    return rc;
}

/* Usage. */

static int64_t tokens(struct json_object *usage, const char *key)
{
    int64_t n = jsonx_i64(usage, key, 0);

    return n < 0 ? 0 : n > tokens_max ? tokens_max : n;
}

static bool has_count(struct json_object *usage, const char *key)
{
    return json_object_is_type(jsonx_get(usage, key), json_type_int);
}

/* Each chunk tells all counts anew, and they may fall: the last ones hold. Where the count of what
 * has come is missing, it is not known, rather than zero. */
static int read_usage(struct reading *r, struct json_object *chunk)
{
    struct json_object *json = jsonx_object(chunk, "usageMetadata");
    struct gemini_state *s = r->state;
    struct usage usage;

    if (!has_count(json, "promptTokenCount"))
        return 0;
    memset(&usage, 0, sizeof usage);
    usage.known = !s->output || has_count(json, "candidatesTokenCount");
    usage.prompt = tokens(json, "promptTokenCount") + tokens(json, "toolUsePromptTokenCount");
    usage.cached = tokens(json, "cachedContentTokenCount");
    usage.reasoning = tokens(json, "thoughtsTokenCount");
    usage.completion = tokens(json, "candidatesTokenCount") + usage.reasoning;
    if (s->counted && memcmp(&usage, &s->usage, sizeof usage) == 0)
        return 0;
    s->counted = true;
    memcpy(&s->usage, &usage, sizeof usage);
    struct event event = {.kind = EVENT_USAGE, .usage = &s->usage};
    return emit(r, &event);
}

/* Answers. */

/* After the head has gone out a failure comes in the body. */
static int hidden_failure(struct reading *r, struct json_object *chunk)
{
    struct json_object *error = jsonx_object(chunk, "error");
    char text[ERR_MESSAGE_MAX / 2];

    if (error == NULL)
        return 0;
    int64_t status = jsonx_i64(error, "code", 500);
    snprintf(text, sizeof text, "%s", jsonx_str(error, "message", "no reason given"));
    log_mask(text, strlen(text));
    err_set(r->err, status == 503 || status == 429 ? ERR_UPSTREAM_BUSY : ERR_UPSTREAM, NULL,
            "The provider ended the answer with an error. You were not charged; please try again.");
    r->err->retryable = status == 429 || status >= 500;
    err_detail(r->err, "error %" PRId64 " in the answer: %.400s", status, text);
    return -1;
}

static int begin(struct reading *r, struct json_object *chunk)
{
    const char *id = jsonx_str(chunk, "responseId", NULL);

    if (id != NULL && r->state->id[0] == '\0')
        keep_id(r->state->id, id);
    if (r->state->began)
        return 0;
    r->state->began = true;
    struct event event = {.kind = EVENT_BEGIN, .id = id};
    return emit(r, &event);
}

static int read_chunk(struct reading *r, struct json_object *chunk)
{
    if (!json_object_is_type(chunk, json_type_object))
        return format_nonsense(r->err, "an answer or event is no JSON object");
    if (hidden_failure(r, chunk) != 0)
        return -1;
    int rc = begin(r, chunk);
    if (rc == 0)
        rc = read_candidates(r, chunk);
    return rc != 0 ? rc : read_usage(r, chunk);
}

static enum finish_reason finish_of(const struct choice *c)
{
    enum finish_reason whole = c->calls > 0 ? FINISH_TOOL_CALLS : FINISH_STOP;

    switch (c->finish->verdict) {
    case VERDICT_LENGTH:
        return FINISH_LENGTH;
    case VERDICT_FILTERED:
        return FINISH_CONTENT_FILTER;
    case VERDICT_NONE:
    case VERDICT_STOP:
    case VERDICT_FAILED:
        break;
    }
    return whole;
}

static int finish_choice(struct reading *r, int64_t index, enum finish_reason finish)
{
    struct event event = {.kind = EVENT_FINISH, .finish = finish, .content = true};

    r->index = index;
    return emit(r, &event);
}

static int done(struct reading *r)
{
    struct event event = {.kind = EVENT_DONE};

    r->index = 0;
    return emit(r, &event);
}

static int fruitless(struct reading *r, const struct choice *c)
{
    err_set(r->err, ERR_UPSTREAM, NULL,
            "The model ended without an answer (%s). You were not charged; please try again.",
            c->finish->reason);
    return err_detail(r->err, "finishReason %s without output", c->finish->reason);
}

/* 1: every choice that began has ended, 0: not so, -1: err is set. */
static int check_end(struct reading *r)
{
    const struct gemini_state *s = r->state;
    bool seen = false;

    for (size_t i = 0; i < CHOICES_MAX; i++) {
        const struct choice *c = &s->choices[i];
        if (c->seen && c->finish == NULL)
            return 0;
        if (c->seen && c->finish->verdict == VERDICT_FAILED && !s->output)
            return fruitless(r, c);
        seen = seen || c->seen;
    }
    return seen ? 1 : 0;
}

static int finish(struct reading *r)
{
    int rc = 0;

    for (size_t i = 0; i < CHOICES_MAX && rc == 0; i++)
        if (r->state->choices[i].seen)
            rc = finish_choice(r, (int64_t)i, finish_of(&r->state->choices[i]));
    return rc != 0 ? rc : done(r);
}

/* A prompt that Google refuses gets an answer without choices. */
static int finish_blocked(struct reading *r)
{
    int rc = finish_choice(r, 0, FINISH_CONTENT_FILTER);

    return rc != 0 ? rc : done(r);
}

static int read_answer(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                       void *arg, struct err *err)
{
    struct gemini_state *s = reader->state;
    struct reading r = {.reader = reader, .state = s, .fn = fn, .arg = arg, .err = err};

    int rc = read_chunk(&r, answer);
    if (rc != 0)
        return rc;
    /* A plain answer is whole even if it does not say why it ended. */
    for (size_t i = 0; i < CHOICES_MAX; i++)
        if (s->choices[i].seen && s->choices[i].finish == NULL)
            s->choices[i].finish = &verdicts[0];
    int end = check_end(&r);
    if (end < 0)
        return -1;
    if (end > 0)
        return finish(&r);
    return s->blocked ? finish_blocked(&r) : format_nonsense(err, "the answer has no candidates");
}

static int read_event(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                      struct err *err)
{
    struct reading r = {.reader = reader, .state = reader->state, .fn = fn, .arg = arg, .err = err};
    struct json_object *chunk = NULL;
    struct err parse;

    if (jsonx_parse(&chunk, data.ptr, data.len, &parse) != 0)
        return format_nonsense(err, "an event of the stream is no JSON");
    int rc = read_chunk(&r, chunk);
    json_object_put(chunk);
    return rc;
}

/* Choices end here, not where their finishReason was: older models say STOP with every chunk. */
static int end_stream(struct format_reader *reader, event_fn *fn, void *arg, struct err *err)
{
    struct gemini_state *s = reader->state;
    struct reading r = {.reader = reader, .state = s, .fn = fn, .arg = arg, .err = err};

    int end = check_end(&r);
    if (end < 0)
        return -1;
    if (end > 0)
        return finish(&r);
    return s->blocked ? finish_blocked(&r) : 0;
}

const struct format gemini_format = {
    .name = "google",
    .account = PROVIDER_GOOGLE,
    .auth = FORMAT_AUTH_GOOG,
    .path = "/v1beta/models/{model}:generateContent",
    .stream_path = "/v1beta/models/{model}:streamGenerateContent?alt=sse",
    .language = LANGUAGE_GEMINI,
    .wants_reasoning = true,
    .wants_bytes = true,
    .write_request = gemini_write_request,
    .state_size = sizeof(struct gemini_state),
    .read_answer = read_answer,
    .read_event = read_event,
    .end_stream = end_stream,
    .read_failure = gemini_read_failure,
};
