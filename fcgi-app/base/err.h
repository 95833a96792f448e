/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error of one request. Functions return 0 or -1 and fill a `struct err` given as their last
 * parameter; the lowest level that knows the cause writes it, upper levels pass it on. `message` is
 * for the client (OpenAI's error object); `detail` is for the log only: upstream bodies, SQL texts
 * and system errors go there.
 */
#ifndef AIG_ERR_H
#define AIG_ERR_H

#include "base/base.h"

enum err_code {
    ERR_NONE,
    ERR_BAD_REQUEST,          /* 400 invalid_request_error */
    ERR_UNSUPPORTED_VALUE,    /* 400, code unsupported_value */
    ERR_AUTH_MISSING,         /* 401, code missing_api_key */
    ERR_AUTH_INVALID,         /* 401, code invalid_api_key */
    ERR_AUTH_DISABLED,        /* 401, code key_disabled */
    ERR_AUTH_EXPIRED,         /* 401, code key_expired */
    ERR_ACCOUNT_DISABLED,     /* 401, code account_disabled */
    ERR_NOT_SIGNED_IN,        /* 401, code not_signed_in: no session, or one that has ended */
    ERR_CREDENTIALS,          /* 401, code invalid_credentials */
    ERR_FORBIDDEN,            /* 403 */
    ERR_CSRF,                 /* 403, code csrf_failed */
    ERR_TOKEN,                /* 400, code invalid_token: of a link in a mail */
    ERR_RATE_LIMITED,         /* 429, code rate_limit_exceeded, Retry-After */
    ERR_NOT_CONFIGURED,       /* 503, code not_configured: the operator has to set something */
    ERR_KEY_CAP,              /* 402 key_cap_exceeded */
    ERR_ACCOUNT_CAP,          /* 402 account_cap_exceeded */
    ERR_TEAM_CAP,             /* 402 team_cap_exceeded */
    ERR_NO_CREDIT,            /* 402 insufficient_credits */
    ERR_MODEL_NOT_FOUND,      /* 404 model_not_found */
    ERR_NOT_FOUND,            /* 404 not_found */
    ERR_UNSUPPORTED_ENDPOINT, /* 404 unsupported_endpoint */
    ERR_METHOD,               /* 405 method_not_allowed */
    ERR_IDEMPOTENCY_BUSY,     /* 409 idempotency_in_flight, Retry-After */
    ERR_IDEMPOTENCY_GONE,     /* 410 idempotency_answer_gone */
    ERR_IDEMPOTENCY_REUSED,   /* 422 idempotency_key_reused */
    ERR_LENGTH,               /* 411 length_required */
    ERR_TOO_LARGE,            /* 413 request_too_large */
    ERR_MEDIA_TYPE,           /* 415 unsupported_media_type */
    ERR_HEADERS_TOO_LARGE,    /* 431 headers_too_large */
    ERR_INTERNAL,             /* 500 server_error */
    ERR_NOT_IMPLEMENTED,      /* 501 not_implemented */
    ERR_UPSTREAM,             /* 502 upstream_error: unreachable or answered nonsense */
    ERR_UPSTREAM_AUTH, /* 502 upstream_unavailable: our account at the provider, not the customer's
                        */
    ERR_UPSTREAM_BUSY, /* 503 upstream_overloaded */
    ERR_DATABASE,      /* 503 database_unavailable, Retry-After */
    ERR_NO_WORKER,     /* 503 overloaded, Retry-After: 1 */
    ERR_TIMEOUT,       /* 504 upstream_timeout */
    ERR_UPSTREAM_STATUS, /* a provider's 4xx passed on: status, type and code of err_set_upstream */
    ERR_CLIENT_GONE,     /* nobody is there to read it */
    ERR__COUNT
};

enum {
    ERR_MESSAGE_MAX = 1024,
    ERR_DETAIL_MAX = 512,
};

struct err {
    enum err_code code;
    int status;         /* HTTP status */
    int retry_after_s;  /* 0: none */
    bool retryable;     /* the same request may succeed on another try or another provider */
    char type[48];      /* OpenAI's `type` */
    char code_text[64]; /* OpenAI's `code`; "" becomes null */
    char param[128];    /* OpenAI's `param`; "" becomes null */
    char message[ERR_MESSAGE_MAX];
    char detail[ERR_DETAIL_MAX];
};

void err_clear(struct err *e);

/* Sets code, status, type and code_text from the table; `param` may be NULL. Always returns -1, so
 * that `return err_set(...)` reads well. A longer message is cut at a character boundary. */
int err_set(struct err *e, enum err_code code, const char *param, const char *fmt, ...)
    AIG_PRINTF(4, 5);

/* A provider's own 4xx: keeps its status, type and code (NULL: none). Returns -1. */
int err_set_upstream(struct err *e, int status, const char *type, const char *code_text,
                     const char *param, const char *message);

/* Adds private detail for the log; returns -1. */
int err_detail(struct err *e, const char *fmt, ...) AIG_PRINTF(2, 3);

/* "bad_request", "database_unavailable", ...: for log lines. */
const char *err_name(enum err_code code);

#endif
