/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What providers have in common that speak plain HTTP: a status that means what it says. Pure.
 */
#ifndef AIG_MEDIA_HTTP_H
#define AIG_MEDIA_HTTP_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/jsonx.h"
#include "base/mem.h"

/* Parses an answer. *root is NULL unless it is an object. Never fails. The caller owns *root. */
void media_http_open(struct json_object **root, struct span body);

/* Turns a status other than 2xx into an error; `message` is the provider's, may be NULL. Statuses
 * that concern our account become ERR_UPSTREAM_AUTH, 404 ERR_NOT_FOUND, 4xx about the request keep
 * their number. Returns -1. */
int media_http_refuse(struct err *err, const char *provider, int http_status, const char *message,
                      struct span body);

/* Did the provider say itself that it has made nothing? Not where something between us and it may
 * have answered. */
bool media_http_sure(int http_status, const struct json_object *root);

#endif
