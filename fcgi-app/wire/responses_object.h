/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The response object of POST /v1/responses: what it repeats of the request, its status and usage.
 * Source: OpenAI API reference, "The response object". Pure.
 */
#ifndef AIG_RESPONSES_OBJECT_H
#define AIG_RESPONSES_OBJECT_H

#include "base/base.h"
#include "base/jsonx.h"
#include "wire/neutral.h"

/* What a response repeats of its request; shares values with the body. The caller owns it. */
struct json_object *responses_echo(struct json_object *body);

struct responses_object {
    const char *id;
    const char *model; /* the name that the client asked for */
    int64_t created_s;
    const char *status;         /* in_progress, completed, incomplete, failed */
    const char *incomplete;     /* reason, or NULL */
    struct json_object *echo;   /* of responses_echo */
    struct json_object *output; /* an array */
    struct json_object *error;  /* {code,message}, or NULL */
    struct json_object *usage;  /* or NULL */
};

/* The caller owns it; it shares echo, output, error and usage. */
struct json_object *responses_object(const struct responses_object *o);

/* Token counts as the usage member, without the cost. The caller owns it. */
struct json_object *responses_usage_json(const struct usage *usage);

#endif
