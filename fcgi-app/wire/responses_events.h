/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output items and their events from neutral events, for wire/responses_writer. Items follow each
 * other: one is whole before the next begins, except that calls whose arguments come mixed stay
 * open until the end. Pure.
 */
#ifndef AIG_RESPONSES_EVENTS_H
#define AIG_RESPONSES_EVENTS_H

#include "base/base.h"
#include "wire/responses_writer.h"

enum { RESPONSES_TEXT_MAX = 64 * 1024 * 1024 };

/* Takes an event of the answer; streamed, appends what the client sees of it. */
void responses_items_event(struct buf *out, struct responses_writer *w, const struct event *event);
/* Completes what is open and adds the reasoning state. */
void responses_items_end(struct buf *out, struct responses_writer *w);
/* The whole items as the response's output; the caller owns the array. */
struct json_object *responses_items_json(const struct responses_writer *w);
void responses_items_fini(struct responses_writer *w);

/* {"type":type,"sequence_number":n,"response":response} */
void responses_event_response(struct buf *out, struct responses_writer *w, const char *type,
                              struct json_object *response);

#endif
