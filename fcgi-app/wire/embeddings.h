/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings: a client's request and answer in OpenAI's shape, and what OpenAI, OpenRouter (the
 * same shape) and Google (batchEmbedContents) want and answer. Sources: OpenAI API reference,
 * "Create embeddings"; OpenRouter API reference, "Embeddings"; Gemini API reference, "Embeddings".
 * Pure.
 *
 * The way of a request: embeddings_read_request; then, until answer.count is request.count, the
 * next inputs (at most format->batch_max) are written, sent and their answer read; then
 * embeddings_write_answer. A failure on the way fails the whole.
 */
#ifndef AIG_EMBEDDINGS_H
#define AIG_EMBEDDINGS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "wire/format.h"
#include "wire/neutral.h"
#include "wire/usage.h"

enum {
    EMBEDDINGS_INPUTS_MAX = 2048,
    EMBEDDINGS_DIMENSIONS_MAX = 65536,
    EMBEDDINGS_ANSWER_MAX = 256 * 1024 * 1024,
};

struct embeddings_request {
    struct neutral_request neutral; /* body, model, size; one choice, no stream, no output */
    struct json_object *input;      /* borrowed from the body: one input or an array of them */
    bool single;                    /* `input` is one input */
    bool tokens;                    /* inputs are arrays of token ids, else strings */
    size_t count;                   /* of inputs, at least 1 */
    bool base64;                    /* the form of the vectors that the client wants */
    int64_t dimensions;             /* 0: not said */
};

/* Reads a client's request; all fields that are not used here pass through to providers of the same
 * shape. On success the caller owns *out (embeddings_request_fini); on failure nothing. */
int embeddings_read_request(struct embeddings_request *out, const char *text, size_t len,
                            struct err *err) AIG_MUST_USE;
void embeddings_request_fini(struct embeddings_request *r);

/* What has been answered so far. */
struct embeddings_answer {
    struct buf items;   /* the client's `data`, as JSON text without the brackets */
    size_t count;       /* of vectors in it */
    struct usage usage; /* summed up; known: the provider told all of it, else it is estimated */
};

void embeddings_answer_init(struct embeddings_answer *a);
void embeddings_answer_fini(struct embeddings_answer *a);

/* The whole answer for the client; cost_usd NULL: not known yet. */
void embeddings_write_answer(struct buf *out, const struct embeddings_request *request,
                             const struct embeddings_answer *answer, const char *cost_usd);

struct embeddings_format {
    const char *name; /* as in route.provider */
    enum conf_provider account;
    enum format_auth auth;
    const char *path; /* after the base URL; "{model}" stands for the upstream model */
    size_t batch_max; /* inputs that one upstream request can hold */

    /* Appends the upstream's request for `count` inputs from `first` on. -1: 400, the provider
     * cannot do what is asked. */
    int (*write_request)(struct buf *out, const struct embeddings_request *request,
                         const struct neutral_target *target, size_t first, size_t count,
                         struct err *err);

    /* The body of a 2xx answer to the request for the `count` inputs that follow those in *answer,
     * which they are added to. -1: err is set, *answer is of no further use. */
    int (*read_answer)(struct embeddings_answer *answer, const struct embeddings_request *request,
                       size_t count, struct span body, struct err *err);

    /* As in struct format. */
    void (*read_failure)(struct err *err, int status, int retry_after_s, struct span body);
};

/* NULL: the provider has no embeddings. */
const struct embeddings_format *embeddings_format_find(const char *name);

#endif
