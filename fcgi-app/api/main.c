/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway.fcgi: options, start, the way of each request, and the end.
 */
#include "base/base.h"

#include "api/access.h"
#include "api/endpoint.h"
#include "api/routes.h"
#include "api/supervise.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/timing.h"
#include "http/reply.h"
#include "http/worker.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DRAIN_MS = 30 * 1000,
    BODY_KEEP = 64 * 1024, /* memory that an idle worker keeps of its body buffer */
};

struct gateway {
    struct app app;
    struct worker_pool *pool;
};

/* A worker's endpoint, and the way back to the pool for admission. */
struct worker {
    struct endpoint ep;
    struct gateway *gateway;
};

static void *thread_open(void *arg)
{
    struct gateway *gateway = arg;
    struct worker *w = mem_zalloc(sizeof *w);

    w->gateway = gateway;
    w->ep.app = &gateway->app;
    w->ep.relay = relay_new(&gateway->app);
    buf_init(&w->ep.body, (size_t)gateway->app.conf->max_body);
    return w;
}

static void thread_close(void *local)
{
    struct worker *w = local;

    relay_free(w->ep.relay);
    buf_fini(&w->ep.body);
    mem_free(w);
}

/* The ledger checks the key of a model call in its one step. Where a call fails before that, a bad
 * key is still what the client is told first. A function of its own: its error must not lie on the
 * stack of every call. */
__attribute__((noinline)) static void prefer_key_error(struct worker *w, struct err *err)
{
    bool ours = err->status == 400 || err->status == 404 || err->status == 413 ||
                err->status == 415 || err->status == 501;
    struct err key_err;

    if (ours && err->code != ERR_UPSTREAM_STATUS && access_find_key(&w->ep, &key_err) != 0 &&
        key_err.status == 401)
        *err = key_err;
}

static int run_model_call(struct worker *w, struct exchange *x, const struct router_match *match,
                          struct err *err)
{
    if (!worker_pool_enter(w->gateway->pool)) {
        err_set(err, ERR_NO_WORKER, NULL,
                "All workers are busy with other calls. Nothing was charged; try again in a "
                "second.");
        err->retry_after_s = 1;
        return -1;
    }
    int rc = match->route->handler(&w->ep, x, match, err);
    worker_pool_leave(w->gateway->pool);
    if (rc != 0 && !exchange_began(x))
        prefer_key_error(w, err);
    return rc;
}

static int dispatch(struct worker *w, struct exchange *x, const struct router_match *match,
                    struct err *err)
{
    if (access_check(&w->ep, x, match->route->scope, err) != 0)
        return -1;
    if (match->route->scope == ROUTER_MODEL)
        return run_model_call(w, x, match, err);
    return match->route->handler(&w->ep, x, match, err);
}

/* What follows the mount: the API's paths all begin with /v1/. */
static const char *below_mount(const char *path)
{
    const char *v1 = strstr(path, "/v1/");

    return v1 != NULL ? v1 : path;
}

static int route_request(struct worker *w, struct exchange *x, const char **allow, struct err *err)
{
    const char *method = exchange_param(x, "REQUEST_METHOD");
    struct router_match match;
    char *path = NULL;

    if (exchange_check_params(x, err) != 0 || exchange_path(&path, x, w->ep.arena, err) != 0)
        return -1;
    if (router_find(&match, allow, api_routes, api_route_count, method != NULL ? method : "GET",
                    below_mount(path), w->ep.arena, err) != 0)
        return -1;
    w->ep.path = match.route->path;
    return dispatch(w, x, &match, err);
}

static void handle(void *local, struct exchange *x, struct arena *arena)
{
    struct worker *w = local;
    const char *allow = NULL;
    struct err err;

    err_clear(&err);
    w->ep.arena = arena;
    buf_clear(&w->ep.body);
    if (route_request(w, x, &allow, &err) != 0 && err.code != ERR_CLIENT_GONE) {
        if (err.status >= 500)
            log_write(LOG_LEVEL_WARN, exchange_request_id(x), "%d %s: %s", err.status,
                      err_name(err.code), err.detail[0] != '\0' ? err.detail : err.message);
        if (!exchange_began(x))
            reply_error(x, &err, allow);
    }
    buf_shrink(&w->ep.body, BODY_KEEP);
}

