/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/app.h"

#include "net/transfer.h"

int app_init(struct app *app, const struct conf *conf, struct err *err)
{
    if (transfer_global_init(err) != 0)
        return -1;
    app->conf = conf;
    store_init(&app->store, conf);
    app->models = models_new(&app->store);
    app->hedge = hedge_new(&app->store);
    return 0;
}

void app_fini(struct app *app)
{
    hedge_free(app->hedge);
    models_free(app->models);
    store_fini(&app->store);
    transfer_global_fini();
}
