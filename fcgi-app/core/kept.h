/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Responses that clients asked to keep, opened and sealed: what previous_response_id and
 * item_reference stand for, and what GET /v1/responses/{id} shows. JSON values that functions give
 * are the caller's.
 */
#ifndef AIG_KEPT_H
#define AIG_KEPT_H

#include "base/base.h"
#include "base/jsonx.h"
#include "core/app.h"
#include "store/stored_response.h"

enum {
    KEPT_BYTES_MAX = 4 * 1024 * 1024,  /* of one response with its input items */
    KEPT_CHAIN_MAX = 16 * 1024 * 1024, /* of a chain of responses */
};

struct kept_call {
    struct app *app;
    struct arena *arena;
    int64_t key_id; /* who asks */
};

/* Whether a response that goes on from `previous_id` (NULL: none) can be kept: the operator has set
 * secret_key, the chain is not too long, the input not too large. -1: 400 or 501. */
int kept_check(const struct kept_call *call, const char *previous_id, struct json_object *input,
               struct err *err) AIG_MUST_USE;

/* All items of the conversation up to and with response `id`: input and output of each. 400 naming
 * previous_response_id where it, or what it went on from, is not kept. */
int kept_context(struct json_object **items, const struct kept_call *call, const char *id,
                 struct err *err) AIG_MUST_USE;

/* Items by their id: an object of those that are kept among `ids`, an array of strings. */
int kept_items(struct json_object **found, const struct kept_call *call, struct json_object *ids,
               struct err *err) AIG_MUST_USE;

/* One response, or its input items with all that it went on from. 404 if it is not kept. */
int kept_response(struct json_object **response, const struct kept_call *call, const char *id,
                  struct err *err) AIG_MUST_USE;
int kept_input(struct json_object **items, const struct kept_call *call, const char *id,
               struct err *err) AIG_MUST_USE;
int kept_delete(const struct kept_call *call, const char *id, struct err *err) AIG_MUST_USE;

/* Keeps a response under its own id. `input`: the items of its request. */
int kept_put(const struct kept_call *call, struct json_object *response, struct json_object *input,
             const char *previous_id, struct err *err) AIG_MUST_USE;

#endif
