/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs status: what a mount, or every mount, is doing.
 */
#include "cmd/command.h"
#include "base/log.h"
#include "cmd/mounts.h"
#include "fs/control.h"
#include <getopt.h>

struct status {
    bool json, watch;
    const char *path; /* NULL: every mount */
    struct buf out;   /* of one round, written at once so that a watched screen does not flicker */
};

static void on_line(void *arg, const char *line) {
    struct status *s = arg;
    if (strncmp(line, "text", 4) == 0 && (line[4] == ' ' || !line[4]))
        line += line[4] ? 5 : 4;
    buf_printf(&s->out, "%s\n", line);
}

/* 0, or a negative errno (control_ask()'s; -EREMOTEIO with a sentence in why). */
static int ask(struct status *s, const char *socket, struct buf *why) {
    CLEANUP_BUF struct buf answer = BUF_INIT(1 << 16);
    int r = control_ask(socket, s->json ? "status" : "status text", on_line, s, &answer);
    if (r < 0)
        return r;
    const char *a = buf_str(&answer);
    if (strncmp(a, "error", 5) != 0)
        return 0;
    buf_append_str(why, strlen(a) > 6 ? a + 6 : "the daemon could not say what went wrong");
    return -EREMOTEIO;
}

static int round_of_one(struct status *s) {
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 16);
    if (command_find_mount(s->path, &socket) < 0)
        return STATUS_FAILED;
    int r = ask(s, socket, &why);
    return r < 0 ? command_ask_error(s->path, r, buf_str(&why)) : STATUS_DONE;
}

/* Another user's mount is named and no more: that is not an error. */
static int one_of_all(struct status *s, const struct mount_entry *m) {
    CLEANUP_FREE char *socket = NULL;
    CLEANUP_BUF struct buf why = BUF_INIT(1 << 16);
    if (s->out.len > 0 && !s->json)
        buf_append_byte(&s->out, '\n');
    int r = control_find(m->target, &socket);
    if (r == 0)
        r = ask(s, socket, &why);
    if (r == 0)
        return STATUS_DONE;
    const char *what = r == -EACCES     ? "another user's mount"
                       : r == -ENOTCONN ? "DEAD: its daemon is gone"
                                        : strerrordesc_np(-r);
    if (r == -EREMOTEIO)
        what = buf_str(&why);
    if (s->json && r != -EACCES)
        log_error("%s: %s", m->target, what);
    if (!s->json)
        buf_printf(&s->out, "%s on %s\n  %s\n", m->source, m->target, what);
    return r == -EACCES ? STATUS_DONE : STATUS_FAILED;
}

static bool is_hidden(const struct mount_list *l, size_t i) {
    for (size_t j = i + 1; j < l->n; j++)
        if (strcmp(l->entries[j].target, l->entries[i].target) == 0)
            return true;
    return false;
}

static int round_of_all(struct status *s) {
    CLEANUP_MOUNTS struct mount_list l = {0};
    int r = mounts_read(&l), status = STATUS_DONE;
    if (r < 0) {
        log_errno(r, "cannot read the list of mounts");
        return STATUS_FAILED;
    }
    for (size_t i = 0; i < l.n; i++)
        if (!is_hidden(&l, i) && one_of_all(s, &l.entries[i]) != STATUS_DONE)
            status = STATUS_FAILED;
    if (l.n == 0 && !s->json)
        buf_append_str(&s->out, "no assetfs is mounted\n");
    return status;
}

static int one_round(struct status *s) {
    buf_reset(&s->out);
    int status = s->path ? round_of_one(s) : round_of_all(s);
    if (s->watch && isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
    if (s->out.len > 0)
        fwrite(s->out.data, 1, s->out.len, stdout);
    return fflush(stdout) == 0 ? status : STATUS_FAILED;
}

/* Ends by a signal, or when the one mount that is watched is no more. */
static int watch(struct status *s) {
    int status;
    do
        status = one_round(s);
    while ((status == STATUS_DONE || !s->path) && !ferror(stdout) && sleep(1) == 0);
    return status;
}

static int run_status(int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"watch", no_argument, NULL, 'w'}, {0}};
    struct status s = {.out = BUF_INIT(64 << 20)};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'j')
            s.json = true;
        else if (c == 'w')
            s.watch = true;
        else
            return command_usage_error(&cmd_status, NULL);
    }
    if (argc - optind > 1)
        return command_usage_error(&cmd_status, "expected at most one MOUNTPOINT");
    s.path = argv[optind];
    int status = s.watch ? watch(&s) : one_round(&s);
    buf_free(&s.out);
    return status;
}

const struct command cmd_status = {
    .name = "status",
    .usage = "[--json] [--watch] [MOUNTPOINT]",
    .summary = "show what a mount, or every mount, is doing",
    .help = "  --json           one line of JSON for each mount\n"
            "  --watch          again every second, until interrupted\n",
    .run = run_status,
};
