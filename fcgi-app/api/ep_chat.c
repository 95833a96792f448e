/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/endpoint.h"
#include "api/surface.h"
#include "http/reply.h"
#include "wire/completions_content.h"
#include "wire/completions_request.h"
#include "wire/completions_writer.h"

/* No [DONE] follows: both SDKs raise on the error object. */
static void write_failure(struct buf *out, void *writer, const struct err *err)
{
    (void)writer;
    buf_append_str(out, "data: ");
    reply_error_body(out, err);
    buf_append_str(out, "\n\n");
}

int ep_chat(void *context, struct exchange *x, const struct router_match *match, struct err *err)
{
    static const struct surface completions = {
        .writer_size = sizeof(struct completions_writer),
        .read_request = completions_read_request,
        .read_content = completions_read_content,
        .writer_init = completions_writer_init,
        .write_event = completions_write_event,
        .write_end = completions_write_end,
        .write_failure = write_failure,
        .writer_fini = completions_writer_fini,
    };

    (void)match;
    return surface_serve(context, x, &completions, err);
}
