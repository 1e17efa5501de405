/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"
#include "data/sealed_db_parts.h"
#include <utlist.h>

/* Flights that are made under the lock and started without it. */
struct starting {
    struct flight *list[SCAN_FLIGHTS + 1];
    unsigned n;
};

static bool covers(const struct flight *f, uint32_t i) {
    return i == f->db->ref.n_blocks ? f->table : i >= f->first && i - f->first < f->n;
}

/* Beginning */

static bool flight_wanted(struct fetch *fetch) {
    struct flight *f = container_of(fetch, struct flight, fetch);
    struct sealed_db *db = f->db;
    SCOPE_LOCK(&db->lock);
    return !db->closing && env_mono(db->cfg.env) - f->began < db->cfg.timeout_ns;
}

static void flight_fetched(struct fetch *, const struct store_got *);
static void flight_late(void *arg);

/* Lock held. */
static struct flight *new_flight(struct sealed_db *db, uint32_t first, uint32_t n, bool table) {
    struct flight *f = xcalloc(1, sizeof *f);
    uint64_t from = n ? SEAL_HEADER_SIZE : db->ref.table_offset, to = db->ref.object_size;
    if (db->has_layout) {
        from = db->layout.offset[first];
        to = db->layout.offset[first + n];
    }
    *f = (struct flight){.db = db, .first = first, .n = n, .table = table, .began = env_mono(db->cfg.env), .bytes = BUF_INIT(to - from)};
    f->fetch = (struct fetch){
        .store = db->cfg.store, .key = db->cfg.key, .off = from, .len = to - from, .wanted = flight_wanted, .done = flight_fetched};
    f->deadline = (struct env_timer){.fn = flight_late, .arg = f};
    for (uint32_t i = first; i < first + n; i++)
        db->state[i] |= IN_FLIGHT;
    if (table)
        db->state[db->ref.n_blocks] |= IN_FLIGHT;
    DL_APPEND(db->flights, f);
    db->busy++;
    return f;
}

static void start(struct starting *s) {
    for (unsigned i = 0; i < s->n; i++) {
        struct flight *f = s->list[i];
        env_timer_set(f->db->cfg.env, &f->deadline, f->began + f->db->cfg.timeout_ns);
        fetch_start(&f->fetch);
    }
}

/* How many blocks from i on, at most so many, are neither here nor on their way. */
static uint32_t run_of(const struct sealed_db *db, uint32_t i, uint32_t most) {
    uint32_t n = 0, end = db->ref.n_blocks;
    most = (uint32_t)MIN(most, MAX(1, db->cfg.store->get_size / SEALED_DB_BLOCK));
    while (n < most && n < end - i && !db->block[i + n] && !(db->state[i + n] & (AT_DISK | IN_FLIGHT)))
        n++;
    return n;
}

/* The next parts of the hot zone. Lock held. */
static void pump_hot(struct sealed_db *db, struct starting *s) {
    unsigned under_way = 0;
    struct flight *f;
    DL_FOREACH(db->flights, f) {
        under_way += f->hot;
    }
    while (!db->closing && db->has_layout && under_way < SCAN_FLIGHTS && db->hot_next < db->hot_end) {
        uint32_t n = run_of(db, db->hot_next, MIN(RUN_MAX, db->hot_end - db->hot_next));
        if (n) {
            f = s->list[s->n++] = new_flight(db, db->hot_next, n, false);
            f->hot = true;
            under_way++;
        }
        db->hot_next += MAX(n, 1);
    }
}

void sealed_db_begin(struct sealed_db *db) {
    struct starting s = {0};
    pthread_mutex_lock(&db->lock);
    if (!db->has_layout)
        s.list[s.n++] = new_flight(db, 0, db->ref.object_size <= SMALL_OBJECT ? db->ref.n_blocks : 0, true);
    pump_hot(db, &s);
    pthread_mutex_unlock(&db->lock);
    start(&s);
}

void sealed_db_warm(struct sealed_db *db) {
    struct starting s = {0};
    pthread_mutex_lock(&db->lock);
    if (!db->warm) {
        db->warm = true;
        db->hot_end = MIN(db->ref.hot_blocks, HOT_KEPT);
        pump_hot(db, &s);
    }
    pthread_mutex_unlock(&db->lock);
    start(&s);
}

void sealed_db_want(struct sealed_db *db, struct sealed_file *file, uint32_t i) {
    struct starting s = {0};
    if (file) {
        file->wants = true;
        file->missing = i;
    }
    if (db->closing || db->state[i] & IN_FLIGHT)
        return;
    if (i == db->ref.n_blocks) {
        s.list[s.n++] = new_flight(db, 0, 0, true);
    } else {
        uint32_t run = 1;
        if (file && file->run && i >= file->run_end && i - file->run_end <= file->run)
            run = MIN(2 * file->run, RUN_MAX);
        s.list[s.n++] = new_flight(db, i, MAX(1, run_of(db, i, run)), false);
        if (file) {
            file->run = run;
            file->run_end = i + s.list[0]->n;
        }
    }
    pthread_mutex_unlock(&db->lock);
    start(&s);
    pthread_mutex_lock(&db->lock);
}

