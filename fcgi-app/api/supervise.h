/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For web servers that do not start the program themselves (Apache mod_proxy_fcgi): a small parent
 * process opens the socket, keeps it open, and has a child serve it. A child that dies is replaced,
 * so a crash costs the calls under way and no more. SIGHUP: a new child starts and the old one
 * finishes its calls. SIGTERM, SIGINT: the child finishes, then both end.
 */
#ifndef AIG_SUPERVISE_H
#define AIG_SUPERVISE_H

#include "base/base.h"
#include "base/err.h"

enum { SUPERVISE_BACKLOG = 4096 };

/* Makes descriptor 0 a listening Unix socket at path (mode 0660); replaces a dead socket there,
 * refuses one that answers. */
int supervise_listen(const char *path, int backlog, struct err *err) AIG_MUST_USE;

/* Returns true in a child that is to serve; in the parent false, once it is told to stop, with
 * *status to exit with. Call it before any thread is started. */
bool supervise_children(int *status);

#endif
