/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token counts of one call as every provider's are normalised to: prompt includes what was read
 * from or written to a cache, completion includes reasoning. Until a provider has sent the final
 * counts `known` is false; after that a zero is a reported zero. Calls of tools that the provider
 * runs itself are counted from the answer, whether the tokens are known or not.
 */
#ifndef AIG_USAGE_H
#define AIG_USAGE_H

#include "base/base.h"
#include "base/decimal.h"

struct usage_tools {
    int64_t web_searches;
    int64_t preview_searches; /* of the web, by the preview generation of the tool */
    int64_t file_searches;
    int64_t containers;   /* of the code interpreter */
    int64_t container_gb; /* memory of each */
};

struct usage {
    bool known;
    int64_t prompt;
    int64_t cached;
    int64_t cache_write_5m;
    int64_t cache_write_1h;
    int64_t completion;
    int64_t reasoning;
    struct usage_tools tools;
    char cost_usd[DECIMAL_SIZE]; /* what the provider says it charged us; "": it says nothing */
};

#endif
