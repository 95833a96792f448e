/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "wire/mime.h"

#include "base/secret.h"
#include "base/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLAIN_MAX = 64,      /* longer header texts are encoded, which folds them */
    WORD_BYTES = 45,     /* 60 of base64: an encoded word has at most 75 characters (RFC 2047, 2) */
    BODY_LINE_MAX = 900, /* RFC 5322 2.1.1 allows 998 */
    QUOTED_LINE_MAX = 75, /* RFC 2045 6.7 allows 76 with the soft break's "=" */
};

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    /* What looks like an encoded word would be decoded. */
    for (size_t i = 0; i + 1 < text.len; i++)
        if (text.ptr[i] == '=' && text.ptr[i + 1] == '?')
            return false;
    return text.len <= PLAIN_MAX;
}

/* Encoded words, one a line, cut between characters. */
static void write_encoded(struct buf *out, struct span text)
{
    for (size_t at = 0; at < text.len;) {
        char word[WORD_BYTES];
        size_t len = text.len - at < WORD_BYTES ? text.len - at : WORD_BYTES;
        while (len > 1 && at + len < text.len && ((unsigned char)text.ptr[at + len] & 0xC0) == 0x80)
            len--;
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)text.ptr[at + i];
            word[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        }
        buf_append_str(out, at > 0 ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        secret_base64(out, word, len);
        buf_append_str(out, "?=");
        at += len;
    }
}

static void write_subject(struct buf *out, const char *subject)
{
    struct span text = span_of(subject);

    buf_append_str(out, "Subject: ");
    if (is_plain(text))
        buf_append(out, text.ptr, text.len);
    else
        write_encoded(out, text);
    buf_append_str(out, "\r\n");
}

static void write_from(struct buf *out, struct span name, struct span address)
{
    buf_append_str(out, "From: ");
    if (name.len > 0 && is_plain(name)) {
        buf_append_char(out, '"');
        for (size_t i = 0; i < name.len; i++) {
            if (name.ptr[i] == '"' || name.ptr[i] == '\\')
                buf_append_char(out, '\\');
            buf_append_char(out, name.ptr[i]);
        }
        buf_append_str(out, "\" ");
    } else if (name.len > 0) {
        write_encoded(out, name);
        buf_append_char(out, ' ');
    }
    buf_printf(out, "<%.*s>\r\n", (int)address.len, address.ptr);
}

/* RFC 5322 3.3: "Wed, 25 Nov 2026 17:52:54 +0000". */
static void write_date(struct buf *out, int64_t date_s)
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char iso[TIMING_ISO_SIZE];

    if (date_s < 0)
        date_s = 0;
    timing_iso(iso, date_s * 1000);
    long month = strtol(iso + 5, NULL, 10);
    buf_printf(out, "Date: %.3s, %.2s %.3s %.4s %.8s +0000\r\n", days + date_s / 86400 % 7 * 3,
               iso + 8, months + (month - 1) * 3, iso, iso + 11);
}

static void write_message_id(struct buf *out, const struct mime_mail *mail)
{
    const char *at = memchr(mail->from.ptr, '@', mail->from.len);
    struct span domain = span_of("localhost");

    if (at != NULL)
        domain = (struct span){at + 1, mail->from.len - (size_t)(at + 1 - mail->from.ptr)};
    buf_printf(out, "Message-ID: <aig.%lld.%lld@%.*s>\r\n", (long long)mail->id,
               (long long)mail->date_s, (int)domain.len, domain.ptr);
}

/* The "\r" of "\r\n": a line's end is written anew. */
static bool ends_line(const char *p)
{
    return p[0] == '\r' && p[1] == '\n';
}

/* ASCII in lines of a bearable length may go as it is. */
static bool body_is_plain(const char *body)
{
    size_t line = 0;

    for (const char *p = body; *p != '\0'; p++) {
        line = *p == '\n' ? 0 : line + 1;
        if (ends_line(p))
            continue;
        if ((*p != '\n' && *p != '\t' && (*p < ' ' || *p > '~')) || line > BODY_LINE_MAX)
            return false;
    }
    return true;
}

static void write_plain(struct buf *out, const char *body)
{
    for (const char *p = body; *p != '\0'; p++) {
        if (ends_line(p))
            continue;
        if (*p == '\n')
            buf_append_char(out, '\r');
        buf_append_char(out, *p);
    }
}

/* RFC 2045 6.7. A blank at the end of a line is encoded. */
static void write_quoted(struct buf *out, const char *body)
{
    size_t line = 0;

    for (const char *p = body; *p != '\0'; p++) {
        if (ends_line(p))
            continue;
        bool last = p[1] == '\n' || p[1] == '\0' || ends_line(p + 1);
        bool literal = (*p > ' ' && *p <= '~' && *p != '=') || (*p == ' ' && !last);
        if (*p == '\n') {
            buf_append_str(out, "\r\n");
            line = 0;
            continue;
        }
        size_t width = literal ? 1 : 3;
        if (line + width > QUOTED_LINE_MAX) {
            buf_append_str(out, "=\r\n");
            line = 0;
        }
        if (literal)
            buf_append_char(out, *p);
        else
            buf_printf(out, "=%02X", (unsigned)(unsigned char)*p);
        line += width;
    }
}

void mime_write(struct buf *out, const struct mime_mail *mail)
{
    bool plain = body_is_plain(mail->body);

    write_date(out, mail->date_s);
    write_from(out, mail->from_name, mail->from);
    buf_printf(out, "To: <%.*s>\r\n", (int)mail->to.len, mail->to.ptr);
    write_subject(out, mail->subject);
    write_message_id(out, mail);
    buf_printf(out,
               "Auto-Submitted: auto-generated\r\n"
               "MIME-Version: 1.0\r\n"
               "Content-Type: text/plain; charset=%s\r\n"
               "Content-Transfer-Encoding: %s\r\n\r\n",
               plain ? "us-ascii" : "utf-8", plain ? "7bit" : "quoted-printable");
    if (plain)
        write_plain(out, mail->body);
    else
        write_quoted(out, mail->body);
}
