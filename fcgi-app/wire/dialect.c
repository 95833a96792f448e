/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/dialect.h"

#include <math.h>
#include <string.h>

enum { STOP_UNLIMITED = 1000, OPENAI_CHOICES = 128, GEMINI_CHOICES = 8 };

#define EFFORTS_LOW_TO_HIGH                                                                        \
    (EFFORT_BIT(EFFORT_LOW) | EFFORT_BIT(EFFORT_MEDIUM) | EFFORT_BIT(EFFORT_HIGH))
#define EFFORTS_TO_MAX (EFFORTS_LOW_TO_HIGH | EFFORT_BIT(EFFORT_XHIGH) | EFFORT_BIT(EFFORT_MAX))
#define EFFORTS_ALL    (EFFORT_BIT(EFFORT_NONE) | EFFORT_BIT(EFFORT_MINIMAL) | EFFORTS_TO_MAX)

static const struct dialect dialects[] = {
    /* Claude up to 4.5: extended thinking with a budget, off unless asked for. A budget is derived
     * from any effort. */
    {.name = "claude-4.5",
     .temperature_max = 1,
     .temperature = true,
     .top_p = true,
     .top_k = true,
     .temperature_xor_top_p = true,
     .choices_max = 1,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_BUDGET,
     .efforts = EFFORTS_ALL,
     .thinking_fixes_sampling = true,
     .budget_min = 1024,
     .forcing = FORCING_UNLESS_THINKING,
     .prefill = true,
     .json_schema = true},
    {.name = "claude-4.6",
     .temperature_max = 1,
     .temperature = true,
     .top_p = true,
     .top_k = true,
     .temperature_xor_top_p = true,
     .choices_max = 1,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_ADAPTIVE,
     .efforts = EFFORT_BIT(EFFORT_NONE) | EFFORTS_LOW_TO_HIGH | EFFORT_BIT(EFFORT_MAX),
     .thinking_fixes_sampling = true,
     .forcing = FORCING_UNLESS_THINKING,
     .json_schema = true},
    /* Opus 4.7, 4.8 (these think only when asked to), Opus 5, Sonnet 5. */
    {.name = "claude-5",
     .temperature_max = 1,
     .choices_max = 1,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_ADAPTIVE,
     .efforts = EFFORT_BIT(EFFORT_NONE) | EFFORTS_TO_MAX,
     .thinks_by_default = true,
     .thinking_fixes_sampling = true,
     .thinking_off = "disabled",
     .thoughts_hidden = true,
     .forcing = FORCING_UNLESS_THINKING,
     .json_schema = true},
    /* Takes a forced call at any time: it then calls without thinking. */
    {.name = "claude-haiku-5.5",
     .temperature_max = 1,
     .choices_max = 1,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_ADAPTIVE,
     .efforts = EFFORT_BIT(EFFORT_NONE) | EFFORTS_TO_MAX,
     .thinks_by_default = true,
     .thinking_fixes_sampling = true,
     .thinking_off = "disabled",
     .thoughts_hidden = true,
     .thoughts_bound = true,
     .forcing = FORCING_ALWAYS,
     .json_schema = true},
    /* The least that Sonnet 5.5 takes is short notes between tool calls; "disabled" is a 400. */
    {.name = "claude-sonnet-5.5",
     .temperature_max = 1,
     .choices_max = 1,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_ADAPTIVE,
     .efforts = EFFORT_BIT(EFFORT_NONE) | EFFORTS_TO_MAX,
     .thinks_by_default = true,
     .thinking_fixes_sampling = true,
     .thinking_off = "between_tools",
     .thinks_when_off = true,
     .thoughts_hidden = true,
     .thoughts_bound = true,
     .forcing = FORCING_NEVER,
     .json_schema = true},
    /* Opus 5.5, Fable 5.1: always think. */
    {.name = "claude-5.5",
     .temperature_max = 1,
     .choices_max = 1,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_ADAPTIVE,
     .efforts = EFFORTS_TO_MAX,
     .thinks_by_default = true,
     .thinking_fixes_sampling = true,
     .thoughts_hidden = true,
     .thoughts_bound = true,
     .forcing = FORCING_NEVER,
     .json_schema = true},
    {.name = "gemini-2.5",
     .temperature_max = 2,
     .temperature = true,
     .top_p = true,
     .top_k = true,
     .penalties = true,
     .logprobs = true,
     .seed = true,
     .choices_max = GEMINI_CHOICES,
     .stop_max = 5,
     .thinking = THINKING_BUDGET,
     .efforts = EFFORTS_ALL,
     .thinks_by_default = true,
     .budget_min = 128,
     .forcing = FORCING_ALWAYS,
     .prefill = true,
     .json_schema = true},
    /* `minimal` is the flash models' only: the pro models answer 400. */
    {.name = "gemini-3",
     .temperature_max = 2,
     .temperature = true,
     .top_p = true,
     .top_k = true,
     .penalties = true,
     .logprobs = true,
     .seed = true,
     .choices_max = GEMINI_CHOICES,
     .stop_max = 5,
     .thinking = THINKING_LEVEL,
     .efforts = EFFORTS_LOW_TO_HIGH,
     .thinks_by_default = true,
     .forcing = FORCING_ALWAYS,
     .prefill = true,
     .json_schema = true},
    /* OpenAI's own models: which of its efforts and sampling fields a model takes it says itself,
     * with a 400 in OpenAI's words. */
    {.name = "openai-chat",
     .verbosity = true,
     .temperature_max = 2,
     .temperature = true,
     .top_p = true,
     .penalties = true,
     .logit_bias = true,
     .logprobs = true,
     .seed = true,
     .choices_max = OPENAI_CHOICES,
     .stop_max = 4,
     .thinking = THINKING_EFFORT,
     .efforts = EFFORTS_ALL,
     .efforts_vary = true,
     .forcing = FORCING_ALWAYS,
     .json_schema = true},
    {.name = "openai-reasoning",
     .verbosity = true,
     .temperature_max = 2,
     .temperature = true,
     .top_p = true,
     .penalties = true,
     .logit_bias = true,
     .logprobs = true,
     .seed = true,
     .choices_max = OPENAI_CHOICES,
     .stop_max = 4,
     .thinking = THINKING_EFFORT,
     .efforts = EFFORTS_ALL,
     .thinks_by_default = true,
     .efforts_vary = true,
     .wish_max = EFFORT_HIGH,
     .wish_off = EFFORT_LOW,
     .forcing = FORCING_ALWAYS,
     .json_schema = true},
    {.name = "openai-responses",
     .verbosity = true,
     .temperature_max = 2,
     .temperature = true,
     .top_p = true,
     .logprobs = true,
     .choices_max = 1,
     .thinking = THINKING_EFFORT,
     .efforts = EFFORTS_ALL,
     .thinks_by_default = true,
     .efforts_vary = true,
     .wish_max = EFFORT_HIGH,
     .wish_off = EFFORT_LOW,
     .forcing = FORCING_ALWAYS,
     .json_schema = true},
    {.name = "openrouter",
     .verbosity = true,
     .temperature_max = 2,
     .temperature = true,
     .top_p = true,
     .top_k = true,
     .penalties = true,
     .logit_bias = true,
     .logprobs = true,
     .seed = true,
     .choices_max = OPENAI_CHOICES,
     .stop_max = STOP_UNLIMITED,
     .thinking = THINKING_EFFORT,
     .efforts = EFFORTS_ALL,
     .efforts_vary = true,
     .wish_max = EFFORT_HIGH,
     .forcing = FORCING_ALWAYS,
     .prefill = true,
     .json_schema = true},
};

