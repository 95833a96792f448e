/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded requests to the providers that speak chat completions: sent by our client, they go on as
 * they are, except for the model, the limit and the usage chunk. */
#include "base/base.h"

#include "google_recording.h"
#include "unit.h"
#include "wire/completions.h"
#include "wire/completions_request.h"
#include "wire/openrouter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 777, LINE_SIZE = 2048 };

static bool is_reasoning(const char *model)
{
    return strncmp(model, "gpt-5", 5) == 0 || model[0] == 'o';
}

/* What the provider must get. */
static void expect(struct json_object *body, const char *limit_field)
{
    json_object_object_del(body, "max_tokens");
    json_object_object_del(body, "max_completion_tokens");
    jsonx_set_i64(body, limit_field, LIMIT);
    jsonx_set_str(body, "model", "up");
    if (jsonx_bool(body, "stream", false)) {
        struct json_object *options = json_object_new_object();
        jsonx_set_bool(options, "include_usage", true);
        jsonx_set(body, "stream_options", options);
    }
}

/* What could cost more than was held. */
static const char *refused_field(struct json_object *body)
{
    struct json_object *tools = jsonx_array(body, "tools");
    struct json_object *tool = tools != NULL ? json_object_array_get_idx(tools, 0) : NULL;

    if (jsonx_get(body, "models") != NULL)
        return "models";
    return strncmp(jsonx_str(tool, "type", ""), "openrouter:", 11) == 0 ? "tools[0].type" : NULL;
}

static void check_request(const struct format *format, const char *name)
{
    struct json_object *file = recording_json(format->name, name, "request.json");
    struct json_object *body = jsonx_object(file, "body");
    bool ours = format == &completions_format;
    bool reasoning = ours && is_reasoning(jsonx_str(body, "model", ""));
    bool old_name = ours && !reasoning && jsonx_get(body, "max_tokens") != NULL;
    const char *dialects[] = {"openrouter", "openai-chat", "openai-reasoning"};
    struct neutral_target target = {.upstream_model = "up",
                                    .dialect = dialects[ours + reasoning],
                                    .model = "m",
                                    .output_limit = LIMIT};
    struct json_object *written = NULL;
    struct neutral_request r;
    struct buf text;
    struct buf out;
    struct err err;

    buf_init(&text, 1 << 24);
    buf_init(&out, 1 << 24);
    jsonx_write(&text, body);
    if (completions_read_request(&r, text.data, text.len, &err) != 0)
        fail_msg("%s: %s", name, err.message);
    const char *refused = refused_field(body);
    if (refused != NULL) {
        assert_int_equal(format->write_request(&out, &r, &target, &err), -1);
        assert_int_equal(err.status, 400);
        assert_string_equal(err.param, refused);
    } else {
        assert_int_equal(format->write_request(&out, &r, &target, &err), 0);
        assert_int_equal(jsonx_parse(&written, out.data, out.len, &err), 0);
        expect(body, ours && !old_name ? "max_completion_tokens" : "max_tokens");
        if (!json_object_equal(written, body))
            fail_msg("%s: %s", name, out.data);
    }
    json_object_put(written);
    json_object_put(file);
    neutral_request_fini(&r);
    buf_fini(&text);
    buf_fini(&out);
}

/* Every case of the index: its columns are case, provider, api, ... */
static void test_recorded_requests(void **state)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    char line[LINE_SIZE];
    int count = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/tests/upstream/recordings/index.tsv",
             srcdir != NULL ? srcdir : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        char *provider = strchr(line, '\t');
        if (provider == NULL || line[0] == '#')
            continue;
        *provider++ = '\0';
        if (strncmp(provider, "openai\tchat\t", 12) == 0)
            check_request(&completions_format, line);
        else if (strncmp(provider, "openrouter\tchat\t", 16) == 0)
            check_request(&openrouter_format, line);
        else
            continue;
        count++;
    }
    fclose(f);
    assert_int_equal(count, 33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
