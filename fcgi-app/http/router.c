/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/router.h"

#include <string.h>

static bool match_path(struct router_match *m, const char *pattern, const char *path,
                       struct arena *arena)
{
    size_t count = 0;

    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        if (strcmp(pattern, "...") == 0)
            return true;
        size_t want = strcspn(pattern, "/");
        size_t have = strcspn(path, "/");
        if (want == 2 && strncmp(pattern, "{}", 2) == 0) {
            if (have == 0 || count == ROUTER_PARAM_MAX)
                return false;
            m->params[count++] = arena_strndup(arena, path, have);
        } else if (want != have || strncmp(pattern, path, want) != 0) {
            return false;
        }
        pattern += want;
        path += have;
    }
    /* A trailing slash is the same resource. */
    return *pattern == '\0' && (*path == '\0' || strcmp(path, "/") == 0);
}

int router_find(struct router_match *out, const char **allow, const struct router_route *routes,
                size_t route_count, const char *method, const char *path, struct arena *arena,
                struct err *err)
{
    *allow = NULL;
    for (size_t i = 0; i < route_count; i++) {
        struct router_match m = {.route = &routes[i]};
        if (!match_path(&m, routes[i].path, path, arena))
            continue;
        if (strcmp(routes[i].method, method) == 0 || strcmp(routes[i].method, "*") == 0) {
            *out = m;
            *allow = NULL;
            return 0;
        }
        *allow = *allow == NULL ? routes[i].method
                                : arena_printf(arena, "%s, %s", *allow, routes[i].method);
    }
    if (*allow != NULL)
        return err_set(err, ERR_METHOD, NULL, "%.16s is not allowed for %.200s; use %s.", method,
                       path, *allow);
    return err_set(err, ERR_NOT_FOUND, NULL,
                   "There is no %.16s %.200s. The API's paths begin with /v1/, for example "
                   "POST /v1/chat/completions.",
                   method, path);
}
