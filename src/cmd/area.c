/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs area: the rules by which a volume's objects are put, over the control socket of a live mount.
 */
#include "base/log.h"
#include "cmd/command.h"
#include "fs/control.h"
#include <getopt.h>
#include <inttypes.h>
#include <sys/stat.h>

#define ANSWER_MAX ((size_t)1 << 20)

/* PATH as the daemon takes it: what follows the mount point, each byte that is no plain character as %XX. What is not there yet may have a rule: the mount is that of the
 * deepest directory that is. */
struct place {
    char *socket;
    struct buf path;
};

static void place_free(struct place *p) {
    free(p->socket);
    buf_free(&p->path);
}

static void quote(struct buf *b, const char *s) {
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c <= 0x20 || c == 0x7f || c == '%')
            buf_printf(b, "%%%02X", c);
        else
            buf_append_byte(b, c);
    }
}

/* "a/b/c" -> "a/b" and "c" before what is in rest; false: there is nothing left to take off. */
static bool take_last(char *path, struct buf *rest) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;
    if (!*last || !strcmp(last, ".."))
        return false;
    CLEANUP_FREE char *old = rest->len ? xstrdup(buf_str(rest)) : xstrdup("");
    buf_reset(rest);
    buf_printf(rest, "%s%s%s", last, *old ? "/" : "", old);
    if (!slash)
        strcpy(path, ".");
    else
        slash[slash == path] = '\0';
    return true;
}

/* From a directory in the mount up to its root: what cannot be looked at is not the root. */
static int up_to_mount(char *path, struct buf *rest) {
    struct stat here, above;
    if (stat(path, &here) < 0)
        return -errno;
    for (;;) {
        CLEANUP_FREE char *up = xasprintf("%s/..", path);
        if (!strcmp(path, "/"))
            return 0;
        if (stat(up, &above) < 0)
            return -errno;
        if (above.st_dev != here.st_dev)
            return 0;
        if (!take_last(path, rest))
            return -EINVAL;
    }
}

/* The same for what is there, whatever it is: a file only where `files`. */
static int path_in_mount(char *path, bool files, struct buf *rest) {
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode) && !(files && take_last(path, rest)))
        return -ENOTDIR;
    return up_to_mount(path, rest);
}

static int find_place(const char *text, bool files, struct place *ret) {
    CLEANUP_FREE char *path = xmalloc(strlen(text) + 2), *real = NULL;
    CLEANUP_BUF struct buf rest = BUF_INIT(65536);
    strcpy(path, *text ? text : ".");
    *ret = (struct place){.path = BUF_INIT(65536)};
    while (!(real = realpath(path, NULL)))
        if (errno != ENOENT || !take_last(path, &rest)) {
            log_errno(errno ? -errno : -ENOENT, "%s", text);
            return -ENOENT;
        }
    int r = command_find_mount(real, &ret->socket);
    if (r < 0)
        return r;
    r = path_in_mount(real, files, &rest);
    if (r == -ENOTDIR)
        log_error("%s is no directory: an area is a directory with all that is in it; give the rule to the directory, or put the file into one of its own", text);
    else if (r < 0)
        log_errno(r, "%s", text);
    else
        quote(&ret->path, rest.len ? buf_str(&rest) : "/");
    return r;
}

/* What is asked, and how the answer is shown. */
struct ask {
    const char *path;
    bool json, quiet;
    bool shown; /* a progress line, to be ended */
};

static void on_line(void *arg, const char *line) {
    struct ask *a = arg;
    uint64_t files, moved;
    if (!strncmp(line, "text ", 5)) {
        puts(line + 5);
    } else if (sscanf(line, "progress %" SCNu64 " %" SCNu64, &files, &moved) == 2) {
        if (a->quiet)
            return;
        fprintf(stderr, "\r%" PRIu64 " files looked at, %" PRIu64 " moved", files, moved);
        a->shown = true;
    } else if (a->json) {
        puts(line);
    }
}

