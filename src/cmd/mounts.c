/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/mounts.h"
#include "base/env.h"
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>

static void append(struct mount_list *l, const struct mntent *m) {
    l->entries = xrealloc(l->entries, (l->n + 1) * sizeof *l->entries);
    l->entries[l->n++] = (struct mount_entry){xstrdup(m->mnt_fsname), xstrdup(m->mnt_dir)};
}

int mounts_read(struct mount_list *ret) {
    char line[4 * PATH_MAX];
    struct mntent m;
    FILE *f = setmntent("/proc/self/mounts", "re");
    if (!f)
        return -errno;
    *ret = (struct mount_list){0};
    while (getmntent_r(f, &m, line, sizeof line))
        if (strcmp(m.mnt_type, "fuse.assetfs") == 0)
            append(ret, &m);
    endmntent(f);
    return 0;
}

void mounts_free(struct mount_list *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->entries[i].source);
        free(l->entries[i].target);
    }
    free(l->entries);
    *l = (struct mount_list){0};
}

size_t mounts_at(const struct mount_list *l, const char *target) {
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += strcmp(l->entries[i].target, target) == 0;
    return n;
}

static bool lies_in(const char *path, const char *dir) {
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/' || (n > 0 && dir[n - 1] == '/'));
}

const struct mount_entry *mounts_around(const struct mount_list *l, const char *path) {
    const struct mount_entry *best = NULL;
    for (size_t i = 0; i < l->n; i++)
        if (lies_in(path, l->entries[i].target) &&
            (!best || strlen(l->entries[i].target) >= strlen(best->target)))
            best = &l->entries[i];
    return best;
}

/* The kernel signals POLLPRI on mountinfo when any mount comes or goes. The file must be read again from the
 * start. */
int mounts_wait_below(const char *target, size_t n, int64_t timeout_ns) {
    CLEANUP_CLOSE int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    for (;;) {
        struct mount_list l;
        int r = fd < 0 ? -errno : mounts_read(&l);
        if (r < 0)
            return r;
        bool below = mounts_at(&l, target) < n;
        mounts_free(&l);
        if (below)
            return 0;
        struct pollfd p = {.fd = fd, .events = POLLPRI};
        if (poll(&p, 1, (int)(timeout_ns / NS_PER_MS)) == 0)
            return -ETIMEDOUT;
    }
}
