/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schemas that OpenAI can hold an answer to. Source: OpenAI documentation, "Structured model
 * outputs" (supported schemas). Pure.
 */
#ifndef AIG_STRICT_SCHEMA_H
#define AIG_STRICT_SCHEMA_H

#include "base/base.h"
#include "base/jsonx.h"

/* Every object is closed and requires all of its members, and no keyword is one that a strict
 * schema may not have: the answer can be forced to be valid. Else the same schema with `strict`
 * would be refused. */
bool strict_schema_fits(struct json_object *schema);

#endif
