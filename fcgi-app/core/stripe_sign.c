/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/stripe_sign.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

enum { HEX_LEN = 2 * SECRET_SHA256_SIZE, TIME_LEN_MAX = 15 };

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_BAD_REQUEST, NULL, "The Stripe-Signature header %s.", what);
}

/* The digits of the one t= of the header. */
static int find_time(struct span *out, const char *header, struct err *err)
{
    *out = (struct span){0};
    for (const char *item = header; *item != '\0';) {
        size_t len = strcspn(item, ",");
        if (strncmp(item, "t=", 2) == 0) {
            size_t digits = strspn(item + 2, "0123456789");
            if (out->ptr != NULL || digits == 0 || digits > TIME_LEN_MAX || digits != len - 2)
                return bad(err, "has no single time");
            *out = (struct span){item + 2, digits};
        }
        item += len + (item[len] == ',' ? 1 : 0);
    }
    return out->ptr != NULL ? 0 : bad(err, "has no single time");
}

/* "<t>.<body>" under the secret, in hex. */
static void sign(char out[HEX_LEN + 1], struct span time, struct span body, const char *secret)
{
    unsigned char mac[SECRET_SHA256_SIZE];
    struct buf payload;

    buf_init(&payload, time.len + 1 + body.len);
    buf_append(&payload, time.ptr, time.len);
    buf_append_char(&payload, '.');
    buf_append(&payload, body.ptr, body.len);
    secret_hmac_sha256(mac, secret, strlen(secret), payload.data, payload.len);
    buf_fini(&payload);
    secret_hex(out, mac, sizeof mac);
}

int stripe_sign_check(const char *header, struct span body, const char *secret, int64_t now_s,
                      struct err *err)
{
    char want[HEX_LEN + 1];
    struct span time = {0};
    bool match = false;

    if (header == NULL || header[0] == '\0')
        return bad(err, "is missing");
    if (strlen(header) > STRIPE_HEADER_MAX)
        return bad(err, "is too long");
    if (find_time(&time, header, err) != 0)
        return -1;
    sign(want, time, body, secret);
    for (const char *item = header; *item != '\0';) {
        size_t len = strcspn(item, ",");
        if (len == 3 + HEX_LEN && strncmp(item, "v1=", 3) == 0)
            match |= secret_equal(item + 3, want, HEX_LEN);
        item += len + (item[len] == ',' ? 1 : 0);
    }
    if (!match)
        return bad(err, "does not fit this body and secret");
    int64_t age_s = now_s - strtoll(time.ptr, NULL, 10);
    if (age_s > STRIPE_TOLERANCE_S || age_s < -STRIPE_TOLERANCE_S)
        return bad(err, "is too old, or from the future");
    return 0;
}
