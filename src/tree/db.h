/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The local database DIR/tree.db: SQLite in WAL mode, one connection, prepared statements. This header knows transactions and the meta table; rows.h knows
 * what the rows mean. All of it is guarded by the tree lock.
 *
 * WAL with synchronous=NORMAL: a committed transaction survives kill -9; it survives power loss once db_checkpoint() has returned.
 */
#ifndef ASSETFS_DB_H
#define ASSETFS_DB_H

#include "base/base.h"
#include "base/buf.h"
#include <sqlite3.h>

#define DB_SCHEMA_VERSION 6

/* `since` of rows that are never committed: local.h. */
#define DB_LOCAL "9223372036854775807"
/* Of rows that wait for nothing but a close: deferred.h. */
#define DB_CALM "9223372036854775806"

/*  name, SQL. Prepared once, when it is first needed: a mount needs few of them, and to prepare all takes as long as to open the database. The first ones, up to
 *  META_GET, are prepared at open. */
#define STATEMENTS(X)                                                                                        \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(SAVE, "SAVEPOINT s")                                                                                   \
    X(RELEASE, "RELEASE s")                                                                                  \
    X(BACK, "ROLLBACK TO s")                                                                                 \
    X(META_GET, "SELECT value FROM meta WHERE key = ?1")                                                     \
    X(META_SET, "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2")     \
    X(C_NAME, "SELECT ino, type FROM c_name WHERE parent = ?1 AND name = ?2")                                \
    X(C_NAME_SET, "INSERT INTO c_name(parent, name, ino, type) VALUES(?1, ?2, ?3, ?4) "                      \
                  "ON CONFLICT(parent, name) DO UPDATE SET ino = ?3, type = ?4")                             \
    X(C_NAME_DEL, "DELETE FROM c_name WHERE parent = ?1 AND name = ?2")                                      \
    X(C_NAMES_OF, "SELECT parent, name FROM c_name WHERE ino = ?1 ORDER BY parent, name")                    \
    X(C_NAMES_AFTER, "SELECT parent, name FROM c_name WHERE ino = ?1 AND (parent, name) > (?2, ?3) ORDER BY parent, name LIMIT ?4") \
    X(C_CHILD, "SELECT name, ino FROM c_name WHERE parent = ?1")                                             \
    X(C_INODE, "SELECT rec, nlink, seq FROM c_inode WHERE ino = ?1")                                         \
    X(C_INODE_SET, "INSERT INTO c_inode(ino, rec, nlink, seq) VALUES(?1, ?2, ?3, ?4) "                       \
                   "ON CONFLICT(ino) DO UPDATE SET rec = ?2, seq = ?4")                                      \
    X(C_INODE_DEL, "DELETE FROM c_inode WHERE ino = ?1")                                                     \
    X(C_NAME_ADD, "INSERT OR IGNORE INTO c_name(parent, name, ino, type) VALUES(?1, ?2, ?3, ?4)")            \
    X(C_INODE_ADD, "INSERT OR IGNORE INTO c_inode(ino, rec, nlink, seq) VALUES(?1, ?2, ?3, ?4)")             \
    X(C_IS_HERE, "SELECT 1 FROM c_here WHERE dir = ?1")                                                      \
    X(C_HERE, "INSERT OR IGNORE INTO c_here(dir) VALUES(?1)")                                                \
    X(C_HERE_CLEAR, "DELETE FROM c_here")                                                                    \
    X(C_IS_ABSENT, "SELECT 1 FROM c_absent WHERE ino = ?1")                                                  \
    X(C_ABSENT, "INSERT OR IGNORE INTO c_absent(ino) VALUES(?1)")                                            \
    X(C_ABSENT_CLEAR, "DELETE FROM c_absent")                                                                \
    X(C_SESSION_LAST, "SELECT last FROM c_session WHERE number = ?1")                                        \
    X(C_LINK, "UPDATE c_inode SET nlink = nlink + ?2 WHERE ino = ?1")                                        \
    X(C_SESSION_SET, "INSERT INTO c_session(number, label, nonce) VALUES(?1, ?2, ?3)")                       \
    X(C_SESSION_BASE, "INSERT INTO c_session(number, label, nonce, last) VALUES(?1, ?2, ?3, ?4)")            \
    X(C_SESSION, "SELECT label FROM c_session WHERE number = ?1")                                            \
    X(C_STATE, "SELECT value FROM c_state WHERE key = ?1")                                                   \
    X(C_STATE_SET, "INSERT INTO c_state(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2") \
    X(C_STATE_DEL, "DELETE FROM c_state WHERE key = ?1")                                                     \
    X(STATES, "SELECT key FROM c_state WHERE key >= ?1 AND key < ?2 UNION SELECT key FROM p_state WHERE key >= ?1 AND key < ?2 ORDER BY key") \
    X(P_STATE, "SELECT value, op, since FROM p_state WHERE key = ?1")                                        \
    X(P_STATES, "SELECT key FROM p_state ORDER BY op")                                                       \
    X(P_STATE_SET, "INSERT INTO p_state(key, value, op, since) VALUES(?1, ?2, ?3, ?4) "                      \
                   "ON CONFLICT(key) DO UPDATE SET value = ?2, op = ?3, since = ?4")                         \
    X(P_STATE_SINCE, "UPDATE p_state SET since = ?2 WHERE key = ?1")                                         \
    X(P_STATE_DEL, "DELETE FROM p_state WHERE key = ?1")                                                     \
    X(P_SINCE_STATE, "SELECT EXISTS(SELECT 1 FROM p_state WHERE since <= ?1)")                               \
    X(C_MAX_INO, "SELECT max(ino) FROM c_inode WHERE ino >= ?1 AND ino < ?2")                                \
    X(P_MAX_INO, "SELECT max(ino) FROM p_inode WHERE ino >= ?1 AND ino < ?2")                                \
    X(P_NAME, "SELECT ino, type, op, since, removed, time, ready, held FROM p_name WHERE parent = ?1 AND name = ?2") \
    X(P_NAME_SET, "INSERT INTO p_name(parent, name, ino, type, op, since, removed, time, ready, held) "      \
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT(parent, name) DO UPDATE SET ino = ?3, " \
                  "type = ?4, op = ?5, since = ?6, removed = ?7, time = ?8, ready = ?9, held = ?10")         \
    X(P_NAME_DEL, "DELETE FROM p_name WHERE parent = ?1 AND name = ?2")                                      \
    X(P_REMOVED, "UPDATE p_name SET removed = ?2 FROM c_name c WHERE c.ino = ?1 AND p_name.parent = c.parent AND p_name.name = c.name")        \
    X(P_NAME_SINCE, "UPDATE p_name SET since = ?3 WHERE parent = ?1 AND name = ?2")                          \
    X(P_NAMES_OF, "SELECT parent, name FROM p_name WHERE ino = ?1 ORDER BY parent, name")                    \
    X(P_NAMES_AFTER, "SELECT parent, name FROM p_name WHERE ino = ?1 AND (parent, name) > (?2, ?3) ORDER BY parent, name LIMIT ?4") \
    X(P_CHILD, "SELECT name, ino FROM p_name WHERE parent = ?1")                                             \
    X(P_OVER, "SELECT 1 FROM c_name c JOIN p_name p ON p.parent = c.parent AND p.name = c.name WHERE c.ino = ?1 LIMIT 1") \
    X(P_HAS_CHILD, "SELECT 1 FROM p_name WHERE parent = ?1 AND since < " DB_LOCAL " LIMIT 1")                \
    X(P_HAS_CHILD_NOW, "SELECT 1 FROM p_name WHERE parent = ?1 AND since < " DB_LOCAL " AND held = 0 LIMIT 1") \
    X(P_READY_OF, "UPDATE p_name SET ready = ?2 WHERE ino = ?1")                                             \
    X(P_ALL_NAMES, "SELECT parent, name, ino FROM p_name WHERE since < " DB_LOCAL " ORDER BY parent, name")  \
    X(P_READY_NAMES, "SELECT parent, name, ino FROM p_name WHERE ready = 1 AND held = 0 ORDER BY op LIMIT ?1") \
    X(P_COUNT, "SELECT (SELECT count(*) FROM p_name), (SELECT count(*) FROM p_inode) + (SELECT count(*) FROM p_state)")                       \
    X(P_INODE, "SELECT rec, op, since, written, after, blocked, spool, snap, stage, due, size, mtime FROM p_inode WHERE ino = ?1") \
    X(P_INODE_SET, "INSERT INTO p_inode(ino, rec, op, since, written, after, blocked, spool, snap, stage, due, size, mtime) " \
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT(ino) DO UPDATE SET rec = ?2, op = ?3, "      \
                   "since = ?4, written = ?5, after = ?6, blocked = ?7, spool = ?8, snap = ?9, stage = ?10, due = ?11, size = ?12, mtime = ?13")         \
    X(P_INODE_DEL, "DELETE FROM p_inode WHERE ino = ?1")                                                     \
    X(P_ALL_INODES, "SELECT ino FROM p_inode WHERE since < " DB_LOCAL " ORDER BY ino")                       \
    X(P_READY_INODES, "SELECT ino FROM p_inode WHERE blocked = 0 ORDER BY op LIMIT ?1")                      \
    X(P_MIN_BLOCKED, "SELECT min(written) FROM p_inode WHERE blocked = 1 AND written > 0")                   \
    X(P_MIN_WRITTEN, "SELECT min(written) FROM p_inode WHERE written > 0 AND op >= ?1")                     \
    X(P_MIN_HELD, "SELECT min(i.written) FROM p_name n JOIN p_inode i ON i.ino = n.ino WHERE n.held > 0 AND i.snap > 0 AND i.written > 0") \
    X(P_MIN_AFTER, "SELECT min(after) FROM p_inode WHERE after > 0")                                         \
    X(P_DUE, "SELECT ino, due FROM p_inode WHERE work + blocked > 0 ORDER BY due LIMIT ?1")                  \
    X(P_WORK, "SELECT ino FROM p_inode WHERE work = 1 AND since <= ?1 ORDER BY due LIMIT ?2")                \
    X(P_SPOOLED, "SELECT ino, spool, snap, stage FROM p_inode WHERE spool > 0 OR snap > 0")                \
    X(P_NAMELESS, "SELECT 1 FROM p_inode p WHERE (spool > 0 OR snap > 0) AND since < " DB_LOCAL " AND EXISTS (SELECT 1 FROM c_inode c WHERE c.ino = p.ino) " \
                  "AND NOT EXISTS (SELECT 1 FROM c_name c WHERE c.ino = p.ino) AND NOT EXISTS (SELECT 1 FROM p_name n WHERE n.ino = p.ino) LIMIT 1") \
    X(P_DUE_NOW, "UPDATE p_inode SET due = 0 WHERE ino = ?1 AND spool > 0")                                  \
    X(P_HURRY, "UPDATE p_inode SET due = 0 WHERE work + blocked > 0 AND due < 9223372036854775807")         \
    X(P_SINCE, "SELECT EXISTS(SELECT 1 FROM p_inode WHERE since <= ?1) OR EXISTS(SELECT 1 FROM p_name WHERE since <= ?1) " \
               "OR EXISTS(SELECT 1 FROM p_state WHERE since <= ?1)")                                         \
    X(P_SINCE_INO, "SELECT EXISTS(SELECT 1 FROM p_inode WHERE ino = ?1 AND since <= ?2) OR "                 \
                   "EXISTS(SELECT 1 FROM p_name WHERE ino = ?1 AND since <= ?2)")                            \
    /* What was written while an entry was in flight is dirty since the operation after its last, and that may have left no row. */         \
    X(P_MAX_OP, "SELECT max((SELECT coalesce(max(max(op, iif(since < " DB_CALM ", since, 0))), 0) FROM p_inode), " \
                "(SELECT coalesce(max(max(op, iif(since < " DB_CALM ", since, 0))), 0) FROM p_name), " \
                "(SELECT coalesce(max(max(op, since)), 0) FROM p_state), "                                       \
                "(SELECT coalesce(max(op), 0) FROM inflight))") \
    X(P_LINK, "SELECT d FROM p_link WHERE ino = ?1")                                                         \
    X(P_LINK_ADD, "INSERT INTO p_link(ino, d) VALUES(?1, ?2) ON CONFLICT(ino) DO UPDATE SET d = d + ?2")     \
    X(P_LINK_DEL, "DELETE FROM p_link WHERE ino = ?1 AND d = 0")                                             \
    X(P_DURABLE, "SELECT EXISTS(SELECT 1 FROM p_inode WHERE blocked = 0 AND snap > 0)") /* waits for its commit */ \
    X(P_QUEUE, "SELECT count(*) FROM p_inode WHERE work + blocked > 0 AND since < " DB_LOCAL)                \
    X(P_HOMELESS, "UPDATE p_inode SET due = 0 WHERE blocked = 1 AND work = 0 AND since < " DB_LOCAL)         \
    X(P_HELD_NEXT, "SELECT min(held) FROM p_name WHERE held > 0")                                            \
    X(P_HELD_PAST, "UPDATE p_name SET held = 0 WHERE held > 0 AND held <= ?1")                               \
    X(P_HELD_ALL, "UPDATE p_name SET held = ?1 WHERE held > 0")                                              \
    X(P_HELD_WORK, "SELECT count(*) FROM p_inode WHERE work = 1 AND due > ?1 AND due < 9223372036854775807") \
    X(P_HELD_BYTES, "UPDATE p_inode SET due = ?1 WHERE work = 1 AND due > ?2 AND due < 9223372036854775807") \
    X(P_HELD_OF, "UPDATE p_name SET held = 0 WHERE ino = ?1 AND held > 0")                                   \
    X(P_HELD_IN, "UPDATE p_name SET held = 0 WHERE parent = ?1 AND held > 0")                                \
    X(P_LOCAL_COUNT, "SELECT count(*), coalesce(sum(size), 0) FROM p_inode WHERE since = " DB_LOCAL)         \
    X(P_LOCAL_ROWS, "SELECT count(*) FROM p_name WHERE since = " DB_LOCAL)                                   \
    X(P_LOCAL_IN, "SELECT name, ino, type FROM p_name WHERE since = " DB_LOCAL " AND parent = ?1 LIMIT 1")   \
    X(P_LOCAL_LOST, "SELECT parent, name, ino, type FROM p_name p WHERE since = " DB_LOCAL " AND (NOT (EXISTS(SELECT 1 FROM c_inode c " \
                    "WHERE c.ino = p.parent) OR EXISTS(SELECT 1 FROM p_inode i WHERE i.ino = p.parent)) OR EXISTS(SELECT 1 FROM c_name c " \
                    "WHERE c.ino = p.ino AND NOT EXISTS(SELECT 1 FROM p_name o WHERE o.parent = c.parent AND o.name = c.name))) LIMIT 1") \
    X(LIST, "SELECT name, ino, type FROM p_name WHERE parent = ?1 AND ino > 0 UNION ALL SELECT name, ino, type FROM c_name c " \
            "WHERE parent = ?1 AND NOT EXISTS (SELECT 1 FROM p_name p WHERE p.parent = c.parent AND p.name = c.name) ORDER BY name") \
    X(LIST_AFTER, "SELECT name, ino, type FROM p_name WHERE parent = ?1 AND name > ?2 AND ino > 0 UNION ALL SELECT name, ino, type FROM c_name c " \
            "WHERE parent = ?1 AND name > ?2 AND NOT EXISTS (SELECT 1 FROM p_name p WHERE p.parent = c.parent AND p.name = c.name) ORDER BY name LIMIT ?3") \
    X(LIST_C_AFTER, "SELECT name, ino, type FROM c_name WHERE parent = ?1 AND name > ?2 ORDER BY name LIMIT ?3") \
    X(LIST_C, "SELECT name, ino, type FROM c_name WHERE parent = ?1 ORDER BY name")                          \
    X(OBJECT, "SELECT key FROM object WHERE id = ?1")                                                        \
    X(OBJECT_SET, "INSERT OR IGNORE INTO object(id, key) VALUES(?1, ?2)")                                    \
    X(ALIAS_SET, "INSERT INTO alias(ino, target) VALUES(?1, ?2) ON CONFLICT(ino) DO UPDATE SET target = ?2") \
    X(ALIASES, "SELECT ino, target FROM alias")                                                              \
    X(ALIAS_DEL, "DELETE FROM alias WHERE ino = ?1")                                                         \
    X(HELD, "SELECT rec, copy, saved FROM held WHERE ino = ?1")                                              \
    X(HELD_SET, "INSERT INTO held(ino, rec) VALUES(?1, ?2) ON CONFLICT(ino) DO UPDATE SET rec = ?2")         \
    X(HELD_SAVED, "UPDATE held SET copy = ?2, saved = ?3 WHERE ino = ?1")                                    \
    X(HELD_COUNT, "SELECT count(*) FROM held")                                                               \
    X(HELD_DEL, "DELETE FROM held WHERE ino = ?1")                                                           \
    X(HELD_ALL, "SELECT ino FROM held")                                                                      \
    X(INFLIGHT, "SELECT seq, nonce, bytes, op FROM inflight")                                                \
    X(INFLIGHT_SET, "INSERT INTO inflight(one, seq, nonce, bytes, op) VALUES(1, ?1, ?2, ?3, ?4)")            \
    X(INFLIGHT_DEL, "DELETE FROM inflight") \
    X(NEWS, "SELECT number, seq, time, change, path, source, was, now FROM news WHERE seq > ?1 AND number > ?2 ORDER BY number LIMIT ?3") \
    X(NEWS_ADD, "INSERT INTO news(seq, time, change, path, source, was, now) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
    X(NEWS_OLD, "SELECT seq FROM news WHERE number = (SELECT max(number) FROM news) - ?1")                   \
    X(NEWS_TRIM, "DELETE FROM news WHERE seq <= ?1")                                                         \
    X(NEWS_CLEAR, "DELETE FROM news")

enum statement {
#define X(name, sql) STMT_##name,
    STATEMENTS(X)
#undef X
        STMT_COUNT
};

struct db {
    sqlite3 *sql;
    sqlite3_stmt *stmts[STMT_COUNT];
    char *path;
    int wal_pages; /* in the write-ahead log after the last commit */

    /* A second connection writes the log back into the database, beside the work of the first: its fsyncs hold up nobody. Opened for the first checkpoint. */
    pthread_mutex_t checkpoint_lock; /* guards `checkpointer`; taken without the tree lock */
    sqlite3 *checkpointer;
};

/* Above this the log should be written back: db_checkpoint(). */
#define DB_WAL_PAGES 8192

/* Opens or makes it (path, or ":memory:"). -EBADMSG: damaged, or of a newer schema. */
int db_open(struct db *, const char *path) ATTR_WARN_UNUSED;
void db_close(struct db *);

int db_begin(struct db *) ATTR_WARN_UNUSED;
/* On failure everything is rolled back. */
int db_commit(struct db *) ATTR_WARN_UNUSED;
void db_rollback(struct db *);
int db_save(struct db *) ATTR_WARN_UNUSED; /* nests */
int db_release(struct db *) ATTR_WARN_UNUSED;
void db_back(struct db *); /* undoes since the last db_save() and releases it */
/* Writes the log back, with the fsyncs that make what was committed before survive power loss. Blocks; without the tree lock, from a worker. */
int db_checkpoint(struct db *) ATTR_WARN_UNUSED;

/* A statement with its arguments, ready to step: format one letter an argument: i int64, b bytes (const void *, size_t), t text, n NULL. */
sqlite3_stmt *db_bind(struct db *, enum statement, const char *format, ...);
/* Integers must be passed as 64 bits wide.
 * Steps: 1 a row, 0 done, else a negative errno. After the last row the statement is reset. */
int db_step(sqlite3_stmt *);
/* Binds, steps once, resets. 0 or a negative errno. */
int db_run(struct db *, enum statement, const char *format, ...) ATTR_WARN_UNUSED;
void db_reset(sqlite3_stmt *);
int db_errno(struct db *);
int sql_errno(int rc); /* what a result code of SQLite is, for local files */

int64_t db_meta_int(struct db *, const char *key, int64_t none);
int db_meta_set_int(struct db *, const char *key, int64_t v) ATTR_WARN_UNUSED;
/* Appends; -ENOENT */
int db_meta_bytes(struct db *, const char *key, struct buf *ret) ATTR_WARN_UNUSED;
int db_meta_set_bytes(struct db *, const char *key, const void *p, size_t n) ATTR_WARN_UNUSED;

#endif
