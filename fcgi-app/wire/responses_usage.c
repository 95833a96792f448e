/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/responses_usage.h"

#include <string.h>

/* Far above any real count; keeps sums in range. */
static const int64_t count_max = (int64_t)1 << 50;

static bool read_count(int64_t *out, struct json_object *obj, const char *key, int64_t max)
{
    int64_t v = jsonx_i64(obj, key, -1);

    *out = v < 0 ? 0 : v < max ? v : max;
    return v >= 0;
}

void responses_read_usage(struct usage *out, struct json_object *usage)
{
    struct json_object *input = jsonx_object(usage, "input_tokens_details");
    struct json_object *output = jsonx_object(usage, "output_tokens_details");

    memset(out, 0, sizeof *out);
    bool has_input = read_count(&out->prompt, usage, "input_tokens", count_max);
    bool has_output = read_count(&out->completion, usage, "output_tokens", count_max);
    out->known = has_input && has_output;
    read_count(&out->cached, input, "cached_tokens", out->prompt);
    read_count(&out->cache_write_5m, input, "cache_write_tokens", out->prompt - out->cached);
    read_count(&out->reasoning, output, "reasoning_tokens", out->completion);
}