void sealed_db_scan_on(struct sealed_db *db, struct sealed_file *file, uint32_t i) {
    struct starting s = {0};
    const uint32_t window = SCAN_RUN * SCAN_FLIGHTS;
    if (file->scan_next < i || file->scan_next - i > 2 * window)
        file->scan_next = i;
    while (!db->closing && s.n < SCAN_FLIGHTS && file->scan_flights < SCAN_FLIGHTS && file->scan_next < db->ref.n_blocks &&
           file->scan_next - i + SCAN_RUN <= window) {
        uint32_t n = run_of(db, file->scan_next, SCAN_RUN);
        if (n) {
            struct flight *f = s.list[s.n++] = new_flight(db, file->scan_next, n, false);
            f->scan = file;
            file->scan_flights++;
        }
        file->scan_next += MAX(n, 1);
    }
    pthread_mutex_unlock(&db->lock);
    start(&s);
    pthread_mutex_lock(&db->lock);
}

/* Who waits */

struct posted {
    void (*ready)(void *arg, int err);
    void *arg;
    int err;
};

static void run_posted(void *arg) {
    struct posted *p = arg;
    p->ready(p->arg, p->err);
    free(p);
}

static void answer_later(struct sealed_db *db, void (*ready)(void *arg, int err), void *arg, int err) {
    struct posted *p = xmalloc(sizeof *p);
    *p = (struct posted){ready, arg, err};
    env_post(db->cfg.env, run_posted, p);
}

