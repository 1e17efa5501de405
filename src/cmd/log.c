/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs log: what was committed to the volume, newest first.
 */
#include "base/log.h"
#include "cmd/command.h"
#include "fs/control.h"
#include <getopt.h>

#define DEFAULT_ENTRIES 20

struct output {
    bool json;
    bool gone; /* nobody reads any more (a pager that was left) */
};

static void print_line(void *arg, const char *line) {
    struct output *o = arg;
    if (!o->json && !strncmp(line, "text ", 5))
        line += 5;
    if (!o->gone && puts(line) < 0)
        o->gone = true;
}

static int ask(const char *path, unsigned long n, bool json) {
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_FREE char *request = xasprintf("log %s%lu", json ? "" : "text ", n);
    CLEANUP_BUF struct buf last = BUF_INIT(65536);
    struct output out = {.json = json};
    int r = control_find(path, &socket);
    if (r == 0)
        r = control_ask(socket, request, print_line, &out, &last);
    if (r == 0 && !strncmp(buf_str(&last), "error ", 6)) {
        log_error("%s: %s", path, buf_str(&last) + 6);
        return STATUS_FAILED;
    }
    if (r < 0) {
        log_error("%s: %s", path, r == -ENODATA ? "not an assetfs mount" : strerror(-r));
        return STATUS_FAILED;
    }
    return STATUS_DONE;
}

static int run_log(int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    unsigned long n = DEFAULT_ENTRIES;
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "n:", options, NULL)) != -1;) {
        char *end = NULL;
        if (c == 'j')
            json = true;
        else if (c != 'n')
            return command_usage_error(&cmd_log, NULL);
        else if ((n = strtoul(optarg, &end, 10)), *end || end == optarg || *optarg == '-' || n > 1000000)
            return command_usage_error(&cmd_log, "-n %s: not a number of entries", optarg);
    }
    if (argc - optind != 1)
        return command_usage_error(&cmd_log, "expected one MOUNTPOINT");
    return ask(argv[optind], n, json);
}

const struct command cmd_log = {
    .name = "log",
    .usage = "[-n N] [--json] MOUNTPOINT",
    .summary = "print what was committed to the volume, newest first",
    .help = "  -n N             so many entries (default: 20)\n"
            "  --json           one JSON object a line\n",
    .run = run_log,
};
