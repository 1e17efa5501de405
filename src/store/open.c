/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/open.h"
#include "base/digest.h"
#include "store/dir.h"

/* %XX becomes the byte; everything else stays as people write it, spaces and UTF-8 included. NULL: a '%'
 * without two hexadecimal digits, or a NUL. */
static char *percent_decode(const char *s) {
    CLEANUP_FREE char *ret = xmalloc(strlen(s) + 1);
    char *out = ret;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '%') {
            char hex[3] = {s[1], s[1] ? s[2] : '\0', '\0'};
            if (hex_decode(hex, &c, 1) < 0 || c == '\0')
                return NULL;
            s += 2;
        }
        *out++ = (char)c;
    }
    *out = '\0';
    return STEAL_PTR(&ret);
}

static void explain_dir(int err, const char *path, bool create, struct buf *why) {
    switch (err) {
    case -ENOENT:
        buf_printf(why, "the bucket directory %s is not there: mount its disk, or make it with assetfs init",
                   path);
        break;
    case -ENODATA:
        buf_printf(
            why,
            "the directory %s is not a bucket (it has no .tmp in it): mount its disk, or make it one with "
            "assetfs init",
            path);
        break;
    case -ENOTDIR:
        buf_printf(
            why,
            "%s is not a directory, or runs through something that is none: give the path of a directory",
            path);
        break;
    case -EACCES:
    case -EPERM:
    case -EROFS:
        buf_printf(why, "the bucket directory %s cannot be %s (%s): check its owner and mode", path,
                   create ? "made" : "opened", strerror(-err));
        break;
    default:
        buf_printf(why, "the bucket directory %s cannot be %s: %s", path, create ? "made" : "opened",
                   strerror(-err));
    }
}

static int open_dir(struct env *env, struct counters *counters, const char *url, enum store_open_how how,
                    struct store_pair *ret, struct buf *why) {
    const char *rest = url + strlen("file://");
    if (*rest != '/') {
        buf_printf(why, "%s: a directory needs its absolute path after file://, as in file:///srv/bucket",
                   url);
        return -EINVAL;
    }
    CLEANUP_FREE char *path = percent_decode(rest);
    if (!path) {
        buf_printf(
            why,
            "%s: a %% must be followed by two hexadecimal digits that are not 00; write a %% itself as %%25",
            url);
        return -EINVAL;
    }
    struct store *s;
    int r = store_dir_open(env, counters, path, how, &s);
    if (r < 0) {
        explain_dir(r, path, how == STORE_OPEN_CREATE, why);
        return r;
    }
    *ret = (struct store_pair){.writer = s, .reader = s};
    return 0;
}

int store_open(struct env *env, struct counters *counters, const struct options *opt,
               enum store_open_how how, struct store_pair *ret, struct buf *why) {
    const char *url = opt->url;
    if (!strncmp(url, "file://", strlen("file://")))
        return open_dir(env, counters, url, how, ret, why);
    buf_printf(why, "%s: this build can open file:///absolute/path only", url);
    return -EINVAL;
}

void store_pair_free(struct store_pair *p) {
    if (p->reader != p->writer)
        store_free(p->reader);
    store_free(p->writer);
    *p = (struct store_pair){0};
}
