/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Makes a volume of many names in a directory bucket, fast: writes the journal itself, as one writer would
 * have that made them in depth-first order. All files have the same content.
 *
 *     many new BUCKET KEYFILE NAMES [TREEDB]      after `assetfs init`: NAMES names, 50 files a directory;
 *                     above 1,000,000 one directory has 100,000 of them. TREEDB (of a host that has
 *                     mounted what init made, and nothing else) gets the rows that a replay would give it
 *     many touch BUCKET KEYFILE TREEDB COUNT N    COUNT files that TREEDB (of an unmounted host, at the
 *                     head) has get another mtime, N in an entry
 *     many base TREEDB FILE                       makes a base of it, unsealed: prints "MICROSECONDS
 *                     PEAK-KIB BYTES"
 *
 * `new` and `touch` print "ENTRIES BYTES" of what they put.
 */
#include "base/cbor.h"
#include "base/digest.h"
#include "base/env.h"
#include "base/file.h"
#include "base/volume_key.h"
#include "tree/base_build.h"
#include "tree/db.h"
#include "tree/entry.h"
#include "tree/state.h"

#include <inttypes.h>
#include <openssl/rand.h>
#include <sys/resource.h>
#include <time.h>

#define PREFIX ".assetfs"
#define FILES_A_DIRECTORY 50
#define FANOUT 20
#define LARGE 100000
#define WHEN (INT64_C(1700000000) * NS_PER_S)
#define SESSION 2
#define ROOM (64 << 10) /* of an entry, for what is not changes, and the change that makes it full */

struct volume {
    const char *bucket;
    struct keyring *keys;
    uint64_t seq, counter;
    uint8_t head[DIGEST_SIZE];
    struct set_digest set;
    struct entry entry; /* under construction */
    struct checkpoint_ref checkpoint; /* the newest that is known: each entry repeats it */
    struct set_digest built_on;
    size_t cap, room; /* changes; bytes of them so far */
    uint64_t entries, bytes;
    struct db *rows; /* of a host that knows all of it; or NULL */
    uint64_t files, file_bytes;
};

static void die(const char *what, int err) {
    fprintf(stderr, "many: %s: %s\n", what, strerror(-err));
    exit(1);
}

static void must(const char *what, int r) {
    if (r < 0)
        die(what, r);
}

/* The rows of the tree digest: assetfs-format(5). */

static void add_name(struct set_digest *s, const struct name_edit *e) {
    CLEANUP_BUF struct buf b = BUF_INIT(1024);
    cborw_array(&b, 4);
    cborw_text(&b, "n", 1);
    cborw_uint(&b, e->parent);
    cborw_bytes(&b, e->name, e->n);
    cborw_uint(&b, e->now);
    set_digest_add(s, b.data, b.len);
}

static void count_inode(struct set_digest *s, uint64_t ino, const struct record *rec, bool add) {
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    cborw_array(&b, 3);
    cborw_text(&b, "i", 1);
    cborw_uint(&b, ino);
    record_encode(rec, &b);
    (add ? set_digest_add : set_digest_remove)(s, b.data, b.len);
}

static void add_session(struct set_digest *s, uint64_t number, const char *label, const uint8_t *nonce) {
    CLEANUP_BUF struct buf b = BUF_INIT(1024);
    cborw_array(&b, 4);
    cborw_text(&b, "s", 1);
    cborw_uint(&b, number);
    cborw_text(&b, label, strlen(label));
    cborw_bytes(&b, nonce, NONCE_SIZE);
    set_digest_add(s, b.data, b.len);
}

/* Entries */

static char *path_of(const struct volume *v, const char *key) {
    return xasprintf("%s/%s", v->bucket, key);
}

static void put(const struct volume *v, const char *key, const void *p, size_t n) {
    CLEANUP_FREE char *path = path_of(v, key), *tmp = xasprintf("%s/.tmp/many", v->bucket);
    CLEANUP_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    FILE *f = fopen(tmp, "wbe");
    if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
        die(tmp, -errno);
    must(dir, file_make_dirs(dir, 0755));
    if (rename(tmp, path) < 0)
        die(path, -errno);
}

