/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "data/sealed_db.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "data/sealed_db_parts.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <utlist.h>
#include <zstd.h>

/* Memory */

static void leave_queue(struct sealed_db *db, struct block *b) {
    DL_DELETE(db->queues[b->queue], b);
    db->bytes[b->queue] -= b->len;
}

static void enter_queue(struct sealed_db *db, struct block *b, enum queue q) {
    b->queue = q;
    DL_PREPEND(db->queues[q], b);
    db->bytes[q] += b->len;
}

static void make_room(struct sealed_db *db, enum queue q, uint64_t max) {
    struct block *b = db->queues[q] ? db->queues[q]->prev : NULL;
    while (b && db->bytes[q] > max) {
        struct block *newer = b == db->queues[q] ? NULL : b->prev;
        if (!b->pins) {
            leave_queue(db, b);
            db->block[b->index] = NULL;
            free(b);
        }
        b = newer;
    }
}

static void make_all_room(struct sealed_db *db) {
    make_room(db, QUEUE_USED, db->cfg.memory);
    make_room(db, QUEUE_SCANNED, SCAN_KEPT);
}

struct block *sealed_db_insert(struct sealed_db *db, struct block *b, enum queue q) {
    struct block *there = db->block[b->index];
    if (there) {
        free(b);
        return there;
    }
    db->block[b->index] = b;
    enter_queue(db, b, b->index < MIN(db->ref.hot_blocks, HOT_KEPT) ? QUEUE_KEPT : q);
    b->pins++;
    make_all_room(db);
    b->pins--;
    return b;
}

void sealed_db_touch(struct sealed_db *db, struct block *b, bool scan) {
    if (b->queue == QUEUE_KEPT || (b->queue == QUEUE_SCANNED && scan))
        return;
    leave_queue(db, b);
    enter_queue(db, b, QUEUE_USED);
    b->pins++;
    make_all_room(db);
    b->pins--;
}

void sealed_db_pin(struct sealed_file *f, struct block *b) {
    if (b)
        b->pins++;
    if (f->pinned)
        f->pinned->pins--;
    f->pinned = b;
}

uint64_t sealed_db_memory(struct sealed_db *db) {
    SCOPE_LOCK(&db->lock);
    return db->bytes[QUEUE_KEPT] + db->bytes[QUEUE_USED] + db->bytes[QUEUE_SCANNED];
}

/* Opening bytes */

struct block *sealed_db_open_block(const struct sealed_db *db, uint32_t i, const void *p, size_t n) {
    size_t len = sealed_db_block_len(&db->ref, i);
    bool raw = db->ref.compression == SEALED_DB_RAW;
    if (n < SEAL_TAG_SIZE || n > SEALED_DB_STORED_MAX || (raw && n != len + SEAL_TAG_SIZE))
        return NULL;
    struct block *b = xmalloc(sizeof *b + len);
    *b = (struct block){.index = i, .len = len};
    CLEANUP_FREE uint8_t *packed = raw ? NULL : xmalloc(n);
    bool ok = unseal_block(&db->seal, i, p, n, raw ? b->data : packed) == 0;
    if (ok && !raw)
        ok = ZSTD_decompress(b->data, len, packed, n - SEAL_TAG_SIZE) == len;
    if (ok)
        return b;
    free(b);
    return NULL;
}

int sealed_db_open_table(const struct sealed_db *db, const void *p, size_t n, struct sealed_db_layout *ret) {
    if (n < SEAL_TAG_SIZE + SEALED_DB_TRAILER)
        return -EBADMSG;
    n -= SEALED_DB_TRAILER;
    CLEANUP_FREE uint8_t *plain = xmalloc(n);
    int r = unseal_block(&db->seal, db->ref.n_blocks, p, n, plain);
    return r < 0 ? r : sealed_db_layout_parse(&db->ref, plain, n - SEAL_TAG_SIZE, ret);
}

/* The local file */

static char *local_path(const struct sealed_db *db) {
    char hex[DIGEST_HEX_SIZE];
    digest_hex(db->ref.digest, hex);
    return xasprintf("%s/checkpoint/%s", db->cfg.dir, hex);
}

static void open_local(struct sealed_db *db) {
    CLEANUP_FREE char *dir = xasprintf("%s/checkpoint", db->cfg.dir), *path = local_path(db);
    struct stat st;
    int r = file_make_dirs(dir, 0700);
    db->fd = r < 0 ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r == 0 && (db->fd < 0 || fstat(db->fd, &st) < 0))
        r = -errno;
    if (r == 0 && (uint64_t)st.st_size != db->ref.object_size && ftruncate(db->fd, (off_t)db->ref.object_size) < 0)
        r = -errno;
    if (r < 0) {
        log_errno(r, "%s: what is read of the checkpoint is kept in memory only", path);
        cleanup_close(&db->fd);
        db->fd = -1;
    }
}

