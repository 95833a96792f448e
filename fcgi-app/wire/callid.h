/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids of tool calls for providers that bound their length: other providers' ids may be longer than
 * is taken there. Pure.
 */
#ifndef AIG_CALLID_H
#define AIG_CALLID_H

#include "base/base.h"

enum {
    CALLID_CHAT_MAX = 40,      /* OpenAI, chat completions */
    CALLID_RESPONSES_MAX = 64, /* OpenAI, Responses */
    CALLID_SIZE = CALLID_RESPONSES_MAX + 1
};

/* The id itself, or what stands for it: its beginning and a hash, at most `max` bytes of whole
 * characters. The same id always becomes the same. */
void callid_fit(char out[CALLID_SIZE], const char *id, size_t max);

#endif
