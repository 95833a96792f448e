/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds members and elements in a JSON text without building a tree of it: a tree of a large
 * embeddings answer is ten times its text. The text must have passed jsontext_check. Spans are
 * parts of it, without blanks around. Pure.
 */
#ifndef AIG_EMBEDDINGS_SCAN_H
#define AIG_EMBEDDINGS_SCAN_H

#include "base/base.h"
#include "base/buf.h"

/* The document's value. */
struct span scan_document(const char *text, size_t len);

/* A member of an object, the last one of that name; false: no object, no such member, or null.
 * Names that the text writes with escapes are not recognised. */
bool scan_member(struct span *out, struct span object, const char *name);

/* The elements of an array: `rest` is set once, then consumed. */
bool scan_array(struct span *rest, struct span array); /* false: no array */
bool scan_element(struct span *out, struct span *rest);

/* A whole number from 0 to max; `dflt` if the value is none. */
size_t scan_index(struct span value, size_t max, size_t dflt);

#endif
