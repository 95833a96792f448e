/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/letter.h"

#include <string.h>

enum { HOST_MAX = 100 }; /* a subject has room for it */

static const char *host_of(struct arena *arena, const char *url)
{
    const char *host = strstr(url, "://");

    host = host != NULL ? host + 3 : url;
    size_t len = strcspn(host, "/");
    return arena_strndup(arena, host, len < HOST_MAX ? len : HOST_MAX);
}

struct signup_mail letter_verify(struct arena *arena, const char *public_url, const char *token,
                                 const char *network)
{
    static_assert(LETTER_VERIFY_LIFE_S == 48 * 3600, "the letter says 48 hours");
    const char *host = host_of(arena, public_url);

    return (struct signup_mail){
        .subject = arena_printf(arena, "Confirm your e-mail address for %s", host),
        .body =
            arena_printf(arena,
                         "Somebody, most likely you, signed up at %s with this address.\n"
                         "Open this link to open the account:\n\n"
                         "%s/dashboard/#verify=%s\n\n"
                         "It works once, within 48 hours. The request came from the network %s.\n"
                         "If it was not you, do nothing: without the link no account is opened.\n",
                         host, public_url, token, network),
    };
}

struct signup_mail letter_known(struct arena *arena, const char *public_url, const char *network)
{
    const char *host = host_of(arena, public_url);

    return (struct signup_mail){
        .subject = arena_printf(arena, "You have an account at %s already", host),
        .body = arena_printf(
            arena,
            "Somebody, most likely you, signed up at %s with this address, but there is an "
            "account\n"
            "with it already. Nothing was changed. Sign in, or set a new password, here:\n\n"
            "%s/dashboard/\n\n"
            "The request came from the network %s. If it was not you, do nothing.\n",
            host, public_url, network),
    };
}

struct signup_mail letter_reset(struct arena *arena, const char *public_url, const char *token,
                                const char *network)
{
    static_assert(LETTER_RESET_LIFE_S == 3600, "the letter says an hour");
    const char *host = host_of(arena, public_url);

    return (struct signup_mail){
        .subject = arena_printf(arena, "A new password for %s", host),
        .body = arena_printf(
            arena,
            "Somebody, most likely you, wants a new password for the account with this address at\n"
            "%s. Open this link to set one:\n\n"
            "%s/dashboard/#reset=%s\n\n"
            "It works once, within an hour. The request came from the network %s.\n"
            "If it was not you, do nothing: the password stays as it is.\n",
            host, public_url, token, network),
    };
}

struct signup_mail letter_changed(struct arena *arena, const char *public_url, const char *network)
{
    const char *host = host_of(arena, public_url);

    return (struct signup_mail){
        .subject = arena_printf(arena, "Your password for %s was changed", host),
        .body = arena_printf(
            arena,
            "The password of the account with this address at %s was changed with a link from a\n"
            "mail, from the network %s. The account was signed out everywhere; its API keys work\n"
            "as before.\n\n"
            "If it was not you, somebody can read your mails. Set another password here:\n\n"
            "%s/dashboard/\n",
            host, network, public_url),
    };
}

struct signup_mail letter_invite(struct arena *arena, const char *public_url, const char *token,
                                 const char *from, const char *team, const char *address)
{
    static_assert(LETTER_INVITE_LIFE_DAYS == 7, "the letter says 7 days");
    const char *host = host_of(arena, public_url);

    return (struct signup_mail){
        .subject = arena_printf(arena, "An invitation to a team at %s", host),
        .body = arena_printf(
            arena,
            "%s invites you to the team \"%s\" at %s.\n"
            "Open this link, and sign in or sign up with this address, %s:\n\n"
            "%s/dashboard/#invite=%s\n\n"
            "It works once, within 7 days. If you do not know what this is about, do nothing.\n",
            from, team, host, address, public_url, token),
    };
}
