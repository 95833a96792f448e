/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/reasoning.h"

#include "base/log.h"
#include "base/secret.h"

#include <stdio.h>
#include <string.h>

enum { CALL_ID_MAX = 1024 };

static const char purpose[] = "reasoning_carry";

/* One entry of reasoning_details. A stream sends it in pieces: its text is joined, of the other
 * members the last word counts. */
struct reasoning_detail {
    struct reasoning_detail *before;
    struct json_object *members;
    const char *text_key; /* "text", ...; NULL: it has none */
    struct buf text;
};

void reasoning_reset(struct reasoning *r)
{
    for (struct reasoning_detail *d = r->details; d != NULL; d = d->before) {
        json_object_put(d->members);
        buf_fini(&d->text);
    }
    json_object_put(r->extras);
    r->details = NULL;
    r->bytes = 0;
    r->extras = NULL;
    r->call_id = NULL;
    r->open_id = NULL;
}

void reasoning_fini(struct reasoning *r)
{
    reasoning_reset(r);
    json_object_put(r->restored);
    r->restored = NULL;
}

/* What an answer carries. */

static void take_call(struct reasoning *r, struct arena *arena, const char *id)
{
    if (id == NULL || id[0] == '\0' || strlen(id) > CALL_ID_MAX)
        return;
    r->open_id = arena_strdup(arena, id);
    if (r->call_id == NULL)
        r->call_id = r->open_id;
}

static void take_extra(struct reasoning *r, const char *id, struct json_object *extra)
{
    if (id == NULL || extra == NULL)
        return;
    if (r->extras == NULL)
        r->extras = json_object_new_object();
    jsonx_set_ref(r->extras, id, extra);
}

static const char *text_key_of(struct json_object *detail)
{
    static const char *const keys[] = {"text", "summary", "data"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (json_object_is_type(jsonx_get(detail, keys[i]), json_type_string))
            return keys[i];
    return NULL;
}

static bool continues(const struct reasoning_detail *last, struct json_object *piece)
{
    return last != NULL && jsonx_has(piece, "index") &&
           jsonx_i64(last->members, "index", -1) == jsonx_i64(piece, "index", -2) &&
           strcmp(jsonx_str(last->members, "type", ""), jsonx_str(piece, "type", "")) == 0;
}

static void take_detail(struct reasoning *r, struct arena *arena, struct json_object *piece)
{
    struct reasoning_detail *d = r->details;
    const char *key = text_key_of(piece);

    if (!continues(d, piece)) {
        d = arena_zalloc(arena, sizeof *d);
        *d = (struct reasoning_detail){.before = r->details, .members = json_object_new_object()};
        buf_init(&d->text, REASONING_STATE_MAX);
        r->details = d;
    }
    json_object_object_foreach(piece, name, member)
    {
        if (key == NULL || strcmp(name, key) != 0)
            if (member != NULL || !jsonx_has(d->members, name))
                jsonx_set_ref(d->members, name, member);
    }
    if (key == NULL)
        return;
    struct json_object *text = jsonx_get(piece, key);
    size_t len = (size_t)json_object_get_string_len(text);
    d->text_key = key;
    r->bytes += len;
    if (r->bytes <= REASONING_STATE_MAX)
        buf_append(&d->text, json_object_get_string(text), len);
}

static void take_details(struct reasoning *r, struct arena *arena, struct json_object *list)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *piece = json_object_array_get_idx(list, i);
        if (json_object_is_type(piece, json_type_object))
            take_detail(r, arena, piece);
    }
}

/* A chunk or an answer of chat completions that passes through: `member` is delta or message. */
static void take_passed(struct reasoning *r, struct arena *arena, struct json_object *json,
                        const char *member)
{
    struct json_object *choices = jsonx_array(json, "choices");
    struct json_object *first = choices != NULL ? json_object_array_get_idx(choices, 0) : NULL;
    struct json_object *message = jsonx_object(first, member);

    if (message == NULL || jsonx_i64(first, "index", 0) != 0)
        return;
    struct json_object *calls = jsonx_array(message, "tool_calls");
    size_t count = calls != NULL ? json_object_array_length(calls) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);
        take_call(r, arena, jsonx_str(call, "id", NULL));
        take_extra(r, r->open_id, jsonx_object(call, "extra_content"));
    }
    take_details(r, arena, jsonx_array(message, "reasoning_details"));
}

