/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tree/checkpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/units.h"
#include "tree/base_build.h"
#include "tree/fault.h"
#include "tree/rebuild.h"
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <utlist.h>

/* Before a host makes one that is due: a random time between these, and then a moment without requests, for which it looks this often and so long. */
#define WAIT_MIN_NS (30 * NS_PER_S)
#define WAIT_MAX_NS (600 * NS_PER_S)
#define QUIET_NS (10 * NS_PER_S)
#define LOOK_NS (30 * NS_PER_S)
#define PATIENCE_NS (3600 * NS_PER_S)
/* After a failure, twice as much each time. */
#define RETRY_MIN_NS (60 * NS_PER_S)
#define RETRY_MAX_NS (6 * 3600 * NS_PER_S)
/* Space that the two temporary files take at most, for an inode and for all: to be free beside min_free. */
#define ROOM_INODE 512
#define ROOM_ALL ((uint64_t)4 << 20)
/* Rows of the builder at a time, and how often before a worker is given back. */
#define STEP_ROWS 2000
#define STEPS 50

static const char *const hot_tables[] = {"meta", "states", "dirs", "places", "sessions", NULL};

struct making {
    struct tree *tree;
    struct env *env;
    char *db_path, *built, *sealed; /* tree.db; the temporary files */
    uint64_t inodes;
    bool lazy;                      /* tree.db lies on a base: */
    struct checkpoint_base *below;
    sqlite3 *below_sql;             /* connections of the making's own */
    struct base *below_base;
    sqlite3 *sql;
    struct base_build *build;
    uint8_t salt[SEAL_SALT_SIZE];
    struct checkpoint_ref ref;
    int r;                          /* of the last step */
    int64_t began;
    int fd;
    char *key;
    struct store_put put;
};

/* What is known */

int checkpoint_save(struct tree *t) {
    const struct checkpoint_known *k = &t->checkpoint.known;
    CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
    if (k->ref.seq)
        checkpoint_ref_encode(&k->ref, &b);
    int r = b.err ? b.err : db_meta_set_bytes(&t->db, "checkpoint", b.data, b.len);
    return r < 0 ? r : db_meta_set_int(&t->db, "checkpoint_changes", (int64_t)k->changes);
}

static char *temporary(const struct tree *t, const char *name) {
    return xasprintf("%s/checkpoint/%s", t->cfg.dir, name);
}

static void remove_temporary(const struct tree *t) {
    static const char *const names[] = {"build.db", "build.db-journal", "build.sealed"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *path = temporary(t, names[i]);
        if (unlink(path) < 0 && errno != ENOENT)
            log_errno(-errno, "%s cannot be removed", path);
    }
}

int checkpoint_load(struct tree *t) {
    CLEANUP_BUF struct buf b = BUF_INIT(CHECKPOINT_REF_MAX);
    struct checkpoint_known *k = &t->checkpoint.known;
    int r = db_meta_bytes(&t->db, "checkpoint", &b);
    if (r == 0 && b.len) {
        struct cbor_in in = {b.data, b.data + b.len};
        r = checkpoint_ref_decode(&in, &k->ref);
    }
    k->changes = (uint64_t)db_meta_int(&t->db, "checkpoint_changes", 0);
    remove_temporary(t);
    return r == -ENOENT ? 0 : r;
}

/* A host that comes anew reads the bytes, too: where changes are long (attributes), so many count as one. */
#define CHANGE_BYTES 1024

static uint64_t brings(const struct entry *e) {
    return MAX(e->n_changes, (e->size + e->batch.size) / CHANGE_BYTES);
}

int checkpoint_applied(struct tree *t, const struct entry *e, bool damaged) {
    struct checkpoint_known *k = &t->checkpoint.known;
    const struct checkpoint_ref *ref = &e->checkpoint;
    if (damaged || ref->seq <= k->ref.seq || ref->seq >= e->sequence || ref->announced > e->sequence) {
        k->changes += brings(e);
        return brings(e) ? db_meta_set_int(&t->db, "checkpoint_changes", (int64_t)k->changes) : 0;
    }
    k->ref = *ref;
    k->changes = brings(e);
    return checkpoint_save(t);
}

bool checkpoint_wants_entry(const struct tree *t) {
    return t->checkpoint.ready.seq > t->checkpoint.known.ref.seq && t->checkpoint.ready.seq <= t->seq;
}

