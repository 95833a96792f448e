/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vector of an embeddings answer in its two JSON forms: an array of numbers, or base64 of its
 * values as little-endian 32-bit floats. Source: OpenAI API reference, "Create embeddings",
 * encoding_format. Pure.
 */
#ifndef AIG_EMBEDDINGS_VECTOR_H
#define AIG_EMBEDDINGS_VECTOR_H

#include "base/base.h"
#include "base/buf.h"

/* Appends the vector in the form that is wanted; `json` is either form, from a text that has passed
 * jsontext_check. -1: it is no vector: empty, with other things in it than finite numbers, or no
 * base64 of whole floats. */
int embeddings_write_vector(struct buf *out, struct span json, bool base64) AIG_MUST_USE;

#endif