void reasoning_take(struct reasoning *r, struct arena *arena, const struct event *event)
{
    if (event->choice != 0)
        return;
    switch (event->kind) {
    case EVENT_CALL_BEGIN:
        take_call(r, arena, event->id);
        break;
    case EVENT_CALL_STATE:
        take_extra(r, r->open_id, event->json);
        break;
    case EVENT_REASONING_STATE:
        take_details(r, arena, event->json);
        break;
    case EVENT_CHUNK:
        take_passed(r, arena, event->json, "delta");
        break;
    case EVENT_ANSWER:
        take_passed(r, arena, event->json, "message");
        break;
    case EVENT_BEGIN:
    case EVENT_TEXT:
    case EVENT_REFUSAL:
    case EVENT_REASONING:
    case EVENT_CALL_ARGUMENTS:
    case EVENT_FINISH:
    case EVENT_USAGE:
    case EVENT_DONE:
        break;
    }
}

/* Keeping. */

static struct json_object *details_json(const struct reasoning *r)
{
    struct json_object *list = json_object_new_array();
    size_t n = 0;

    for (const struct reasoning_detail *d = r->details; d != NULL; d = d->before)
        n++;
    for (const struct reasoning_detail *d = r->details; d != NULL; d = d->before) {
        if (d->text_key != NULL)
            jsonx_set_strn(d->members, d->text_key, d->text.len > 0 ? d->text.data : "",
                           d->text.len);
        json_object_array_put_idx(list, --n, json_object_get(d->members));
    }
    return list;
}

static void place_of(char place[80], const struct carry_origin *origin, const char *hash)
{
    snprintf(place, 80, "%lld/%s", (long long)origin->account_id, hash);
}

static void hash_of(unsigned char hash[SECRET_SHA256_SIZE], char hex[2 * SECRET_SHA256_SIZE + 1],
                    const char *call_id)
{
    secret_sha256(hash, call_id, strlen(call_id));
    secret_hex(hex, hash, SECRET_SHA256_SIZE);
}

void reasoning_keep(const struct reasoning *r, const struct reasoning_call *call)
{
    unsigned char hash[SECRET_SHA256_SIZE];
    char hex[2 * SECRET_SHA256_SIZE + 1];
    char place[80];
    struct buf plain;
    struct buf sealed;
    struct err err;

    if (r->call_id == NULL || (r->details == NULL && r->extras == NULL) ||
        r->bytes > REASONING_STATE_MAX || call->app->conf->secret_key == NULL)
        return;
    buf_init(&plain, 2 * REASONING_STATE_MAX);
    buf_init(&sealed, 2 * REASONING_STATE_MAX + SECRET_SEAL_OVERHEAD);
    struct json_object *state = json_object_new_object();
    jsonx_set(state, "details", details_json(r));
    if (r->extras != NULL)
        jsonx_set_ref(state, "extras", r->extras);
    jsonx_write(&plain, state);
    if (!buf_failed(&plain)) {
        hash_of(hash, hex, r->call_id);
        place_of(place, &call->origin, hex);
        secret_seal(&sealed, call->app->conf->secret_key, purpose, span_of(place),
                    buf_span(&plain));
        if (carry_put(&call->app->store, call->arena, &call->origin, hash, buf_span(&sealed),
                      &err) != 0)
            log_write(LOG_LEVEL_WARN, call->request_id, "reasoning state not kept: %s", err.detail);
    }
    json_object_put(state);
    buf_fini(&sealed);
    buf_fini(&plain);
}

/* Putting back. */

/* An assistant's message with calls and without the state that they came with. */
struct gap {
    struct neutral_message *message; /* or */
    struct json_object *passed;      /* the client's own, where it passes through */
    char hash[2 * SECRET_SHA256_SIZE + 1];
};

struct gaps {
    struct arena *arena;
    struct gap *gap; /* CARRY_CALLS_MAX of them once there is one */
    size_t count;
};

static void add_gap(struct gaps *gaps, struct neutral_message *message, struct json_object *passed,
                    const char *call_id)
{
    unsigned char hash[SECRET_SHA256_SIZE];

    if (call_id == NULL || gaps->count == CARRY_CALLS_MAX)
        return;
    if (gaps->gap == NULL)
        gaps->gap = arena_zalloc(gaps->arena, CARRY_CALLS_MAX * sizeof *gaps->gap);
    struct gap *gap = &gaps->gap[gaps->count];
    gap->message = message;
    gap->passed = passed;
    hash_of(hash, gap->hash, call_id);
    gaps->count++;
}

/* From the end to the last user message: what lies before is no part of the loop. */
static void find_in_content(struct gaps *gaps, const struct neutral_content *content)
{
    for (size_t i = content->message_count; i > 0; i--) {
        struct neutral_message *m = &content->messages[i - 1];
        bool carried = m->reasoning_details != NULL;
        if (m->role == ROLE_USER)
            return;
        for (size_t k = 0; k < m->call_count; k++)
            carried = carried || m->calls[k].extra != NULL;
        if (m->role == ROLE_ASSISTANT && m->call_count > 0 && !carried)
            add_gap(gaps, m, NULL, m->calls[0].id);
    }
}