static const struct worker_ops worker_ops = {
    .thread_open = thread_open,
    .thread_close = thread_close,
    .handle = handle,
};

static int fail(const struct err *err)
{
    fprintf(stderr, "gateway.fcgi: %s%s%s\n", err->message, err->detail[0] != '\0' ? ": " : "",
            err->detail);
    return EXIT_FAILURE;
}

static int serve(const struct conf *conf)
{
    struct gateway gateway;
    struct err err;
    bool alone = exchange_is_cgi();
    int threads = alone ? 1 : conf->threads;

    memset(&gateway, 0, sizeof gateway);
    err_clear(&err);
    log_set_level(conf->log_level);
    if (app_init(&gateway.app, conf, &err) != 0)
        return fail(&err);
    gateway.pool =
        worker_pool_new(&worker_ops, &gateway, threads, threads > 1 ? conf->threads_reserved : 0);
    int rc = worker_pool_run(gateway.pool, DRAIN_MS, &err);
    if (rc > 0)
        _exit(EXIT_SUCCESS); /* some threads still use what would be freed */
    worker_pool_free(gateway.pool);
    app_fini(&gateway.app);
    return rc == 0 ? EXIT_SUCCESS : fail(&err);
}

static void usage(FILE *to)
{
    fputs(
        "gateway.fcgi - AI Generate, the FastCGI and CGI program\n"
        "\n"
        "A web server starts it: with a listening socket as descriptor 0 it serves FastCGI, with\n"
        "CGI variables it answers one request. Options:\n"
        "\n"
        "  --listen=PATH     open a FastCGI socket at PATH and keep it served (for servers that\n"
        "                    do not start programs); SIGHUP restarts, SIGTERM stops\n"
        "  --backlog=N       connections that may wait there (default 4096)\n"
        "  --config=FILE     configuration instead of AIG_CONFIG or the default\n"
        "  --check-config    read the configuration, say whether it is right, and end\n"
        "  --version, --help\n",
        to);
}

struct options {
    const char *listen;
    const char *config;
    int backlog;
    bool check;
    int exit_status; /* -1: go on */
};

static void parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"listen", required_argument, NULL, 'l'},
        {"backlog", required_argument, NULL, 'b'},
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.backlog = SUPERVISE_BACKLOG, .exit_status = -1};
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'l') {
            o->listen = optarg;
        } else if (c == 'b') {
            o->backlog = (int)strtol(optarg, NULL, 10);
        } else if (c == 'c') {
            o->config = optarg;
        } else if (c == 'k') {
            o->check = true;
        } else if (c == 'V') {
            puts(PACKAGE_STRING);
            o->exit_status = EXIT_SUCCESS;
        } else {
            usage(c == 'h' ? stdout : stderr);
            o->exit_status = c == 'h' ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (o->exit_status < 0 && (optind < argc || o->backlog < 1)) {
        usage(stderr);
        o->exit_status = EXIT_FAILURE;
    }
}

static int start(const struct options *o, const struct conf *conf)
{
    struct err err;
    int status = EXIT_FAILURE;

    err_clear(&err);
    if (o->check) {
        puts("The configuration is right.");
        return EXIT_SUCCESS;
    }
    if (o->listen != NULL) {
        if (supervise_listen(o->listen, o->backlog, &err) != 0)
            return fail(&err);
        if (!supervise_children(&status))
            return status;
    } else if (isatty(STDIN_FILENO)) {
        usage(stderr);
        return EXIT_FAILURE;
    }
    return serve(conf);
}

int main(int argc, char **argv)
{
    struct options options;
    struct conf *conf = NULL;
    struct err err;

    err_clear(&err);
    parse_options(&options, argc, argv);
    if (options.exit_status >= 0)
        return options.exit_status;
    if (conf_load(&conf, options.config, &err) != 0)
        return fail(&err);
    int status = start(&options, conf);
    conf_free(conf);
    return status;
}
