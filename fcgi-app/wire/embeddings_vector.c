/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/embeddings_vector.h"

#include "base/secret.h"
#include "wire/embeddings_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLOAT_SIZE = 4, BYTES_MAX = 16 * 1024 * 1024 };

static_assert(sizeof(float) == FLOAT_SIZE, "32-bit floats");

/* Numbers. */

static void append_float(struct buf *bytes, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    const unsigned char le[FLOAT_SIZE] = {
        (unsigned char)(bits & 0xFF), (unsigned char)(bits >> 8 & 0xFF),
        (unsigned char)(bits >> 16 & 0xFF), (unsigned char)(bits >> 24)};
    buf_append(bytes, le, sizeof le);
}

static float float_at(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    uint32_t bits =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A number ends before a comma, a bracket or a blank, so strtof stays within the text. */
static int read_numbers(struct buf *bytes, struct span array)
{
    struct span rest;
    struct span number;

    if (!scan_array(&rest, array))
        return -1;
    while (scan_element(&number, &rest)) {
        if (number.ptr[0] != '-' && (number.ptr[0] < '0' || number.ptr[0] > '9'))
            return -1;
        float value = strtof(number.ptr, NULL);
        if (!isfinite(value))
            return -1;
        append_float(bytes, value);
    }
    return bytes->len > 0 && !buf_failed(bytes) ? 0 : -1;
}

static int write_numbers(struct buf *out, const struct buf *bytes)
{
    for (size_t i = 0; i < bytes->len; i += FLOAT_SIZE) {
        float value = float_at(bytes->data + i);
        if (!isfinite(value))
            return -1;
        buf_printf(out, "%c%.9g", i == 0 ? '[' : ',', (double)value);
    }
    buf_append_char(out, ']');
    return 0;
}

/* Base64. */

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The string with its quotes; JSON may write its '/' as "\/". */
static int read_base64(struct buf *bytes, struct span string)
{
    unsigned bits = 0;
    size_t digits = 0;
    size_t padding = 0;

    for (size_t i = 1; i + 1 < string.len; i++) {
        char c = string.ptr[i];
        if (c == '\\' && string.ptr[i + 1] == '/')
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        int digit = digit_of(c);
        if (digit < 0 || padding > 0)
            return -1;
        bits = (bits << 6 | (unsigned)digit) & 0xFFFFFF;
        digits++;
        if (digits % 4 != 1)
            buf_append_char(bytes, (char)(bits >> (6 - 2 * ((digits + 3) % 4)) & 0xFF));
    }
    bool whole = (digits + padding) % 4 == 0 && padding <= 2 && bytes->len % FLOAT_SIZE == 0;
    return whole && bytes->len > 0 && !buf_failed(bytes) ? 0 : -1;
}

static void write_base64(struct buf *out, const struct buf *bytes)
{
    buf_append_char(out, '"');
    secret_base64(out, bytes->data, bytes->len);
    buf_append_char(out, '"');
}

int embeddings_write_vector(struct buf *out, struct span json, bool base64)
{
    bool string = json.len > 0 && json.ptr[0] == '"';
    struct buf bytes;
    int rc;

    buf_init(&bytes, BYTES_MAX);
    rc = string ? read_base64(&bytes, json) : read_numbers(&bytes, json);
    if (rc != 0)
        goto out;
    if (string == base64)
        buf_append(out, json.ptr, json.len); /* as it is */
    else if (base64)
        write_base64(out, &bytes);
    else
        rc = write_numbers(out, &bytes);
out:
    buf_fini(&bytes);
    return rc;
}
