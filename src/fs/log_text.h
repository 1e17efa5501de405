/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A journal entry's JSON line (tree_log) as text for people. It reads what this program itself has written,
 * no foreign JSON: a line that it does not understand is given as it is.
 */
#ifndef ASSETFS_LOG_TEXT_H
#define ASSETFS_LOG_TEXT_H

#include "base/buf.h"

/* Appends "12  2026-11-22T02:29:36Z  alice@desk  message" and then, indented, a line for each name that
 * changed ("+" new, "-" gone, "*" leads elsewhere), or, for a change without names, for each inode ("~"). */
void log_text(const char *json, struct buf *ret);

#endif
