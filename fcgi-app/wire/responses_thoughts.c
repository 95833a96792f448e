/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_thoughts.h"

#include "wire/responses_input.h"

enum { BYTES_MAX = 8 * 1024 * 1024 }; /* of one answer: above it, none is offered */

struct responses_thought {
    struct responses_thought *next;
    int64_t position;
    struct span id;
    struct span data;
};

static struct span keep(struct arena *arena, struct span s)
{
    return (struct span){arena_strndup(arena, s.ptr, s.len), s.len};
}

void responses_thoughts_keep(struct responses_thoughts *thoughts, struct arena *arena,
                             int64_t position, struct span id, struct span data)
{
    thoughts->bytes += id.len + data.len;
    if (data.len == 0 || thoughts->bytes > BYTES_MAX)
        return;
    struct responses_thought *t = arena_zalloc(arena, sizeof *t);
    *t = (struct responses_thought){
        .position = position, .id = keep(arena, id), .data = keep(arena, data)};
    if (thoughts->end == NULL)
        thoughts->end = &thoughts->first;
    *thoughts->end = t;
    thoughts->end = &t->next;
}

static struct json_object *thought_json(const struct responses_thought *t)
{
    struct json_object *detail = json_object_new_object();

    jsonx_set_str(detail, "type", "reasoning.encrypted");
    jsonx_set_strn(detail, "data", t->data.ptr, t->data.len);
    if (t->id.len > 0)
        jsonx_set_strn(detail, "id", t->id.ptr, t->id.len);
    jsonx_set_str(detail, "format", RESPONSES_REASONING_FORMAT);
    jsonx_set_i64(detail, "index", t->position);
    return detail;
}

struct json_object *responses_thoughts_json(const struct responses_thoughts *thoughts)
{
    if (thoughts->first == NULL || thoughts->bytes > BYTES_MAX)
        return NULL;
    struct json_object *details = json_object_new_array();
    for (const struct responses_thought *t = thoughts->first; t != NULL; t = t->next)
        json_object_array_add(details, thought_json(t));
    return details;
}
