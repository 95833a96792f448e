/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/catalog.h"

#include "base/log.h"
#include "db/stmt.h"
#include "db/txn.h"

#include <string.h>

/* Enabled models with their price of now. Sorted by bytes, so that a binary search works. */
static const char SQL_MODELS[] =
    "SELECT m.id, m.name, m.kind, m.owned_by, m.dialect, m.capabilities, m.context_length,"
    "    m.max_output_tokens, m.message_tokens, m.tool_tokens, m.image_tokens,"
    "    TIMESTAMPDIFF(SECOND, '1970-01-01', m.created_at),"
    "    TIMESTAMPDIFF(SECOND, '1970-01-01', m.retires_on), m.successor,"
    "    p.id, p.input_usd, p.cached_input_usd, p.cache_write_5m_usd, p.cache_write_1h_usd,"
    "    p.output_usd, p.reasoning_usd, p.above_tokens, p.above_input_usd, p.above_output_usd,"
    "    p.unit, p.unit_usd "
    "FROM model m"
    "    LEFT JOIN price p ON p.id = (SELECT v.id FROM price v"
    "        WHERE v.model_id = m.id AND v.variant = '' AND v.valid_from <= UTC_TIMESTAMP(6)"
    "        ORDER BY v.valid_from DESC LIMIT 1) "
    "WHERE m.enabled ORDER BY m.name";
static const char SQL_ROUTES[] =
    "SELECT r.model_id, r.provider, r.upstream_model, r.price_model_id "
    "FROM route r WHERE r.enabled ORDER BY r.model_id, r.position";
static const char SQL_ALIASES[] = "SELECT x.alias, m.name FROM model_alias x"
                                  "    JOIN model m ON m.id = x.model_id "
                                  "WHERE m.enabled ORDER BY x.alias";

enum { CATALOG_ROWS_MAX = 10000 };

static const char *const KINDS[] = {
    [KIND_CHAT] = "chat",   [KIND_EMBEDDING] = "embedding", [KIND_IMAGE] = "image",
    [KIND_VIDEO] = "video", [KIND_MUSIC] = "music",         [KIND_SPEECH] = "speech",
};

static const char *const APIS[] = {
    [API_OPENAI] = "openai",         [API_OPENAI_RESPONSES] = "openai-responses",
    [API_ANTHROPIC] = "anthropic",   [API_GOOGLE] = "google",
    [API_OPENROUTER] = "openrouter", [API_KIE] = "kie",
    [API_RECRAFT] = "recraft",       [API_MUREKA] = "mureka",
    [API_REPLICATE] = "replicate",
};
static_assert(ARRAY_LEN(APIS) == API_OTHER, "a name for every API");

/* Index of a name, `count` when it is not there. */
static size_t index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return count;
}

static void read_price(struct catalog_price *out, struct db_cursor *c, struct arena *arena)
{
    out->id = db_next_i64(c, 0);
    out->input = store_decimal(arena, db_next(c));
    out->cached_input = store_decimal(arena, db_next(c));
    out->cache_write_5m = store_decimal(arena, db_next(c));
    out->cache_write_1h = store_decimal(arena, db_next(c));
    out->output = store_decimal(arena, db_next(c));
    out->reasoning = store_decimal(arena, db_next(c));
    out->above_tokens = db_next(c);
    out->above_input = store_decimal(arena, db_next(c));
    out->above_output = store_decimal(arena, db_next(c));
    out->unit = db_next(c);
    out->unit_usd = store_decimal(arena, db_next(c));
}

static int read_model(struct catalog_model *out, struct db_cursor *c, struct arena *arena,
                      struct err *err)
{
    out->id = db_next_i64(c, 0);
    out->name = db_next(c);
    const char *kind_name = db_next(c);
    size_t kind = index_of(KINDS, ARRAY_LEN(KINDS), kind_name);
    if (kind == ARRAY_LEN(KINDS)) {
        err_set(err, ERR_INTERNAL, NULL, "The server had an internal error.");
        return err_detail(err, "model %s has the unknown kind %s", out->name, kind_name);
    }
    out->kind = (enum catalog_kind)kind;
    out->owned_by = db_next(c);
    out->dialect = db_next(c);
    out->capabilities = db_next(c);
    out->context_length = db_next_i64(c, 0);
    out->max_output_tokens = db_next_i64(c, 0);
    out->message_tokens = db_next_i64(c, 0);
    out->tool_tokens = db_next_i64(c, 0);
    out->image_tokens = db_next_i64(c, 0);
    out->created_s = db_next_i64(c, 0);
    out->retires_on_s = db_next_i64(c, 0);
    out->successor = db_next(c);
    read_price(&out->price, c, arena);
    return 0;
}

static int load_models(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_MODELS, NULL, 0, CATALOG_ROWS_MAX, 0, err) != 0)
        return -1;
    out->models = arena_zalloc(arena, rows.row_count * sizeof(*out->models));
    out->model_count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++) {
        struct db_cursor c = {.rows = &rows, .row = i};
        if (read_model(&out->models[i], &c, arena, err) != 0)
            return -1;
    }
    return 0;
}

static struct catalog_model *model_of(const struct catalog *catalog, int64_t id)
{
    for (size_t i = 0; i < catalog->model_count; i++)
        if (catalog->models[i].id == id)
            return &catalog->models[i];
    return NULL;
}

static int load_routes(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_ROUTES, NULL, 0, CATALOG_ROWS_MAX, 0, err) != 0)
        return -1;
    for (size_t i = 0; i < rows.row_count; i++) {
        struct catalog_model *m = model_of(out, db_cell_i64(&rows, i, 0, 0));
        if (m == NULL)
            continue;
        if (m->route_count == CATALOG_ROUTE_MAX) {
            log_write(LOG_LEVEL_WARN, NULL, "model %s: only the first %d routes are used", m->name,
                      CATALOG_ROUTE_MAX);
            continue;
        }
        struct catalog_route *r = &m->routes[m->route_count++];
        r->api = (enum catalog_api)index_of(APIS, ARRAY_LEN(APIS), db_cell(&rows, i, 1));
        r->upstream_model = db_cell(&rows, i, 2);
        r->price_model_id = db_cell_i64(&rows, i, 3, 0);
    }
    return 0;
}

static int load_aliases(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    struct db_rows rows;

    if (db_run(&rows, s->pool, arena, SQL_ALIASES, NULL, 0, CATALOG_ROWS_MAX, 0, err) != 0)
        return -1;
    out->aliases = arena_zalloc(arena, rows.row_count * sizeof(*out->aliases));
    out->alias_count = rows.row_count;
    for (size_t i = 0; i < rows.row_count; i++)
        out->aliases[i] =
            (struct catalog_alias){.name = db_cell(&rows, i, 0), .model = db_cell(&rows, i, 1)};
    return 0;
}

int catalog_load(struct catalog *out, struct store *s, struct arena *arena, struct err *err)
{
    *out = (struct catalog){0};
    if (load_models(out, s, arena, err) != 0)
        return -1;
    if (load_routes(out, s, arena, err) != 0)
        return -1;
    return load_aliases(out, s, arena, err);
}