const struct dialect *dialect_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(dialects); i++)
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    return NULL;
}

static const char *const effort_names[] = {
    [EFFORT_UNSET] = "",      [EFFORT_NONE] = "none",     [EFFORT_MINIMAL] = "minimal",
    [EFFORT_LOW] = "low",     [EFFORT_MEDIUM] = "medium", [EFFORT_HIGH] = "high",
    [EFFORT_XHIGH] = "xhigh", [EFFORT_MAX] = "max",
};
static_assert(ARRAY_LEN(effort_names) == EFFORT__COUNT, "a name for every effort");

const char *dialect_effort_name(enum dialect_effort effort)
{
    assert(effort >= EFFORT_UNSET && effort < EFFORT__COUNT);
    return effort_names[effort];
}

int dialect_effort_parse(enum dialect_effort *out, const char *text, struct err *err)
{
    *out = EFFORT_UNSET;
    if (text == NULL)
        return 0;
    for (int i = EFFORT_NONE; i < EFFORT__COUNT; i++) {
        if (strcmp(effort_names[i], text) == 0) {
            *out = (enum dialect_effort)i;
            return 0;
        }
    }
    return err_set(err, ERR_UNSUPPORTED_VALUE, "reasoning_effort",
                   "'reasoning_effort' must be one of none, minimal, low, medium, high, xhigh, "
                   "max, but it is '%.40s'.",
                   text);
}

