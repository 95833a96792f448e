/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the price of a media model depends on: a constant table of the fields of its input, with the
 * values that hold when they are absent. The prices themselves are rows of the database, found by
 * the text that comes out here ("mode=std,sound=no"): a combination without a row cannot be called.
 *
 * Every field that makes a price is written into the input that goes to the provider, also where
 * the customer left it out, so that a default of the provider's can never be dearer than what was
 * held. Fields that would change the price of other models, and are not in a model's table, are
 * refused. All else passes unchanged.
 *
 * Facts: docs.kie.ai/market (fields and defaults of each model), kie.ai's price list,
 * recraft.ai/docs/api-reference, platform.mureka.ai/docs, replicate.com/meta/musicgen. Pure.
 */
#ifndef AIG_MEDIA_MODELS_H
#define AIG_MEDIA_MODELS_H

#include "base/base.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "wire/media.h"

enum { MEDIA_PARAM_MAX = 3, MEDIA_VARIANT_SIZE = 121, MEDIA_PARAM_TEXT_MAX = 40 };

enum media_param_kind {
    MEDIA_PARAM_TEXT,   /* one of several words */
    MEDIA_PARAM_FLAG,   /* true or false; "yes" or "no" in the variant */
    MEDIA_PARAM_FILES,  /* addresses of files: "yes" if there are any; never filled in */
    MEDIA_PARAM_VECTOR, /* Recraft: does this style or model make vector images? */
    MEDIA_PARAM_COUNT,  /* a small number, as a word */
};

struct media_param {
    const char *field;
    const char *name; /* in the variant; NULL: as the field */
    const char *dflt; /* TEXT, COUNT: the word; FLAG: "no" or "yes" */
    enum media_param_kind kind;
    const char *old_word;  /* a word that is discontinued ... */
    const char *new_word;  /* ... and the one that takes its place */
    const char *forced_by; /* FLAG: a field that, if true, makes this one true, too */
};

enum media_quantity_kind {
    MEDIA_ONE,
    MEDIA_SECONDS,   /* field: seconds, a number or a text of digits */
    MEDIA_IMAGES,    /* field: number of images, likewise */
    MEDIA_MEGAPIXEL, /* field: kie's names of sizes */
    MEDIA_KCHARS,    /* field: a text, or a list of objects with one */
};

struct media_quantity {
    enum media_quantity_kind kind;
    const char *field;
    int64_t dflt;
    int64_t min;
    int64_t max;
    /* The provider tells at the end how much it took; what is held is base + factor x quantity. */
    int64_t factor;         /* 0: 1 */
    int64_t base;           /* units */
    bool text;              /* the provider wants the number as a text */
    bool silent;            /* left out stays left out: 1 is all that the provider would make */
    const char *metered_by; /* metered only if this param is "yes"; NULL: see metered */
    bool metered;
};

struct media_model {
    const char *upstream_model; /* as in route.upstream_model; a ':' ends what is compared */
    enum media_api api;
    const char *unit; /* of its prices */
    struct media_param params[MEDIA_PARAM_MAX];
    struct media_quantity quantity;
    const char *harmless; /* ",duration,": fields that usually make a price, but not here */
};

/* The entry of a catalog's upstream model, for createTask (the first one) or for one of kie.ai's
 * own paths. NULL: none. */
const struct media_model *media_model_find(const char *upstream_model);
const struct media_model *media_model_find_api(const char *upstream_model, enum media_api api);

struct media_price {
    char variant[MEDIA_VARIANT_SIZE];
    int64_t quantity_milli; /* thousandths of the unit to hold */
    bool metered;
    bool substituted; /* a discontinued word was replaced */
};

/* Reads what makes the price out of `input` (an object) and fills it in there. `path` is where the
 * customer has put it ("input."; ""), for messages. 400 for what has no price. */
int media_model_price(struct media_price *out, const struct media_model *model,
                      struct json_object *input, const char *path, struct err *err) AIG_MUST_USE;

/* {"model":...,"input":{only what makes the price}} as text, at most 1000 bytes: for job.param.
 * "{}" if it would be longer. In the arena. */
const char *media_model_param(struct arena *arena, const struct media_model *model,
                              const char *name, struct json_object *input) AIG_MUST_USE;

#endif
