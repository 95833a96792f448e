/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/subnet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void subnet_of_v4(char out[SUBNET_SIZE], const unsigned char bytes[4])
{
    snprintf(out, SUBNET_SIZE, "%u.%u.%u.0/24", bytes[0], bytes[1], bytes[2]);
}

void subnet_of(char out[SUBNET_SIZE], const char *address)
{
    unsigned char four[4];
    struct in6_addr six;
    char text[INET6_ADDRSTRLEN];

    snprintf(out, SUBNET_SIZE, "unknown");
    if (address == NULL)
        return;
    if (inet_pton(AF_INET, address, four) == 1) {
        subnet_of_v4(out, four);
    } else if (inet_pton(AF_INET6, address, &six) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&six)) {
            subnet_of_v4(out, six.s6_addr + 12);
            return;
        }
        memset(six.s6_addr + 6, 0, sizeof six.s6_addr - 6);
        if (inet_ntop(AF_INET6, &six, text, sizeof text) != NULL)
            snprintf(out, SUBNET_SIZE, "%s/48", text);
    }
}