enum dialect_effort dialect_effort_nearest(const struct dialect *d, enum dialect_effort effort)
{
    if (effort == EFFORT_UNSET || (d->efforts & EFFORT_BIT(effort)) != 0)
        return effort;
    for (int i = (int)effort - 1; i > EFFORT_NONE; i--)
        if ((d->efforts & EFFORT_BIT(i)) != 0)
            return (enum dialect_effort)i;
    for (int i = EFFORT_MINIMAL; i < EFFORT__COUNT; i++)
        if ((d->efforts & EFFORT_BIT(i)) != 0)
            return (enum dialect_effort)i;
    return EFFORT_UNSET;
}

static enum dialect_effort wished(const struct dialect *d, enum dialect_effort effort)
{
    if (effort == EFFORT_NONE)
        return d->wish_off;
    if (effort == EFFORT_UNSET || effort > d->wish_max)
        return effort == EFFORT_UNSET ? effort : d->wish_max;
    return effort < EFFORT_LOW ? EFFORT_LOW : effort;
}

int dialect_effort_of(enum dialect_effort *out, const struct dialect *d,
                      const struct neutral_content *content, struct err *err)
{
    enum dialect_effort effort = EFFORT_UNSET;

    if (dialect_effort_parse(&effort, content->reasoning_effort, err) != 0)
        return -1;
    bool wish = content->effort_is_wish && d->efforts_vary;
    *out = wish ? wished(d, effort) : dialect_effort_nearest(d, effort);
    return 0;
}

double dialect_number(struct json_object *number)
{
    return number != NULL ? json_object_get_double(number) : (double)NAN;
}

static int refuse(struct err *err, const char *field, const char *model)
{
    return err_set(err, ERR_UNSUPPORTED_VALUE, field,
                   "'%s' is not supported by the model '%.100s'; please leave it out.", field,
                   model);
}

/* A sampling field that the model does not take may still ask for what it does anyway. */
static bool is_default(struct json_object *number)
{
    double v = dialect_number(number);

    return number == NULL || (v >= 1.0 && v <= 1.0);
}

static bool is_zero(struct json_object *number)
{
    double v = dialect_number(number);

    return number == NULL || (v >= 0.0 && v <= 0.0);
}

static int check_sampling(const struct dialect *d, const struct neutral_content *c,
                          const char *model, struct err *err)
{
    if (!d->temperature && !is_default(c->temperature))
        return refuse(err, "temperature", model);
    if (!d->top_p && !is_default(c->top_p))
        return refuse(err, "top_p", model);
    if (!d->top_k && c->top_k != NULL)
        return refuse(err, "top_k", model);
    if (!d->penalties && !is_zero(c->frequency_penalty))
        return refuse(err, "frequency_penalty", model);
    if (!d->penalties && !is_zero(c->presence_penalty))
        return refuse(err, "presence_penalty", model);
    if (!d->verbosity && c->verbosity != NULL && strcmp(c->verbosity, "medium") != 0)
        return refuse(err, "verbosity", model);
    if (!d->logit_bias && c->logit_bias != NULL && json_object_object_length(c->logit_bias) > 0)
        return refuse(err, "logit_bias", model);
    return 0;
}

/* Anthropic's clients mean the last message of the assistant's to be continued. */
static bool is_prefilled(const struct neutral_request *request)
{
    const struct neutral_content *c = request->content;

    return request->language == LANGUAGE_MESSAGES && c->message_count > 0 &&
           c->messages[c->message_count - 1].role == ROLE_ASSISTANT;
}

int dialect_check(const struct dialect *d, const struct neutral_request *request, const char *model,
                  struct err *err)
{
    const struct neutral_content *c = request->content;

    if (!d->prefill && is_prefilled(request))
        return err_set(err, ERR_UNSUPPORTED_VALUE, "messages",
                       "'messages' must not end with a message of the assistant's for the model "
                       "'%.100s': it cannot continue one.",
                       model);
    if (request->choices > d->choices_max)
        return err_set(err, ERR_UNSUPPORTED_VALUE, "n",
                       "'n' can be at most %d for the model '%.100s'.", d->choices_max, model);
    if (!d->logprobs && c->logprobs)
        return refuse(err, "logprobs", model);
    if (d->stop_max == 0 && c->stop_count > 0)
        return refuse(err, "stop", model);
    if (c->stop_count > (size_t)d->stop_max)
        return err_set(err, ERR_UNSUPPORTED_VALUE, "stop",
                       "'stop' can hold at most %d sequences for the model '%.100s'.", d->stop_max,
                       model);
    return check_sampling(d, c, model, err);
}
