/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/db.h"
#include "base/log.h"
#include <stdarg.h>

static const char *const statements[] = {
#define X(name, sql) sql,
    STATEMENTS(X)
#undef X
};

/* c_: confirmed; p_: pending, the difference of this host's view from it; see rows.h. p_inode.work is 1 while a spool file of the inode has to be
 * hashed or uploaded. */
static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE c_inode(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL, nlink INTEGER NOT NULL, seq INTEGER NOT NULL);"
    "CREATE TABLE c_name(parent INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, type INTEGER NOT NULL,"
    " PRIMARY KEY(parent, name)) WITHOUT ROWID;"
    "CREATE INDEX c_name_ino ON c_name(ino);"
    "CREATE TABLE c_session(number INTEGER PRIMARY KEY, label TEXT, nonce BLOB);"
    "CREATE TABLE c_state(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
    "CREATE TABLE p_inode(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL, op INTEGER NOT NULL, since INTEGER NOT NULL,"
    " written INTEGER NOT NULL, after INTEGER NOT NULL, blocked INTEGER NOT NULL, spool INTEGER NOT NULL,"
    " snap INTEGER NOT NULL, stage INTEGER NOT NULL, due INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,"
    " work INTEGER GENERATED ALWAYS AS (spool > 0 OR (snap > 0 AND stage < 2)) STORED);"
    "CREATE INDEX p_inode_op ON p_inode(op) WHERE blocked = 0;"
    "CREATE INDEX p_inode_written ON p_inode(written) WHERE blocked = 1 AND written > 0;"
    "CREATE INDEX p_inode_after ON p_inode(after) WHERE after > 0;"
    "CREATE INDEX p_inode_since ON p_inode(since);"
    "CREATE INDEX p_inode_due ON p_inode(due) WHERE work = 1;"
    "CREATE TABLE p_name(parent INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL, type INTEGER NOT NULL,"
    " op INTEGER NOT NULL, since INTEGER NOT NULL, removed INTEGER NOT NULL, time INTEGER NOT NULL,"
    " ready INTEGER NOT NULL, PRIMARY KEY(parent, name)) WITHOUT ROWID;"
    "CREATE INDEX p_name_ino ON p_name(ino);"
    "CREATE INDEX p_name_ready ON p_name(op) WHERE ready = 1;"
    "CREATE INDEX p_name_since ON p_name(since);"
    "CREATE TABLE p_link(ino INTEGER PRIMARY KEY, d INTEGER NOT NULL);"
    "CREATE TABLE object(id BLOB NOT NULL, key TEXT NOT NULL, PRIMARY KEY(id, key)) WITHOUT ROWID;"
    "CREATE TABLE alias(ino INTEGER PRIMARY KEY, target INTEGER NOT NULL);"
    "CREATE TABLE held(ino INTEGER PRIMARY KEY, rec BLOB NOT NULL);"
    "CREATE TABLE inflight(one INTEGER PRIMARY KEY CHECK(one = 1), seq INTEGER NOT NULL, nonce BLOB NOT NULL,"
    " bytes BLOB NOT NULL, op INTEGER NOT NULL);";

