/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/bound.h"

enum {
    LIKELY_BYTES_PER_TOKEN = 3,
    /* English runs at four to five bytes a token: in doubt for the customer. */
    ESTIMATE_BYTES_PER_TOKEN = 4,
    REQUEST_TOKENS = 16, /* what primes an answer */
    CONTEXT_UNKNOWN = 2 * 1000 * 1000,
    TOOL_TOKENS = 8 * 1000, /* likely in what a call of the provider's own tools brings */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t bound_estimate(int64_t bytes)
{
    return (bytes + ESTIMATE_BYTES_PER_TOKEN - 1) / ESTIMATE_BYTES_PER_TOKEN;
}

static void bound_within(struct bound *out, const struct neutral_size *size,
                         const struct catalog_model *model, int64_t context)
{
    int64_t fixed = REQUEST_TOKENS + size->messages * model->message_tokens +
                    size->tools * model->tool_tokens + size->images * model->image_tokens;
    int64_t bytes = size->text_bytes + size->media_bytes;

    /* A document's bytes say nothing about its tokens: only the context does. */
    out->prompt = size->files > 0 ? context : least(bytes + fixed, context);
    out->likely = least(bytes / LIKELY_BYTES_PER_TOKEN + fixed, out->prompt);
    out->estimate = least(bound_estimate(size->text_bytes), out->prompt);
}

static int64_t context_of(const struct catalog_model *model)
{
    return model->context_length > 0 ? model->context_length : CONTEXT_UNKNOWN;
}

void bound_prompt(struct bound *out, const struct neutral_size *size,
                  const struct catalog_model *model)
{
    bound_within(out, size, model, context_of(model));
}

void bound_tools(struct bound *out, int64_t calls, const struct catalog_model *model)
{
    out->prompt = (calls + 1) * context_of(model);
    out->likely = least(out->likely + calls * TOOL_TOKENS, out->prompt);
}

void bound_inputs(struct bound *out, const struct neutral_size *size,
                  const struct catalog_model *model)
{
    bound_within(out, size, model, context_of(model) * size->messages);
}