static struct sealed_file *file_of(sqlite3 *sql) {
    sqlite3_file *file = NULL;
    return sql && sqlite3_file_control(sql, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK ? (struct sealed_file *)file : NULL;
}

void sealed_db_wait(struct sealed_db *db, sqlite3 *sql, void (*ready)(void *arg, int err), void *arg) {
    struct sealed_file *file = file_of(sql);
    struct flight *f;
    pthread_mutex_lock(&db->lock);
    uint32_t i = file ? file->missing : db->connect_missing;
    bool flying = !db->closing && (!file || file->wants) && db->state[i] & IN_FLIGHT;
    if (flying) {
        struct waiter *w = xcalloc(1, sizeof *w);
        *w = (struct waiter){.block = i, .ready = ready, .arg = arg};
        DL_APPEND(db->waiters, w);
        DL_FOREACH(db->flights, f) {
            if (f->late && covers(f, i)) {
                f->late = false;
                f->began = env_mono(db->cfg.env);
                env_timer_set(db->cfg.env, &f->deadline, f->began + db->cfg.timeout_ns);
            }
        }
    }
    int err = db->closing ? -EINTR : 0;
    pthread_mutex_unlock(&db->lock);
    if (!flying) /* it has landed, or failed before anybody waited: asking again tells */
        answer_later(db, ready, arg, err);
}

/* Those who wait for something of the flight; NULL: all. Lock held. */
static struct waiter *take_waiters(struct sealed_db *db, const struct flight *f) {
    struct waiter *w, *tmp, *ret = NULL;
    DL_FOREACH_SAFE(db->waiters, w, tmp) {
        if (f && !covers(f, w->block))
            continue;
        DL_DELETE(db->waiters, w);
        DL_APPEND(ret, w);
    }
    return ret;
}

static void answer(struct waiter *list, int err) {
    struct waiter *w, *tmp;
    DL_FOREACH_SAFE(list, w, tmp) {
        w->ready(w->arg, err);
        free(w);
    }
}

static void flight_late(void *arg) {
    struct flight *f = arg;
    pthread_mutex_lock(&f->db->lock);
    f->late = true;
    struct waiter *w = take_waiters(f->db, f);
    pthread_mutex_unlock(&f->db->lock);
    answer(w, -ETIMEDOUT);
}

/* Landing; on the loop but for flight_check() */

/* Lock held. */
static void land(struct sealed_db *db, struct flight *f) {
    struct sealed_file *file;
    struct block *b, *tmp;
    for (uint32_t i = f->first; i < f->first + f->n; i++)
        db->state[i] = f->kept ? AT_DISK : db->state[i] & AT_DISK;
    if (f->table) {
        db->state[db->ref.n_blocks] = 0;
        if (f->layout.offset) {
            db->layout = f->layout;
            db->has_layout = true;
        }
    }
    LL_FOREACH_SAFE(f->opened, b, tmp) {
        b = sealed_db_insert(db, b, f->scan ? QUEUE_SCANNED : QUEUE_USED);
        DL_FOREACH(db->files, file) {
            if (file->wants && file->missing == b->index) {
                file->wants = false;
                sealed_db_pin(file, b);
            }
        }
    }
    if (f->scan)
        f->scan->scan_flights--;
    DL_DELETE(db->flights, f);
}

static void flight_end(struct flight *f, int err) {
    struct sealed_db *db = f->db;
    struct starting s = {0};
    env_timer_cancel(db->cfg.env, &f->deadline);
    pthread_mutex_lock(&db->lock);
    struct waiter *w = take_waiters(db, f);
    land(db, f);
    if (err == 0)
        pump_hot(db, &s);
    if (db->closing)
        err = -EINTR;
    pthread_mutex_unlock(&db->lock);
    answer(w, err);
    start(&s);
    buf_free(&f->bytes);
    free(f);
    pthread_mutex_lock(&db->lock);
    if (--db->busy == 0)
        pthread_cond_broadcast(&db->idle);
    pthread_mutex_unlock(&db->lock);
}

/* On a worker: every block of it that opens, and the local file if all do. */
static void flight_check(void *arg) {
    struct flight *f = arg;
    struct sealed_db *db = f->db;
    const struct sealed_db_layout *l = &db->layout;
    const uint8_t *p = f->bytes.data;
    uint64_t off = f->fetch.off;
    f->err = 0;
    if (f->table) {
        f->err = sealed_db_open_table(db, p + (db->ref.table_offset - off), (size_t)(db->ref.object_size - db->ref.table_offset), &f->layout);
        l = &f->layout;
    }
    for (uint32_t i = f->first; i < f->first + f->n && l->offset; i++) {
        struct block *b = sealed_db_open_block(db, i, p + (l->offset[i] - off), (size_t)(l->offset[i + 1] - l->offset[i]));
        if (b)
            LL_PREPEND(f->opened, b);
        else
            f->err = -EBADMSG;
    }
    f->kept = f->err == 0;
    if (f->kept)
        sealed_db_keep(db, p, f->bytes.len, off);
}

static void drop_opened(struct flight *f) {
    struct block *b, *tmp;
    LL_FOREACH_SAFE(f->opened, b, tmp) {
        free(b);
    }
    f->opened = NULL;
    sealed_db_layout_free(&f->layout);
    buf_reset(&f->bytes);
}

/* What came is not what it should be: a cache on the way may be to blame. */
static void flight_wrong(struct flight *f) {
    struct sealed_db *db = f->db;
    if (!f->second && flight_wanted(&f->fetch)) {
        f->second = true;
        f->fetch.flags |= STORE_FRESH;
        drop_opened(f);
        fetch_start(&f->fetch);
        return;
    }
    log_warning("the checkpoint %s in the bucket is damaged, or another object stands there", db->cfg.key);
    if (f->table) /* without it nothing can be found */
        drop_opened(f);
    flight_end(f, -EBADMSG);
}

static void flight_checked(void *arg) {
    struct flight *f = arg;
    if (f->err == 0)
        flight_end(f, 0);
    else if (f->err == -EBADMSG)
        flight_wrong(f);
    else
        flight_end(f, f->err);
}

static void flight_fetched(struct fetch *fetch, const struct store_got *got) {
    struct flight *f = container_of(fetch, struct flight, fetch);
    if (got->err == -ERANGE || (got->err == 0 && got->len != fetch->len)) {
        flight_wrong(f);
    } else if (got->err < 0) {
        int64_t age = env_mono(f->db->cfg.env) - f->began;
        bool trouble = got->err != -ENOENT && got->err != -EACCES && got->err != -EINTR;
        flight_end(f, trouble && age >= f->db->cfg.timeout_ns ? -ETIMEDOUT : got->err == -EINVAL ? -EIO : got->err);
    } else {
        buf_append(&f->bytes, got->data, got->len);
        env_work(f->db->cfg.env, flight_check, flight_checked, f);
    }
}

void sealed_db_hurry(void *arg) {
    struct sealed_db *db = arg;
    struct flight *f;
    size_t n = 0;
    pthread_mutex_lock(&db->lock);
    struct waiter *w = take_waiters(db, NULL);
    struct flight **list = xcalloc(db->busy + 1, sizeof(*list));
    DL_FOREACH(db->flights, f) {
        list[n++] = f;
    }
    pthread_mutex_unlock(&db->lock);
    answer(w, -EINTR);
    for (size_t i = 0; i < n; i++) /* each ends itself at most, here on the loop */
        fetch_hurry_up(&list[i]->fetch);
    free(list);
    pthread_mutex_lock(&db->lock);
    if (--db->busy == 0)
        pthread_cond_broadcast(&db->idle);
    pthread_mutex_unlock(&db->lock);
}
