/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models, routes and prices, read whole (the catalog is small); core/models keeps an immutable
 * copy.
 */
#ifndef AIG_CATALOG_H
#define AIG_CATALOG_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

enum catalog_kind { KIND_CHAT, KIND_EMBEDDING, KIND_IMAGE, KIND_VIDEO, KIND_MUSIC, KIND_SPEECH };

/* The upstream APIs that a route can name. */
enum catalog_api {
    API_OPENAI,
    API_OPENAI_RESPONSES,
    API_ANTHROPIC,
    API_GOOGLE,
    API_OPENROUTER,
    API_KIE,
    API_RECRAFT,
    API_MUREKA,
    API_REPLICATE,
    API_OTHER
};

struct catalog_route {
    enum catalog_api api;
    const char *upstream_model;
    int64_t price_model_id;
};

enum { CATALOG_ROUTE_MAX = 4 };

/* Current price, US dollars a million tokens as decimal text; NULL where the kind is not priced
 * apart. */
struct catalog_price {
    int64_t id; /* 0: no price, the model cannot be called */
    const char *input;
    const char *cached_input;
    const char *cache_write_5m;
    const char *cache_write_1h;
    const char *output;
    const char *reasoning;
    const char *above_tokens; /* NULL: no dearer tier */
    const char *above_input;
    const char *above_output;
    const char *unit; /* media: "image", "second", ... */
    const char *unit_usd;
};

struct catalog_model {
    int64_t id;
    const char *name;
    enum catalog_kind kind;
    const char *owned_by;
    const char *dialect;
    const char *capabilities;  /* "tools,vision,json,stream,reasoning" */
    int64_t context_length;    /* 0: not known */
    int64_t max_output_tokens; /* 0: none */
    int64_t message_tokens;    /* constants of the prompt bound */
    int64_t tool_tokens;
    int64_t image_tokens;
    int64_t created_s;     /* unix seconds */
    int64_t retires_on_s;  /* 0: never */
    const char *successor; /* name, or NULL */
    struct catalog_price price;
    struct catalog_route routes[CATALOG_ROUTE_MAX];
    size_t route_count; /* routes[0] is the primary one, the others are hedges */
};

struct catalog_alias {
    const char *name;
    const char *model;
};

struct catalog {
    struct catalog_model *models; /* by name */
    size_t model_count;
    struct catalog_alias *aliases;
    size_t alias_count;
};

/* Everything in the arena. */
int catalog_load(struct catalog *out, struct store *s, struct arena *arena,
                 struct err *err) AIG_MUST_USE;

#endif
