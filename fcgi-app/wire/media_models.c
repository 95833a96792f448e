/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/media_models.h"

#include <stdio.h>
#include <string.h>

#define TEXT(f, d)                                                                                 \
    {                                                                                              \
        .field = (f), .dflt = (d), .kind = MEDIA_PARAM_TEXT                                        \
    }
#define COUNT(f, d)                                                                                \
    {                                                                                              \
        .field = (f), .dflt = (d), .kind = MEDIA_PARAM_COUNT                                       \
    }

/* clang-format off */
static const struct media_model models[] = {
    {"flux1-kontext", MEDIA_KIE, "image", {TEXT("model", "flux-kontext-pro")}, {.kind = MEDIA_ONE}, NULL},
    {"flux1-kontext", MEDIA_FLUX, "image", {TEXT("model", "flux-kontext-pro")}, {.kind = MEDIA_ONE}, NULL},
    {"google/nano-banana", MEDIA_KIE, "image", {{0}}, {.kind = MEDIA_ONE}, NULL},
    {"nano-banana-pro", MEDIA_KIE, "image", {TEXT("resolution", "1K")}, {.kind = MEDIA_ONE}, NULL},
    {"gpt-image-2-text-to-image", MEDIA_KIE, "image", {TEXT("resolution", "1K")}, {.kind = MEDIA_ONE}, NULL},
    {"4o-image-api", MEDIA_4O, "request", {COUNT("nVariants", "1")}, {.kind = MEDIA_ONE}, NULL},
    {"ideogram/v3-text-to-image", MEDIA_KIE, "image", {TEXT("rendering_speed", "BALANCED")},
        {.kind = MEDIA_IMAGES, .field = "num_images", .dflt = 1, .min = 1, .max = 4, .text = true, .silent = true}, NULL},
    {"recraft/crisp-upscale", MEDIA_KIE, "image", {{0}}, {.kind = MEDIA_ONE}, NULL},
    {"recraft/remove-background", MEDIA_KIE, "image", {{0}}, {.kind = MEDIA_ONE}, NULL},
    {"qwen/text-to-image", MEDIA_KIE, "megapixel", {{0}}, {.kind = MEDIA_MEGAPIXEL, .field = "image_size"}, NULL},
    {"veo-3-1", MEDIA_KIE, "video", {TEXT("model", "veo3"), TEXT("resolution", "720p")}, {.kind = MEDIA_ONE}, ",duration,"},
    /* The old path's default. */
    {"veo-3-1", MEDIA_VEO, "video", {TEXT("model", "veo3_fast"), TEXT("resolution", "720p")}, {.kind = MEDIA_ONE}, ",duration,"},
    {"runway/gen4-aleph", MEDIA_ALEPH, "video", {{0}}, {.kind = MEDIA_ONE}, NULL},
    {"runway", MEDIA_RUNWAY, "video", {TEXT("quality", "720p"), COUNT("duration", "5")}, {.kind = MEDIA_ONE}, NULL},
    /* With video input its seconds are billed, too: 15 at most, all files together. */
    {"bytedance/seedance-2", MEDIA_KIE, "second", {TEXT("resolution", "720p"),
        {.field = "reference_video_urls", .name = "video", .kind = MEDIA_PARAM_FILES}},
        {.kind = MEDIA_SECONDS, .field = "duration", .dflt = 5, .min = 4, .max = 15, .base = 15, .metered_by = "video"},
        NULL},
    {"wan/2-7-text-to-video", MEDIA_KIE, "second", {TEXT("resolution", "720p")},
        {.kind = MEDIA_SECONDS, .field = "duration", .dflt = 5, .min = 2, .max = 15}, NULL},
    {"kling-3.0/video", MEDIA_KIE, "second", {TEXT("mode", "std"),
        {.field = "sound", .dflt = "no", .kind = MEDIA_PARAM_FLAG, .forced_by = "multi_shots"}},
        {.kind = MEDIA_SECONDS, .field = "duration", .dflt = 5, .min = 3, .max = 15, .text = true}, NULL},
    {"ai-music-api/generate", MEDIA_KIE, "request",
        {{.field = "model", .dflt = "V6", .kind = MEDIA_PARAM_TEXT, .old_word = "V4_5PLUS", .new_word = "V6"}},
        {.kind = MEDIA_ONE}, ",duration,"},
    {"ai-music-api/generate", MEDIA_SUNO, "request",
        {{.field = "model", .dflt = "V6", .kind = MEDIA_PARAM_TEXT, .old_word = "V4_5PLUS", .new_word = "V6"}},
        {.kind = MEDIA_ONE}, ",duration,"},
    {"elevenlabs/text-to-speech-multilingual-v2", MEDIA_KIE, "kchar", {{0}},
        {.kind = MEDIA_KCHARS, .field = "text"}, NULL},
    {"elevenlabs/text-to-speech-turbo-2-5", MEDIA_KIE, "kchar", {{0}}, {.kind = MEDIA_KCHARS, .field = "text"}, NULL},
    {"elevenlabs/text-to-dialogue-v3", MEDIA_KIE, "kchar", {{0}},
        {.kind = MEDIA_KCHARS, .field = "dialogue"}, NULL},
    {"recraft/generations", MEDIA_RECRAFT, "image", {TEXT("model", "recraftv3"),
        {.field = "style", .name = "vector", .kind = MEDIA_PARAM_VECTOR}},
        {.kind = MEDIA_IMAGES, .field = "n", .dflt = 1, .min = 1, .max = 6}, NULL},
    {"mureka/song", MEDIA_MUREKA, "song", {TEXT("model", "mureka-9")},
        {.kind = MEDIA_IMAGES, .field = "n", .dflt = 2, .min = 1, .max = 3}, NULL},
    /* Seconds of a graphics card. Generation takes about 1.5 of them a second of music, several
     * times that with multi_band_diffusion. */
    {"meta/musicgen", MEDIA_REPLICATE, "second", {{0}},
        {.kind = MEDIA_SECONDS, .field = "duration", .dflt = 8, .min = 1, .max = 120, .factor = 5, .base = 30,
         .metered = true}, NULL},
};

