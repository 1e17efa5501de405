/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flaky_vfs.h"
#include "base/base.h"

#define PIECE 16384
#define PIECES 65536

struct flaky_file {
    sqlite3_file base;
    bool *here;
    sqlite3_file *real; /* behind this */
};

static uint64_t failures, draws;
static bool opening; /* reads a header, and would have to be opened again each time */

static struct flaky_file *of(sqlite3_file *f) {
    return (struct flaky_file *)f;
}

static int flaky_close(sqlite3_file *f) {
    free(of(f)->here);
    return of(f)->real->pMethods->xClose(of(f)->real);
}

static int flaky_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
    size_t piece = (size_t)at / PIECE % PIECES;
    if (!of(f)->here[piece] && !opening) {
        of(f)->here[piece] = true;
        failures++;
        return SQLITE_IOERR_READ;
    }
    if (++draws % 7 == 0)
        of(f)->here[piece] = false;
    return of(f)->real->pMethods->xRead(of(f)->real, p, n, at);
}

static int flaky_size(sqlite3_file *f, sqlite3_int64 *ret) {
    return of(f)->real->pMethods->xFileSize(of(f)->real, ret);
}

static int refuse_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
    (void)f, (void)p, (void)n, (void)at;
    return SQLITE_READONLY;
}

static int refuse_truncate(sqlite3_file *f, sqlite3_int64 size) {
    (void)f, (void)size;
    return SQLITE_READONLY;
}

static int do_nothing(sqlite3_file *f, int x) {
    (void)f, (void)x;
    return SQLITE_OK;
}

static int no_lock(sqlite3_file *f, int *ret) {
    (void)f;
    *ret = 0;
    return SQLITE_OK;
}

static int no_control(sqlite3_file *f, int op, void *arg) {
    (void)f, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int sector(sqlite3_file *f) {
    (void)f;
    return 4096;
}

static int traits(sqlite3_file *f) {
    (void)f;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = flaky_close,
    .xRead = flaky_read,
    .xWrite = refuse_write,
    .xTruncate = refuse_truncate,
    .xSync = do_nothing,
    .xFileSize = flaky_size,
    .xLock = do_nothing,
    .xUnlock = do_nothing,
    .xCheckReservedLock = no_lock,
    .xFileControl = no_control,
    .xSectorSize = sector,
    .xDeviceCharacteristics = traits,
};

static int open_file(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags) {
    sqlite3_vfs *real = v->pAppData;
    of(f)->real = (sqlite3_file *)(of(f) + 1);
    int rc = real->xOpen(real, name, of(f)->real, flags, ret_flags);
    if (rc != SQLITE_OK)
        return rc;
    of(f)->here = xcalloc(PIECES, sizeof(bool));
    f->pMethods = &methods;
    return SQLITE_OK;
}

sqlite3 *flaky_open(const char *path) {
    static sqlite3_vfs vfs;
    sqlite3 *sql;
    if (!vfs.zName) {
        sqlite3_vfs *real = sqlite3_vfs_find(NULL);
        vfs = *real;
        vfs.zName = "flaky";
        vfs.pAppData = real;
        vfs.szOsFile = (int)sizeof(struct flaky_file) + real->szOsFile;
        vfs.xOpen = open_file;
        if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
            abort();
    }
    CLEANUP_FREE char *uri = xasprintf("file:%s?immutable=1", path);
    opening = true;
    if (sqlite3_open_v2(uri, &sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, "flaky") !=
        SQLITE_OK)
        abort();
    opening = false;
    sqlite3_exec(sql, "PRAGMA cache_size=4", NULL, NULL, NULL);
    return sql;
}

int flaky_error(void *arg, sqlite3 *sql) {
    (void)arg;
    return (sqlite3_errcode(sql) & 0xff) == SQLITE_IOERR ? -EINPROGRESS : -EIO;
}

uint64_t flaky_failures(void) {
    return failures;
}