static int show_end(const struct ask *a, const char *last) {
    uint64_t files, moved;
    if (!strncmp(last, "error ", 6)) {
        log_error("%s", last + 6);
        return STATUS_FAILED;
    }
    if (!strncmp(last, "left 0 0 ", 9)) {
        log_warning("%s: %s", a->path, last + 9);
        return STATUS_NOT_DURABLE;
    }
    if (sscanf(last, "done %" SCNu64 " %" SCNu64, &files, &moved) == 2)
        printf("%" PRIu64 " file%s looked at, %" PRIu64 " moved to where the rules say.\n", files, files == 1 ? "" : "s", moved);
    else if (!strncmp(last, "done ", 5))
        log_warning("%s: %s", a->path, last + 5);
    return STATUS_DONE;
}

static int ask(const char *socket, const char *request, struct ask *a) {
    CLEANUP_BUF struct buf last = BUF_INIT(ANSWER_MAX);
    int r = control_ask(socket, request, on_line, a, &last);
    if (a->shown)
        fprintf(stderr, "\r\033[K");
    return r < 0 ? command_ask_error(a->path, r, NULL) : show_end(a, buf_str(&last));
}

static int ask_about(const char *verb, const char *path, char *const *words, int n, struct ask *a) {
    struct place at;
    CLEANUP_BUF struct buf request = BUF_INIT(1 << 20);
    int r = find_place(path, !strcmp(verb, "apply"), &at);
    if (r == 0) {
        buf_printf(&request, "area %s %s", verb, buf_str(&at.path));
        for (int i = 0; i < n; i++) {
            buf_append_byte(&request, ' ');
            quote(&request, words[i]);
        }
        r = ask(at.socket, buf_str(&request), a);
    } else {
        r = STATUS_FAILED;
    }
    place_free(&at);
    return r;
}

static int run_list(const char *path, bool json) {
    CLEANUP_FREE char *socket = NULL;
    struct ask a = {.path = path, .json = json, .quiet = true};
    if (command_find_mount(path, &socket) < 0)
        return STATUS_FAILED;
    return ask(socket, json ? "area list json" : "area list", &a);
}

static int run_area(int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    bool json = false;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (c != 'j')
            return command_usage_error(&cmd_area, NULL);
        json = true;
    }
    const char *verb = optind < argc ? argv[optind] : "";
    int at = optind + 1;
    if (at < argc && !strcmp(verb, "list") && !strcmp(argv[at], "--json")) {
        json = true;
        at++;
    }
    int n = argc - at;
    struct ask a = {.path = n > 0 ? argv[at] : "", .quiet = strcmp(verb, "apply") != 0 || !isatty(STDERR_FILENO)};
    if (!strcmp(verb, "list") && n == 1)
        return run_list(argv[at], json);
    if (json)
        return command_usage_error(&cmd_area, "--json is for list");
    if (!strcmp(verb, "set") && n >= 1)
        return ask_about("set", argv[at], argv + at + 1, n - 1, &a);
    if ((!strcmp(verb, "remove") || !strcmp(verb, "apply")) && n == 1)
        return ask_about(verb, argv[at], NULL, 0, &a);
    return command_usage_error(&cmd_area, "expected set PATH RULE..., remove PATH, list MOUNTPOINT or apply PATH");
}

const struct command cmd_area = {
    .name = "area",
    .usage = "set PATH [NAME=VALUE...] | remove PATH | list [--json] MOUNTPOINT | apply PATH",
    .summary = "rules by which objects are put: public or signed, keys, headers, encryption",
    .help = "  set PATH RULE    objects of files at PATH and below it are put by this rule from now on; what is not given is the default\n"
            "  remove PATH      the rule goes\n"
            "  list MOUNTPOINT  all rules; --json: one JSON object a line\n"
            "  apply PATH       put the older objects of a file, or of all files below a directory, anew, where the rules say\n"
            "\n"
            "  access=open|signed             who may read: whoever has a link, or a signed one (default: signed)\n"
            "  key=TEMPLATE                   of {area} {sha256} {sha256:N} {ext} {date} {timestamp} (default: {area}/{sha256}{ext})\n"
            "  class=NAME                     storage class\n"
            "  cache-control=TEXT             (default: public, max-age=31536000, immutable)\n"
            "  disposition=TEXT               Content-Disposition\n"
            "  active=attachment|inline       in open areas, what a browser runs (.html, .svg) is saved (default) or shown\n"
            "  meta.NAME=TEXT  tag.NAME=TEXT  metadata and tags of the objects\n"
            "  encryption=bucket|sse-s3|sse-kms|sse-c  kms-key=ID  bucket-key=yes|no\n",
    .run = run_area,
};
