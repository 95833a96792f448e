/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "dbserver.h"

#include "base/timing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_LIMIT_MS = 60 * 1000 };

_Noreturn static void give_up(const char *what)
{
    fprintf(stderr, "dbserver: %s\n", what);
    exit(1);
}

/* Where a program lies: the first of the names in PATH or in /usr/sbin; exits when there is none.
 */
static const char *find_program(char out[128], const char *const *names)
{
    const char *path = getenv("PATH");

    for (size_t i = 0; names[i] != NULL; i++) {
        const char *at = path != NULL ? path : "";
        while (*at != '\0') {
            size_t len = strcspn(at, ":");
            int n = snprintf(out, 128, "%.*s/%s", (int)len, at, names[i]);
            if (n > 0 && n < 128 && access(out, X_OK) == 0)
                return out;
            at += len + (at[len] == ':');
        }
        int n = snprintf(out, 128, "/usr/sbin/%s", names[i]);
        if (n > 0 && n < 128 && access(out, X_OK) == 0)
            return out;
    }
    const char *ci = getenv("CI");
    fprintf(stderr, "dbserver: %s is not installed (Debian: mariadb-server)\n", names[0]);
    exit(ci != NULL && ci[0] != '\0' ? 1 : 77);
}

/* Starts a program; its output goes to a file. */
static pid_t run(const char *log, const char *input, const char *const *argv)
{
    fflush(NULL);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        give_up("fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int in = open(input != NULL ? input : "/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void show_log(const char *log)
{
    char text[4096];
    int fd = open(log, O_RDONLY);

    if (fd < 0)
        return;
    for (ssize_t n; (n = read(fd, text, sizeof(text))) > 0;)
        fwrite(text, 1, (size_t)n, stderr);
    close(fd);
}

static void run_to_end(struct dbserver *d, const char *input, const char *const *argv)
{
    char log[96];
    int status = 0;

    snprintf(log, sizeof(log), "%s/%s", d->dir, "client.log");
    unlink(log);
    pid_t pid = run(log, input, argv);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        show_log(log);
        dbserver_stop(d);
        give_up(argv[0]);
    }
}

static unsigned free_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        give_up("no free port");
    close(fd);
    return ntohs(sa.sin_port);
}

static bool answers(const struct dbserver *d)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", d->socket);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

void dbserver_again(struct dbserver *d)
{
    static const char *const names[] = {"mariadbd", "mysqld", NULL};
    char program[128];
    char datadir[96];
    char socket_arg[112];
    char port[32];
    char address[64];
    char tmpdir[96];
    char log[96];

    snprintf(datadir, sizeof(datadir), "--datadir=%s/data", d->dir);
    snprintf(socket_arg, sizeof(socket_arg), "--socket=%s", d->socket);
    snprintf(port, sizeof(port), "--port=%u", d->port);
    snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s/tmp", d->dir);
    snprintf(address, sizeof(address), "--bind-address=%s", d->address);
    snprintf(log, sizeof(log), "%s/server.log", d->dir);
    unlink(d->socket);
    const char *argv[] = {find_program(program, names),
                          "--no-defaults",
                          datadir,
                          tmpdir,
                          socket_arg,
                          port,
                          address,
                          "--skip-name-resolve",
                          "--innodb-buffer-pool-size=64M",
                          "--innodb-log-file-size=16M",
                          "--innodb-flush-log-at-trx-commit=2",
                          geteuid() == 0 ? "--user=root" : NULL,
                          NULL};
    d->pid = run(log, NULL, argv);
    int64_t deadline_ms = timing_mono_ms() + START_LIMIT_MS;
    while (!answers(d)) {
        if (waitpid(d->pid, NULL, WNOHANG) != 0 || timing_passed(deadline_ms)) {
            show_log(log);
            dbserver_stop(d);
            give_up("the server does not start");
        }
        usleep(20 * 1000);
    }
}

void dbserver_start(struct dbserver *d)
{
    static const char *const names[] = {"mariadb-install-db", "mysql_install_db", NULL};
    const char *tmp = getenv("TMPDIR");
    char program[128];
    char datadir[96];
    char tmpdir[96];

    find_program(program, names);
    int n = snprintf(d->dir, sizeof(d->dir), "%s/aigdb.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (n < 0 || n >= (int)sizeof(d->dir))
        snprintf(d->dir, sizeof(d->dir), "/tmp/aigdb.XXXXXX");
    if (mkdtemp(d->dir) == NULL)
        give_up("no temporary directory");
    snprintf(d->socket, sizeof(d->socket), "%s/s", d->dir);
    snprintf(datadir, sizeof(datadir), "--datadir=%s/data", d->dir);
    snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s/tmp", d->dir);
    if (mkdir(tmpdir + strlen("--tmpdir="), 0700) != 0)
        give_up("no temporary directory");
    if (d->port == 0)
        d->port = free_port();
    if (d->address == NULL)
        d->address = "127.0.0.1";
    const char *argv[] = {program,
                          "--no-defaults",
                          datadir,
                          tmpdir,
                          "--auth-root-authentication-method=normal",
                          "--skip-test-db",
                          "--skip-name-resolve",
                          geteuid() == 0 ? "--user=root" : NULL,
                          NULL};
    run_to_end(d, NULL, argv);
    dbserver_again(d);
    dbserver_sql(d, "CREATE DATABASE aig CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci");
    d->config = (struct db_config){.socket = d->socket, .user = "root", .name = "aig", .max = 4};
}

static void end_server(struct dbserver *d, int signal_number)
{
    if (d->pid <= 0)
        return;
    kill(d->pid, signal_number);
    while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    d->pid = 0;
}

void dbserver_kill(struct dbserver *d)
{
    end_server(d, SIGKILL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void dbserver_stop(struct dbserver *d)
{
    end_server(d, SIGKILL);
    if (d->dir[0] != '\0')
        nftw(d->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    d->dir[0] = '\0';
}

void dbserver_sql(struct dbserver *d, const char *sql)
{
    static const char *const names[] = {"mariadb", "mysql", NULL};
    char program[128];
    char socket_arg[112];
    char file[96];

    snprintf(file, sizeof(file), "%s/input.sql", d->dir);
    FILE *f = fopen(file, "w");
    if (f == NULL || fputs(sql, f) < 0 || fclose(f) != 0)
        give_up("cannot write the SQL file");
    snprintf(socket_arg, sizeof(socket_arg), "--socket=%s", d->socket);
    const char *argv[] = {find_program(program, names),
                          "--no-defaults",
                          socket_arg,
                          "--user=root",
                          d->config.name,
                          NULL};
    run_to_end(d, file, argv);
}

void dbserver_schema(struct dbserver *d)
{
    const char *top = getenv("top_srcdir");
    char script[512];
    char socket_arg[112];

    snprintf(script, sizeof(script), "%s/sql/migrate.sh", top != NULL ? top : ".");
    snprintf(socket_arg, sizeof(socket_arg), "--socket=%s", d->socket);
    const char *argv[] = {"/bin/sh",      script, "--no-defaults", socket_arg, "--user=root",
                          d->config.name, NULL};
    run_to_end(d, NULL, argv);
}