void checkpoint_fill(const struct tree *t, struct entry *e) {
    e->checkpoint = t->checkpoint.known.ref;
    if (checkpoint_wants_entry(t)) {
        e->checkpoint = t->checkpoint.ready;
        e->checkpoint.announced = e->sequence;
        e->checkpoint.before = t->checkpoint.known.ref.announced;
    }
}

/* When */

static bool may_make(const struct tree *t) {
    return t->started && !t->closing && !t->read_only && !t->cfg.read_only && !t->offline && t->seq > 1 && t->db.path[0] == '/';
}

/* How much was written since the newest one, in changes. */
static uint64_t score(const struct tree *t) {
    const struct checkpoint_known *k = &t->checkpoint.known;
    uint64_t entries = t->seq - MIN(t->seq, MAX(k->ref.announced, 1)), weight = t->cfg.checkpoint_changes / t->cfg.checkpoint_entries;
    return k->changes + entries * weight;
}

static bool is_due(const struct tree *t) {
    if (!t->cfg.checkpoint_changes || !t->cfg.checkpoint_entries || !may_make(t) || t->checkpoint.making || t->checkpoint.ready.seq)
        return false;
    return score(t) >= MAX(t->cfg.checkpoint_changes, t->total_files / 8);
}

static void arm(struct tree *t, int64_t wait) {
    t->checkpoint.armed = true;
    env_timer_set(t->env, &t->checkpoint.timer, env_mono(t->env) + wait);
}

static int64_t random_between(struct tree *t, int64_t low, int64_t high) {
    uint64_t random;
    env_random(t->env, &random, sizeof random);
    return low + (int64_t)(random % (uint64_t)(high - low));
}

static void begin_making(struct tree *t);

static void checkpoint_tick(void *arg) {
    struct tree *t = arg;
    tree_lock(t);
    int64_t now = env_mono(t->env);
    bool quiet = now - t->used_at >= QUIET_NS && !t->inflight.active && !t->settling;
    t->checkpoint.armed = false;
    if (!is_due(t))
        t->checkpoint.due_since = 0;
    else if (quiet || now - t->checkpoint.due_since > PATIENCE_NS)
        begin_making(t);
    else
        arm(t, random_between(t, LOOK_NS / 2, LOOK_NS));
    tree_unlock(t);
}

/* Making; each step on a worker, what is between them on the loop */

static int sql_step_blob(sqlite3_stmt *s, void *ret, size_t n) {
    if ((size_t)sqlite3_column_bytes(s, 0) != n)
        return -EBADMSG;
    memcpy(ret, sqlite3_column_blob(s, 0), n);
    return 0;
}

static int meta(sqlite3 *sql, const char *key, uint64_t *ret, void *blob, size_t n) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(sql, "SELECT value FROM meta WHERE key = ?1", -1, &s, NULL), r = -EBADMSG;
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (ret)
            *ret = (uint64_t)sqlite3_column_int64(s, 0);
        r = blob ? sql_step_blob(s, blob, n) : 0;
    } else if (rc != SQLITE_DONE) {
        r = sql_errno(rc);
    }
    sqlite3_finalize(s);
    return r;
}