/* Fields that make prices somewhere: refused where a model's table does not have them. */
static const char *const price_fields[] = {
    "n", "num_images", "numImages", "num_outputs", "nVariants", "batch_size", "max_images", "image_count", "count",
    "number_of_images", "number_of_songs", "duration", "resolution", "quality", "mode", "rendering_speed", "sound",
    "upscale", "hd", "n_frames", "num_frames", "fps", "model", "style_id", "input_urls",
};

/* kie.ai's names of sizes, in pixels; a megapixel is 1024 x 1024 there. */
static const struct {
    const char *name;
    int64_t width;
    int64_t height;
} sizes[] = {
    {"square", 512, 512},          {"square_hd", 1024, 1024},      {"portrait_4_3", 768, 1024},
    {"portrait_16_9", 576, 1024},  {"landscape_4_3", 1024, 768},   {"landscape_16_9", 1024, 576},
};
/* clang-format on */

enum { MEGAPIXEL = 1024 * 1024, CHARS_MAX = 1000 * 1000 };

static bool same_model(const char *entry, const char *upstream_model)
{
    size_t len = strcspn(upstream_model, ":");

    return strlen(entry) == len && strncmp(entry, upstream_model, len) == 0;
}

const struct media_model *media_model_find(const char *upstream_model)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if (same_model(models[i].upstream_model, upstream_model))
            return &models[i];
    return NULL;
}

const struct media_model *media_model_find_api(const char *upstream_model, enum media_api api)
{
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        if (models[i].api == api && same_model(models[i].upstream_model, upstream_model))
            return &models[i];
    return NULL;
}

/* --- Values -------------------------------------------------------------------------------------
 */

