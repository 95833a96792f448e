/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/completions_request.h"

#include <stdio.h>
#include <string.h>

static void measure_image(struct neutral_size *size, struct json_object *image)
{
    size->images++;
    if (!json_object_is_type(image, json_type_object)) {
        neutral_measure(size, image);
        return;
    }
    json_object_object_foreach(image, key, member)
    {
        if (strcmp(key, "url") != 0 || !neutral_is_url(member))
            neutral_measure(size, member);
    }
}

static void measure_audio(struct neutral_size *size, struct json_object *audio)
{
    if (!json_object_is_type(audio, json_type_object)) {
        neutral_measure(size, audio);
        return;
    }
    json_object_object_foreach(audio, key, member)
    {
        if (strcmp(key, "data") == 0 && json_object_is_type(member, json_type_string))
            size->media_bytes += json_object_get_string_len(member);
        else
            neutral_measure(size, member);
    }
}

static void measure_file(struct neutral_size *size, struct json_object *file)
{
    (void)file;
    size->files++;
}

/* Content parts have one member whose payload is no text for the model; only that one is left out.
 */
static const struct {
    const char *name; /* of the member and, in `type`, of the part */
    void (*measure)(struct neutral_size *size, struct json_object *payload);
} media_parts[] = {
    {"image_url", measure_image},
    {"input_audio", measure_audio},
    {"file", measure_file},
};

static void measure_part(struct neutral_size *size, struct json_object *part)
{
    const char *type = jsonx_str(part, "type", "");

    if (!json_object_is_type(part, json_type_object)) {
        neutral_measure(size, part);
        return;
    }
    json_object_object_foreach(part, key, member)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(media_parts) &&
               (strcmp(media_parts[i].name, key) != 0 || strcmp(media_parts[i].name, type) != 0))
            i++;
        size->text_bytes += (int64_t)strlen(key);
        if (i < ARRAY_LEN(media_parts))
            media_parts[i].measure(size, member);
        else
            neutral_measure(size, member);
    }
}

static void measure_message(struct neutral_size *size, struct json_object *message)
{
    json_object_object_foreach(message, key, member)
    {
        size->text_bytes += (int64_t)strlen(key);
        if (strcmp(key, "content") != 0 || !json_object_is_type(member, json_type_array)) {
            neutral_measure(size, member);
            continue;
        }
        for (size_t i = 0; i < json_object_array_length(member); i++)
            measure_part(size, json_object_array_get_idx(member, i));
    }
}

/* Members that no model ever sees as text; all others, known or not, count. */
static bool is_control_field(const char *key)
{
    static const char *const fields[] = {
        "model", "stream",      "stream_options", "max_tokens", "max_completion_tokens",
        "n",     "temperature", "top_p",          "seed",       "logit_bias",
        "user",  "metadata"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(key, fields[i]) == 0)
            return true;
    return false;
}

static int64_t length_of(struct json_object *body, const char *key)
{
    struct json_object *list = jsonx_array(body, key);

    return list != NULL ? (int64_t)json_object_array_length(list) : 0;
}

/* `messages` has been checked: an array of objects. */
static void measure_request(struct neutral_size *size, struct json_object *body)
{
    struct json_object *messages = jsonx_array(body, "messages");

    size->messages = length_of(body, "messages");
    size->tools = length_of(body, "tools") + length_of(body, "functions");
    for (int64_t i = 0; i < size->messages; i++)
        measure_message(size, json_object_array_get_idx(messages, (size_t)i));
    json_object_object_foreach(body, key, member)
    {
        if (strcmp(key, "messages") != 0 && !is_control_field(key))
            neutral_measure(size, member);
    }
}

