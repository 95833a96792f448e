/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "api/supervise.h"

#include "base/log.h"
#include "base/timing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESTART_DELAY_MS = 1000 };

static int bind_socket(int fd, const struct sockaddr_un *address, struct err *err)
{
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return err_set(err, ERR_INTERNAL, NULL, "another process serves %s already",
                       address->sun_path);
    if (errno == ECONNREFUSED)
        unlink(address->sun_path);
    mode_t before = umask(0117);
    int rc = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int why = errno;
    umask(before);
    if (rc != 0)
        return err_set(err, ERR_INTERNAL, NULL, "cannot make the socket %s: %s", address->sun_path,
                       strerror(why));
    return 0;
}

int supervise_listen(const char *path, int backlog, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int rc = -1;

    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_INTERNAL, NULL, "the socket's path is longer than %zu bytes: %s",
                       sizeof address.sun_path - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_INTERNAL, NULL, "socket: %s", strerror(errno));
    if (bind_socket(fd, &address, err) != 0)
        goto out;
    if (listen(fd, backlog) != 0 || dup2(fd, STDIN_FILENO) < 0) {
        err_set(err, ERR_INTERNAL, NULL, "cannot listen on %s: %s", path, strerror(errno));
        goto out;
    }
    rc = 0;
out:
    if (fd != STDIN_FILENO)
        close(fd);
    return rc;
}

/* True in the child. */
static bool start_child(pid_t *pid, const sigset_t *before)
{
    pid_t parent = getpid();

    *pid = fork();
    if (*pid != 0) {
        if (*pid < 0)
            log_write(LOG_LEVEL_ERROR, NULL, "fork: %s", strerror(errno));
        return false;
    }
    sigprocmask(SIG_SETMASK, before, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    return true;
}

/* Collects ended children; true if the serving one is among them. */
static bool reap(pid_t serving)
{
    bool ended = false;
    int status = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != serving)
            continue;
        ended = true;
        if (WIFSIGNALED(status))
            log_write(LOG_LEVEL_ERROR, NULL, "worker process %d was killed by signal %d", (int)pid,
                      WTERMSIG(status));
        else
            log_write(LOG_LEVEL_ERROR, NULL, "worker process %d ended with status %d", (int)pid,
                      WEXITSTATUS(status));
    }
    return ended;
}

static void stop_child(pid_t pid)
{
    if (pid > 0 && kill(pid, SIGTERM) == 0)
        waitpid(pid, NULL, 0);
}

bool supervise_children(int *status)
{
    sigset_t signals;
    sigset_t before;
    pid_t serving = -1;
    int sig = 0;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &before);
    int64_t started_ms = timing_mono_ms();
    if (start_child(&serving, &before))
        return true;
    for (;;) {
        if (sigwait(&signals, &sig) != 0)
            continue;
        if (sig == SIGTERM || sig == SIGINT)
            break;
        pid_t old = sig == SIGHUP ? serving : -1;
        if (sig == SIGCHLD && !reap(serving))
            continue;
        if (sig == SIGCHLD && timing_mono_ms() - started_ms < RESTART_DELAY_MS)
            poll(NULL, 0, RESTART_DELAY_MS);
        started_ms = timing_mono_ms();
        if (start_child(&serving, &before))
            return true;
        if (old > 0)
            kill(old, SIGTERM);
    }
    stop_child(serving);
    *status = 0;
    return false;
}
