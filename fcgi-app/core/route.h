/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which upstreams can serve a model. Pure.
 */
#ifndef AIG_ROUTE_H
#define AIG_ROUTE_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "store/catalog.h"
#include "wire/embeddings.h"
#include "wire/format.h"

struct route {
    const struct format *format;                /* NULL for embeddings */
    const struct embeddings_format *embeddings; /* NULL for all else */
    const char *base_url;
    const char *key;
    const char *upstream_model;
    int64_t price_model_id;
};

struct route_list {
    struct route routes[CATALOG_ROUTE_MAX]; /* the first one serves, the others hedge */
    size_t count;                           /* at least 1 */
};

/* 404 for a model without a route, 400 for one of another kind than `kind`, 501 where this version
 * does not speak the provider's format, 502 where the operator has configured no key for it. Hedges
 * that cannot be called are left out. */
int route_choose(struct route_list *out, const struct catalog_model *model, enum catalog_kind kind,
                 const struct conf *conf, struct err *err) AIG_MUST_USE;

/* A chat request that needs tools, images or a JSON format of a model that the catalog says has
 * none of it would be answered without them somewhere: 400 naming the field. */
int route_check(const struct catalog_model *model, const struct neutral_request *request,
                struct err *err) AIG_MUST_USE;

#endif
