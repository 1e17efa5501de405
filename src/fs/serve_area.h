/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The daemon's answers to `assetfs area` (fs/control.h): rules are listed, set and removed, and older objects are brought home. On the thread of the connection, which may wait.
 */
#ifndef ASSETFS_SERVE_AREA_H
#define ASSETFS_SERVE_AREA_H

#include "fs/serve.h"

/* args: the request after "area ". */
void serve_area(struct serve *, const char *args, struct control_reply *);

#endif
