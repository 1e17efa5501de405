/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program that prints AWS keys: credential_process of a profile ("Sourcing credentials with an external process", AWS CLI User Guide). No shell sees the line: it is split into words as
 * AWS's Python tools do it (shlex.split of Python), and nothing is expanded in it, no variable, no ~, no *. The program is looked for in PATH, gets this process's environment, /dev/null
 * as its input, and a process group of its own; it is killed, with all of its group, when its time is over.
 */
#ifndef ASSETFS_CREDENTIAL_PROCESS_H
#define ASSETFS_CREDENTIAL_PROCESS_H

#include "net/credential.h"

/* The words of the line, NULL behind the last, malloc'd. -EINVAL with a clause: a quote that does not end, a backslash at the end, no word at all. */
int credential_words_of(const char *line, char ***ret, struct buf *why) ATTR_WARN_UNUSED;
char **credential_words_free(char **); /* NULL-safe; returns NULL */

/* Runs the line and reads what it prints. Blocks until it has ended, timeout_ns are over, or stop_fd is readable (-1: never).
 * -EACCES with a sentence: it cannot be run, or prints something else; -EIO: it fails (its last words on standard error are in the sentence); -ETIMEDOUT, -ECANCELED. */
int credential_process_run(const char *line, int64_t timeout_ns, int stop_fd, struct credential *ret, struct buf *why) ATTR_WARN_UNUSED;

#endif
