/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/idempotent.h"

#include "core/idempotency.h"
#include "http/reply.h"

#include <string.h>
#include <strings.h>

/* Each answer's own. */
static bool is_common_header(const char *name, size_t len)
{
    static const char *const names[] = {"x-request-id", "openai-processing-ms"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0)
            return true;
    return false;
}

static void repeat_headers(struct exchange *x, struct arena *arena, struct span head)
{
    static const char line_end[] = "\r\n";
    const char *at = head.ptr;
    const char *end = head.ptr + head.len;

    while (at < end) {
        size_t len = strcspn(at, line_end);
        size_t name = strcspn(at, ":\r");
        if (name + 2 <= len && !is_common_header(at, name))
            exchange_header(x, arena_strndup(arena, at, name), "%.*s", (int)(len - name - 2),
                            at + name + 2);
        at += len + strlen(line_end);
    }
}

static int replay(struct exchange *x, struct arena *arena, const struct idempotency_answer *answer)
{
    exchange_adopt_id(x, answer->request_id);
    reply_common_headers(x);
    repeat_headers(x, arena, answer->head);
    exchange_header(x, "x-aig-idempotent-replay", "true");
    exchange_begin(x, answer->status);
    (void)exchange_write(x, answer->body.ptr, answer->body.len);
    return 0;
}

static void polled(void *arg)
{
    idempotency_beat(arg);
}

/* A whole answer that a repeat is to get, too? An error of a stream that has begun is none. */
static bool is_answer(const struct exchange_tap *tap, int rc)
{
    return rc == 0 && !tap->spoilt && idempotency_lasting(tap->status);
}

static int run(struct idempotency *it, struct exchange *x, idempotent_fn *fn, void *arg,
               struct err *err)
{
    struct exchange_tap tap = {.polled = polled, .arg = it};

    buf_init(&tap.head, IDEMPOTENCY_HEAD_MAX);
    buf_init(&tap.body, IDEMPOTENCY_BODY_MAX);
    exchange_set_tap(x, &tap);
    int rc = fn(arg, err);
    if (rc != 0 && !exchange_began(x) && idempotency_lasting(err->status)) {
        reply_error(x, err, NULL);
        rc = 0;
    }
    exchange_set_tap(x, NULL);
    struct idempotency_answer answer = {
        .status = tap.status,
        .head = buf_span(&tap.head),
        .body = buf_span(&tap.body),
    };
    if (buf_failed(&tap.head) || buf_failed(&tap.body))
        answer.body = (struct span){NULL, 0};
    idempotency_end(it, is_answer(&tap, rc) ? &answer : NULL);
    buf_fini(&tap.head);
    buf_fini(&tap.body);
    return rc;
}

int idempotent_run(struct endpoint *ep, struct exchange *x, idempotent_fn *fn, void *arg,
                   struct err *err)
{
    const char *name = exchange_param(x, "HTTP_IDEMPOTENCY_KEY");
    struct idempotency_answer before;
    struct idempotency *it = NULL;

    if (name == NULL)
        return fn(arg, err);
    struct idempotency_call call = {
        .app = ep->app,
        .arena = ep->arena,
        .key_hash = ep->key_hash,
        .name = name,
        .path = ep->path,
        .body = buf_span(&ep->body),
        .request_id = arena_strdup(ep->arena, exchange_request_id(x)),
    };
    if (idempotency_begin(&it, &before, &call, err) != 0)
        return -1;
    if (it == NULL)
        return replay(x, ep->arena, &before);
    exchange_adopt_id(x, idempotency_request_id(it));
    return run(it, x, fn, arg, err);
}
