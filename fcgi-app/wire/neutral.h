/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neutral form in which client surfaces and providers meet. A surface reads a client's request
 * into a neutral_request; a provider's format writes its upstream request from it and turns the
 * upstream's answer into neutral events; the surface writes those for the client. Where both sides
 * speak the same format, the request's body and the events' json pass through with every field,
 * also unknown ones.
 *
 * Pointers in these structs are borrowed: from the request's body or from the arena of the request.
 */
#ifndef AIG_NEUTRAL_H
#define AIG_NEUTRAL_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"
#include "wire/usage.h"

/* In what a request, an answer or a stream is written. */
enum language { LANGUAGE_COMPLETIONS, LANGUAGE_RESPONSES, LANGUAGE_MESSAGES, LANGUAGE_GEMINI };

/* What the prompt bound is computed from (core/bound). */
struct neutral_size {
    int64_t text_bytes; /* UTF-8 bytes of all that the model may be shown as text */
    int64_t messages;
    int64_t tools;
    int64_t images;
    int64_t media_bytes; /* audio, as sent */
    int64_t files;       /* documents: their tokens cannot be bounded by their bytes */
};

enum neutral_role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

enum neutral_part_kind { PART_TEXT, PART_REFUSAL, PART_IMAGE, PART_AUDIO, PART_FILE };

/* One piece of a message's content. An image or a file has either `url` (https) or `data` (base64
 * with its media type) or `file_id`. */
struct neutral_part {
    enum neutral_part_kind kind;
    struct span text;
    struct span url;
    struct span data;
    const char *media_type; /* "image/png", "application/pdf", "audio/wav"; NULL: not said */
    const char *file_id;
    const char *name;                  /* a file's name, or NULL */
    const char *detail;                /* an image's detail, or NULL */
    struct json_object *cache_control; /* as the client sent it, or NULL */
};

/* A call of a function that the assistant made in an earlier turn. */
struct neutral_call {
    const char *id;
    const char *name;
    struct span arguments;     /* a JSON text, as the model wrote it */
    struct json_object *extra; /* `extra_content` of the call: reasoning state that a client carries
                                  back; or NULL */
};

struct neutral_message {
    enum neutral_role role;
    struct neutral_part *parts;
    size_t part_count;
    struct neutral_call *calls;
    size_t call_count;
    const char *tool_call_id;              /* ROLE_TOOL */
    struct json_object *reasoning_details; /* reasoning state that a client carries back, or NULL */
    struct json_object *cache_control;     /* on the message itself, or NULL */
    const char *place; /* where it stands in the client's request, for errors; NULL: messages[n] */
};

struct neutral_tool {
    const char *name;
    const char *description;        /* or NULL */
    struct json_object *parameters; /* a JSON Schema, or NULL: none */
    int strict;                     /* 1, 0; -1: not said */
    struct json_object *cache_control;
};

enum neutral_tool_choice {
    TOOL_CHOICE_UNSET,
    TOOL_CHOICE_AUTO,
    TOOL_CHOICE_NONE,
    TOOL_CHOICE_REQUIRED,
    TOOL_CHOICE_NAMED
};

enum neutral_output { OUTPUT_TEXT, OUTPUT_JSON_OBJECT, OUTPUT_JSON_SCHEMA };

/* The request taken apart: for providers of another format than the client's. */
struct neutral_content {
    struct neutral_message *messages;
    size_t message_count;
    struct neutral_tool *tools;
    size_t tool_count;
    enum neutral_tool_choice tool_choice;
    const char *tool_choice_name; /* TOOL_CHOICE_NAMED */
    int parallel_tool_calls;      /* 1, 0; -1: not said */
    enum neutral_output output;
    const char *schema_name;
    const char *schema_description; /* or NULL */
    struct json_object *schema;
    int schema_strict;            /* 1, 0; -1: not said */
    const char *reasoning_effort; /* none minimal low medium high xhigh max; NULL: not said */
    bool effort_is_wish; /* made from what is no effort: a model that cannot follow it serves on */
    const char *verbosity;
    const char *user;
    struct json_object *temperature; /* numbers as the client wrote them; NULL: not said */
    struct json_object *top_p;
    struct json_object *top_k;
    struct json_object *frequency_penalty;
    struct json_object *presence_penalty;
    struct json_object *seed;
    struct json_object *logit_bias;
    struct json_object *metadata;
    bool logprobs;
    int64_t top_logprobs; /* -1: not said */
    const char **stop;
    size_t stop_count;
};

/* Tools that the provider runs itself: only OpenAI's Responses does, for a client of its language.
 */
