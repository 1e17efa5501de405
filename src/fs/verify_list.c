/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/verify_list.h"
#include "tree/record.h"
#include <sqlite3.h>
#include <unistd.h>

/* Checks are put into the database together: one that is lost is done again. */
#define BATCH 256

struct verify_list {
    sqlite3 *tree, *checked;
    sqlite3_stmt *next, *has, *add;
    uint64_t seen;
    unsigned batch;
};

static int errno_of(int rc) {
    return rc == SQLITE_OK || rc == SQLITE_DONE ? 0 : rc == SQLITE_CANTOPEN ? -EACCES : rc == SQLITE_FULL ? -ENOSPC : -EIO;
}

static int open_tree(struct verify_list *l, const char *dir, uint64_t *ret_inodes) {
    CLEANUP_FREE char *path = xasprintf("%s/tree.db", dir);
    sqlite3_stmt *count = NULL;
    int rc = sqlite3_open_v2(path, &l->tree, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(l->tree, "SELECT count(*) FROM c_inode", -1, &count, NULL);
    if (rc == SQLITE_OK && sqlite3_step(count) == SQLITE_ROW)
        *ret_inodes = (uint64_t)sqlite3_column_int64(count, 0);
    sqlite3_finalize(count);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(l->tree, "SELECT rec FROM c_inode ORDER BY ino", -1, &l->next, NULL);
    return errno_of(rc);
}

static int open_checked(struct verify_list *l, const char *dir) {
    CLEANUP_FREE char *path = xasprintf("%s/checked.db", dir);
    int rc = sqlite3_open_v2(path, &l->checked, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(l->checked,
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                          "CREATE TABLE IF NOT EXISTS checked(id BLOB NOT NULL, key TEXT NOT NULL, PRIMARY KEY(id, key)) WITHOUT ROWID; BEGIN",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(l->checked, "SELECT 1 FROM checked WHERE id = ?1 AND key = ?2", -1, &l->has, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(l->checked, "INSERT OR IGNORE INTO checked(id, key) VALUES(?1, ?2)", -1, &l->add, NULL);
    return errno_of(rc);
}

int verify_list_open(const char *dir, struct verify_list **ret, uint64_t *ret_inodes) {
    struct verify_list *l = xcalloc(1, sizeof *l);
    int r = open_tree(l, dir, ret_inodes);
    if (r == 0)
        r = open_checked(l, dir);
    if (r < 0)
        l = verify_list_close(l);
    *ret = l;
    return r;
}

struct verify_list *verify_list_close(struct verify_list *l) {
    if (l->checked)
        sqlite3_exec(l->checked, "COMMIT", NULL, NULL, NULL);
    sqlite3_finalize(l->next);
    sqlite3_finalize(l->has);
    sqlite3_finalize(l->add);
    sqlite3_close(l->tree);
    sqlite3_close(l->checked);
    free(l);
    return NULL;
}

int verify_list_next(struct verify_list *l, struct content **ret, uint64_t *ret_seen) {
    int rc;
    *ret = NULL;
    while (!*ret && (rc = sqlite3_step(l->next)) == SQLITE_ROW) {
        CLEANUP_RECORD struct record rec = {0};
        int r = record_parse(sqlite3_column_blob(l->next, 0), (size_t)sqlite3_column_bytes(l->next, 0), &rec);
        if (r < 0)
            return r;
        l->seen++;
        if (rec.content && !rec.foreign)
            *ret = content_ref(rec.content);
    }
    *ret_seen = l->seen;
    return *ret ? 1 : errno_of(rc);
}

static void bind(sqlite3_stmt *s, const struct content *c) {
    sqlite3_reset(s);
    sqlite3_bind_blob(s, 1, c->id, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, c->key, -1, SQLITE_STATIC);
}

bool verify_list_has(struct verify_list *l, const struct content *c) {
    bind(l->has, c);
    bool found = sqlite3_step(l->has) == SQLITE_ROW;
    sqlite3_reset(l->has);
    return found;
}

void verify_list_add(struct verify_list *l, const struct content *c) {
    bind(l->add, c);
    sqlite3_step(l->add);
    sqlite3_reset(l->add);
    if (++l->batch % BATCH == 0)
        sqlite3_exec(l->checked, "COMMIT; BEGIN", NULL, NULL, NULL);
}

int verify_forget(const char *dir) {
    static const char *const names[] = {"tree.db", "tree.db-wal", "tree.db-shm", "checked.db", "checked.db-wal", "checked.db-shm"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", dir, names[i]);
        if (unlink(path) < 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}