/* What later versions added: a new database gets the first one and then these, an old one those it has not. */
static const char *const upgrades[DB_SCHEMA_VERSION - 1] = {
    /* 2: names that are held back; inodes whose object must get another key: blocked without any bytes here */
    "ALTER TABLE p_name ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX p_name_ready;"
    "CREATE INDEX p_name_ready ON p_name(op) WHERE ready = 1 AND held = 0;"
    "CREATE INDEX p_name_held ON p_name(held) WHERE held > 0;"
    "DROP INDEX p_inode_due;"
    "CREATE INDEX p_inode_due ON p_inode(due) WHERE work + blocked > 0;",
    /* 3: edits of the volume state */
    "CREATE TABLE p_state(key TEXT PRIMARY KEY, value BLOB, op INTEGER NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;",
    /* 4: rows that are fetched from a base when they are asked for (fault.h). c_session.last: the largest number in the session that the base has, 0: none */
    "CREATE TABLE c_here(dir INTEGER PRIMARY KEY);"
    "CREATE TABLE c_absent(ino INTEGER PRIMARY KEY);"
    "ALTER TABLE c_session ADD COLUMN last INTEGER NOT NULL DEFAULT 0;",
    /* 5: of a merge that waits for a close: the conflicted copy that was made meanwhile, and which content it got */
    "ALTER TABLE held ADD COLUMN copy INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE held ADD COLUMN saved BLOB;",
    /* 6: what has become of each path */
    "CREATE TABLE news(number INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, time INTEGER NOT NULL, change TEXT NOT NULL,"
    " path BLOB NOT NULL, source BLOB, was TEXT, now TEXT);"
    "CREATE INDEX news_seq ON news(seq);",
};

int sql_errno(int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return -EBADMSG;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    default:
        return -EIO;
    }
}

int db_errno(struct db *db) {
    return sql_errno(sqlite3_errcode(db->sql));
}

static int exec(struct db *db, const char *sql) {
    int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);
    return sql_errno(rc);
}

static int user_version(struct db *db, int *ret) {
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(db->sql, "PRAGMA user_version", -1, &s, NULL);
    if (rc != SQLITE_OK)
        return sql_errno(rc);
    rc = sqlite3_step(s);
    *ret = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 0 : sql_errno(rc);
}

static int prepare(struct db *db, enum statement which) {
    int rc = sqlite3_prepare_v3(db->sql, statements[which], -1, SQLITE_PREPARE_PERSISTENT, &db->stmts[which], NULL);
    if (rc != SQLITE_OK)
        log_error("tree.db: %s: %s", statements[which], sqlite3_errmsg(db->sql));
    return sql_errno(rc);
}

/* NULL if it cannot be prepared: SQLite refuses to step that. */
static sqlite3_stmt *statement(struct db *db, enum statement which) {
    if (!db->stmts[which])
        (void)prepare(db, which);
    return db->stmts[which];
}

