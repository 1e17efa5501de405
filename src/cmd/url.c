/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * assetfs url: the address under which a browser finds a file's content, signed if that is wanted.
 */
#include "base/buf.h"
#include "base/log.h"
#include "base/units.h"
#include "cmd/command.h"
#include "fs/control.h"
#include <fts.h>
#include <getopt.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define URL_MAX 65536
#define LINE_MAX_BYTES ((size_t)1 << 20)
#define EXPIRES_DEFAULT_NS (INT64_C(3600) * 1000000000)
#define EXPIRES_MAX_NS (INT64_C(3660) * 86400 * 1000000000)

struct ask {
    bool sign, json, recursive;
    int64_t expires_ns;
    /* The mount of the last file that was signed. */
    dev_t dev;
    char *socket;
    /* What the daemon has said of the last one. */
    char *url;
    int64_t until;
};

/* There is no address: why not? */
static void explain(const char *path, const struct stat *st) {
    char state[64];
    ssize_t n = lgetxattr(path, "user.assetfs.state", state, sizeof state - 1);
    if (n < 0) {
        log_error("%s is not in an assetfs mount", path);
        return;
    }
    state[n] = '\0';
    if (!S_ISREG(st->st_mode))
        log_error("%s: only files have an address%s", path,
                  S_ISDIR(st->st_mode) ? "; for all files below a directory there is -r" : "");
    else if (strcmp(state, "durable") != 0)
        log_error("%s is not in the bucket yet (%s); run \"assetfs sync\" first", path, state);
    else if (st->st_size == 0)
        log_error("%s is empty: it has no object in the bucket, and so no address", path);
    else
        log_error("%s: objects of this bucket have no address", path);
}

/* malloc'd, or NULL with errno. */
static char *attribute(const char *path, const char *name) {
    CLEANUP_FREE char *value = xmalloc(URL_MAX + 1);
    ssize_t n = getxattr(path, name, value, URL_MAX);
    if (n < 0)
        return NULL;
    value[n] = '\0';
    return STEAL_PTR(&value);
}

/* "url UNTIL ADDRESS" */
static void take_line(void *arg, const char *line) {
    struct ask *a = arg;
    char *end;
    if (strncmp(line, "url ", 4) != 0)
        return;
    a->until = strtoll(line + 4, &end, 10);
    free(a->url);
    a->url = *end == ' ' ? xstrdup(end + 1) : NULL;
}

static int find_mount(struct ask *a, const char *path, const struct stat *st) {
    if (a->socket && a->dev == st->st_dev)
        return 0;
    free(a->socket);
    a->socket = NULL;
    a->dev = st->st_dev;
    return command_find_mount(path, &a->socket);
}

/* Fills url and until. */
static int sign(struct ask *a, const char *path, const struct stat *st) {
    CLEANUP_BUF struct buf last = BUF_INIT(65536);
    CLEANUP_FREE char *request =
        xasprintf("url %" PRId64 " %" PRIu64, a->expires_ns / 1000000000, (uint64_t)st->st_ino);
    free(a->url);
    a->url = NULL;
    if (find_mount(a, path, st) < 0)
        return STATUS_FAILED;
    int r = control_ask(a->socket, request, take_line, a, &last);
    if (r < 0)
        return command_ask_error(path, r, NULL);
    if (a->url && !strcmp(buf_str(&last), "done"))
        return STATUS_DONE;
    log_error("%s: %s", path,
              !strncmp(buf_str(&last), "error ", 6) ? buf_str(&last) + 6 : "the daemon has no answer");
    return STATUS_FAILED;
}

static void print_json(const struct ask *a, const char *path, const struct stat *st, const char *url,
                       const char *access) {
    CLEANUP_BUF struct buf b = BUF_INIT(LINE_MAX_BYTES);
    CLEANUP_FREE char *sha256 = attribute(path, "user.assetfs.sha256"),
                      *sequence = attribute(path, "user.assetfs.sequence");
    buf_append_str(&b, "{\"path\":");
    buf_append_json(&b, path, strlen(path));
    buf_append_str(&b, ",\"url\":");
    buf_append_json(&b, url, strlen(url));
    if (a->sign)
        buf_printf(&b, ",\"expires\":%" PRId64, a->until);
    else
        buf_append_str(&b, ",\"expires\":null");
    buf_printf(&b, access ? ",\"access\":\"%s\"" : ",\"access\":null", access);
    buf_printf(&b, ",\"size\":%jd,\"sha256\":\"%s\",\"sequence\":%s}", (intmax_t)st->st_size,
               sha256 ? sha256 : "", sequence ? sequence : "null");
    if (buf_str(&b))
        puts(buf_str(&b));
}