static bool is_word(struct json_object *v)
{
    const char *s = json_object_get_string(v);
    size_t len = (size_t)json_object_get_string_len(v);

    if (len == 0 || len > MEDIA_PARAM_TEXT_MAX)
        return false;
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static int bad_value(const char *path, const char *field, const char *what, struct err *err)
{
    char param[128];

    snprintf(param, sizeof param, "%s%s", path, field);
    return err_set(err, ERR_BAD_REQUEST, param, "'%s' %s.", param, what);
}

/* A whole number, as a number or as a text of digits (kie.ai wants either, model by model). */
static int whole_number(int64_t *out, struct json_object *v)
{
    if (json_object_is_type(v, json_type_int)) {
        *out = json_object_get_int64(v);
        return 0;
    }
    if (!json_object_is_type(v, json_type_string))
        return -1;
    const char *text = json_object_get_string(v);
    size_t len = (size_t)json_object_get_string_len(v); /* a NUL is no end */
    if (len == 0 || len > 6 || strspn(text, "0123456789") != len)
        return -1;
    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out = *out * 10 + (text[i] - '0');
    return 0;
}

static int flag_of(bool *out, struct json_object *v)
{
    if (json_object_is_type(v, json_type_boolean)) {
        *out = json_object_get_boolean(v);
        return 0;
    }
    const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
    *out = strcmp(text, "true") == 0;
    return *out || strcmp(text, "false") == 0 ? 0 : -1;
}

/* --- Parameters: each puts its word into `word` --------------------------------------------------
 */

struct reading {
    struct media_price *out;
    struct json_object *input;
    const char *path;
};

static int read_text(const char **word, const struct media_param *p, struct reading *r,
                     struct err *err)
{
    struct json_object *v = jsonx_get(r->input, p->field);

    *word = p->dflt;
    if (v != NULL) {
        if (!json_object_is_type(v, json_type_string) || !is_word(v))
            return bad_value(r->path, p->field, "must be one of the words that the price list has",
                             err);
        *word = json_object_get_string(v);
    }
    if (p->old_word != NULL && strcmp(*word, p->old_word) == 0) {
        *word = p->new_word;
        r->out->substituted = true;
    }
    if (v == NULL || r->out->substituted)
        jsonx_set_str(r->input, p->field, *word);
    *word = jsonx_str(r->input, p->field, *word);
    return 0;
}

static int read_count(const char **word, const struct media_param *p, struct reading *r,
                      struct err *err)
{
    struct json_object *v = jsonx_get(r->input, p->field);
    int64_t n = 0;

    *word = p->dflt;
    if (v == NULL) {
        jsonx_set_i64(r->input, p->field, p->dflt[0] - '0');
        return 0;
    }
    if (whole_number(&n, v) != 0 || n < 1 || n > 60)
        return bad_value(r->path, p->field, "must be a small whole number", err);
    *word = json_object_get_string(v); /* of a number: its digits */
    return 0;
}

static int read_flag(const char **word, const struct media_param *p, struct reading *r,
                     struct err *err)
{
    struct json_object *v = jsonx_get(r->input, p->field);
    struct json_object *force = p->forced_by != NULL ? jsonx_get(r->input, p->forced_by) : NULL;
    bool forced = false;
    bool on = strcmp(p->dflt, "yes") == 0;

    if (force != NULL && flag_of(&forced, force) != 0)
        return bad_value(r->path, p->forced_by, "must be true or false", err);
    on = on || forced;
    if (v != NULL && flag_of(&on, v) != 0)
        return bad_value(r->path, p->field, "must be true or false", err);
    if (forced && !on)
        return bad_value(r->path, p->field, "cannot be false for several shots", err);
    jsonx_set_bool(r->input, p->field, on);
    *word = on ? "yes" : "no";
    return 0;
}

static int read_files(const char **word, const struct media_param *p, struct reading *r,
                      struct err *err)
{
    struct json_object *v = jsonx_get(r->input, p->field);

    *word = "no";
    if (v == NULL)
        return 0;
    if (json_object_is_type(v, json_type_array))
        *word = json_object_array_length(v) > 0 ? "yes" : "no";
    else if (json_object_is_type(v, json_type_string))
        *word = json_object_get_string_len(v) > 0 ? "yes" : "no";
    else
        return bad_value(r->path, p->field, "must be a list of addresses", err);
    return 0;
}

/* Recraft: models whose names say so, and in versions 2 and 3 the styles "vector_illustration" and
 * "icon" with all that is below them (recraft.ai/docs/api-reference/styles). */
static int read_vector(const char **word, const struct media_param *p, struct reading *r,
                       struct err *err)
{
    const char *model = jsonx_str(r->input, "model", "");
    const char *style = jsonx_str(r->input, p->field, "");
    bool v2_or_3 = strncmp(model, "recraftv2", 9) == 0 || strncmp(model, "recraftv3", 9) == 0;

    if (jsonx_get(r->input, p->field) != NULL && style[0] == '\0')
        return bad_value(r->path, p->field, "must be a text", err);
    *word = strstr(model, "_vector") != NULL || (v2_or_3 && (strncasecmp(style, "vector", 6) == 0 ||
                                                             strncasecmp(style, "icon", 4) == 0))
                ? "yes"
                : "no";
    return 0;
}

static int read_param(const char **word, const struct media_param *p, struct reading *r,
                      struct err *err)
{
    switch (p->kind) {
    case MEDIA_PARAM_TEXT:
        return read_text(word, p, r, err);
    case MEDIA_PARAM_FLAG:
        return read_flag(word, p, r, err);
    case MEDIA_PARAM_FILES:
        return read_files(word, p, r, err);
    case MEDIA_PARAM_VECTOR:
        return read_vector(word, p, r, err);
    case MEDIA_PARAM_COUNT:
        return read_count(word, p, r, err);
    }
    return -1;
}

/* Appends "name=word" to the variant. A word has at most MEDIA_PARAM_TEXT_MAX characters, so it
 * fits. */
static void add_word(struct media_price *out, const char *name, const char *word)
{
    size_t used = strlen(out->variant);
    int len = snprintf(out->variant + used, sizeof out->variant - used, "%s%s=%s",
                       used > 0 ? "," : "", name, word);

    assert(len > 0 && (size_t)len < sizeof out->variant - used);
    (void)len;
}

static const char *param_name(const struct media_param *p)
{
    return p->name != NULL ? p->name : p->field;
}

/* --- Quantities ---------------------------------------------------------------------------------
 */

/* Kling's shots have lengths of their own; what they add up to must be paid for. */
static int64_t shots_s(struct json_object *input)
{
    struct json_object *shots = jsonx_array(input, "multi_prompt");
    int64_t sum = 0;

    for (size_t i = 0; shots != NULL && i < json_object_array_length(shots) && i < 1000; i++) {
        struct json_object *v = jsonx_get(json_object_array_get_idx(shots, i), "duration");
        int64_t n = 0;
        if (v != NULL && whole_number(&n, v) == 0 && n > 0 && n < 1000)
            sum += n;
        else
            sum += 1000; /* not understood: beyond every maximum */
    }
    return sum;
}

static int read_number(int64_t *out, const struct media_quantity *q, struct reading *r,
                       struct err *err)
{
    struct json_object *v = jsonx_get(r->input, q->field);
    char what[80];
    char digits[24];

    snprintf(what, sizeof what, "must be a whole number from %lld to %lld", (long long)q->min,
             (long long)q->max);
    *out = q->dflt;
    if (v != NULL && whole_number(out, v) != 0)
        return bad_value(r->path, q->field, what, err);
    if (q->kind == MEDIA_SECONDS && shots_s(r->input) > *out)
        return bad_value(r->path, "multi_prompt", "is longer than 'duration'", err);
    if (*out < q->min || *out > q->max)
        return bad_value(r->path, q->field, what, err);
    snprintf(digits, sizeof digits, "%lld", (long long)*out);
    if (v == NULL && q->silent)
        return 0;
    if (q->text)
        jsonx_set_str(r->input, q->field, digits);
    else
        jsonx_set_i64(r->input, q->field, *out);
    return 0;
}

static int read_megapixel(int64_t *milli, const struct media_quantity *q, struct reading *r,
                          struct err *err)
{
    const char *size = "square_hd";

    if (jsonx_get(r->input, q->field) != NULL)
        size = jsonx_str(r->input, q->field, "");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        if (strcmp(sizes[i].name, size) != 0)
            continue;
        int64_t pixels = sizes[i].width * sizes[i].height;
        *milli = (pixels + MEGAPIXEL - 1) / MEGAPIXEL * 1000; /* begun ones count */
        jsonx_set_str(r->input, q->field, sizes[i].name);
        return 0;
    }
    return bad_value(r->path, q->field,
                     "must be square, square_hd, portrait_4_3, portrait_16_9, landscape_4_3 or "
                     "landscape_16_9",
                     err);
}