/* The snapshot: everything is read as it stands now, whatever is applied meanwhile. */
static int open_snapshot(struct making *m) {
    uint8_t set[sizeof m->ref.set.w];
    int rc = sqlite3_open_v2(m->db_path, &m->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(m->sql, "BEGIN", NULL, NULL, NULL);
    int r = sql_errno(rc);
    if (r == 0)
        r = meta(m->sql, "seq", &m->ref.seq, NULL, 0);
    if (r == 0)
        r = meta(m->sql, "head_hash", NULL, m->ref.head_hash, DIGEST_SIZE);
    if (r == 0)
        r = meta(m->sql, "set", NULL, set, sizeof set);
    if (r == 0)
        set_digest_load(&m->ref.set, set);
    return r;
}

static int check_room(const struct making *m) {
    const struct tree *t = m->tree;
    CLEANUP_FREE char *dir = temporary(t, "");
    struct statvfs v;
    int r = file_make_dirs(dir, 0700);
    if (r == 0 && statvfs(dir, &v) < 0)
        r = -errno;
    return r < 0 ? r : (uint64_t)v.f_bavail * v.f_frsize < t->cfg.min_free + ROOM_ALL + m->inodes * ROOM_INODE ? -ENOSPC : 0;
}

static int prepare(struct making *m) {
    if (m->lazy) {
        int r = !m->below ? -EIO : checkpoint_base_connect(m->below, &m->below_sql, &m->below_base);
        if (r < 0)
            return r;
        sealed_db_scan(m->below->object, m->below_sql, true);
    }
    remove_temporary(m->tree);
    int r = check_room(m);
    if (r == 0)
        r = open_snapshot(m);
    return r < 0 ? r : base_build_new(m->sql, m->below_base, m->built, &m->build);
}

static void end_snapshot(struct making *m) {
    m->build = base_build_free(m->build);
    sqlite3_close(m->sql);
    m->sql = NULL;
    base_close(m->below_base);
    m->below_base = NULL;
    sqlite3_close(m->below_sql);
    m->below_sql = NULL;
}

static int seal_built(struct making *m) {
    const struct tree *t = m->tree;
    m->fd = open(m->sealed, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r = m->fd < 0 ? -errno
                      : sealed_db_write(m->built, m->fd, hot_tables, SEALED_DB_ZSTD, t->cfg.keys, t->volume_id, m->salt, &t->checkpoint.stop, &m->ref.object);
    (void)unlink(m->built);
    if (r == 0)
        (void)unlink(m->sealed); /* the descriptor keeps it until it is in the bucket */
    return r;
}

/* 1: again; -EINPROGRESS: when a block of the base below has come. */
static void make_step(void *arg) {
    struct making *m = arg;
    int r = m->build ? 0 : prepare(m);
    if (r == 0)
        r = 1;
    for (int i = 0; i < STEPS && r == 1; i++)
        r = m->tree->checkpoint.stop ? -ECANCELED : base_build_step(m->build, STEP_ROWS);
    if (r == 0) {
        end_snapshot(m);
        r = seal_built(m);
    } else if (r < 0 && r != -EINPROGRESS) {
        end_snapshot(m);
    }
    m->r = r;
}

static void end_making(struct making *m, int err, const char *why);
static void put_made(struct making *m);
static void make_on(void *arg, int err);

static void make_stepped(void *arg) {
    struct making *m = arg;
    if (m->r == 1)
        env_work(m->env, make_step, make_stepped, m);
    else if (m->r == -EINPROGRESS)
        sealed_db_wait(m->below->object, m->below_sql, make_on, m);
    else if (m->r == 0)
        put_made(m);
    else
        end_making(m, m->r, NULL);
}

static void make_on(void *arg, int err) {
    struct making *m = arg;
    if (err == 0)
        env_work(m->env, make_step, make_stepped, m);
    else {
        struct tree *t = m->tree;
        tree_lock(t);
        if (m->below == t->checkpoint.base && (err == -EBADMSG || err == -ENOENT))
            rebuild_lost(t, err);
        tree_unlock(t);
        end_snapshot(m);
        end_making(m, err, "the checkpoint this host began from cannot be read");
    }
}

static void put_done(void *arg, int err, const char *why) {
    end_making(arg, err == -EEXIST ? 0 : err, why); /* it is named by its hash: what is there is it */
}

static void put_made(struct making *m) {
    struct tree *t = m->tree;
    m->key = checkpoint_ref_key(t->cfg.prefix, &m->ref);
    m->put = (struct store_put){.key = m->key, .fd = m->fd, .size = m->ref.object.object_size};
    memcpy(m->put.sha256, m->ref.object.digest, DIGEST_SIZE);
    tree_lock(t);
    bool stop = t->closing;
    tree_unlock(t);
    if (stop)
        end_making(m, -ECANCELED, NULL);
    else
        store_put_if_absent(t->cfg.writer, &m->put, put_done, m);
}

static void free_making(struct making *m) {
    end_snapshot(m);
    if (m->fd >= 0)
        close(m->fd);
    free(m->db_path);
    free(m->built);
    free(m->sealed);
    free(m->key);
    free(m);
}

/* Under the lock. */
static void failed(struct tree *t, int err, const char *why) {
    int64_t wait = MIN(2 * RETRY_MIN_NS << MIN(t->checkpoint.failures, 12), RETRY_MAX_NS);
    t->checkpoint.failures++;
    if (err != -ECANCELED)
        log_warning("no checkpoint could be made: %s; it is tried again later",
                    why ? why : err == -ENOSPC ? "there is not enough space on the disk of the local state" : strerror(-err));
    free(t->checkpoint.why);
    t->checkpoint.why = xstrdup(why ? why : strerror(-err));
    t->checkpoint.err = err;
    t->checkpoint.rounds++;
    t->checkpoint.due_since = env_mono(t->env);
    if (!t->closing)
        arm(t, random_between(t, wait / 2, wait));
}

static void end_making(struct making *m, int err, const char *why) {
    struct tree *t = m->tree;
    struct checkpoint_ref ref = m->ref;
    char size[UNITS_SIZE];
    if (err == 0)
        log_info("a checkpoint of journal entry %" PRIu64 " was made in %" PRId64 " ms: %s", ref.seq, (env_mono(t->env) - m->began) / NS_PER_MS,
                 size_format(ref.object.object_size, size));
    free_making(m); /* the end of a large file may take a while: without the lock */
    remove_temporary(t);
    tree_lock(t);
    t->checkpoint.making = false;
    if (err == 0) {
        t->checkpoint.ready = ref;
        t->checkpoint.failures = 0;
        checkpoint_kick(t);
        commit_kick(t);
    } else {
        failed(t, err, why);
    }
    tree_release(t);
    tree_unlock(t);
}

static void begin_making(struct tree *t) {
    struct making *m = xcalloc(1, sizeof *m);
    *m = (struct making){.tree = t,
                         .env = t->env,
                         .db_path = xstrdup(t->db.path),
                         .built = temporary(t, "build.db"),
                         .sealed = temporary(t, "build.sealed"),
                         .inodes = t->total_files,
                         .lazy = fault_is_lazy(t),
                         .below = t->checkpoint.base,
                         .began = env_mono(t->env),
                         .fd = -1};
    env_random(t->env, m->salt, sizeof m->salt);
    t->checkpoint.making = true;
    t->checkpoint.due_since = 0;
    tree_hold(t);
    env_work(t->env, make_step, make_stepped, m);
}

void checkpoint_kick(struct tree *t) {
    struct checkpoint_state *c = &t->checkpoint;
    if (c->ready.seq && c->known.ref.seq >= c->ready.seq) { /* announced, or another host was faster */
        c->ready = (struct checkpoint_ref){0};
        c->err = 0;
        c->rounds++;
    }
    if (c->armed || !is_due(t))
        return;
    c->due_since = env_mono(t->env);
    arm(t, random_between(t, WAIT_MIN_NS, WAIT_MAX_NS));
}

/* Asked for */

int tree_checkpoint_begin(struct tree *t, uint64_t *ret_round) {
    SCOPE_LOCK(&t->lock);
    struct checkpoint_state *c = &t->checkpoint;
    *ret_round = c->rounds;
    if (t->cfg.read_only || t->read_only)
        return -EROFS;
    if (!may_make(t))
        return -EAGAIN;
    if (c->making || c->ready.seq)
        return 0;
    c->err = 0;
    if (c->known.ref.seq && !c->known.changes)
        c->rounds++; /* nothing has changed since */
    else
        begin_making(t);
    return 0;
}

void tree_checkpoint_look(struct tree *t, uint64_t round, struct tree_checkpoint *ret) {
    SCOPE_LOCK(&t->lock);
    const struct checkpoint_state *c = &t->checkpoint;
    *ret = (struct tree_checkpoint){.done = c->rounds > round, .sequence = c->known.ref.seq, .bytes = c->known.ref.object.object_size};
    if (ret->done && c->err < 0) {
        ret->err = c->err;
        snprintf(ret->why, sizeof ret->why, "%s", c->why ? c->why : strerror(-c->err));
    }
    if (ret->done && c->known.ref.seq)
        digest_hex(c->known.ref.object.digest, ret->digest);
}

void checkpoint_init(struct tree *t) {
    t->checkpoint.timer = (struct env_timer){.fn = checkpoint_tick, .arg = t};
}

void checkpoint_stop(struct tree *t) {
    t->checkpoint.stop = true;
    env_timer_cancel(t->env, &t->checkpoint.timer);
}

void checkpoint_free(struct tree *t) {
    struct checkpoint_base *b, *next;
    LL_FOREACH_SAFE(t->checkpoint.retired, b, next) {
        checkpoint_base_free(b);
    }
    t->checkpoint.base = checkpoint_base_free(t->checkpoint.base);
    free(t->checkpoint.why);
}