static void find_in_body(struct gaps *gaps, struct json_object *body)
{
    struct json_object *messages = jsonx_array(body, "messages");

    for (size_t i = json_object_array_length(messages); i > 0; i--) {
        struct json_object *m = json_object_array_get_idx(messages, i - 1);
        struct json_object *calls = jsonx_array(m, "tool_calls");
        if (strcmp(jsonx_str(m, "role", ""), "user") == 0)
            return;
        if (calls != NULL && json_object_array_length(calls) > 0 &&
            !jsonx_has(m, "reasoning_details"))
            add_gap(gaps, NULL, m, jsonx_str(json_object_array_get_idx(calls, 0), "id", NULL));
    }
}

static const char *hashes_json(const struct gaps *gaps)
{
    struct buf text;

    buf_init(&text, CARRY_CALLS_MAX * (sizeof gaps->gap[0].hash + 3) + 2);
    for (size_t i = 0; i < gaps->count; i++)
        buf_printf(&text, "%c\"%s\"", i == 0 ? '[' : ',', gaps->gap[i].hash);
    buf_append_char(&text, ']');
    const char *json = arena_strndup(gaps->arena, text.data, text.len);
    buf_fini(&text);
    return json;
}

static void fill_message(struct neutral_message *m, struct json_object *details,
                         struct json_object *extras)
{
    if (json_object_array_length(details) > 0)
        m->reasoning_details = details;
    for (size_t i = 0; i < m->call_count; i++)
        if (m->calls[i].id != NULL)
            m->calls[i].extra = jsonx_object(extras, m->calls[i].id);
}

static void fill_gap(const struct gap *gap, struct json_object *state)
{
    struct json_object *details = jsonx_array(state, "details");

    if (details == NULL)
        return;
    if (gap->message != NULL)
        fill_message(gap->message, details, jsonx_object(state, "extras"));
    else if (json_object_array_length(details) > 0)
        jsonx_set_ref(gap->passed, "reasoning_details", details);
}

/* NULL: it does not open, for example because the operator has changed secret_key. */
static struct json_object *open_state(const struct carry_row *row,
                                      const struct reasoning_call *call)
{
    struct json_object *state = NULL;
    char place[80];
    struct buf sealed;
    struct buf plain;
    struct err err;

    buf_init(&sealed, 3 * REASONING_STATE_MAX);
    buf_init(&plain, 3 * REASONING_STATE_MAX);
    place_of(place, &call->origin, row->hash);
    if (secret_unbase64_lines(&sealed, row->sealed) != 0 ||
        secret_open(&plain, call->app->conf->secret_key, purpose, span_of(place),
                    buf_span(&sealed)) != 0 ||
        jsonx_parse(&state, plain.data, plain.len, &err) != 0)
        state = NULL;
    buf_fini(&plain);
    buf_fini(&sealed);
    return state;
}

static void restore_row(struct reasoning *r, const struct reasoning_call *call,
                        const struct gaps *gaps, const struct carry_row *row)
{
    struct json_object *state = open_state(row, call);

    if (state == NULL)
        return;
    if (r->restored == NULL)
        r->restored = json_object_new_array();
    json_object_array_add(r->restored, state);
    for (size_t i = 0; i < gaps->count; i++)
        if (strcmp(gaps->gap[i].hash, row->hash) == 0)
            fill_gap(&gaps->gap[i], state);
}

/* What is sealed is a little longer than its text. */
static int64_t bytes_of(const struct carry_row *rows, size_t count)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += (int64_t)(strlen(rows[i].sealed) / 4 * 3);
    return bytes;
}

void reasoning_restore(struct reasoning *r, const struct reasoning_call *call,
                       struct neutral_request *request)
{
    struct gaps gaps = {.arena = call->arena};
    struct carry_row *rows = NULL;
    size_t count = 0;
    struct err err;

    if (call->app->conf->secret_key == NULL)
        return;
    if (request->content != NULL)
        find_in_content(&gaps, request->content);
    else if (request->language == LANGUAGE_COMPLETIONS)
        find_in_body(&gaps, request->body);
    if (gaps.count == 0)
        return;
    if (carry_get(&rows, &count, &call->app->store, call->arena, &call->origin, hashes_json(&gaps),
                  &err) != 0) {
        log_write(LOG_LEVEL_WARN, call->request_id, "reasoning state not read: %s", err.detail);
        return;
    }
    if (count > 0 && call->afford != NULL && call->afford(bytes_of(rows, count), call->arg) != 0)
        return;
    for (size_t i = 0; i < count; i++)
        restore_row(r, call, &gaps, &rows[i]);
}
