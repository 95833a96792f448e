/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each generation of models takes: const tables by the dialect that the catalog names for a
 * model. Sources: Anthropic's, Google's and OpenAI's model and migration pages. Pure; any thread
 * may call it.
 *
 * The rule for what a model does not take: a value that asks for the default is left out, one that
 * would change the answer is a 400 that names field and model.
 */
#ifndef AIG_DIALECT_H
#define AIG_DIALECT_H

#include "base/base.h"
#include "base/err.h"
#include "wire/neutral.h"

/* reasoning_effort, in rising order. */
enum dialect_effort {
    EFFORT_UNSET, /* the client said nothing: the model's own default */
    EFFORT_NONE,  /* no reasoning */
    EFFORT_MINIMAL,
    EFFORT_LOW,
    EFFORT_MEDIUM,
    EFFORT_HIGH,
    EFFORT_XHIGH,
    EFFORT_MAX,
    EFFORT__COUNT
};

#define EFFORT_BIT(effort) (1u << (effort))

/* How an effort is told to the model. */
enum dialect_thinking {
    THINKING_EFFORT,   /* by its name (OpenAI) */
    THINKING_BUDGET,   /* as a number of tokens (Claude up to 4.5, Gemini 2.5) */
    THINKING_ADAPTIVE, /* Claude from 4.6: thinking on or off, and an effort by its name */
    THINKING_LEVEL,    /* Gemini 3: a level by its name */
};

/* May a tool_choice force a call (required, named)? */
enum dialect_forcing {
    FORCING_ALWAYS,
    FORCING_UNLESS_THINKING, /* only with thinking off */
    FORCING_NEVER,           /* then: auto, with an instruction and only the named tool */
};

struct dialect {
    const char *name; /* model.dialect of the catalog */

    /* Sampling. */
    int temperature_max;        /* 1 or 2 */
    bool temperature;           /* false: a value other than 1 is a 400 */
    bool top_p;                 /* likewise */
    bool top_k;                 /* false: a 400 */
    bool temperature_xor_top_p; /* not both in one request */
    bool penalties;             /* frequency_penalty, presence_penalty */
    bool logit_bias;
    bool logprobs;
    bool verbosity;  /* false: another value than medium is a 400 */
    bool seed;       /* false: ignored (it promises no more than best effort) */
    int choices_max; /* largest n */
    int stop_max;    /* largest number of stop sequences; 0: takes none */

    /* Reasoning. */
    enum dialect_thinking thinking;
    unsigned efforts;       /* EFFORT_BITs that can be asked for; EFFORT_NONE: it can be off */
    bool thinks_by_default; /* thinks when the request says nothing */
    bool thinking_fixes_sampling; /* with thinking on: temperature 1 only, no top_k */
    bool efforts_vary; /* each model takes a part of `efforts` and refuses the others itself */
    enum dialect_effort wish_max; /* efforts_vary: what a wish asks for at most; EFFORT_UNSET: its
                                     models do not reason */
    enum dialect_effort wish_off; /* efforts_vary: what comes next to no reasoning on all models */
    int64_t budget_min;           /* THINKING_BUDGET: least number of tokens, when not off */
    const char *thinking_off; /* THINKING_ADAPTIVE: the type that says "off"; NULL: there is none,
                                 or none is needed */
    bool thinks_when_off;     /* thinking_off leaves some: notes between tool calls */
    bool thoughts_hidden;     /* shows thoughts only when asked to */
    bool thoughts_bound;      /* takes its thoughts back only while nothing before them changed */

    /* Tools and output. */
    enum dialect_forcing forcing;
    bool prefill;     /* the last message may be the assistant's, to be continued */
    bool json_schema; /* takes a JSON Schema for its answer */
};

/* NULL: no such dialect. */
const struct dialect *dialect_find(const char *name);

/* "high" -> EFFORT_HIGH; NULL -> EFFORT_UNSET. -1: 400 naming reasoning_effort. */
int dialect_effort_parse(enum dialect_effort *out, const char *text, struct err *err) AIG_MUST_USE;
/* EFFORT_HIGH -> "high"; EFFORT_UNSET -> "". */
const char *dialect_effort_name(enum dialect_effort effort);
/* What the model takes in place of `effort`: itself, else the next lower one but never none in
 * place of some reasoning, else the lowest that it takes. EFFORT_UNSET stays. */
enum dialect_effort dialect_effort_nearest(const struct dialect *d, enum dialect_effort effort);

/* What is asked of the model for content->reasoning_effort: its nearest, or for a mere wish
 * (content->effort_is_wish) on a dialect whose models differ, what all of them take. -1: 400 naming
 * reasoning_effort. */
int dialect_effort_of(enum dialect_effort *out, const struct dialect *d,
                      const struct neutral_content *content, struct err *err) AIG_MUST_USE;

/* A member of neutral_content that holds a number, as one (NaN if it is NULL). */
double dialect_number(struct json_object *number);

/* Checks what is alike for all formats: n, logprobs, logit_bias, penalties, verbosity, top_k, stop
 * count, a beginning of the answer in Anthropic's requests, and temperature and top_p where they
 * are not taken at all. `model` is the name that the client knows. -1: 400 naming the field. The
 * caller sends temperature, top_p and the like only where the dialect takes them. */
int dialect_check(const struct dialect *d, const struct neutral_request *request, const char *model,
                  struct err *err) AIG_MUST_USE;

#endif