static int set_up(struct db *db) {
    int version = 0;
    int r = exec(db, "PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                     "PRAGMA cache_size=-32768; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;");
    if (r == 0)
        r = user_version(db, &version);
    if (r < 0)
        return r;
    if (version > DB_SCHEMA_VERSION)
        return -EBADMSG;
    for (; r == 0 && version < DB_SCHEMA_VERSION; version++) {
        CLEANUP_FREE char *sql =
            xasprintf("BEGIN; %s PRAGMA user_version=%d; COMMIT;", version ? upgrades[version - 1] : schema, version + 1);
        r = exec(db, sql);
    }
    for (int i = 0; r == 0 && i <= STMT_META_GET; i++) /* those that must not fail later; the last reads the schema */
        r = prepare(db, i);
    return r == -EIO ? -EBADMSG : r;
}

static int note_wal(void *arg, sqlite3 *sql, const char *name, int pages) {
    (void)sql;
    (void)name;
    ((struct db *)arg)->wal_pages = pages;
    return SQLITE_OK;
}

static bool is_file(const struct db *db) {
    return db->path[0] == '/';
}

int db_open(struct db *db, const char *path) {
    memset(db, 0, sizeof *db);
    pthread_mutex_init(&db->checkpoint_lock, NULL);
    int rc = sqlite3_open_v2(path, &db->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    int r = rc == SQLITE_OK ? set_up(db) : rc == SQLITE_CANTOPEN ? -EACCES : sql_errno(rc);
    db->path = xstrdup(path);
    if (r == 0 && is_file(db))
        sqlite3_wal_hook(db->sql, note_wal, db);
    if (r < 0)
        db_close(db);
    return r;
}

void db_close(struct db *db) {
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(db->stmts[i]);
    sqlite3_close(db->checkpointer);
    sqlite3_close(db->sql);
    pthread_mutex_destroy(&db->checkpoint_lock);
    free(db->path);
    memset(db, 0, sizeof *db);
}

static void bind_args(sqlite3_stmt *s, const char *format, va_list ap) {
    sqlite3_reset(s);
    for (int i = 1; *format; format++, i++) {
        if (*format == 'i') {
            sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
        } else if (*format == 't') {
            sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else if (*format == 'b') {
            const void *p = va_arg(ap, const void *);
            size_t n = va_arg(ap, size_t);
            sqlite3_bind_blob64(s, i, n ? p : "", n, SQLITE_STATIC);
        } else {
            sqlite3_bind_null(s, i);
        }
    }
}

sqlite3_stmt *db_bind(struct db *db, enum statement which, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *s = statement(db, which);
    bind_args(s, format, ap);
    va_end(ap);
    return s;
}

int db_step(sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    sqlite3_reset(s);
    return sql_errno(rc);
}

void db_reset(sqlite3_stmt *s) {
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

/* One step of a statement whose arguments are bound: for those that return no rows. */
static int run_once(sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return sql_errno(rc);
}

int db_run(struct db *db, enum statement which, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *s = statement(db, which);
    bind_args(s, format, ap);
    va_end(ap);
    return run_once(s);
}

int db_begin(struct db *db) {
    return run_once(db->stmts[STMT_BEGIN]);
}

void db_rollback(struct db *db) {
    if (!sqlite3_get_autocommit(db->sql))
        run_once(db->stmts[STMT_ROLLBACK]);
}

int db_commit(struct db *db) {
    int r = run_once(db->stmts[STMT_COMMIT]);
    if (r < 0)
        db_rollback(db);
    return r;
}

int db_save(struct db *db) {
    return run_once(db->stmts[STMT_SAVE]);
}

int db_release(struct db *db) {
    return run_once(db->stmts[STMT_RELEASE]);
}

void db_back(struct db *db) {
    run_once(db->stmts[STMT_BACK]);
    run_once(db->stmts[STMT_RELEASE]);
}

static int open_checkpointer(struct db *db) {
    int rc = sqlite3_open_v2(db->path, &db->checkpointer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) /* a connection that has never read does not know of the log, and checkpoints nothing */
        rc = sqlite3_exec(db->checkpointer, "PRAGMA synchronous=NORMAL; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return 0;
    log_error("tree.db: a second connection: %s", sqlite3_errstr(rc));
    sqlite3_close(db->checkpointer);
    db->checkpointer = NULL;
    return sql_errno(rc);
}

int db_checkpoint(struct db *db) {
    if (!db->sql || !is_file(db))
        return 0;
    SCOPE_LOCK(&db->checkpoint_lock);
    int r = db->checkpointer ? 0 : open_checkpointer(db);
    return r < 0 ? r : sql_errno(sqlite3_wal_checkpoint_v2(db->checkpointer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

int64_t db_meta_int(struct db *db, const char *key, int64_t none) {
    sqlite3_stmt *s = db_bind(db, STMT_META_GET, "t", key);
    if (db_step(s) == 1)
        none = sqlite3_column_int64(s, 0);
    db_reset(s);
    return none;
}

int db_meta_set_int(struct db *db, const char *key, int64_t v) {
    return db_run(db, STMT_META_SET, "ti", key, v);
}

int db_meta_bytes(struct db *db, const char *key, struct buf *ret) {
    sqlite3_stmt *s = db_bind(db, STMT_META_GET, "t", key);
    int r = db_step(s);
    if (r == 1)
        r = buf_append(ret, sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0));
    else if (r == 0)
        r = -ENOENT;
    db_reset(s);
    return r;
}

int db_meta_set_bytes(struct db *db, const char *key, const void *p, size_t n) {
    return db_run(db, STMT_META_SET, "tb", key, p, n);
}
