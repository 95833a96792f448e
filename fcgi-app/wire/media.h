/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neutral form of media jobs: what is sent to a provider, what is learnt from it, what a
 * customer is told. The formats of kie.ai, Recraft, Mureka and Replicate (wire/kie.h, recraft.h,
 * mureka.h, replicate.h) turn bytes into it and it into bytes.
 */
#ifndef AIG_MEDIA_WIRE_H
#define AIG_MEDIA_WIRE_H

#include "base/base.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"

/* Interfaces of providers. The first ones are kie.ai's: createTask, and the paths that some
 * families of models had before and still have. */
enum media_api {
    MEDIA_KIE, /* /api/v1/jobs/createTask */
    MEDIA_VEO,
    MEDIA_SUNO,
    MEDIA_RUNWAY,
    MEDIA_ALEPH,
    MEDIA_FLUX,
    MEDIA_4O,
    MEDIA_KIE__COUNT,
    MEDIA_RECRAFT = MEDIA_KIE__COUNT, /* answers at once, with the result */
    MEDIA_MUREKA,
    MEDIA_REPLICATE,
    MEDIA_API__COUNT
};

enum media_state {
    MEDIA_WAITING,
    MEDIA_QUEUING,
    MEDIA_GENERATING,
    MEDIA_SUCCESS,
    MEDIA_FAIL,
};

enum {
    MEDIA_ANSWER_MAX = 4 * 1024 * 1024, /* bytes of one answer of a provider */
    MEDIA_RESULT_MAX = 1024 * 1024,     /* of what is kept of it */
    MEDIA_UPSTREAM_ID_MAX = 128,
    MEDIA_URLS_MAX = 64,
};

/* What a provider says about a task. Texts lie in the arena that was given. */
struct media_news {
    enum media_state state;
    const char *upstream_id; /* answers to a creation; NULL: none */
    const char *result;      /* MEDIA_SUCCESS: JSON object; else NULL */
    const char *fail_code;   /* MEDIA_FAIL: "" if it gave none */
    const char *fail_msg;
    const char *took;      /* units that a metered job took, decimal text; NULL: not said */
    const char *cost;      /* what the provider charged us, in its own credits; NULL: not said */
    const char *cost_rate; /* US dollars a credit */
};

/* The beginning of an answer, for a "%.*s" in the detail of an error. */
#define MEDIA_BEGINNING(body)                                                                      \
    (int)((body).len < 200 ? (body).len : 200), (body).ptr != NULL ? (body).ptr : ""

/* "kie", "veo", ...: as in job.api. */
const char *media_api_name(enum media_api api);
/* -1: no such. */
int media_api_find(enum media_api *out, const char *name) AIG_MUST_USE;
/* "waiting", ..., as kie.ai writes them. */
const char *media_state_name(enum media_state state);
/* -1: no such. "creating" is waiting. */
int media_state_find(enum media_state *out, const char *name) AIG_MUST_USE;

/* Serialises a result for keeping: a text in it that is the provider's own task id becomes
 * `task_id` (the result is changed; addresses of files stay as they are). NULL when it is longer
 * than MEDIA_RESULT_MAX. In the arena. */
const char *media_result_text(struct arena *arena, struct json_object *result,
                              const char *upstream_id, const char *task_id) AIG_MUST_USE;

/* Addresses of the files in a result: http(s) texts under the names that providers use for them, at
 * most MEDIA_URLS_MAX. A new array. */
struct json_object *media_result_urls(struct json_object *result) AIG_MUST_USE;

/* What a customer may see of a provider's words: their beginning, secrets masked. In the arena. */
char *media_words(struct arena *arena, const char *text) AIG_MUST_USE;

/* Is this the text of a task id that we would keep: 1 to MEDIA_UPSTREAM_ID_MAX visible ASCII
 * characters, no quotes or backslashes? */
bool media_id_valid(const char *id);

#endif