void sealed_db_keep(struct sealed_db *db, const void *p, size_t n, uint64_t off) {
    struct statvfs v;
    if (db->fd < 0 || fstatvfs(db->fd, &v) < 0 || (uint64_t)v.f_bavail * v.f_frsize < db->cfg.min_free + n)
        return;
    int r = file_pwrite_all(db->fd, p, n, off); /* not synced: what a crash spoils does not open, and is fetched again */
    if (r < 0)
        log_debug("a part of the checkpoint is not kept: %s", strerror(-r));
}

struct block *sealed_db_load(struct sealed_db *db, uint32_t i) {
    uint64_t off = db->layout.offset[i];
    size_t n = (size_t)(db->layout.offset[i + 1] - off);
    CLEANUP_FREE uint8_t *p = xmalloc(n);
    return db->fd < 0 || file_pread_all(db->fd, p, n, off) < 0 ? NULL : sealed_db_open_block(db, i, p, n);
}

static void load_table(struct sealed_db *db) {
    size_t n = (size_t)(db->ref.object_size - db->ref.table_offset);
    CLEANUP_FREE uint8_t *p = xmalloc(n);
    if (db->fd >= 0 && file_pread_all(db->fd, p, n, db->ref.table_offset) == 0)
        db->has_layout = sealed_db_open_table(db, p, n, &db->layout) == 0;
}

/* Which blocks may be in the local file: those in which it has any data. */
static void note_local(struct sealed_db *db) {
    off_t at = 0, end = (off_t)db->ref.table_offset;
    uint32_t i = 0;
    while (db->fd >= 0 && at < end && (at = lseek(db->fd, at, SEEK_DATA)) >= 0) {
        off_t hole = lseek(db->fd, at, SEEK_HOLE);
        for (; i < db->ref.n_blocks && db->layout.offset[i + 1] <= (uint64_t)at; i++)
            ;
        for (; hole >= 0 && i < db->ref.n_blocks && db->layout.offset[i] < (uint64_t)hole; i++)
            db->state[i] |= AT_DISK;
        at = hole;
        if (hole < 0)
            break;
    }
}

/* Opening and closing */

int sealed_db_open(const struct sealed_db_config *cfg, const struct sealed_db_ref *ref, struct sealed_db **ret) {
    int r = sealed_db_ref_check(ref);
    if (r < 0)
        return r;
    if (ref->sealed == keyring_empty(cfg->keys))
        return -EBADMSG;
    struct sealed_db *db = xcalloc(1, sizeof *db);
    r = seal_blocks_init(&db->seal, cfg->keys, ref->key_id, ref->salt, "checkpoint", cfg->volume_id, ref->n_blocks);
    if (r < 0) {
        free(db);
        return r;
    }
    db->cfg = *cfg;
    memcpy(db->volume_id, cfg->volume_id, sizeof db->volume_id);
    db->cfg.volume_id = db->volume_id;
    db->cfg.key = xstrdup(cfg->key);
    db->cfg.dir = xstrdup(cfg->dir);
    db->ref = *ref;
    pthread_mutex_init(&db->lock, NULL);
    pthread_cond_init(&db->idle, NULL);
    db->block = xcalloc(ref->n_blocks, sizeof *db->block);
    db->state = xcalloc((size_t)ref->n_blocks + 1, 1);
    db->warm = !cfg->lazy;
    db->hot_end = MIN(ref->hot_blocks, db->warm ? HOT_KEPT : HOT_FIRST);
    open_local(db);
    load_table(db);
    if (db->has_layout)
        note_local(db);
    r = sealed_db_register(db);
    if (r < 0) {
        sealed_db_close(db);
        return r;
    }
    sealed_db_begin(db);
    *ret = db;
    return 0;
}

static void free_blocks(struct sealed_db *db) {
    for (uint32_t i = 0; i < db->ref.n_blocks; i++)
        free(db->block[i]);
    free(db->block);
    free(db->state);
}

struct sealed_db *sealed_db_close(struct sealed_db *db) {
    if (!db)
        return NULL;
    pthread_mutex_lock(&db->lock);
    db->closing = true;
    if (db->busy || db->waiters) {
        db->busy++;
        pthread_mutex_unlock(&db->lock);
        env_post(db->cfg.env, sealed_db_hurry, db);
        pthread_mutex_lock(&db->lock);
        while (db->busy)
            pthread_cond_wait(&db->idle, &db->lock);
    }
    pthread_mutex_unlock(&db->lock);
    if (db->vfs.zName)
        sqlite3_vfs_unregister(&db->vfs);
    free_blocks(db);
    sealed_db_layout_free(&db->layout);
    seal_blocks_wipe(&db->seal);
    cleanup_close(&db->fd);
    pthread_cond_destroy(&db->idle);
    pthread_mutex_destroy(&db->lock);
    free((char *)db->cfg.key);
    free((char *)db->cfg.dir);
    free(db);
    return NULL;
}