static void put_entry(struct volume *v) {
    struct entry *e = &v->entry;
    CLEANUP_BUF struct buf b = BUF_INIT(ENTRY_MAX);
    uint8_t salt[SEAL_SALT_SIZE];
    e->sequence = v->seq + 1;
    e->has_previous = true;
    memcpy(e->previous, v->head, DIGEST_SIZE);
    set_digest_value(&v->built_on, e->tree);
    if (!e->user) {
        RAND_bytes(e->nonce, NONCE_SIZE);
        e->host = xstrdup("many");
        e->user = xstrdup("many");
    }
    e->time = WHEN;
    e->checkpoint = v->checkpoint;
    RAND_bytes(salt, sizeof salt);
    must("an entry", entry_seal(e, v->keys, PREFIX, salt, &b));
    CLEANUP_FREE char *key = entry_key(PREFIX, e->sequence);
    put(v, key, b.data, b.len);
    digest_of(b.data, b.len, v->head);
    v->seq++;
    v->entries++;
    v->bytes += b.len;
    v->built_on = v->set;
    entry_free(e);
    *e = (struct entry){.session = SESSION};
    v->room = v->cap = 0;
}

/* The rows of a host. Which objects are there it finds out by itself. */

static void open_rows(struct volume *v, struct db *db, const char *path) {
    must(path, db_open(db, path));
    if (db_meta_int(db, "seq", 0) != 1)
        die("TREEDB is not at entry 1", -EINVAL);
    if (sqlite3_exec(db->sql, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF",
                     NULL, NULL, NULL) != SQLITE_OK)
        die(path, -EIO);
    v->rows = db;
    v->files = (uint64_t)db_meta_int(db, "total_files", 0);
    must(path, db_begin(db));
}

static void close_rows(struct volume *v) {
    uint8_t set[SET_DIGEST_SIZE];
    struct db *db = v->rows;
    if (!db)
        return;
    set_digest_store(&v->set, set);
    must("tree.db", db_meta_set_int(db, "seq", (int64_t)v->seq));
    must("tree.db", db_meta_set_bytes(db, "head_hash", v->head, DIGEST_SIZE));
    must("tree.db", db_meta_set_bytes(db, "set", set, sizeof set));
    must("tree.db", db_meta_set_int(db, "total_files", (int64_t)v->files));
    must("tree.db", db_meta_set_int(db, "total_bytes", (int64_t)v->file_bytes));
    must("tree.db", db_commit(db));
    db_close(db);
}

static void note_rows(struct volume *v, const struct name_edit *e, const struct record *rec) {
    CLEANUP_BUF struct buf b = BUF_INIT(RECORD_MAX);
    bool dir = S_ISDIR(rec->mode);
    if (!v->rows)
        return;
    v->files++;
    v->file_bytes += rec->size;
    record_encode(rec, &b);
    must("tree.db", db_run(v->rows, STMT_C_INODE_SET, "ibii", e->now, b.data, b.len, (int64_t)(dir ? 2 : 1),
                           v->seq + 1));
    must("tree.db", db_run(v->rows, STMT_C_NAME_SET, "ibii", e->parent, e->name, e->n, e->now,
                           (int64_t)(rec->mode & S_IFMT)));
    if (dir)
        must("tree.db", db_run(v->rows, STMT_C_LINK, "ii", e->parent, (int64_t)1));
}

static void claim_session(struct volume *v) {
    v->entry.session = 0;
    v->entry.host = xstrdup("many");
    v->entry.user = xstrdup("many");
    RAND_bytes(v->entry.nonce, NONCE_SIZE);
    add_session(&v->set, SESSION, "many", v->entry.nonce);
    if (v->rows)
        must("tree.db", db_run(v->rows, STMT_C_SESSION_SET, "itb", (uint64_t)SESSION, "many", v->entry.nonce,
                               (size_t)NONCE_SIZE));
    put_entry(v);
}

/* Takes it over. most: changes an entry may have. */
static void add_change(struct volume *v, const struct change *c, size_t most) {
    CLEANUP_BUF struct buf b = BUF_INIT(ENTRY_MAX);
    struct entry *e = &v->entry;
    change_encode(c, &b);
    if (e->n_changes == v->cap)
        e->changes = xrealloc(e->changes, (v->cap = MAX(2 * v->cap, 64)) * sizeof *e->changes);
    e->changes[e->n_changes++] = *c;
    v->room += b.len;
    if (e->n_changes == most || v->room > ENTRY_MAX - ROOM)
        put_entry(v);
}

/* New names */

/* Bytes that look like chance, the same ones for a number. */
static uint64_t scatter(uint64_t n) {
    n = (n ^ n >> 31) * UINT64_C(0x7fb5d329728ea185);
    n = (n ^ n >> 27) * UINT64_C(0x81dadef4bc2dd44d);
    return n ^ n >> 33;
}

