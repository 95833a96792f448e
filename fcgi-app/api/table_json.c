/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/table_json.h"

#include "base/decimal.h"

#include <stdlib.h>
#include <string.h>

static struct json_object *list_json(const char *cell)
{
    struct json_object *array = json_object_new_array();

    while (*cell != '\0') {
        size_t len = strcspn(cell, ",");
        json_object_array_add(array, json_object_new_string_len(cell, (int)len));
        cell += len + (cell[len] == ',' ? 1 : 0);
    }
    return array;
}

static void set_cell(struct json_object *obj, const char *key, enum table_kind kind,
                     const char *cell)
{
    char decimal[DECIMAL_SIZE];

    if (cell == NULL) {
        jsonx_set_null(obj, key);
        return;
    }
    switch (kind) {
    case TABLE_TEXT:
        jsonx_set_str(obj, key, cell);
        break;
    case TABLE_INT:
        jsonx_set_i64(obj, key, strtoll(cell, NULL, 10));
        break;
    case TABLE_USD:
        decimal_trim(decimal, cell);
        jsonx_set_decimal(obj, key, decimal);
        break;
    case TABLE_BOOL:
        jsonx_set_bool(obj, key, strcmp(cell, "0") != 0);
        break;
    case TABLE_LIST:
        jsonx_set(obj, key, list_json(cell));
        break;
    case TABLE_OWN:
        break;
    }
}

/* The object that a dotted name is in; NULL where it is null. Made with its first column. */
static struct json_object *part_of(struct json_object *obj, const char *name, size_t len,
                                   const char *cell)
{
    struct json_object *part = NULL;
    char key[64];

    assert(len < sizeof key);
    memcpy(key, name, len);
    key[len] = '\0';
    if (json_object_object_get_ex(obj, key, &part))
        return part;
    part = cell != NULL ? json_object_new_object() : NULL;
    jsonx_set(obj, key, part);
    return part;
}

struct json_object *table_row_json(const struct table *t, size_t row)
{
    struct json_object *obj = json_object_new_object();

    for (size_t i = 0; i < t->column_count; i++) {
        const struct table_column *column = &t->columns[i];
        const char *cell = t->cells[row * t->column_count + i];
        const char *dot = strchr(column->name, '.');
        if (column->kind == TABLE_OWN)
            continue;
        if (dot == NULL) {
            set_cell(obj, column->name, column->kind, cell);
            continue;
        }
        struct json_object *part = part_of(obj, column->name, (size_t)(dot - column->name), cell);
        if (part != NULL)
            set_cell(part, dot + 1, column->kind, cell);
    }
    return obj;
}

struct json_object *table_rows_json(const struct table *t)
{
    struct json_object *array = json_object_new_array();

    for (size_t i = 0; i < t->row_count; i++)
        json_object_array_add(array, table_row_json(t, i));
    return array;
}

struct json_object *table_list_json(const struct table *t, const char *next)
{
    struct json_object *body = json_object_new_object();

    jsonx_set_str(body, "object", "list");
    jsonx_set(body, "data", table_rows_json(t));
    jsonx_set_bool(body, "has_more", next != NULL);
    jsonx_set_str(body, "next", next);
    return body;
}
