/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasoning state across the turns of a tool loop. Providers want thoughts and signatures back with
 * the tool calls that they led to (Gemini refuses a call without its signature); most clients drop
 * them. What an answer carries is kept, sealed, under the id of its first tool call, and put back
 * where a request repeats that call without it. Missing state is never an error: the formats know
 * their documented fallback.
 *
 * A struct reasoning belongs to one call under way.
 */
#ifndef AIG_REASONING_H
#define AIG_REASONING_H

#include "base/base.h"
#include "base/mem.h"
#include "core/app.h"
#include "store/carry.h"
#include "wire/neutral.h"

enum { REASONING_STATE_MAX = 4 * 1024 * 1024 }; /* bytes of an answer's state; more is not kept */

struct reasoning_call {
    struct app *app;
    struct arena *arena;
    const char *request_id;
    struct carry_origin origin; /* who serves, and for whom */
    /* Asked before anything is put back, as it makes the prompt longer by so many bytes at most.
     * -1: it cannot be paid, so the request goes without. NULL: it may. */
    int (*afford)(int64_t bytes, void *arg);
    void *arg;
};

struct reasoning_detail;

/* What the answer under way carries (of its first choice), and what was put back. Zeroed at first.
 */
struct reasoning {
    const char *call_id;              /* of the first tool call, in the arena; NULL: none yet */
    const char *open_id;              /* of the call that EVENT_CALL_STATE is about, in the arena */
    struct reasoning_detail *details; /* reasoning_details of the message, the last one first */
    size_t bytes;                     /* of their texts */
    struct json_object *extras;       /* extra_content by call id */
    struct json_object *restored;     /* array: keeps alive what the request's content borrows */
};

/* Before another upstream is asked: forgets what the failed one has answered. */
void reasoning_reset(struct reasoning *r);
void reasoning_fini(struct reasoning *r);

/* Takes note of an event of the answer. */
void reasoning_take(struct reasoning *r, struct arena *arena, const struct event *event);

/* The answer is whole: keeps what it carries, if it has tool calls. A failure is logged only. */
void reasoning_keep(const struct reasoning *r, const struct reasoning_call *call);

/* Puts back what was kept for the tool calls after the last user message of the request. A failure
 * is logged only. */
void reasoning_restore(struct reasoning *r, const struct reasoning_call *call,
                       struct neutral_request *request);

#endif