/* Not before WHEN: or their names would bring them another ctime. */
static int64_t time_of(uint64_t number) {
    return WHEN + (int64_t)(scatter(number) % (uint64_t)(86400 * NS_PER_S));
}

static void file_record(uint64_t number, struct record *ret) {
    uint8_t id[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    int64_t at = time_of(number);
    digest_of(&number, sizeof number, id);
    digest_hex(id, hex);
    CLEANUP_FREE char *key = xasprintf("files/%s.jpg", hex);
    *ret = (struct record){
        .mode = S_IFREG | 0644, .uid = 1000, .gid = 1000, .atime = at, .mtime = at, .ctime = at, .btime = at};
    ret->size = 1 + scatter(number + 1) % BLOCK_SIZE;
    ret->content = content_new(id, ret->size, key, NULL, NULL);
}

static void directory_record(uint64_t number, struct record *ret) {
    int64_t at = time_of(number);
    *ret = (struct record){
        .mode = S_IFDIR | 0755, .uid = 1000, .gid = 1000, .atime = at, .mtime = at, .ctime = at, .btime = at};
}

static uint64_t make(struct volume *v, uint64_t parent, bool directory, const char *name) {
    struct change c = {.names = xcalloc(1, sizeof *c.names),
                       .n_names = 1,
                       .inodes = xcalloc(1, sizeof *c.inodes),
                       .n_inodes = 1};
    uint64_t ino = (uint64_t)SESSION << SESSION_SHIFT | ++v->counter;
    *c.names = (struct name_edit){
        .parent = parent, .name = xstrdup(name), .n = strlen(name), .now = ino, .when = WHEN};
    *c.inodes = (struct inode_edit){.ino = ino, .was = WAS_NEW};
    if (directory)
        directory_record(ino, &c.inodes->rec);
    else
        file_record(ino, &c.inodes->rec);
    add_name(&v->set, c.names);
    count_inode(&v->set, ino, &c.inodes->rec, true);
    note_rows(v, c.names, &c.inodes->rec);
    add_change(v, &c, SIZE_MAX);
    return ino;
}

static void make_files(struct volume *v, uint64_t parent, uint64_t n) {
    char name[64];
    for (uint64_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "picture-%06" PRIu64 ".jpg", i);
        make(v, parent, false, name);
    }
}

/* Directory `at` of `all`, which are numbered like a heap, with all below it. */
static void make_directory(struct volume *v, uint64_t ino, uint64_t at, uint64_t all) {
    char name[64];
    make_files(v, ino, FILES_A_DIRECTORY);
    for (uint64_t i = FANOUT * at + 1; i <= FANOUT * at + FANOUT && i < all; i++) {
        snprintf(name, sizeof name, "series-%07" PRIu64, i);
        make_directory(v, make(v, ino, true, name), i, all);
    }
}

static void make_new(struct volume *v, uint64_t names) {
    CLEANUP_FREE char *first = entry_key(PREFIX, 1), *path = path_of(v, first);
    CLEANUP_BUF struct buf b = BUF_INIT(ENTRY_MAX);
    CLEANUP_ENTRY struct entry e = {0};
    must(path, file_load(path, &b));
    must(path, entry_open(b.data, b.len, v->keys, PREFIX, 1, &e));
    v->seq = 1;
    digest_of(b.data, b.len, v->head);
    count_inode(&v->set, ROOT_INO, &e.root, true);
    v->built_on = v->set;
    claim_session(v);
    if (names > 1000000) {
        make_files(v, make(v, ROOT_INO, true, "large"), LARGE);
        names -= LARGE + 1;
    }
    make_directory(v, ROOT_INO, 0, MAX(1, names / (FILES_A_DIRECTORY + 1)));
    if (v->entry.n_changes)
        put_entry(v);
}

/* Changes */

static void load_head(struct volume *v, struct db *db) {
    CLEANUP_BUF struct buf b = BUF_INIT(1024);
    v->seq = (uint64_t)db_meta_int(db, "seq", 0);
    must("tree.db", db_meta_bytes(db, "head_hash", &b));
    memcpy(v->head, b.data, DIGEST_SIZE);
    buf_reset(&b);
    must("tree.db", db_meta_bytes(db, "set", &b));
    set_digest_load(&v->set, b.data);
    v->built_on = v->set;
    buf_reset(&b);
    if (db_meta_bytes(db, "checkpoint", &b) == 0 && b.len) {
        struct cbor_in in = {b.data, b.data + b.len};
        must("tree.db", checkpoint_ref_decode(&in, &v->checkpoint));
    }
    CLEANUP_FREE char *key = entry_key(PREFIX, v->seq + 1), *path = path_of(v, key);
    if (access(path, F_OK) == 0)
        die("the journal has more than TREEDB", -ESTALE);
}

