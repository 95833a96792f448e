/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools, form of the answer, reasoning and sampling of a request to POST /v1/responses, for
 * wire/responses_items. Pure.
 */
#ifndef AIG_RESPONSES_SETTINGS_H
#define AIG_RESPONSES_SETTINGS_H

#include "base/base.h"
#include "wire/neutral.h"

/* All but the conversation. -1: 400. */
int responses_read_settings(struct neutral_content *c, const struct neutral_request *request,
                            struct arena *arena, struct err *err) AIG_MUST_USE;

#endif
