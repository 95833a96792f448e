/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of upstream formats, and what they share: how a provider's failure becomes an error for
 * the client.
 */
#ifndef AIG_FORMAT_H
#define AIG_FORMAT_H

#include "base/base.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"
#include "wire/neutral.h"

/* How the provider takes our key. */
enum format_auth {
    FORMAT_AUTH_BEARER,    /* Authorization: Bearer */
    FORMAT_AUTH_X_API_KEY, /* x-api-key */
    FORMAT_AUTH_GOOG,      /* x-goog-api-key */
};

/* What reading one answer needs; made by the caller, one a call. */
struct format_reader {
    const struct neutral_request *request;
    struct arena *arena;
    void *state; /* the format's own: state_size bytes, zeroed */
};

struct format {
    const char *name;           /* as in route.provider, x-aig-provider and the usage row */
    enum conf_provider account; /* whose base URL and key */
    enum format_auth auth;
    const char *extra_header; /* "anthropic-version: 2023-06-01"; NULL: none */
    const char *path;         /* after the base URL; "{model}" stands for the upstream model */
    const char *stream_path;  /* for a stream; NULL: the same */
    enum language language; /* a request in the same one passes through, else its content is read */
    const struct format *sibling; /* the same models of the same provider in another language, at
                                     the same prices; NULL: none */
    bool wants_reasoning;         /* reasoning state of earlier turns is to be sent back to it */
    bool wants_bytes;             /* takes no URLs of images and files: core/images fetches them */
    bool wants_file_bytes;        /* takes URLs of images, but none of files */
    /* A plain answer that may be longer than so many tokens is asked for as a stream: it takes
     * minutes, and connections that are silent for so long break off. 0: never. */
    int64_t plain_max;

    /* Appends the upstream's request body. -1: 400, the provider cannot do what is asked. */
    int (*write_request)(struct buf *out, const struct neutral_request *request,
                         const struct neutral_target *target, struct err *err);

    size_t state_size;

    /* A whole 2xx answer as neutral events. -1: err is set (a failure hidden in it, or nonsense);
     * else 0 or what fn answered. */
    int (*read_answer)(struct format_reader *reader, struct json_object *answer, event_fn *fn,
                       void *arg, struct err *err);

    /* One event of a stream as neutral events; answers like read_answer. */
    int (*read_event)(struct format_reader *reader, struct span data, event_fn *fn, void *arg,
                      struct err *err);

    /* The stream's connection was closed in order: for a provider without a terminal event, which
     * then emits EVENT_DONE if it has seen the answer's finish. NULL: the provider has a terminal
     * event, a stream without it is broken. */
    int (*end_stream)(struct format_reader *reader, event_fn *fn, void *arg, struct err *err);

    /* An answer that is no 2xx. Always sets err; body may be anything. */
    void (*read_failure)(struct err *err, int status, int retry_after_s, struct span body);
};

/* The client speaks the provider's language: body, answer and events pass through with every field.
 * Else write_request reads request->content, and answers come as the neutral events. */
bool format_passes(const struct format *format, const struct neutral_request *request);

/* The format itself, or its sibling if that is the client's language. */
const struct format *format_for(const struct format *format, enum language language);

/* NULL: no such provider, or not in this version. */
const struct format *format_find(const char *name);

/* The common part of read_failure: status, message, type, code and param as the provider gave them
 * (each may be NULL) become what a client of ours may see: our account's troubles (401, 402) are
 * 502, 5xx are mapped, other 4xx keep status and meaning; keys and account ids in the text are
 * masked. */
void format_failure(struct err *err, int status, int retry_after_s, const char *message,
                    const char *type, const char *code, const char *param);

/* Overwrites our key wherever a provider has put it into its error. */
void format_conceal(struct err *err, const char *key);

/* 502: what came is not what the provider's documentation says. Returns -1. */
int format_nonsense(struct err *err, const char *detail);

#endif
