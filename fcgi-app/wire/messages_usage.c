/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/messages_usage.h"

/* Far above any real count; keeps sums in range. */
static const int64_t count_max = (int64_t)1 << 50;

static void read_count(int64_t *out, struct json_object *obj, const char *key)
{
    int64_t v = jsonx_i64(obj, key, -1);

    if (v >= 0)
        *out = v < count_max ? v : count_max;
}

static void read_counts(struct messages_counts *c, struct json_object *usage)
{
    struct json_object *split = jsonx_object(usage, "cache_creation");

    read_count(&c->input, usage, "input_tokens");
    read_count(&c->cache_read, usage, "cache_read_input_tokens");
    read_count(&c->output, usage, "output_tokens");
    read_count(&c->thinking, jsonx_object(usage, "output_tokens_details"), "thinking_tokens");
    if (split != NULL) {
        int64_t five_minutes = 0;
        c->cache_write_1h = 0;
        read_count(&five_minutes, split, "ephemeral_5m_input_tokens");
        read_count(&c->cache_write_1h, split, "ephemeral_1h_input_tokens");
        c->cache_write = five_minutes + c->cache_write_1h;
    }
    read_count(&c->cache_write, usage, "cache_creation_input_tokens");
}

void messages_usage_read(struct usage *out, struct messages_counts *counts,
                         struct json_object *usage, bool final)
{
    struct messages_counts *c = counts;

    read_counts(c, usage);
    int64_t one_hour = c->cache_write_1h < c->cache_write ? c->cache_write_1h : c->cache_write;
    *out = (struct usage){
        .known = final && jsonx_get(usage, "output_tokens") != NULL,
        .prompt = c->input + c->cache_read + c->cache_write,
        .cached = c->cache_read,
        .cache_write_5m = c->cache_write - one_hour,
        .cache_write_1h = one_hour,
        .completion = c->output,
        .reasoning = c->thinking < c->output ? c->thinking : c->output,
    };
}

struct json_object *messages_usage_json(const struct usage *usage, const char *cost_usd)
{
    struct json_object *v = json_object_new_object();
    struct json_object *creation = json_object_new_object();
    int64_t written = usage->cache_write_5m + usage->cache_write_1h;
    int64_t cached = usage->cached + written;

    jsonx_set_i64(v, "input_tokens", usage->prompt > cached ? usage->prompt - cached : 0);
    jsonx_set_i64(v, "cache_creation_input_tokens", written);
    jsonx_set_i64(v, "cache_read_input_tokens", usage->cached);
    jsonx_set_i64(creation, "ephemeral_5m_input_tokens", usage->cache_write_5m);
    jsonx_set_i64(creation, "ephemeral_1h_input_tokens", usage->cache_write_1h);
    jsonx_set(v, "cache_creation", creation);
    jsonx_set_i64(v, "output_tokens", usage->completion);
    if (usage->reasoning > 0) {
        struct json_object *details = json_object_new_object();
        jsonx_set_i64(details, "thinking_tokens", usage->reasoning);
        jsonx_set(v, "output_tokens_details", details);
    }
    jsonx_set_str(v, "service_tier", "standard");
    jsonx_set_decimal(v, "cost", cost_usd);
    return v;
}
