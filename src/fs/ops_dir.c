/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Requests on open directories. A listing is a snapshot, taken when reading begins at the start: what a
 * program reads in pieces is one state, and a cookie is a place in it. The kernel keeps listings itself, so
 * that a second `ls` asks for nothing.
 */
#include "fs/answer.h"
#include "fs/reply.h"
#include "fs/session.h"

struct listed {
    uint64_t ino;
    uint32_t type;
    size_t name; /* offset in names */
};

/* "." and ".." are the first two entries. */
struct dir {
    pthread_mutex_t mutex; /* one descriptor may be read by several threads */
    bool taken;            /* guarded by mutex, as the rest */
    struct listed *entries;
    size_t n, room;
    char *names; /* each with its NUL */
    size_t names_len, names_room;
};

static struct dir *dir_of(const struct fuse_file_info *fi) {
    return (struct dir *)(uintptr_t)fi->fh;
}

static void grow(void *pp, size_t *room, size_t need, size_t size) {
    if (need <= *room)
        return;
    *room = MAX(need, MAX((size_t)64, *room * 2));
    void *p;
    memcpy(&p, pp, sizeof p);
    p = xrealloc(p, *room * size);
    memcpy(pp, &p, sizeof p);
}

static bool add_entry(void *arg, const struct names_entry *e) {
    struct dir *d = arg;
    grow(&d->entries, &d->room, d->n + 1, sizeof *d->entries);
    grow(&d->names, &d->names_room, d->names_len + e->n + 1, 1);
    d->entries[d->n++] = (struct listed){.ino = e->ino, .type = e->type, .name = d->names_len};
    memcpy(d->names + d->names_len, e->name, e->n);
    d->names_len += e->n;
    d->names[d->names_len++] = '\0';
    return true;
}

/* Under the mutex. */
static int take(struct session *s, struct dir *d, uint64_t ino) {
    d->n = d->names_len = 0;
    add_entry(d, &(struct names_entry){.ino = ino, .type = S_IFDIR, .name = ".", .n = 1});
    add_entry(d, &(struct names_entry){.ino = ino, .type = S_IFDIR, .name = "..", .n = 2});
    uint64_t parent = ino;
    int r = names_list(s->tree, ino, add_entry, d, &parent);
    d->entries[1].ino = parent;
    d->taken = r == 0;
    return r;
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, struct fuse_file_info *fi) {
    session_begin(req, OP_OPENDIR);
    struct dir *d = xcalloc(1, sizeof *d);
    pthread_mutex_init(&d->mutex, NULL);
    fi->fh = (uintptr_t)d;
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino ATTR_UNUSED, struct fuse_file_info *fi) {
    session_begin(req, OP_RELEASEDIR);
    struct dir *d = dir_of(fi);
    free(d->entries);
    free(d->names);
    pthread_mutex_destroy(&d->mutex);
    free(d);
    reply_err(req, 0);
}

/* An entry with the attributes of its inode; without them for "." and "..", and for one that is gone
 * meanwhile. Returns its size; nothing is done where it does not fit into room. */
static size_t add_plus(struct session *s, fuse_req_t req, char *p, size_t room, const struct listed *l,
                       const char *name, off_t next) {
    uint64_t seen = atomic_load(&s->changes);
    size_t size = fuse_add_direntry_plus(req, NULL, 0, name, NULL, 0);
    struct fuse_entry_param e = {.attr = {.st_ino = l->ino, .st_mode = l->type}};
    struct attr a;
    if (size > room)
        return size;
    if (next > 2 && names_getattr(s->tree, l->ino, &a) == 0)
        entry_param(s, &a, seen, &e);
    return fuse_add_direntry_plus(req, p, room, name, &e, next);
}

static size_t add_plain(fuse_req_t req, char *p, size_t room, const struct listed *l, const char *name,
                        off_t next) {
    return fuse_add_direntry(req, p, room, name, &(struct stat){.st_ino = l->ino, .st_mode = l->type}, next);
}

static void list(fuse_req_t req, struct session *s, uint64_t ino, size_t size, off_t off, struct dir *d,
                 bool plus) {
    CLEANUP_FREE char *p = xmalloc(size);
    size_t used = 0;
    int r = 0;
    pthread_mutex_lock(&d->mutex);
    if (off == 0 || !d->taken)
        r = take(s, d, ino);
    for (size_t i = (size_t)off; r == 0 && i < d->n; i++) {
        const struct listed *l = &d->entries[i];
        const char *name = d->names + l->name;
        size_t n = plus ? add_plus(s, req, p + used, size - used, l, name, (off_t)i + 1)
                        : add_plain(req, p + used, size - used, l, name, (off_t)i + 1);
        if (n > size - used)
            break;
        used += n;
    }
    pthread_mutex_unlock(&d->mutex);
    if (r < 0)
        reply_err(req, r);
    else
        fuse_reply_buf(req, p, used);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi) {
    list(req, session_begin(req, OP_READDIR), ino, size, off, dir_of(fi), false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                           struct fuse_file_info *fi) {
    list(req, session_begin(req, OP_READDIRPLUS), ino, size, off, dir_of(fi), true);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync ATTR_UNUSED,
                        struct fuse_file_info *fi ATTR_UNUSED) {
    struct session *s = session_begin(req, OP_FSYNCDIR);
    struct answer *a = answer_new(s, req);
    answer_started(a, file_fsync_inode(s->tree, ino, answer_done, a));
}

void ops_dir_fill(struct fuse_lowlevel_ops *ops) {
    ops->opendir = op_opendir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
    ops->releasedir = op_releasedir;
    ops->fsyncdir = op_fsyncdir;
}
