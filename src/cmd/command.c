/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/command.h"
#include "base/log.h"
#include "fs/control.h"
#include <stdarg.h>

int command_usage_error(const struct command *c, const char *fmt, ...) {
    if (fmt) {
        va_list ap;
        char *message;
        va_start(ap, fmt);
        int n = vasprintf(&message, fmt, ap);
        va_end(ap);
        if (n >= 0) {
            log_error("%s: %s", c->name, message);
            free(message);
        }
    }
    fprintf(stderr, "Usage: assetfs %s %s\n", c->name, c->usage);
    return STATUS_USAGE;
}

int command_find_mount(const char *path, char **ret_socket) {
    int r = control_find(path, ret_socket);
    switch (r) {
    case 0:
        return 0;
    case -ENODATA:
        log_error("%s is not in an assetfs mount", path);
        return r;
    case -ENOTCONN:
        log_error("%s: the daemon of this mount is gone; run \"assetfs umount %s\", or mount the volume "
                  "there again",
                  path, path);
        return r;
    case -EACCES:
        log_error("%s: permission denied; a mount without allow_other is its user's alone", path);
        return r;
    default:
        return log_errno(r, "%s", path);
    }
}

int command_ask_error(const char *path, int err, const char *why) {
    switch (err) {
    case -EREMOTEIO:
        log_error("%s: %s", path, why);
        break;
    case -EACCES:
        log_error("%s: only the user who mounted it, and root, may do that", path);
        break;
    case -ENOENT:
    case -ECONNREFUSED:
    case -EPIPE:
        log_error("%s: the daemon of this mount is ending or was killed; what it had queued goes on with the "
                  "next mount",
                  path);
        break;
    default:
        log_errno(err, "%s", path);
    }
    return STATUS_FAILED;
}
