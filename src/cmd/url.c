/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs url: the address under which a browser finds a file's content.
 */
#include "cmd/command.h"
#include "base/log.h"
#include <getopt.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define URL_MAX 65536

/* There is no address: why not? */
static void explain(const char *path) {
    char state[64];
    struct stat st;
    ssize_t n = getxattr(path, "user.assetfs.state", state, sizeof state - 1);
    if (n < 0 || stat(path, &st) < 0) {
        log_error("%s is not in an assetfs mount", path);
        return;
    }
    state[n] = '\0';
    if (!S_ISREG(st.st_mode))
        log_error("%s: only files have an address", path);
    else if (strcmp(state, "durable") != 0)
        log_error("%s is not in the bucket yet (%s); run \"assetfs sync\" first", path, state);
    else if (st.st_size == 0)
        log_error("%s is empty: it has no object in the bucket, and so no address", path);
    else
        log_error("%s: objects of this bucket have no address", path);
}

static int print_url(const char *path) {
    CLEANUP_FREE char *url = xmalloc(URL_MAX + 1);
    ssize_t n = getxattr(path, "user.assetfs.url", url, URL_MAX);
    if (n > 0) {
        printf("%.*s\n", (int)n, url);
        return STATUS_DONE;
    }
    if (n == 0 || errno == ENODATA || errno == EOPNOTSUPP)
        explain(path);
    else
        log_errno(-errno, "%s", path);
    return STATUS_FAILED;
}

static int run_url(int argc, char **argv) {
    static const struct option options[] = {{0}};
    int status = STATUS_DONE;
    if (getopt_long(argc, argv, "", options, NULL) != -1)
        return command_usage_error(&cmd_url, NULL);
    if (optind == argc)
        return command_usage_error(&cmd_url, "expected a PATH");
    for (int i = optind; i < argc; i++)
        if (print_url(argv[i]) != STATUS_DONE)
            status = STATUS_FAILED;
    return status;
}

const struct command cmd_url = {
    .name = "url",
    .usage = "PATH...",
    .summary = "print the address of a file's content",
    .run = run_url,
};
