/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call for embeddings from authorize to settle, by the rules of core/relay: every exit settles
 * or releases the hold, and the whole is charged or nothing. The vectors of one model mean nothing
 * to another, so nobody stands in for a provider that fails. A request of more inputs than the
 * provider takes at once is sent in several, one after the other.
 */
#ifndef AIG_EMBED_H
#define AIG_EMBED_H

#include "base/base.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/app.h"
#include "core/relay.h"
#include "wire/embeddings.h"

struct embed_call {
    struct app *app;
    struct relay *relay; /* of the calling thread: its connections are used */
    const char *request_id;
    const unsigned char *key_hash; /* SECRET_SHA256_SIZE bytes */
    const struct embeddings_request *request;
    struct arena *arena;
    bool (*gone)(void *arg); /* has the client left? asked about once a second */
    void *gone_arg;
    int watch_fd; /* readable when the client leaves; -1: none */
};

struct embed_result {
    const char *provider;    /* who served */
    const char *substituted; /* the model that was asked for, if a successor serves; else NULL */
    const char *charge_usd;  /* NULL: it will be charged, but the amount is not known yet */
    struct embeddings_answer answer;
};

/* On success *out is charged and the caller owns its answer (embeddings_answer_fini); on failure
 * nothing was charged and *out is of no use. ERR_CLIENT_GONE when the client left. */
int embed_run(struct embed_result *out, const struct embed_call *call,
              struct err *err) AIG_MUST_USE;

#endif
