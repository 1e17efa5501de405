/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mem_path.h"
#include <assert.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

struct place {
    uint64_t dir;
    const char *name;
    size_t n;
};

static struct place find(const struct mem_tree *t, const char *path) {
    struct place at = {.dir = ROOT_INO, .name = path};
    for (const char *slash; (slash = strchr(at.name, '/')); at.name = slash + 1) {
        at.dir = mem_tree_name(t, at.dir, at.name, (size_t)(slash - at.name));
        assert(at.dir);
    }
    at.n = strlen(at.name);
    return at;
}

static void set(struct mem_tree *t, const char *path, uint64_t ino) {
    struct place at = find(t, path);
    mem_tree_set_name(t, at.dir, at.name, at.n, ino);
}

static void make(struct mem_tree *t, const char *path, uint64_t ino, uint32_t mode, const char *text) {
    CLEANUP_RECORD struct record rec;
    mem_record(&rec, mode, text);
    mem_tree_set_inode(t, ino, &rec);
    set(t, path, ino);
}

uint64_t mem_path_ino(const struct mem_tree *t, const char *path) {
    if (!*path)
        return ROOT_INO;
    struct place at = find(t, path);
    return mem_tree_name(t, at.dir, at.name, at.n);
}

struct record *mem_path_record(const struct mem_tree *t, const char *path) {
    return mem_tree_inode(t, mem_path_ino(t, path));
}

void mem_path_mkdir(struct mem_tree *t, const char *path, uint64_t ino) {
    make(t, path, ino, S_IFDIR | MEM_DIR_MODE, NULL);
}

void mem_path_create(struct mem_tree *t, const char *path, uint64_t ino, const char *content) {
    make(t, path, ino, S_IFREG | MEM_FILE_MODE, content);
}

void mem_path_symlink(struct mem_tree *t, const char *path, uint64_t ino, const char *target) {
    make(t, path, ino, S_IFLNK | 0777, target);
}

void mem_path_write(struct mem_tree *t, const char *path, const char *content) {
    struct record *rec = mem_path_record(t, path);
    CLEANUP_RECORD struct record now;
    mem_record(&now, rec->mode, content);
    record_take_content(rec, &now);
}

void mem_path_chmod(struct mem_tree *t, const char *path, uint32_t permissions) {
    struct record *rec = mem_path_record(t, path);
    rec->mode = (rec->mode & S_IFMT) | permissions;
}

void mem_path_remove(struct mem_tree *t, const char *path) {
    set(t, path, 0);
    mem_tree_prune(t);
}

void mem_path_rename(struct mem_tree *t, const char *from, const char *to) {
    uint64_t ino = mem_path_ino(t, from);
    struct place at = find(t, to); /* before the source is gone: both are seen by the same call */
    set(t, from, 0);
    mem_tree_set_name(t, at.dir, at.name, at.n, ino);
    mem_tree_prune(t);
}

void mem_path_exchange(struct mem_tree *t, const char *a, const char *b) {
    struct place x = find(t, a), y = find(t, b);
    uint64_t i = mem_path_ino(t, a), j = mem_path_ino(t, b);
    mem_tree_set_name(t, x.dir, x.name, x.n, j);
    mem_tree_set_name(t, y.dir, y.name, y.n, i);
}

void mem_path_link(struct mem_tree *t, const char *from, const char *to) {
    set(t, to, mem_path_ino(t, from));
}

void mem_path_save(struct mem_tree *t, const char *path, uint64_t ino, const char *content) {
    mem_path_create(t, ".tmp", ino, content);
    mem_path_rename(t, ".tmp", path);
}

static void print_name(const struct merge_row *row, struct buf *b) {
    static const char mark[] = " (conflicted copy, ";
    const char *at = memmem(row->name, row->n, mark, strlen(mark));
    if (!at) {
        buf_append(b, row->name, row->n);
        return;
    }
    const char *host = at + strlen(mark);
    buf_printf(b, "%.*s~%.*s%s", (int)(at - row->name), row->name, (int)strcspn(host, " "), host,
               strchr(host, ')') + 1);
}

static void print_row(const struct mem_tree *t, const struct merge_row *row, const char *above,
                      struct buf *b) {
    const struct record *rec = mem_tree_inode(t, row->ino);
    uint32_t usual = S_ISDIR(rec->mode) ? MEM_DIR_MODE : S_ISLNK(rec->mode) ? 0777 : MEM_FILE_MODE;
    buf_printf(b, "%s%s", b->len ? " " : "", above);
    print_name(row, b);
    if ((rec->mode & 07777) != usual)
        buf_append_str(b, "*");
    if (S_ISDIR(rec->mode))
        buf_append_str(b, "/");
    else if (S_ISLNK(rec->mode))
        buf_printf(b, "->%s", rec->target);
    else
        buf_printf(b, "=%s", rec->content ? rec->content->key : "");
    if (mem_tree_row_of(t, row->ino) != row)
        buf_append_str(b, "(link)");
}

static void print_dir(const struct mem_tree *t, uint64_t dir, const char *above, struct buf *b) {
    for (size_t i = 0; i < t->n_names; i++) {
        const struct merge_row *row = &t->names[i];
        if (row->parent != dir)
            continue;
        print_row(t, row, above, b);
        if (!S_ISDIR(mem_tree_inode(t, row->ino)->mode))
            continue;
        CLEANUP_BUF struct buf below = BUF_INIT(PATH_BYTES);
        buf_append_str(&below, above);
        print_name(row, &below);
        buf_append_str(&below, "/");
        print_dir(t, row->ino, buf_str(&below), b);
    }
}

void mem_path_print(const struct mem_tree *t, struct buf *b) {
    print_dir(t, ROOT_INO, "", b);
}
