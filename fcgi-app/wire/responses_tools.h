/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tools that OpenAI runs itself during a Responses call: which of them a client may ask for, and
 * what of them an answer is charged for. Source: OpenAI API reference, "Create a model response"
 * (tools, max_tool_calls, output items), guides "Web search", "File search", "Code interpreter",
 * "Remote MCP". Pure.
 *
 * What names an object of the gateway's own account is refused (containers, files), but for vector
 * stores, which its operator makes. A web search is charged where it searched: opening a page and
 * finding in it are free, and so is one that failed. The code interpreter is charged by container,
 * of which a call that offers it has at least one: OpenAI opens it before the model has asked for
 * it. MCP has no fee.
 */
#ifndef AIG_RESPONSES_TOOLS_H
#define AIG_RESPONSES_TOOLS_H

#include "base/base.h"
#include "wire/neutral.h"

enum { RESPONSES_TOOL_CALLS_DEFAULT = 8, RESPONSES_TOOL_CALLS_MAX = 128 };

/* Such a tool, whose place in the request is `path`. */
bool responses_tools_is_hosted(const char *type);
int responses_tools_read(struct neutral_hosted *out, struct json_object *tool, const char *path,
                         struct err *err) AIG_MUST_USE;

/* After the last tool: how many calls they may make. */
int responses_tools_limit(struct neutral_hosted *out, struct json_object *body,
                          struct err *err) AIG_MUST_USE;

struct responses_container;

/* The count of one answer; zeroed at its beginning. */
struct responses_tally {
    struct usage_tools counts;
    int64_t calls; /* of all kinds */
    struct responses_container *containers;
};

/* What is charged before any item has come. */
void responses_tally_begin(struct responses_tally *t, const struct neutral_hosted *hosted);
/* An output item that is complete. Calls beyond the request's limit are not counted. */
void responses_tally_add(struct responses_tally *t, const struct neutral_hosted *hosted,
                         struct json_object *item, struct arena *arena);

/* The tool, a new reference or a copy in which secrets of an MCP server are masked. */
struct json_object *responses_tools_masked(struct json_object *tool);
/* Overwrites them in an error that a provider has put them into. */
void responses_tools_conceal(struct err *err, const struct neutral_request *request);

#endif