enum neutral_hosted_kind {
    HOSTED_WEB_SEARCH = 1,
    HOSTED_PREVIEW_SEARCH = 2, /* of the web, too */
    HOSTED_FILE_SEARCH = 4,
    HOSTED_CODE = 8,
    HOSTED_MCP = 16,
};

enum { NEUTRAL_PRICED_SIZE = 64 };

struct neutral_hosted {
    unsigned kinds; /* of neutral_hosted_kind; 0: none, and nothing below */
    int64_t container_gb;
    int64_t max_calls;  /* of all of them together: always sent, as the hold reckons with it */
    bool limit_is_ours; /* the client named none */
    char priced[NEUTRAL_PRICED_SIZE]; /* those with a fee, as the ledger calls them: a comma list */
};

struct neutral_request {
    enum language language;   /* of the body: the client's */
    struct json_object *body; /* owned: the client's request */
    struct json_object *made; /* owned: what taking it apart has made beside it, or NULL */
    const char *model;
    bool stream;
    bool include_usage;
    int64_t output_limit;  /* tokens a choice; 0: the client gave none */
    bool limit_is_ceiling; /* one above the model's maximum means the maximum */
    int64_t choices;       /* n, at least 1 */
    bool keep_nothing;     /* the client wants nothing of the call to be kept, not even reasoning */
    struct neutral_size size;
    struct neutral_hosted hosted;
    const struct neutral_content *content; /* NULL until the surface has taken the request apart */
};

/* What the gateway has decided for the upstream call. */
struct neutral_target {
    const char *upstream_model;
    const char *dialect;  /* which parameters the model's generation takes: a row of wire/dialect */
    int64_t output_limit; /* tokens a choice: always sent, so that the provider cannot exceed the
                             hold */
    const char *model;    /* the name the client knows, for error messages */
    bool hedge; /* another model stands in: what it lacks is left out rather than refused */
    /* The upstream is to stream, whatever the client wants. */
    bool stream;
};

/* Why an answer ended, in the words of chat completions. */
enum finish_reason { FINISH_STOP, FINISH_LENGTH, FINISH_TOOL_CALLS, FINISH_CONTENT_FILTER };

enum event_kind {
    /* The client's own format, passed through. */
    EVENT_CHUNK,  /* json: one chunk of a stream */
    EVENT_ANSWER, /* json: a whole plain answer */
    /* Any other format. A plain answer comes as the same events as a stream. */
    EVENT_BEGIN,           /* id */
    EVENT_TEXT,            /* text; json: logprobs.content of chat completions, or NULL */
    EVENT_REFUSAL,         /* text */
    EVENT_REASONING,       /* text: thoughts that the provider shows */
    EVENT_CALL_BEGIN,      /* index, id, name: a tool call opens */
    EVENT_CALL_ARGUMENTS,  /* index, text: a fragment of its arguments */
    EVENT_CALL_STATE,      /* index, json: reasoning state to be carried back with this call
                              (extra_content) */
    EVENT_REASONING_STATE, /* json: an array of reasoning_details to be carried back with this
                              message */
    EVENT_FINISH,          /* finish */
    /* Both. */
    EVENT_USAGE, /* usage; json: the provider's usage object where it has the client's format, else
                    NULL */
    EVENT_DONE,  /* the provider says that the answer is whole */
};

struct event {
    enum event_kind kind;
    struct json_object *json; /* borrowed; the receiver may change it */
    bool content; /* a client shows it or acts on it: the first one ends the time of hedging */
    int64_t output_bytes; /* text in it, for an estimate where the provider's counts stay away */
    const struct usage *usage;
    struct span text;
    const char *id;
    const char *name;
    int64_t choice; /* index of the choice (n > 1), else 0 */
    int64_t index;  /* of the tool call within the message: 0, 1, ... */
    enum finish_reason finish;
};

/* Non-zero stops the reading. */
typedef int event_fn(const struct event *event, void *arg);

void neutral_request_fini(struct neutral_request *r);

/* A number, a truth value or null is never longer as text. */
enum { NEUTRAL_SCALAR_BYTES = 24 };

/* Adds the bytes of every key, string and number below v to text_bytes: an upper bound of the text
 * that can reach the model. */
void neutral_measure(struct neutral_size *size, struct json_object *v);
/* Whether v says where a picture or file lies (http, https) or brings it (data). */
bool neutral_is_url(struct json_object *v);

/* Whether the model has to call a tool. */
bool neutral_forces_call(const struct neutral_content *c);
/* -1 with ERR_BAD_REQUEST: a call is asked for that none of the tools can answer. */
int neutral_check_tool_choice(const struct neutral_content *c, struct err *err) AIG_MUST_USE;

#endif
