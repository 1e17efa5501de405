/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between libfuse and the kernel: one thing of the protocol that libfuse (before 3.17, and in part ever
 * after) does not pass on.
 *
 * Before every write the kernel asks for the xattr security.capability, to know whether the write must take
 * it away, and remembers the answer only for a filesystem that has promised FUSE_HANDLE_KILLPRIV_V2: to take
 * suid and sgid away itself where a request says so. Without that promise every write costs two requests. So
 * the answer to INIT is given this flag where the kernel offers it, and the flags of a request that libfuse
 * drops are kept for the thread that handles it.
 */
#ifndef ASSETFS_WIRE_H
#define ASSETFS_WIRE_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "base/base.h"

/* After fuse_session_mount(), before the loop. One session a process. 0 or a negative errno. */
int wire_attach(struct fuse_session *) ATTR_WARN_UNUSED;
/* The kernel leaves suid and sgid to us. After INIT. */
bool wire_has_killpriv(void);
/* The request that this thread is handling takes suid and sgid away. Only on the thread that libfuse called.
 */
bool wire_kills_privs(void);
/* This thread goes on with a request that another has read. */
void wire_set_kills(bool);

#endif
