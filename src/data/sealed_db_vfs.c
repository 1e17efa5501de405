/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What SQLite sees: one file that is only read and never changes (https://www.sqlite.org/c3ref/vfs.html). A VFS for each sealed database, so that opening needs no names.
 */
#include "base/log.h"
#include "data/sealed_db_parts.h"
#include <utlist.h>

/* Reading */

/* The block if it is in memory or in the local file. With the lock, which it releases meanwhile. */
static struct block *find_block(struct sealed_db *db, struct sealed_file *file, uint32_t i) {
    struct block *b = db->block[i];
    if (b) {
        sealed_db_touch(db, b, file && file->scan);
        return b;
    }
    if (!(db->state[i] & AT_DISK))
        return NULL;
    pthread_mutex_unlock(&db->lock);
    b = sealed_db_load(db, i);
    pthread_mutex_lock(&db->lock);
    if (b)
        return sealed_db_insert(db, b, file && file->scan ? QUEUE_SCANNED : QUEUE_USED);
    db->state[i] &= (uint8_t)~AT_DISK; /* a hole, or damaged: fetched again */
    return db->block[i];
}

/* A part of one page; SQLite asks for no more at once. */
static int read_page(struct sealed_file *file, uint32_t page, size_t off, void *p, size_t n) {
    struct sealed_db *db = file->db;
    SCOPE_LOCK(&db->lock);
    uint32_t place = sealed_db_layout_place(&db->layout, page), i = place / SEALED_DB_PAGES_A_BLOCK;
    bool scan = file->scan && i >= db->ref.hot_blocks;
    struct block *b = find_block(db, file, i);
    if (b) {
        memcpy(p, b->data + (size_t)(place % SEALED_DB_PAGES_A_BLOCK) * SEALED_DB_PAGE + off, n);
        if (file->pinned == b)
            sealed_db_pin(file, NULL);
        file->wants = false;
    }
    if (scan)
        sealed_db_scan_on(db, file, i);
    if (b)
        return SQLITE_OK;
    sealed_db_want(db, file, i);
    file->err = db->closing ? -EINTR : -EINPROGRESS;
    return SQLITE_IOERR_READ;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off) {
    struct sealed_file *file = (struct sealed_file *)f;
    uint64_t size = file->db->ref.file_size, at = (uint64_t)off;
    if (at >= size || (uint64_t)n > size - at) {
        memset(p, 0, (size_t)n);
        return SQLITE_IOERR_SHORT_READ;
    }
    if (at % SEALED_DB_PAGE + (uint64_t)n > SEALED_DB_PAGE) {
        file->err = -EBADMSG;
        return SQLITE_IOERR_READ;
    }
    return read_page(file, (uint32_t)(at / SEALED_DB_PAGE) + 1, (size_t)(at % SEALED_DB_PAGE), p, (size_t)n);
}

static int file_close(sqlite3_file *f) {
    struct sealed_file *file = (struct sealed_file *)f;
    struct sealed_db *db = file->db;
    struct flight *fl;
    SCOPE_LOCK(&db->lock);
    sealed_db_pin(file, NULL);
    DL_FOREACH(db->flights, fl) {
        if (fl->scan == file)
            fl->scan = NULL;
    }
    if (file->wants)
        db->connect_missing = file->missing;
    DL_DELETE(db->files, file);
    return SQLITE_OK;
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off) {
    (void)f, (void)p, (void)n, (void)off;
    return SQLITE_READONLY;
}
static int file_truncate(sqlite3_file *f, sqlite3_int64 size) {
    (void)f, (void)size;
    return SQLITE_READONLY;
}
static int file_sync(sqlite3_file *f, int flags) {
    (void)f, (void)flags;
    return SQLITE_OK;
}
static int file_size(sqlite3_file *f, sqlite3_int64 *ret) {
    *ret = (sqlite3_int64)((struct sealed_file *)f)->db->ref.file_size;
    return SQLITE_OK;
}
static int file_lock(sqlite3_file *f, int how) {
    (void)f, (void)how;
    return SQLITE_OK;
}
static int file_reserved(sqlite3_file *f, int *ret) {
    (void)f;
    *ret = 0;
    return SQLITE_OK;
}
static int file_control(sqlite3_file *f, int op, void *arg) {
    (void)f, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}
static int file_sector(sqlite3_file *f) {
    (void)f;
    return SEALED_DB_PAGE;
}
static int file_character(sqlite3_file *f) {
    (void)f;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = file_close,
                                           .xRead = file_read,
                                           .xWrite = file_write,
                                           .xTruncate = file_truncate,
                                           .xSync = file_sync,
                                           .xFileSize = file_size,
                                           .xLock = file_lock,
                                           .xUnlock = file_lock,
                                           .xCheckReservedLock = file_reserved,
                                           .xFileControl = file_control,
                                           .xSectorSize = file_sector,
                                           .xDeviceCharacteristics = file_character};

/* The VFS */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags) {
    struct sealed_db *db = vfs->pAppData;
    struct sealed_file *file = (struct sealed_file *)f;
    (void)name;
    f->pMethods = NULL;
    if (!(flags & SQLITE_OPEN_MAIN_DB)) /* what would be a temporary file is in memory */
        return SQLITE_CANTOPEN;
    *file = (struct sealed_file){.base.pMethods = &methods, .db = db};
    if (ret_flags)
        *ret_flags = SQLITE_OPEN_READONLY;
    SCOPE_LOCK(&db->lock);
    DL_APPEND(db->files, file);
    return SQLITE_OK;
}
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    (void)vfs, (void)name, (void)sync;
    return SQLITE_READONLY;
}
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret) {
    (void)vfs, (void)name, (void)flags;
    *ret = 0; /* there is no journal */
    return SQLITE_OK;
}
static int vfs_path(sqlite3_vfs *vfs, const char *name, int n, char *ret) {
    (void)vfs;
    snprintf(ret, (size_t)n, "%s", name);
    return SQLITE_OK;
}
static int vfs_random(sqlite3_vfs *vfs, int n, char *ret) {
    (void)vfs;
    memset(ret, 0, (size_t)n); /* nobody here wants any: only the default VFS is asked for real ones */
    return n;
}
static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return us;
}
static int vfs_time(sqlite3_vfs *vfs, double *ret) {
    (void)vfs;
    *ret = 0;
    return SQLITE_OK;
}
static int vfs_error(sqlite3_vfs *vfs, int n, char *ret) {
    (void)vfs, (void)n, (void)ret;
    return 0;
}

