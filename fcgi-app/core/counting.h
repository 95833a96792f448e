/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many tokens a prompt has, free of charge: asked of the provider where it counts (Anthropic
 * API reference, "Count tokens in a Message"), else estimated from the prompt bound. Nothing is
 * held and nothing is written. Belongs to the worker whose transfer it is given.
 */
#ifndef AIG_COUNTING_H
#define AIG_COUNTING_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/relay.h"
#include "wire/neutral.h"

enum { COUNTING_FIRST_BYTE_MAX_MS = 20 * 1000 };

struct counting_call {
    const struct app *app;
    struct relay *relay; /* whose transfer is used */
    const struct neutral_request *request;
    const char *request_id;
    const char *passed_header; /* as in struct relay_call */
    struct arena *arena;
    bool (*gone)(void *arg);
    int (*watch_fd)(void *arg);
    void *arg;
};

struct counting {
    int64_t tokens;
    bool estimate;
    int64_t bound;           /* never exceeded */
    const char *substituted; /* the model that was asked for, if a successor serves; else NULL */
};

/* -1: the model does not exist, the provider refuses the request, or the client left. A provider
 * that cannot count at the moment gives an estimate. */
int counting_run(struct counting *out, const struct counting_call *call,
                 struct err *err) AIG_MUST_USE;

#endif
