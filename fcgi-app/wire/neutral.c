/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/neutral.h"

void neutral_request_fini(struct neutral_request *r)
{
    json_object_put(r->body);
    json_object_put(r->carried);
    r->body = NULL;
    r->carried = NULL;
}
