/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process has one of: configuration, database, catalog. Made before the threads start,
 * freed after they have ended; read-only in between (the members guard themselves).
 */
#ifndef AIG_APP_H
#define AIG_APP_H

#include "base/base.h"
#include "base/conf.h"
#include "base/err.h"
#include "core/hedge.h"
#include "core/models.h"
#include "store/store.h"

struct app {
    const struct conf *conf;
    struct store store;
    struct models *models;
    struct hedge *hedge;
};

/* The conf must outlive it. */
int app_init(struct app *app, const struct conf *conf, struct err *err) AIG_MUST_USE;
void app_fini(struct app *app);

#endif