static int print_url(struct ask *a, const char *path, const struct stat *st) {
    CLEANUP_FREE char *plain = attribute(path, "user.assetfs.url");
    if (!plain || !*plain) {
        if (plain || errno == ENODATA || errno == EOPNOTSUPP)
            explain(path, st);
        else
            log_errno(-errno, "%s", path);
        return STATUS_FAILED;
    }
    CLEANUP_FREE char *access = attribute(path, "user.assetfs.access");
    if (!a->sign && !a->json && access && !strcmp(access, "signed")) {
        log_error("%s: a link to it works only with a signature: say --sign, or let its area be open "
                  "(assetfs area)",
                  path);
        return STATUS_FAILED;
    }
    if (a->sign && sign(a, path, st) != STATUS_DONE)
        return STATUS_FAILED;
    const char *url = a->sign ? a->url : plain;
    if (a->json)
        print_json(a, path, st, url, access);
    else if (a->recursive)
        printf("%s\t%s\n", url, path);
    else
        puts(url);
    return STATUS_DONE;
}

/* Every file below a directory, in the order of names; what is mounted inside is left out. */
static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int print_tree(struct ask *a, char *path) {
    char *const paths[] = {path, NULL};
    int status = STATUS_DONE;
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, by_name);
    for (FTSENT *e; fts && (e = fts_read(fts));) {
        if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS) {
            log_errno(-e->fts_errno, "%s", e->fts_path);
            status = STATUS_FAILED;
        } else if (e->fts_info == FTS_F && print_url(a, e->fts_path, e->fts_statp) != STATUS_DONE) {
            status = STATUS_FAILED;
        }
    }
    if (fts)
        fts_close(fts);
    return fts ? status : STATUS_FAILED;
}

static int print_path(struct ask *a, char *path) {
    struct stat st;
    if (stat(path, &st) < 0) {
        log_errno(-errno, "%s", path);
        return STATUS_FAILED;
    }
    return a->recursive && S_ISDIR(st.st_mode) ? print_tree(a, path) : print_url(a, path, &st);
}

static int run_url(int argc, char **argv) {
    static const struct option options[] = {{"sign", no_argument, NULL, 's'},
                                            {"expires", required_argument, NULL, 'e'},
                                            {"json", no_argument, NULL, 'j'},
                                            {0}};
    struct ask a = {.expires_ns = -1};
    int status = STATUS_DONE;
    for (int c; (c = getopt_long(argc, argv, "r", options, NULL)) != -1;) {
        if (c == 's')
            a.sign = true;
        else if (c == 'j')
            a.json = true;
        else if (c == 'r')
            a.recursive = true;
        else if (c != 'e')
            return command_usage_error(&cmd_url, NULL);
        else if (duration_parse(optarg, &a.expires_ns) < 0 || a.expires_ns < 1000000000 ||
                 a.expires_ns > EXPIRES_MAX_NS)
            return command_usage_error(&cmd_url, "--expires %s: not a time such as 90s, 1h or 7d", optarg);
    }
    if (optind == argc)
        return command_usage_error(&cmd_url, "expected a PATH");
    if (a.expires_ns >= 0 && !a.sign)
        return command_usage_error(&cmd_url, "--expires is for signed addresses: say --sign as well");
    if (a.expires_ns < 0)
        a.expires_ns = EXPIRES_DEFAULT_NS;
    for (int i = optind; i < argc; i++)
        if (print_path(&a, argv[i]) != STATUS_DONE)
            status = STATUS_FAILED;
    free(a.socket);
    free(a.url);
    return status;
}

const struct command cmd_url = {
    .name = "url",
    .usage = "[--sign [--expires TIME]] [-r] [--json] PATH...",
    .summary = "print the address of a file's content",
    .help = "  --sign           an address that is signed by the mount's cdn_key_file=, for who has no key\n"
            "  --expires TIME   how long it is good (default: 1h)\n"
            "  -r               of all files below a directory, each with a tab and its path behind it\n"
            "  --json           one JSON object a line\n",
    .run = run_url,
};
