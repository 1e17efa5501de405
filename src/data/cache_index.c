/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/cache_index.h"
#include <sqlite3.h>
#include <sys/stat.h>

#define SCHEMA_VERSION 1
#define PAGE 4096

/* The two partial indexes are the two eviction orders. A reader's query must name the same condition for
 * SQLite to use them. */
#define ON_PROBATION "(here & ~protected) <> 0"
#define IS_PROTECTED "protected <> 0"
#define COLUMNS "id, span, size, here, protected, used, used_protected"

static const char schema[] =
    "CREATE TABLE span(id BLOB NOT NULL, span INTEGER NOT NULL, size INTEGER NOT NULL, here INTEGER NOT NULL,"
    "  protected INTEGER NOT NULL, used INTEGER NOT NULL, used_protected INTEGER NOT NULL,"
    "  PRIMARY KEY(id, span)) WITHOUT ROWID;"
    "CREATE INDEX span_probation ON span(used) WHERE " ON_PROBATION ";"
    "CREATE INDEX span_protected ON span(used_protected) WHERE " IS_PROTECTED ";"
    "CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), bytes INTEGER NOT NULL,"
    "  protected_bytes INTEGER NOT NULL, last_used INTEGER NOT NULL, clean INTEGER NOT NULL);"
    "INSERT INTO state VALUES(1, 0, 0, 0, 0);"
    "PRAGMA user_version = 1;";

enum stmt {
    BEGIN,
    COMMIT,
    ROLLBACK,
    GET,
    PUT,
    DELETE,
    OLDEST,
    OLDEST_PROTECTED,
    RANGE,
    ANY,
    SUMS,
    ADD_SUMS,
    CLEAN,
    SET_CLEAN,
    STMT_COUNT
};

static const char *const sql[STMT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT " COLUMNS " FROM span WHERE id = ?1 AND span = ?2",
    [PUT] = "INSERT OR REPLACE INTO span(" COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [DELETE] = "DELETE FROM span WHERE id = ?1 AND span = ?2",
    [OLDEST] =
        "SELECT " COLUMNS " FROM span INDEXED BY span_probation WHERE " ON_PROBATION " ORDER BY used LIMIT 1",
    [OLDEST_PROTECTED] = ("SELECT " COLUMNS " FROM span INDEXED BY span_protected WHERE " IS_PROTECTED
                          " ORDER BY used_protected LIMIT 1"),
    [RANGE] = "SELECT " COLUMNS " FROM span WHERE id BETWEEN ?1 AND ?2 ORDER BY id, span",
    [ANY] = "SELECT 1 FROM span WHERE id = ?1 LIMIT 1",
    [SUMS] = "SELECT bytes, protected_bytes, last_used FROM state",
    [ADD_SUMS] = ("UPDATE state SET bytes = bytes + ?1, protected_bytes = protected_bytes + ?2,"
                  " last_used = max(last_used, ?3)"),
    [CLEAN] = "SELECT clean FROM state",
    [SET_CLEAN] = "UPDATE state SET clean = ?1",
};

struct cache_index {
    sqlite3 *db;
    sqlite3_stmt *stmts[STMT_COUNT];
    bool in_transaction;
    int64_t d_bytes, d_protected, last_used; /* of the running transaction: added to `state` at its end */
};

uint64_t cache_block_bytes(uint64_t size, uint64_t block) {
    uint64_t off = block * BLOCK_SIZE;
    if (off >= size)
        return 0;
    uint64_t len = MIN(BLOCK_SIZE, size - off);
    return (len + PAGE - 1) / PAGE * PAGE;
}

uint64_t cache_span_bytes(const struct cache_span *s, uint64_t mask) {
    uint64_t last = s->size ? (s->size - 1) / BLOCK_SIZE : 0;
    uint64_t sum = (uint64_t)__builtin_popcountll(mask) * BLOCK_SIZE;
    if (last / SPAN_BLOCKS == s->span && (mask >> (last % SPAN_BLOCKS) & 1))
        sum -= BLOCK_SIZE - cache_block_bytes(s->size, last);
    return sum;
}

static int error_of(int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table that is not there: not our schema */
    case SQLITE_MISMATCH:
        return -EBADMSG;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return -EACCES;
    default:
        return -EIO;
    }
}

static int step_once(sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return error_of(rc);
}

static int user_version(sqlite3 *db, int *ret) {
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL);
    if (rc != SQLITE_OK)
        return error_of(rc);
    rc = sqlite3_step(s);
    *ret = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
    sqlite3_finalize(s);
    return error_of(rc);
}

