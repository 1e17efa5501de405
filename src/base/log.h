/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages for people: levels, one line each, to stderr (with <N> prefixes under systemd) or to syslog.
 * Library layers return errors; whoever decides what an error means logs it, once.
 * Every function may be called from any thread. Secrets are never passed to these functions.
 */
#ifndef ASSETFS_LOG_H
#define ASSETFS_LOG_H

#include "base/base.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Messages above this level are dropped. Default: INFO. */
void log_set_level(enum log_level level);
/* From now on to syslog(3) under `ident` instead of stderr: a daemon has no terminal. */
void log_to_syslog(const char *ident);
/* From now on (also) appended to this open file descriptor; -1 stops it. Used for the log in the state directory. */
void log_to_fd(int fd);
/* A name put before each message on stderr ("assetfs: ..."). Static string. */
void log_set_program(const char *name);

void log_error(const char *fmt, ...) ATTR_PRINTF(1, 2);
void log_warning(const char *fmt, ...) ATTR_PRINTF(1, 2);
void log_info(const char *fmt, ...) ATTR_PRINTF(1, 2);
void log_debug(const char *fmt, ...) ATTR_PRINTF(1, 2);
/* Logs "message: strerror(-err)" as an error and returns err (a negative errno): return log_errno(r, ...). */
int log_errno(int err, const char *fmt, ...) ATTR_PRINTF(2, 3);

#endif
