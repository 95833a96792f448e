/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/kept.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

static const char purpose[] = "stored_response";

/* Base64 in the database's answer, and the JSON of a whole chain. */
enum { TEXT_MAX = 2 * KEPT_CHAIN_MAX };

static bool is_id(const char *id)
{
    static const char prefix[] = "resp_";
    const size_t len = sizeof prefix - 1;

    return strncmp(id, prefix, len) == 0 && strlen(id) == STORED_RESPONSE_ID_LEN &&
           strspn(id + len, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == STORED_RESPONSE_ID_LEN - len;
}

/* Opening. */

static int open_row(struct json_object **out, const struct kept_call *call,
                    const struct stored_row *row, struct err *err)
{
    const char *key = call->app->conf->secret_key;
    struct buf sealed;
    struct buf plain;
    int rc = -1;

    buf_init(&sealed, TEXT_MAX);
    buf_init(&plain, TEXT_MAX);
    if (key == NULL || secret_unbase64_lines(&sealed, row->sealed) != 0 ||
        secret_open(&plain, key, purpose, span_of(row->id), buf_span(&sealed)) != 0 ||
        buf_failed(&plain)) {
        err_set(err, ERR_NOT_FOUND, NULL,
                "The response '%.40s' can no longer be read; start a new conversation.", row->id);
        err_detail(err, "a stored response does not open: was secret_key changed?");
    } else {
        rc = jsonx_parse(out, plain.data, plain.len, err);
    }
    buf_fini(&plain);
    buf_fini(&sealed);
    return rc;
}

static int not_found(struct err *err, const char *id)
{
    return err_set(
        err, ERR_NOT_FOUND, "response_id",
        "There is no response '%.40s'. Responses are kept for %d days, and only if their "
        "request said \"store\": true.",
        id, STORED_RESPONSE_DAYS);
}

static int not_previous(struct err *err, const char *id)
{
    err_set(err, ERR_BAD_REQUEST, "previous_response_id",
            "Previous response with id '%.40s' not found: it, or one that it went on from, is not "
            "kept. Responses are kept for %d days, and only if their request said \"store\": true. "
            "Send the whole conversation in 'input' instead.",
            id, STORED_RESPONSE_DAYS);
    snprintf(err->code_text, sizeof err->code_text, "previous_response_not_found");
    return -1;
}

/* *count 0: not kept, or not for who asks. */
static int load(struct stored_row **rows, size_t *count, const struct kept_call *call,
                const char *id, size_t max, struct err *err)
{
    *count = 0;
    if (!is_id(id))
        return 0;
    return stored_response_chain(rows, count, &call->app->store, call->arena, call->key_id, id, max,
                                 err);
}

static void add_all(struct json_object *list, struct json_object *items)
{
    for (size_t i = 0; items != NULL && i < json_object_array_length(items); i++)
        json_object_array_add(list, json_object_get(json_object_array_get_idx(items, i)));
}

/* `rows` from the oldest to the newest; the output of the newest only with `output`. */
static int add_rows(struct json_object *list, const struct kept_call *call,
                    const struct stored_row *rows, size_t count, bool output, struct err *err)
{
    for (size_t i = count; i > 0; i--) {
        struct json_object *kept = NULL;
        if (open_row(&kept, call, &rows[i - 1], err) != 0)
            return -1;
        add_all(list, jsonx_array(kept, "input"));
        if (output || i > 1)
            add_all(list, jsonx_array(jsonx_object(kept, "response"), "output"));
        json_object_put(kept);
    }
    return 0;
}

static bool is_whole(const struct stored_row *rows, size_t count)
{
    return count > 0 && rows[count - 1].previous_id == NULL;
}

int kept_context(struct json_object **items, const struct kept_call *call, const char *id,
                 struct err *err)
{
    struct json_object *list = json_object_new_array();
    struct stored_row *rows = NULL;
    size_t count = 0;

    int rc = load(&rows, &count, call, id, STORED_RESPONSE_DEPTH_MAX, err);
    if (rc == 0 && !is_whole(rows, count))
        rc = not_previous(err, id);
    if (rc == 0)
        rc = add_rows(list, call, rows, count, true, err);
    if (rc != 0) {
        json_object_put(list);
        return -1;
    }
    *items = list;
    return 0;
}

int kept_input(struct json_object **items, const struct kept_call *call, const char *id,
               struct err *err)
{
    struct json_object *list = json_object_new_array();
    struct stored_row *rows = NULL;
    size_t count = 0;

    int rc = load(&rows, &count, call, id, STORED_RESPONSE_DEPTH_MAX, err);
    if (rc == 0 && count == 0)
        rc = not_found(err, id);
    if (rc == 0)
        rc = add_rows(list, call, rows, count, false, err);
    if (rc != 0) {
        json_object_put(list);
        return -1;
    }
    *items = list;
    return 0;
}

int kept_response(struct json_object **response, const struct kept_call *call, const char *id,
                  struct err *err)
{
    struct json_object *kept = NULL;
    struct stored_row *rows = NULL;
    size_t count = 0;

    if (load(&rows, &count, call, id, 1, err) != 0)
        return -1;
    if (count == 0)
        return not_found(err, id);
    if (open_row(&kept, call, &rows[0], err) != 0)
        return -1;
    *response = json_object_get(jsonx_object(kept, "response"));
    json_object_put(kept);
    return 0;
}

int kept_delete(const struct kept_call *call, const char *id, struct err *err)
{
    bool deleted = false;

    if (is_id(id) && stored_response_delete(&deleted, &call->app->store, call->arena, call->key_id,
                                            id, err) != 0)
        return -1;
    return deleted ? 0 : not_found(err, id);
}

/* Items by their ids. */

static void take_named(struct json_object *found, struct json_object *items,
                       struct json_object *ids)
{
    for (size_t i = 0; items != NULL && i < json_object_array_length(items); i++) {
        struct json_object *item = json_object_array_get_idx(items, i);
        const char *id = jsonx_str(item, "id", "");
        for (size_t k = 0; k < json_object_array_length(ids); k++)
            if (strcmp(json_object_get_string(json_object_array_get_idx(ids, k)), id) == 0)
                jsonx_set_ref(found, id, item);
    }
}

int kept_items(struct json_object **found, const struct kept_call *call, struct json_object *ids,
               struct err *err)
{
    struct json_object *named = json_object_new_object();
    struct stored_row *rows = NULL;
    size_t count = 0;
    struct buf text;

    buf_init(&text, KEPT_BYTES_MAX);
    jsonx_write(&text, ids);
    int rc = stored_response_items(&rows, &count, &call->app->store, call->arena, call->key_id,
                                   text.data, err);
    buf_fini(&text);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct json_object *kept = NULL;
        rc = open_row(&kept, call, &rows[i], err);
        if (rc == 0)
            take_named(named, jsonx_array(jsonx_object(kept, "response"), "output"), ids);
        json_object_put(kept);
    }
    if (rc != 0) {
        json_object_put(named);
        return -1;
    }
    *found = named;
    return 0;
}

