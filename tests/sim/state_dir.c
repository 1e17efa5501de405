/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state_dir.h"
#include "base/base.h"
#include "tmpdir.h"

#include <dlfcn.h>
#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* real_x(): what a function of this file stands in for. */
#define REAL(name, symbol)                                   \
    static __typeof__(&symbol) name(void) {                  \
        static __typeof__(&symbol) found;                    \
        void *p = found ? NULL : dlsym(RTLD_NEXT, #symbol);  \
        if (p)                                               \
            memcpy(&found, &p, sizeof p);                    \
        return found;                                        \
    }
REAL(real_open, sqlite3_open_v2)
REAL(real_close, sqlite3_close)
REAL(real_prepare, sqlite3_prepare_v3)
REAL(real_finalize, sqlite3_finalize)
REAL(real_exec, sqlite3_exec)

#define SLOTS 16
#define KEPT 2              /* databases in one: tree.db, blocks.db */
#define STATEMENTS_MAX 256
#define WAL_MAX (4 << 20)   /* then it is written back */
#define ROOM_MIN ((uint64_t)256 << 20)

struct kept {
    sqlite3 *sql;
    char *path;
    ino_t ino; /* a damaged one may be set aside */
    bool used;
    size_t n;
    sqlite3_stmt *statements[STATEMENTS_MAX]; /* all that were prepared to stay */
    const char *texts[STATEMENTS_MAX];        /* of static storage: found by their address */
    sqlite3_stmt *emptying[64];
    size_t n_emptying;
    const char *settings[8]; /* pragmas that hold for the connection */
    size_t n_settings;
};

struct slot {
    char *dir;
    bool used;
    struct kept kept[KEPT];
};

static struct slot slots[SLOTS];
static char *all;
static pid_t maker;

/* The directories */

static void remove_all(void) {
    if (getpid() == maker) /* a child may fail; its parent goes on */
        tmpdir_free(all);
}

void state_dirs_make(void) {
    struct statvfs room;
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &room) == 0 && (uint64_t)room.f_bavail * room.f_frsize >= ROOM_MIN)
        setenv("TMPDIR", "/dev/shm", 1);
    all = tmpdir_new();
    maker = getpid();
    atexit(remove_all);
    disk_without_locks();
    setenv("TMPDIR", all, 1);
}


char *state_dir_new(bool kept) {
    for (size_t i = 0; kept && i < SLOTS; i++) {
        struct slot *s = &slots[i];
        if (s->used)
            continue;
        if (!s->dir)
            s->dir = tmpdir_new();
        s->used = true;
        return xstrdup(s->dir);
    }
    return tmpdir_new();
}

static struct slot *slot_of(const char *dir) {
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].dir && !strcmp(slots[i].dir, dir))
            return &slots[i];
    return NULL;
}

static bool is_of_database(const char *name) {
    return !strncmp(name, "tree.db", 7) || !strncmp(name, "blocks.db", 9);
}

static int remove_file(const char *path, const struct stat *st ATTR_UNUSED, int kind, struct FTW *at) {
    bool stays = (kind == FTW_DP && at->level <= 1) || (at->level == 1 && is_of_database(path + at->base));
    return stays ? 0 : remove(path);
}

/* The databases */

static struct kept *kept_of(const sqlite3 *sql) {
    for (size_t i = 0; i < SLOTS; i++)
        for (size_t k = 0; k < KEPT; k++)
            if (slots[i].kept[k].sql == sql)
                return &slots[i].kept[k];
    return NULL;
}

static void drop(struct kept *k) {
    for (size_t i = 0; i < k->n; i++)
        real_finalize()(k->statements[i]);
    for (size_t i = 0; i < k->n_emptying; i++)
        real_finalize()(k->emptying[i]);
    real_close()(k->sql);
    free(k->path);
    *k = (struct kept){0};
}

static ino_t ino_of(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Where a connection to this path is or will be kept; NULL: nowhere. */
static struct kept *place_of(const char *path) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (!slash || (strcmp(slash, "/tree.db") && strcmp(slash, "/blocks.db")))
        return NULL;
    CLEANUP_FREE char *dir = xstrndup(path, (size_t)(slash - path));
    struct slot *s = slot_of(dir);
    return s && s->used ? &s->kept[slash[1] == 'b'] : NULL;
}

int sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs) {
    struct kept *k = !vfs && (flags & SQLITE_OPEN_CREATE) ? place_of(path) : NULL;
    if (k && k->sql && !k->used && k->ino != ino_of(path))
        drop(k);
    if (k && k->sql && !k->used) {
        k->used = true;
        *ret = k->sql;
        return SQLITE_OK;
    }
    int rc = real_open()(path, ret, flags, vfs);
    if (rc == SQLITE_OK && k && !k->sql)
        *k = (struct kept){.sql = *ret, .path = xstrdup(path), .used = true};
    return rc;
}

