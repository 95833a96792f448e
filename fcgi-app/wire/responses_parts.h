/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a message or of a call's output in a request to POST /v1/responses, for
 * wire/responses_items. Pure.
 */
#ifndef AIG_RESPONSES_PARTS_H
#define AIG_RESPONSES_PARTS_H

#include "base/base.h"
#include "base/mem.h"
#include "wire/neutral.h"

/* Where in the request something stands, for error messages. */
struct responses_place {
    struct arena *arena;
    struct err *err;
    const char *model; /* the name that the client knows */
    size_t item;
};

/* "input[3].role", in the arena. */
const char *responses_path(const struct responses_place *at, const char *member);
/* 400: "'<path>' <what>". Returns -1. */
int responses_bad(const struct responses_place *at, const char *path, const char *what);
/* Empty where v is no string. */
struct span responses_span(struct json_object *v);

/* Reads `content` (a string, an array of parts or NULL), which stands in `member` of the item, into
 * the message. */
int responses_read_parts(struct neutral_message *m, struct json_object *content, const char *member,
                         const struct responses_place *at) AIG_MUST_USE;

#endif