/* Keeping. */

static int too_large(struct err *err)
{
    return err_set(err, ERR_BAD_REQUEST, "store",
                   "'store': a response is kept with its input items only up to %d MiB. Leave "
                   "'store' out, or send less.",
                   KEPT_BYTES_MAX / (1024 * 1024));
}

static int check_chain(const struct kept_call *call, const char *previous_id, struct err *err)
{
    struct stored_row *rows = NULL;
    size_t count = 0;

    if (load(&rows, &count, call, previous_id, 1, err) != 0)
        return -1;
    if (count == 0)
        return not_previous(err, previous_id);
    if (rows[0].depth >= STORED_RESPONSE_DEPTH_MAX || rows[0].chain_bytes >= KEPT_CHAIN_MAX)
        return err_set(err, ERR_BAD_REQUEST, "previous_response_id",
                       "This conversation is too long to be kept: at most %d responses and %d MiB. "
                       "Send it in 'input' without 'previous_response_id', as a new beginning.",
                       STORED_RESPONSE_DEPTH_MAX, KEPT_CHAIN_MAX / (1024 * 1024));
    return 0;
}

int kept_check(const struct kept_call *call, const char *previous_id, struct json_object *input,
               struct err *err)
{
    struct buf text;

    if (call->app->conf->secret_key == NULL)
        return err_set(err, ERR_NOT_IMPLEMENTED, "store",
                       "'store' is not offered: the operator has not set a secret_key to encrypt "
                       "what is kept.");
    buf_init(&text, KEPT_BYTES_MAX);
    jsonx_write(&text, input);
    bool fits = !buf_failed(&text);
    buf_fini(&text);
    if (!fits)
        return too_large(err);
    return previous_id != NULL ? check_chain(call, previous_id, err) : 0;
}

static const char *item_ids(struct json_object *response, struct arena *arena)
{
    struct json_object *output = jsonx_array(response, "output");
    struct json_object *ids = json_object_new_array();

    for (size_t i = 0; output != NULL && i < json_object_array_length(output); i++) {
        const char *id = jsonx_str(json_object_array_get_idx(output, i), "id", NULL);
        if (id != NULL)
            json_object_array_add(ids, json_object_new_string(id));
    }
    const char *text = arena_strdup(arena, json_object_to_json_string(ids));
    json_object_put(ids);
    return text;
}

int kept_put(const struct kept_call *call, struct json_object *response, struct json_object *input,
             const char *previous_id, struct err *err)
{
    struct json_object *root = json_object_new_object();
    const char *id = jsonx_str(response, "id", "");
    struct buf plain;
    struct buf sealed;
    int rc;

    jsonx_set_ref(root, "response", response);
    jsonx_set_ref(root, "input", input);
    buf_init(&plain, KEPT_BYTES_MAX);
    buf_init(&sealed, KEPT_BYTES_MAX + SECRET_SEAL_OVERHEAD);
    jsonx_write(&plain, root);
    if (buf_failed(&plain)) {
        rc = too_large(err);
    } else {
        secret_seal(&sealed, call->app->conf->secret_key, purpose, span_of(id), buf_span(&plain));
        struct stored_new row = {
            .id = id,
            .previous_id = previous_id,
            .sealed = buf_span(&sealed),
            .item_ids = item_ids(response, call->arena),
        };
        rc = stored_response_put(&call->app->store, call->arena, call->key_id, &row, err);
    }
    buf_fini(&sealed);
    buf_fini(&plain);
    json_object_put(root);
    return rc;
}
