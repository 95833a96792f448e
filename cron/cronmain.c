/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cronmain.h"

#include "base/log.h"
#include "base/timing.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

enum { ACTION_RUN = -1 }; /* else: an exit code */

static volatile sig_atomic_t stop;

static void on_stop(int sig)
{
    (void)sig;
    stop = 1;
}

const volatile sig_atomic_t *cron_catch_stop(void)
{
    struct sigaction sa = {.sa_handler = on_stop};

    sigemptyset(&sa.sa_mask);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sa.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &sa, NULL);
    return &stop;
}

static void print_help(const struct cron_program *program)
{
    printf("Usage: %s [OPTION]...\n"
           "%s\n"
           "\n"
           "      --once      run once and exit (what it does anyway)\n"
           "      --dry-run   change nothing, say what would be done\n"
           "  -v, --verbose   say what was done\n"
           "%s"
           "      --help      show this help\n"
           "      --version   show the version\n"
           "\n"
           "The configuration is the file that AIG_CONFIG names, else the installed default;\n"
           "AIG_<KEY> in the environment overrides a key of it.\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage or configuration.\n",
           program->name, program->summary,
           program->can_watch
               ? "      --watch[=SECONDS]  look for work again and again; 0: until a signal\n"
               : "");
}

/* --watch or --watch=SECONDS. */
static int read_watch(struct cron *cron, const struct cron_program *program, const char *text)
{
    char *end = NULL;
    long seconds = text != NULL ? strtol(text, &end, 10) : program->watch_s;

    if (!program->can_watch)
        fprintf(stderr, "%s: has no --watch\n", program->name);
    else if (text != NULL && (end == text || *end != '\0' || seconds < 0 || seconds > 366L * 86400))
        fprintf(stderr, "%s: --watch=%s is no number of seconds\n", program->name, text);
    else {
        cron->watch = true;
        cron->watch_s = seconds;
        return 0;
    }
    return -1;
}

static int read_options(struct cron *cron, const struct cron_program *program, int argc,
                        char **argv)
{
    enum { OPTION_ONCE = 256, OPTION_DRY_RUN, OPTION_WATCH, OPTION_HELP, OPTION_VERSION };
    static const struct option OPTIONS[] = {
        {"once", no_argument, NULL, OPTION_ONCE},
        {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
        {"verbose", no_argument, NULL, 'v'},
        {"watch", optional_argument, NULL, OPTION_WATCH},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };

    for (int option; (option = getopt_long(argc, argv, "v", OPTIONS, NULL)) != -1;) {
        if (option == OPTION_ONCE) {
            continue;
        } else if (option == OPTION_DRY_RUN) {
            cron->dry_run = true;
        } else if (option == 'v') {
            cron->verbose = true;
        } else if (option == OPTION_WATCH && read_watch(cron, program, optarg) == 0) {
            continue;
        } else if (option == OPTION_HELP) {
            print_help(program);
            return CRON_OK;
        } else if (option == OPTION_VERSION) {
            printf("%s (AI Generate) %s\n", program->name, PACKAGE_VERSION);
            return CRON_OK;
        } else {
            fprintf(stderr, "Try '%s --help'.\n", program->name);
            return CRON_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\nTry '%s --help'.\n", program->name,
                argv[optind], program->name);
        return CRON_USAGE;
    }
    return ACTION_RUN;
}

/* For a person who reads cron's mail: both texts, without secrets. */
static void print_error(const struct cron_program *program, struct err *err)
{
    if (err->code == ERR_NONE)
        return;
    log_mask(err->detail, strlen(err->detail));
    fprintf(stderr, "%s: %s%s%s%s\n", program->name, err->message,
            err->detail[0] != '\0' ? " (" : "", err->detail, err->detail[0] != '\0' ? ")" : "");
}

static int run_locked(struct cron *cron, const struct cron_program *program, struct err *err)
{
    struct store_lock *lock = NULL;

    if (store_lock(&lock, cron->store, cron->arena, program->name, err) != 0)
        return CRON_FAILED;
    if (lock == NULL) {
        if (cron->verbose)
            printf("%s: another run is under way\n", program->name);
        return CRON_OK;
    }
    int code = program->run(cron, err);
    store_unlock(lock, cron->store);
    return code;
}

static int run(struct cron *cron, const struct cron_program *program, struct err *err)
{
    int64_t limit_s = cron->watch ? cron->watch_s : program->limit_s;
    if (limit_s > 0)
        cron->deadline_ms = timing_mono_ms() + limit_s * 1000;
    if (store_check(NULL, cron->store, cron->arena, err) != 0)
        return CRON_FAILED;
    /* A dry run is no work: it may look on. */
    if (program->exclusive && !cron->dry_run)
        return run_locked(cron, program, err);
    return program->run(cron, err);
}

int cron_main(const struct cron_program *program, int argc, char **argv)
{
    struct cron cron = {0};
    struct conf *conf = NULL;
    struct store store;
    struct err err;

    int code = read_options(&cron, program, argc, argv);
    if (code != ACTION_RUN)
        return code;
    err_clear(&err);
    if (conf_load(&conf, NULL, &err) != 0) {
        print_error(program, &err);
        return CRON_USAGE;
    }
    /* Cron mails what a program prints: without -v only what somebody has to look at. */
    log_set_level(cron.verbose || conf->log_level < LOG_LEVEL_WARN ? conf->log_level
                                                                   : LOG_LEVEL_WARN);
    /* What watches has short statements only; a database that hangs has to be noticed. */
    if (program->can_watch)
        store_init(&store, conf);
    else
        store_init_batch(&store, conf);
    cron.conf = conf;
    cron.store = &store;
    cron.arena = arena_new();
    code = run(&cron, program, &err);
    if (code != CRON_OK)
        print_error(program, &err);
    arena_free(cron.arena);
    store_fini(&store);
    conf_free(conf);
    if (fflush(stdout) != 0 && code == CRON_OK)
        code = CRON_FAILED;
    return code;
}