static void touch_one(struct volume *v, uint64_t ino, const void *rec, size_t n, size_t most) {
    struct change c = {.inodes = xcalloc(1, sizeof *c.inodes), .n_inodes = 1};
    struct inode_edit *e = c.inodes;
    e->ino = ino;
    must("a record", record_parse(rec, n, &e->rec));
    e->was = e->rec.content ? WAS_CONTENT : WAS_PLAIN;
    if (e->rec.content)
        memcpy(e->was_id, e->rec.content->id, DIGEST_SIZE);
    count_inode(&v->set, ino, &e->rec, false);
    e->rec.mtime += NS_PER_S;
    e->rec.ctime += NS_PER_S;
    count_inode(&v->set, ino, &e->rec, true);
    add_change(v, &c, most);
}

/* Files all over the tree. */
static void make_touch(struct volume *v, const char *path, uint64_t count, size_t most) {
    struct db db;
    sqlite3_stmt *s;
    must(path, db_open(&db, path));
    load_head(v, &db);
    int64_t files = db_meta_int(&db, "total_files", 0), step = MAX(1, files / (int64_t)MAX(1, count) - 1);
    if (sqlite3_prepare_v2(db.sql, "SELECT ino, rec FROM c_inode WHERE ino > ?1 AND ino % ?2 = 0", -1, &s,
                           NULL) != SQLITE_OK)
        die(path, -EIO);
    sqlite3_bind_int64(s, 1, (int64_t)SESSION << SESSION_SHIFT);
    sqlite3_bind_int64(s, 2, step);
    while (count && sqlite3_step(s) == SQLITE_ROW) {
        uint32_t mode;
        uint64_t size;
        must("a record",
             record_peek(sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1), &mode, &size));
        if (!S_ISREG(mode))
            continue;
        touch_one(v, (uint64_t)sqlite3_column_int64(s, 0), sqlite3_column_blob(s, 1),
                  (size_t)sqlite3_column_bytes(s, 1), most);
        count--;
    }
    sqlite3_finalize(s);
    db_close(&db);
    if (v->entry.n_changes)
        put_entry(v);
    if (count)
        die("there are not so many files here", -ENOENT);
}

static void make_base(const char *from, const char *path) {
    struct base_build *b;
    struct timespec t0, t1;
    struct rusage used;
    sqlite3 *sql;
    int r;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    if (sqlite3_open_v2(from, &sql, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_exec(sql, "PRAGMA cache_size=-32768; BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        die(from, -EIO);
    must(path, base_build_new(sql, NULL, path, &b));
    do
        r = base_build_step(b, 10000);
    while (r == 1);
    must(path, r);
    base_build_free(b);
    sqlite3_close(sql);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    getrusage(RUSAGE_SELF, &used);
    FILE *f = fopen(path, "rbe");
    if (!f || fseek(f, 0, SEEK_END) < 0)
        die(path, -errno);
    printf("%" PRId64 " %ld %ld\n",
           (int64_t)(t1.tv_sec - t0.tv_sec) * 1000000 + (t1.tv_nsec - t0.tv_nsec) / 1000, used.ru_maxrss,
           ftell(f));
    fclose(f);
}

static int usage(void) {
    fputs("usage: many new BUCKET KEYFILE NAMES [TREEDB] | touch BUCKET KEYFILE TREEDB COUNT N | base TREEDB FILE\n",
          stderr);
    return 2;
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "base"))
        return make_base(argv[2], argv[3]), 0;
    bool new = (argc == 5 || argc == 6) && !strcmp(argv[1], "new");
    if (!new && !(argc == 7 && !strcmp(argv[1], "touch")))
        return usage();
    struct volume v = {.bucket = argv[2], .keys = keyring_new(), .entry = {.session = SESSION}};
    uint8_t key[SEAL_KEY_SIZE];
    must(argv[3], volume_key_load(argv[3], key));
    keyring_add(v.keys, key);
    struct db db;
    if (new) {
        if (argc == 6)
            open_rows(&v, &db, argv[5]);
        make_new(&v, strtoull(argv[4], NULL, 10));
        close_rows(&v);
    } else {
        make_touch(&v, argv[4], strtoull(argv[5], NULL, 10), strtoull(argv[6], NULL, 10));
    }
    printf("%" PRIu64 " %" PRIu64 "\n", v.entries, v.bytes);
    keyring_free(v.keys);
    return 0;
}
