/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many prompt tokens a request can have at most: a token is at least one UTF-8 byte, so the
 * bytes that reach the model plus the catalog's constants per message, tool and image bound them;
 * the model's context bounds them too. Pure.
 */
#ifndef AIG_BOUND_H
#define AIG_BOUND_H

#include "base/base.h"
#include "store/catalog.h"
#include "wire/neutral.h"

struct bound {
    int64_t prompt; /* tokens; never exceeded */
    int64_t likely; /* what it will be about: bytes / 3 */
    int64_t
        estimate; /* what is charged for a prompt whose count the provider never told: bytes / 4 */
};

void bound_prompt(struct bound *out, const struct neutral_size *size,
                  const struct catalog_model *model);

/* Adds what tools bring that the provider runs itself, at most `calls` times: after each the model
 * reads its whole context anew. */
void bound_tools(struct bound *out, int64_t calls, const struct catalog_model *model);

/* The same for a request of embeddings: the context bounds each of its inputs (size->messages). */
void bound_inputs(struct bound *out, const struct neutral_size *size,
                  const struct catalog_model *model);

/* Tokens charged for `bytes` of text whose count the provider never told. */
int64_t bound_estimate(int64_t bytes);

#endif