/* Two processes may open a new cache at once: who comes second finds the schema made. */
static int make_schema(sqlite3 *db) {
    int version = 0;
    int r = error_of(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    if (r == 0)
        r = user_version(db, &version);
    if (r == 0 && version == 0)
        r = error_of(sqlite3_exec(db, schema, NULL, NULL, NULL));
    int end = error_of(sqlite3_exec(db, r == 0 ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL));
    return r < 0 ? r : end;
}

static int set_up(struct cache_index *x) {
    int version;
    sqlite3_busy_timeout(x->db, 5000);
    sqlite3_extended_result_codes(x->db, 1);
    /* NORMAL in WAL mode syncs at checkpoints only: after power loss the last rows may be missing, nothing is
     * torn. */
    int r = error_of(
        sqlite3_exec(x->db,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;"
                     "PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 2000;"
                     "PRAGMA journal_size_limit = 16777216",
                     NULL, NULL, NULL));
    if (r == 0)
        r = user_version(x->db, &version);
    if (r == 0 && version == 0)
        r = make_schema(x->db);
    else if (r == 0 && version != SCHEMA_VERSION)
        r = -EBADMSG;
    for (int i = 0; r == 0 && i < STMT_COUNT; i++)
        r = error_of(sqlite3_prepare_v3(x->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &x->stmts[i], NULL));
    return r;
}

int cache_index_open(const char *path, struct cache_index **ret) {
    struct cache_index *x = xcalloc(1, sizeof *x);
    /* NOMUTEX: db_lock is the mutex. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int r = error_of(sqlite3_open_v2(path, &x->db, flags, NULL));
    if (r == 0)
        r = set_up(x);
    struct cache_sums sums;
    if (r == 0)
        r = cache_index_sums(x, &sums);
    if (r < 0) {
        cache_index_close(x);
        return r;
    }
    *ret = x;
    return 0;
}

struct cache_index *cache_index_close(struct cache_index *x) {
    if (!x)
        return NULL;
    if (x->in_transaction)
        cache_index_rollback(x);
    for (int i = 0; i < STMT_COUNT; i++)
        sqlite3_finalize(x->stmts[i]);
    sqlite3_close(x->db);
    free(x);
    return NULL;
}

int cache_index_begin(struct cache_index *x) {
    int r = step_once(x->stmts[BEGIN]);
    if (r < 0)
        return r;
    x->in_transaction = true;
    x->d_bytes = x->d_protected = x->last_used = 0;
    return 0;
}

void cache_index_rollback(struct cache_index *x) {
    (void)step_once(x->stmts[ROLLBACK]);
    x->in_transaction = false;
    x->d_bytes = x->d_protected = x->last_used = 0;
}

int cache_index_commit(struct cache_index *x) {
    sqlite3_stmt *s = x->stmts[ADD_SUMS];
    sqlite3_bind_int64(s, 1, x->d_bytes);
    sqlite3_bind_int64(s, 2, x->d_protected);
    sqlite3_bind_int64(s, 3, x->last_used);
    int r = step_once(s);
    if (r == 0)
        r = step_once(x->stmts[COMMIT]);
    if (r < 0) {
        cache_index_rollback(x);
        return r;
    }
    x->in_transaction = false;
    x->d_bytes = x->d_protected = x->last_used = 0;
    return 0;
}

/* Reads a row; rows that cannot be (by a bug, or somebody's hand) are -EBADMSG. */
static int row_of(sqlite3_stmt *s, struct cache_span *ret) {
    if (sqlite3_column_bytes(s, 0) != DIGEST_SIZE)
        return -EBADMSG;
    memcpy(ret->id, sqlite3_column_blob(s, 0), DIGEST_SIZE);
    ret->span = (uint64_t)sqlite3_column_int64(s, 1);
    ret->size = (uint64_t)sqlite3_column_int64(s, 2);
    ret->here = (uint64_t)sqlite3_column_int64(s, 3);
    ret->protected = (uint64_t)sqlite3_column_int64(s, 4);
    ret->used = sqlite3_column_int64(s, 5);
    ret->used_protected = sqlite3_column_int64(s, 6);
    return ret->protected & ~ret->here ? -EBADMSG : 0;
}

static int one_row(sqlite3_stmt *s, struct cache_span *ret) {
    struct cache_span row;
    int rc = sqlite3_step(s);
    int r = rc == SQLITE_DONE ? -ENOENT : error_of(rc);
    if (r == 0)
        r = row_of(s, &row);
    sqlite3_reset(s);
    if (r == 0)
        *ret = row;
    return r;
}

static void bind_id(sqlite3_stmt *s, int i, const uint8_t id[DIGEST_SIZE]) {
    sqlite3_bind_blob(s, i, id, DIGEST_SIZE, SQLITE_STATIC);
}

int cache_index_get(struct cache_index *x, const uint8_t id[DIGEST_SIZE], uint64_t span,
                    struct cache_span *ret) {
    sqlite3_stmt *s = x->stmts[GET];
    bind_id(s, 1, id);
    sqlite3_bind_int64(s, 2, (int64_t)span);
    return one_row(s, ret);
}

static int delete_row(struct cache_index *x, const struct cache_span *row) {
    sqlite3_stmt *s = x->stmts[DELETE];
    bind_id(s, 1, row->id);
    sqlite3_bind_int64(s, 2, (int64_t)row->span);
    return step_once(s);
}

static int replace_row(struct cache_index *x, const struct cache_span *row) {
    sqlite3_stmt *s = x->stmts[PUT];
    bind_id(s, 1, row->id);
    sqlite3_bind_int64(s, 2, (int64_t)row->span);
    sqlite3_bind_int64(s, 3, (int64_t)row->size);
    sqlite3_bind_int64(s, 4, (int64_t)row->here);
    sqlite3_bind_int64(s, 5, (int64_t)row->protected);
    sqlite3_bind_int64(s, 6, row->used);
    sqlite3_bind_int64(s, 7, row->used_protected);
    return step_once(s);
}

int cache_index_put(struct cache_index *x, const struct cache_span *old, const struct cache_span *new) {
    int r = new->here ? replace_row(x, new) : old ? delete_row(x, new) : 0;
    if (r < 0)
        return r;
    if (old) {
        x->d_bytes -= (int64_t)cache_span_bytes(old, old->here);
        x->d_protected -= (int64_t)cache_span_bytes(old, old->protected);
    }
    x->d_bytes += (int64_t)cache_span_bytes(new, new->here);
    x->d_protected += (int64_t)cache_span_bytes(new, new->protected);
    x->last_used = MAX(x->last_used, MAX(new->used, new->used_protected));
    return 0;
}

int cache_index_oldest(struct cache_index *x, bool of_protected, struct cache_span *ret) {
    return one_row(x->stmts[of_protected ? OLDEST_PROTECTED : OLDEST], ret);
}

int cache_index_range(struct cache_index *x, const uint8_t id[DIGEST_SIZE], const uint8_t last[DIGEST_SIZE],
                      struct cache_span **ret, size_t *ret_n) {
    sqlite3_stmt *s = x->stmts[RANGE];
    struct cache_span *rows = NULL;
    size_t n = 0, cap = 0;
    int rc, r = 0;
    bind_id(s, 1, id);
    bind_id(s, 2, last);
    while (r == 0 && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        r = error_of(rc);
        if (r == 0 && n == cap) {
            cap = cap ? 2 * cap : 16;
            rows = xrealloc(rows, cap * sizeof *rows);
        }
        if (r == 0)
            r = row_of(s, &rows[n++]);
    }
    sqlite3_reset(s);
    if (r < 0) {
        free(rows);
        return r;
    }
    *ret = rows;
    *ret_n = n;
    return 0;
}

bool cache_index_any(struct cache_index *x, const uint8_t id[DIGEST_SIZE]) {
    sqlite3_stmt *s = x->stmts[ANY];
    bind_id(s, 1, id);
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc != SQLITE_DONE; /* in doubt: yes */
}

int cache_index_sums(struct cache_index *x, struct cache_sums *ret) {
    sqlite3_stmt *s = x->stmts[SUMS];
    int rc = sqlite3_step(s);
    int r = rc == SQLITE_DONE ? -EBADMSG : error_of(rc);
    if (r == 0) {
        int64_t bytes = sqlite3_column_int64(s, 0) + x->d_bytes;
        int64_t protected = sqlite3_column_int64(s, 1) + x->d_protected;
        ret->bytes = (uint64_t)MAX(bytes, 0);
        ret->protected_bytes = (uint64_t)MAX(protected, 0);
        ret->last_used = MAX(sqlite3_column_int64(s, 2), x->last_used);
    }
    sqlite3_reset(s);
    return r;
}

int cache_index_clean(struct cache_index *x, bool *ret) {
    sqlite3_stmt *s = x->stmts[CLEAN];
    int rc = sqlite3_step(s);
    int r = rc == SQLITE_DONE ? -EBADMSG : error_of(rc);
    if (r == 0)
        *ret = sqlite3_column_int(s, 0) != 0;
    sqlite3_reset(s);
    return r;
}

int cache_index_set_clean(struct cache_index *x, bool clean) {
    sqlite3_bind_int(x->stmts[SET_CLEAN], 1, clean);
    return step_once(x->stmts[SET_CLEAN]);
}