static int check_message(struct json_object *message, size_t at, struct err *err)
{
    char path[64];
    const char *role = NULL;

    snprintf(path, sizeof path, "messages[%zu]", at);
    if (!json_object_is_type(message, json_type_object))
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' must be an object, but it is %s.", path,
                       jsonx_type_name(message));
    snprintf(path, sizeof path, "messages[%zu].role", at);
    if (jsonx_want_str(&role, message, "role", path, err) != 0)
        return -1;
    if (role == NULL || role[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, path, "'%s' is missing: every message needs a role.",
                       path);
    struct json_object *content = jsonx_get(message, "content");
    if (content != NULL && !json_object_is_type(content, json_type_string) &&
        !json_object_is_type(content, json_type_array)) {
        snprintf(path, sizeof path, "messages[%zu].content", at);
        return err_set(err, ERR_BAD_REQUEST, path,
                       "'%s' must be a string or an array of parts, but it is %s.", path,
                       jsonx_type_name(content));
    }
    return 0;
}

static int check_messages(struct json_object *body, struct err *err)
{
    struct json_object *messages = NULL;

    if (jsonx_want_array(&messages, body, "messages", "messages", err) != 0)
        return -1;
    if (messages == NULL || json_object_array_length(messages) == 0)
        return err_set(err, ERR_BAD_REQUEST, "messages",
                       "'messages' must hold at least one message.");
    for (size_t i = 0; i < json_object_array_length(messages); i++)
        if (check_message(json_object_array_get_idx(messages, i), i, err) != 0)
            return -1;
    return 0;
}

/* A dearer class of service would cost us more than the catalog's price, which the hold is made
 * from. */
static int check_service_tier(struct json_object *body, struct err *err)
{
    const char *tier = NULL;

    if (jsonx_want_str(&tier, body, "service_tier", "service_tier", err) != 0)
        return -1;
    if (tier == NULL || strcmp(tier, "auto") == 0 || strcmp(tier, "default") == 0 ||
        strcmp(tier, "flex") == 0)
        return 0;
    return err_set(err, ERR_UNSUPPORTED_VALUE, "service_tier",
                   "'service_tier' must be 'auto', 'default' or 'flex': '%.40s' is not offered "
                   "here.",
                   tier);
}

static int read_fields(struct neutral_request *r, struct err *err)
{
    struct json_object *body = r->body;
    struct json_object *options = NULL;
    int64_t max_tokens = 0;
    int64_t max_completion_tokens = 0;

    if (jsonx_want_str(&r->model, body, "model", "model", err) != 0)
        return -1;
    if (r->model == NULL || r->model[0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "model",
                       "'model' is missing: name one of GET /v1/models.");
    if (check_messages(body, err) != 0 || check_service_tier(body, err) != 0)
        return -1;
    if (jsonx_want_bool(&r->stream, body, "stream", "stream", err) != 0 ||
        jsonx_want_object(&options, body, "stream_options", "stream_options", err) != 0 ||
        jsonx_want_bool(&r->include_usage, options, "include_usage", "stream_options.include_usage",
                        err) != 0)
        return -1;
    if (jsonx_want_i64(&r->choices, body, "n", "n", 1, COMPLETIONS_CHOICES_MAX, err) != 0 ||
        jsonx_want_i64(&max_tokens, body, "max_tokens", "max_tokens", 1, COMPLETIONS_OUTPUT_MAX,
                       err) != 0 ||
        jsonx_want_i64(&max_completion_tokens, body, "max_completion_tokens",
                       "max_completion_tokens", 1, COMPLETIONS_OUTPUT_MAX, err) != 0)
        return -1;
    r->output_limit = max_completion_tokens > 0 ? max_completion_tokens : max_tokens;
    return 0;
}

int completions_read_request(struct neutral_request *out, const char *text, size_t len,
                             struct err *err)
{
    struct neutral_request r = {.language = LANGUAGE_COMPLETIONS, .choices = 1};

    if (jsonx_parse(&r.body, text, len, err) != 0)
        return -1;
    if (!json_object_is_type(r.body, json_type_object)) {
        err_set(err, ERR_BAD_REQUEST, NULL, "The request body must be a JSON object, but it is %s.",
                jsonx_type_name(r.body));
        neutral_request_fini(&r);
        return -1;
    }
    if (read_fields(&r, err) != 0) {
        neutral_request_fini(&r);
        return -1;
    }
    measure_request(&r.size, r.body);
    *out = r;
    return 0;
}
