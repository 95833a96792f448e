/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One model call from authorize to settle: hold, upstream call, translation, charge. Every exit
 * settles or releases the hold; if the database is away at that moment a finished call is spooled,
 * and the hold of an unfinished one expires by itself. A relay belongs to one worker thread. It
 * knows no web server: what goes to the client goes through a sink.
 */
#ifndef AIG_RELAY_H
#define AIG_RELAY_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "wire/neutral.h"

enum {
    RELAY_KEEPALIVE_MS = 5000,
    RELAY_ANSWER_MAX = 64 * 1024 * 1024, /* bytes of a plain answer */
    RELAY_FAILURE_MAX = 64 * 1024,       /* bytes that are read of a provider's error */
};

/* What the client may be told about who serves. */
struct relay_head {
    const char *provider;
    const char *hedged_from; /* the provider that failed, or is marked down; NULL: none */
    const char *substituted; /* the model that was asked for, if a successor serves; else NULL */
    int64_t output_limit;    /* tokens a choice, if the hold set a lower limit than the client would
                                have had or has named as a ceiling; else 0 */
    int64_t tool_call_limit; /* calls of the provider's own tools, if the client named no limit;
                                else 0 */
};

/* Where an answer goes. Each function but `gone` and `watch_fd` answers non-zero when the client is
 * gone. */
struct relay_sink {
    /* A stream begins, before its first event or comment. Not called for a plain answer. */
    int (*begin)(const struct relay_head *head, void *arg);
    /* A plain answer comes as events too; the sink keeps them until the end. */
    int (*event)(const struct event *event, void *arg);
    int (*comment)(void *arg);
    /* The end of a whole answer, charged; charge_usd NULL: it will be charged, but the amount is
     * not known yet. */
    int (*end)(const struct relay_head *head, const struct usage *usage, const char *charge_usd,
               void *arg);
    /* A stream that has begun fails. */
    int (*fail)(const struct err *err, void *arg);
    bool (*gone)(void *arg);
    int (*watch_fd)(void *arg);
};

struct relay;
struct transfer;

struct relay *relay_new(struct app *app) AIG_MUST_USE;
void relay_free(struct relay *r);

/* Its connections, for other kinds of calls by the same thread. */
struct transfer *relay_transfer(struct relay *r);

struct relay_call {
    const char *request_id;
    const unsigned char *key_hash; /* SECRET_SHA256_SIZE bytes */
    struct neutral_request
        *request; /* its body may be gone after relay_run; model must be the arena's */
    /* Takes the request apart (request->content) for a provider of another format than the
     * client's. */
    int (*read_content)(struct neutral_request *request, struct arena *arena, struct err *err);
    const char *passed_header; /* a header line for a provider that speaks the client's language;
                                  NULL: none */
    enum catalog_kind kind;
    struct arena *arena;
};

/* 0 when the sink has got the answer (or a failure after its beginning); -1 with err when nothing
 * was sent yet. */
int relay_run(struct relay *r, const struct relay_call *call, const struct relay_sink *sink,
              void *sink_arg, struct err *err) AIG_MUST_USE;

#endif