/* All that goes on to the provider: a NUL is no end. */
static int64_t characters(struct json_object *v)
{
    const char *text = json_object_get_string(v);
    int len = json_object_get_string_len(v);
    int64_t n = 0;

    for (int i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static int read_kchars(int64_t *milli, const struct media_quantity *q, struct reading *r,
                       struct err *err)
{
    struct json_object *v = jsonx_get(r->input, q->field);
    int64_t n = 0;

    if (json_object_is_type(v, json_type_string)) {
        n = characters(v);
    } else if (json_object_is_type(v, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(v); i++) {
            struct json_object *text = jsonx_get(json_object_array_get_idx(v, i), "text");
            if (!json_object_is_type(text, json_type_string))
                return bad_value(r->path, q->field, "must be a list of objects with 'text'", err);
            n += characters(text);
        }
    }
    if (n < 1 || n > CHARS_MAX)
        return bad_value(r->path, q->field, "must hold the text to speak", err);
    *milli = n;
    return 0;
}

static int read_quantity(int64_t *milli, const struct media_quantity *q, struct reading *r,
                         struct err *err)
{
    int64_t n = 1;

    switch (q->kind) {
    case MEDIA_ONE:
        break;
    case MEDIA_SECONDS:
    case MEDIA_IMAGES:
        if (read_number(&n, q, r, err) != 0)
            return -1;
        break;
    case MEDIA_MEGAPIXEL:
        return read_megapixel(milli, q, r, err);
    case MEDIA_KCHARS:
        return read_kchars(milli, q, r, err);
    }
    *milli = n * 1000;
    return 0;
}

/* --- All together -------------------------------------------------------------------------------
 */

static bool has_field(const struct media_model *model, const char *field)
{
    char listed[64];

    for (size_t i = 0; i < MEDIA_PARAM_MAX && model->params[i].field != NULL; i++)
        if (strcmp(model->params[i].field, field) == 0)
            return true;
    if (model->quantity.field != NULL && strcmp(model->quantity.field, field) == 0)
        return true;
    snprintf(listed, sizeof listed, ",%s,", field);
    return model->harmless != NULL && strstr(model->harmless, listed) != NULL;
}

/* "1 image" is what one pays for anyway. */
static bool is_one(struct json_object *v)
{
    int64_t n = 0;

    return whole_number(&n, v) == 0 && n == 1;
}

static int refuse_unpriced(const struct media_model *model, struct reading *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(price_fields); i++) {
        struct json_object *v = jsonx_get(r->input, price_fields[i]);
        if (v != NULL && !has_field(model, price_fields[i]) && !is_one(v))
            return bad_value(r->path, price_fields[i],
                             "may change the price, and there is none for it here; leave it out",
                             err);
    }
    return 0;
}

int media_model_price(struct media_price *out, const struct media_model *model,
                      struct json_object *input, const char *path, struct err *err)
{
    const struct media_quantity *q = &model->quantity;
    struct reading r = {.out = out, .input = input, .path = path};

    *out = (struct media_price){.metered = q->metered};
    if (refuse_unpriced(model, &r, err) != 0)
        return -1;
    for (size_t i = 0; i < MEDIA_PARAM_MAX && model->params[i].field != NULL; i++) {
        const struct media_param *p = &model->params[i];
        const char *word = NULL;
        if (read_param(&word, p, &r, err) != 0)
            return -1;
        add_word(out, param_name(p), word);
        if (q->metered_by != NULL && strcmp(q->metered_by, param_name(p)) == 0)
            out->metered = strcmp(word, "yes") == 0;
    }
    if (read_quantity(&out->quantity_milli, q, &r, err) != 0)
        return -1;
    if (out->metered)
        out->quantity_milli =
            out->quantity_milli * (q->factor > 0 ? q->factor : 1) + q->base * 1000;
    return 0;
}

const char *media_model_param(struct arena *arena, const struct media_model *model,
                              const char *name, struct json_object *input)
{
    enum { PARAM_MAX = 1000 };
    struct json_object *shown = json_object_new_object();
    struct json_object *all = json_object_new_object();
    struct buf out;

    for (size_t i = 0; i < MEDIA_PARAM_MAX && model->params[i].field != NULL; i++) {
        const struct media_param *p = &model->params[i];
        if (p->kind != MEDIA_PARAM_FILES && p->kind != MEDIA_PARAM_VECTOR)
            jsonx_set_ref(shown, p->field, jsonx_get(input, p->field));
    }
    if (model->quantity.field != NULL && model->quantity.kind != MEDIA_KCHARS)
        jsonx_set_ref(shown, model->quantity.field, jsonx_get(input, model->quantity.field));
    jsonx_set_str(all, "model", name);
    jsonx_set(all, "input", shown);
    buf_init(&out, PARAM_MAX);
    jsonx_write(&out, all);
    const char *text = buf_failed(&out) ? "{}" : arena_strndup(arena, out.data, out.len);
    buf_fini(&out);
    json_object_put(all);
    return text;
}
