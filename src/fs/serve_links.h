/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The requests of the control socket (fs/control.h) that are about addresses: "url" and "changes". Each may block its thread.
 */
#ifndef ASSETFS_SERVE_LINKS_H
#define ASSETFS_SERVE_LINKS_H

#include "fs/control.h"
#include "fs/session.h"

void serve_url(struct session *, const char *args, struct control_reply *);
void serve_changes(struct session *, const char *args, struct control_reply *);

#endif