int sqlite3_close(sqlite3 *sql) {
    struct kept *k = sql ? kept_of(sql) : NULL;
    if (!k)
        return real_close()(sql);
    if (!sqlite3_get_autocommit(sql))
        sqlite3_exec(sql, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_wal_hook(sql, NULL, NULL);
    k->ino = ino_of(k->path);
    k->used = false;
    return SQLITE_OK;
}

int sqlite3_prepare_v3(sqlite3 *sql, const char *text, int n, unsigned flags, sqlite3_stmt **ret, const char **ret_tail) {
    struct kept *k = (flags & SQLITE_PREPARE_PERSISTENT) && n < 0 && !ret_tail ? kept_of(sql) : NULL;
    for (size_t i = 0; k && i < k->n; i++)
        if (k->texts[i] == text && !strcmp(sqlite3_sql(k->statements[i]), text)) {
            *ret = k->statements[i];
            return SQLITE_OK;
        }
    int rc = real_prepare()(sql, text, n, flags, ret, ret_tail);
    if (rc == SQLITE_OK && k && k->n < STATEMENTS_MAX) {
        k->texts[k->n] = text;
        k->statements[k->n++] = *ret;
    }
    return rc;
}

int sqlite3_finalize(sqlite3_stmt *s) {
    struct kept *k = s ? kept_of(sqlite3_db_handle(s)) : NULL;
    for (size_t i = 0; k && i < k->n; i++)
        if (k->statements[i] == s) {
            sqlite3_reset(s);
            sqlite3_clear_bindings(s);
            return SQLITE_OK;
        }
    return real_finalize()(s);
}

int sqlite3_exec(sqlite3 *sql, const char *text, int (*row)(void *, int, char **, char **), void *arg, char **ret_why) {
    struct kept *k = !strncmp(text, "PRAGMA journal_mode", 19) || !strncmp(text, "PRAGMA page_size", 16) ? kept_of(sql) : NULL;
    for (size_t i = 0; k && i < k->n_settings; i++)
        if (!strcmp(k->settings[i], text))
            return SQLITE_OK;
    int rc = real_exec()(sql, text, row, arg, ret_why);
    if (rc == SQLITE_OK && k && k->n_settings < ARRAY_SIZE(k->settings))
        k->settings[k->n_settings++] = text;
    return rc;
}

static void must_prepare(struct kept *k, const char *text) {
    if (k->n_emptying == ARRAY_SIZE(k->emptying) || real_prepare()(k->sql, text, -1, SQLITE_PREPARE_PERSISTENT, &k->emptying[k->n_emptying++], NULL) != SQLITE_OK) {
        fprintf(stderr, "state_dir: %s: %s\n", text, sqlite3_errmsg(k->sql));
        abort();
    }
}

/* As it was made, and closed without a fault. Row by row (WHERE): to truncate a table writes its pages even if it is empty. */
static void prepare_emptying(struct kept *k) {
    sqlite3_stmt *s;
    must_prepare(k, "BEGIN IMMEDIATE");
    if (real_prepare()(k->sql, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid", -1, 0, &s, NULL) != SQLITE_OK)
        abort();
    while (sqlite3_step(s) == SQLITE_ROW) {
        CLEANUP_FREE char *text = xasprintf("DELETE FROM %s WHERE 1", (const char *)sqlite3_column_text(s, 0));
        must_prepare(k, text);
    }
    real_finalize()(s);
    if (strstr(k->path, "/blocks.db"))
        must_prepare(k, "INSERT INTO state(one, bytes, protected_bytes, last_used, clean) VALUES(1, 0, 0, 0, 1)");
    must_prepare(k, "COMMIT");
}

static void write_back(struct kept *k) {
    CLEANUP_FREE char *wal = xasprintf("%s-wal", k->path);
    struct stat st;
    if (stat(wal, &st) == 0 && st.st_size > WAL_MAX)
        sqlite3_exec(k->sql, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
}

static void empty(struct kept *k) {
    if (!k->n_emptying)
        prepare_emptying(k);
    for (size_t i = 0; i < k->n_emptying; i++) {
        int rc = sqlite3_step(k->emptying[i]);
        sqlite3_reset(k->emptying[i]);
        if (rc != SQLITE_DONE) {
            fprintf(stderr, "state_dir: %s: %s\n", sqlite3_sql(k->emptying[i]), sqlite3_errmsg(k->sql));
            abort();
        }
    }
    write_back(k);
}

void state_dir_free(char *dir) {
    struct slot *s = dir ? slot_of(dir) : NULL;
    if (!s) {
        tmpdir_free(dir);
        return;
    }
    for (size_t i = 0; i < KEPT; i++) {
        struct kept *k = &s->kept[i];
        if (k->used) {
            fprintf(stderr, "state_dir: %s is still open\n", k->path);
            abort();
        }
        if (k->sql && k->ino != ino_of(k->path))
            drop(k);
        if (k->sql)
            empty(k);
    }
    if (nftw(dir, remove_file, 16, FTW_DEPTH | FTW_PHYS) != 0)
        abort();
    s->used = false;
    free(dir);
}