int sealed_db_register(struct sealed_db *db) {
    snprintf(db->vfs_name, sizeof db->vfs_name, "assetfs-%p", (void *)db);
    db->vfs = (sqlite3_vfs){.iVersion = 1,
                            .szOsFile = sizeof(struct sealed_file),
                            .mxPathname = 512,
                            .zName = db->vfs_name,
                            .pAppData = db,
                            .xOpen = vfs_open,
                            .xDelete = vfs_delete,
                            .xAccess = vfs_access,
                            .xFullPathname = vfs_path,
                            .xRandomness = vfs_random,
                            .xSleep = vfs_sleep,
                            .xCurrentTime = vfs_time,
                            .xGetLastError = vfs_error};
    if (sqlite3_vfs_register(&db->vfs, 0) == SQLITE_OK)
        return 0;
    db->vfs.zName = NULL;
    return -ENOMEM;
}

/* Connections */

/* Whether the block of page 1 is here; else it is on its way. */
static int check_first(struct sealed_db *db) {
    SCOPE_LOCK(&db->lock);
    if (db->closing)
        return -EINTR;
    uint32_t i = db->has_layout ? 0 : db->ref.n_blocks;
    if (db->has_layout && find_block(db, NULL, i))
        return 0;
    db->connect_missing = i;
    sealed_db_want(db, NULL, i);
    return -EINPROGRESS;
}

int sealed_db_connect(struct sealed_db *db, sqlite3 **ret) {
    sqlite3 *sql = NULL;
    int r = check_first(db);
    if (r < 0)
        return r;
    int rc = sqlite3_open_v2("file:checkpoint?immutable=1", &sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, db->vfs_name);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(sql, "PRAGMA temp_store=MEMORY; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        *ret = sql;
        return 0;
    }
    r = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN ? -EINPROGRESS : rc == SQLITE_NOMEM ? -ENOMEM : -EBADMSG;
    sqlite3_close(sql);
    return r;
}

static struct sealed_file *file_of(sqlite3 *sql) {
    sqlite3_file *f = NULL;
    return sqlite3_file_control(sql, "main", SQLITE_FCNTL_FILE_POINTER, &f) == SQLITE_OK ? (struct sealed_file *)f : NULL;
}

int sealed_db_error(struct sealed_db *db, sqlite3 *sql) {
    int rc = sqlite3_errcode(sql) & 0xff; /* before the next call changes it */
    (void)db;
    switch (rc) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_IOERR: {
        const struct sealed_file *file = file_of(sql);
        return file && file->err ? file->err : -EIO;
    }
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_INTERRUPT:
        return -EINTR;
    default: /* SQLITE_CORRUPT, NOTADB; and SQLITE_ERROR: not the tables that are expected */
        return -EBADMSG;
    }
}

void sealed_db_scan(struct sealed_db *db, sqlite3 *sql, bool on) {
    struct sealed_file *file = file_of(sql);
    SCOPE_LOCK(&db->lock);
    if (file) {
        file->scan = on;
        file->scan_next = 0;
    }
}
