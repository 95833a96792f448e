/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/weburl.h"

#include "net/netguard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* Names that are never public. */
static const char *const private_names[] = {"localhost", "local", "internal", "intranet", "lan"};

static bool ends_with_label(const char *host, const char *label)
{
    size_t len = strlen(host);
    size_t want = strlen(label);

    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len < want || strncasecmp(host + len - want, label, want) != 0)
        return false;
    return len == want || host[len - want - 1] == '.';
}

/* Brackets are libcurl's for IPv6. */
static bool is_private_host(const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char plain[64] = "";
    size_t len = strlen(host);

    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return !netguard_is_public((const struct sockaddr *)&v4, sizeof v4);
    if (host[0] == '[' && len > 2 && len < sizeof plain) {
        memcpy(plain, host + 1, len - 2);
        plain[strcspn(plain, "%")] = '\0';
        return inet_pton(AF_INET6, plain, &v6.sin6_addr) != 1 ||
               !netguard_is_public((const struct sockaddr *)&v6, sizeof v6);
    }
    for (size_t i = 0; i < ARRAY_LEN(private_names); i++)
        if (ends_with_label(host, private_names[i]))
            return true;
    return strchr(host, '.') == NULL;
}

static char *part_of(CURLU *u, CURLUPart part)
{
    char *text = NULL;

    return curl_url_get(u, part, &text, 0) == CURLUE_OK ? text : NULL;
}

/* libcurl would guess at what is missing, or take one slash for two. */
static bool begins_well(const char *url)
{
    size_t len = strncasecmp(url, "http://", 7) == 0 ? 7 : 8;

    return (len == 7 || strncasecmp(url, "https://", 8) == 0) && strchr("/?#", url[len]) == NULL;
}

static const char *fault_of(CURLU *u, const char *url, bool allow_private)
{
    const char *fault = NULL;

    if (!begins_well(url))
        return "must begin with http:// or https:// and a host";
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK)
        return "is no URL";
    char *user = part_of(u, CURLUPART_USER);
    char *host = part_of(u, CURLUPART_HOST);
    if (user != NULL)
        fault = "must not hold a user name";
    else if (host == NULL || (!allow_private && is_private_host(host)))
        fault = "names a host that cannot be reached from here: it must be public";
    curl_free(host);
    curl_free(user);
    return fault;
}

int weburl_check(const char *url, const char *param, bool allow_private, struct err *err)
{
    const char *fault = NULL;

    if (strnlen(url, WEBURL_MAX + 1) > WEBURL_MAX)
        return err_set(err, ERR_BAD_REQUEST, param, "'%s' is longer than %d characters.", param,
                       WEBURL_MAX);
    for (const char *p = url; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 127)
            fault = "holds blanks or characters that are no ASCII";
    if (fault == NULL) {
        CURLU *u = curl_url();
        if (u == NULL)
            abort();
        fault = fault_of(u, url, allow_private);
        curl_url_cleanup(u);
    }
    return fault == NULL ? 0 : err_set(err, ERR_BAD_REQUEST, param, "'%s' %s.", param, fault);
}
