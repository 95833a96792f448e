/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "net/netguard.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct range {
    unsigned char prefix[16];
    unsigned bits;
};

/* IANA's special-purpose registries: what is not for the public, and what has no host behind it. */
static const struct range refused_v4[] = {
    {{0}, 8},                 /* this network, unspecified */
    {{10}, 8},                /* private */
    {{100, 64}, 10},          /* carrier-grade NAT */
    {{127}, 8},               /* loopback */
    {{168, 63, 129, 16}, 32}, /* Azure's host, from within its machines */
    {{169, 254}, 16},         /* link-local, the clouds' metadata */
    {{172, 16}, 12},          /* private */
    {{192, 0, 0}, 24},        /* protocol assignments */
    {{192, 0, 2}, 24},        /* documentation */
    {{192, 88, 99}, 24},      /* 6to4 relays */
    {{192, 168}, 16},         /* private */
    {{198, 18}, 15},          /* benchmarks */
    {{198, 51, 100}, 24},     /* documentation */
    {{203, 0, 113}, 24},      /* documentation */
    {{224}, 4},               /* multicast */
    {{240}, 4},               /* reserved, broadcast */
};

/* IPv6 is public only within this. */
static const struct range global_v6 = {{0x20}, 3};

static const struct range refused_v6[] = {
    {{0x20, 0x01}, 23},             /* protocol assignments: Teredo, ORCHID, benchmarks */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x3f, 0xff}, 20},             /* documentation */
};

/* An IPv4 address stands `at` so many bytes behind the beginning. */
static const struct {
    struct range range;
    size_t at;
} embedded_v4[] = {
    {{{[10] = 0xff, [11] = 0xff}, 96}, 12}, /* ::ffff:0:0/96, mapped */
    {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12},   /* 64:ff9b::/96, NAT64 */
    {{{0x20, 0x02}, 16}, 2},                /* 2002::/16, 6to4 */
};

static bool within(const unsigned char *addr, const struct range *range)
{
    size_t bytes = range->bits / 8;
    unsigned rest = range->bits % 8;

    if (memcmp(addr, range->prefix, bytes) != 0)
        return false;
    return rest == 0 || ((addr[bytes] ^ range->prefix[bytes]) >> (8 - rest)) == 0;
}

static bool within_any(const unsigned char *addr, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (within(addr, &ranges[i]))
            return true;
    return false;
}

static bool public_v4(const unsigned char *addr)
{
    return !within_any(addr, refused_v4, ARRAY_LEN(refused_v4));
}

static bool public_v6(const unsigned char *addr)
{
    for (size_t i = 0; i < ARRAY_LEN(embedded_v4); i++)
        if (within(addr, &embedded_v4[i].range))
            return public_v4(addr + embedded_v4[i].at);
    return within(addr, &global_v6) && !within_any(addr, refused_v6, ARRAY_LEN(refused_v6));
}

bool netguard_is_public(const struct sockaddr *addr, size_t len)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (len < offsetof(struct sockaddr, sa_data))
        return false;
    if (addr->sa_family == AF_INET && len >= sizeof v4) {
        memcpy(&v4, addr, sizeof v4);
        return public_v4((const unsigned char *)&v4.sin_addr);
    }
    if (addr->sa_family == AF_INET6 && len >= sizeof v6) {
        memcpy(&v6, addr, sizeof v6);
        return public_v6(v6.sin6_addr.s6_addr);
    }
    return false;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct netguard *guard = arg;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        (!guard->allow_private && !netguard_is_public(&addr->addr, addr->addrlen))) {
        guard->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

int netguard_install(struct netguard *guard, void *easy)
{
    if (curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, guard) != CURLE_OK)
        return -1;
    /* A proxy would be the one to connect, out of the guard's sight. */
    if (curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") != CURLE_OK)
        return -1;
    return 0;
}
