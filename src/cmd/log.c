/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs log: what was committed to the volume, newest first; or what has become of each path, oldest first
 * and on and on, for programs that follow it.
 */
#include "base/log.h"
#include "cmd/command.h"
#include "fs/control.h"
#include <getopt.h>
#include <inttypes.h>

#define DEFAULT_ENTRIES 20

struct output {
    bool json, flush;
    bool gone; /* nobody reads any more (a pager that was left) */
};

static void print_line(void *arg, const char *line) {
    struct output *o = arg;
    if (!o->json && !strncmp(line, "text ", 5))
        line += 5;
    if (o->gone)
        return;
    if (puts(line) < 0 || (o->flush && fflush(stdout) < 0)) {
        o->gone = true;
        if (o->flush) /* the daemon has more to say than anybody listens to */
            exit(STATUS_DONE);
    }
}

static int ask(const char *path, const char *request, struct output *out) {
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf last = BUF_INIT(65536);
    int r = control_find(path, &socket);
    if (r == 0)
        r = control_ask(socket, request, print_line, out, &last);
    if (r == 0 && !strncmp(buf_str(&last), "error ", 6)) {
        log_error("%s: %s", path, buf_str(&last) + 6);
        return STATUS_FAILED;
    }
    if (r < 0) {
        log_error(
            "%s: %s", path,
            r == -ENODATA ? "not an assetfs mount"
            : r == -EPIPE && out->flush
                ? "the mount has ended, or nobody has read its lines for ten seconds; go on with --since"
                : strerror(-r));
        return STATUS_FAILED;
    }
    return STATUS_DONE;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *ret) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end || end == text || *text == '-' || errno || n > max)
        return false;
    *ret = n;
    return true;
}

static int run_log(int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"follow", no_argument, NULL, 'f'},
                                            {"since", required_argument, NULL, 's'},
                                            {0}};
    uint64_t n = DEFAULT_ENTRIES, since = 0;
    bool follow = false, has_since = false, has_n = false;
    struct output out = {0};
    for (int c; (c = getopt_long(argc, argv, "n:", options, NULL)) != -1;) {
        if (c == 'j')
            out.json = true;
        else if (c == 'f')
            follow = true;
        else if (c == 's' && !(has_since = parse_number(optarg, INT64_MAX, &since)))
            return command_usage_error(&cmd_log, "--since %s: not a sequence number", optarg);
        else if (c == 'n' && !(has_n = parse_number(optarg, 1000000, &n)))
            return command_usage_error(&cmd_log, "-n %s: not a number of entries", optarg);
        else if (c != 's' && c != 'n')
            return command_usage_error(&cmd_log, NULL);
    }
    if (argc - optind != 1)
        return command_usage_error(&cmd_log, "expected one MOUNTPOINT");
    if (has_n && (follow || has_since))
        return command_usage_error(
            &cmd_log, "-n is for entries; with --follow or --since, which print changes, say --since");
    CLEANUP_FREE char *from = has_since ? xasprintf("%" PRIu64, since) : xstrdup("-");
    CLEANUP_FREE char *request =
        follow || has_since
            ? xasprintf("changes %s%s%s", out.json ? "" : "text ", from, follow ? " follow" : "")
            : xasprintf("log %s%" PRIu64, out.json ? "" : "text ", n);
    out.flush = follow;
    return ask(argv[optind], request, &out);
}

const struct command cmd_log = {
    .name = "log",
    .usage = "[-n N] [--json] [--since N] [--follow] MOUNTPOINT",
    .summary = "print what was committed to the volume, newest first",
    .help =
        "  -n N             so many entries (default: 20)\n"
        "  --json           one JSON object a line\n"
        "  --since N        instead: what has become of each path since the entry of number N, oldest first\n"
        "  --follow         the same, and go on with what comes from now on (or since N)\n",
    .run = run_log,
};
