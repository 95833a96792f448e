/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Schemas in the subset that Claude can be held to. Source: Anthropic API documentation,
 * "Structured outputs" (JSON Schema limitations). Pure.
 */
#ifndef AIG_MESSAGES_SCHEMA_H
#define AIG_MESSAGES_SCHEMA_H

#include "base/base.h"
#include "base/jsonx.h"

/* The schema with every object closed (additionalProperties false) and constraints that cannot be
 * held to told in the description instead. The caller owns it. NULL: a part of the schema is a map
 * with free keys, which cannot be expressed. */
struct json_object *messages_schema_close(struct json_object *schema) AIG_MUST_USE;

#endif
