/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A database sealed into the bucket in memory, and read there.
 */
#include "data/sealed_db.h"
#include "base/digest.h"
#include "base/file.h"
#include "data/sealed_db_layout.h"
#include "fake_env.h"
#include "store_fault.h"
#include "store_mem.h"
#include "tmpdir.h"
#include <fcntl.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define KEY "checkpoint/x"
static const uint8_t VOLUME[16] = {1, 2}, OTHER_VOLUME[16] = {3};
static const char *const HOT[] = {"dirs", NULL};

static struct fake_env *fake;
static struct mem_bucket *bucket;
static struct store *store;
static struct keyring *keys;
static char *dir;
static struct sealed_db_ref ref;
static struct counters counters;

static void run_sql(sqlite3 *sql, const char *text) {
    char *why = NULL;
    if (sqlite3_exec(sql, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", text, why);
}

/* "DIR/name": `dirs` rows of 60 random bytes in dirs, and `files` in files. */
static char *make_db(const char *name, unsigned dirs, unsigned files) {
    char *path = tmpdir_path(dir, name);
    sqlite3 *sql;
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    CLEANUP_FREE char *fill = xasprintf(
        "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; BEGIN; CREATE TABLE dirs(k INTEGER PRIMARY KEY, v BLOB); CREATE TABLE files(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) INSERT INTO dirs SELECT i, randomblob(60) FROM n WHERE %u > 0;"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) INSERT INTO files SELECT CAST(printf('%%08d', i) AS BLOB), randomblob(60) "
        "FROM n WHERE %u > 0; COMMIT;",
        MAX(1, dirs), dirs, MAX(1, files), files);
    run_sql(sql, fill);
    sqlite3_close(sql);
    return path;
}

/* Seals it into the bucket as KEY. */
static void seal_db(const char *path, unsigned compression, const uint8_t *volume, uint8_t salt_byte) {
    CLEANUP_FREE char *out = xasprintf("%s.sealed", path);
    CLEANUP_CLOSE int fd = open(out, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint8_t salt[SEAL_SALT_SIZE] = {salt_byte};
    CLEANUP_BUF struct buf b = BUF_INIT((size_t)1 << 30);
    assert_int_equal(sealed_db_write(path, fd, HOT, compression, keys, volume, salt, NULL, &ref), 0);
    assert_int_equal(sealed_db_ref_check(&ref), 0);
    assert_int_equal(file_load(out, &b), 0);
    assert_int_equal(b.len, ref.object_size);
    mem_bucket_set(bucket, KEY, b.data, b.len);
}

static struct sealed_db_config config(uint64_t memory) {
    return (struct sealed_db_config){.env = fake_env(fake),
                                     .counters = &counters,
                                     .store = store,
                                     .keys = keys,
                                     .volume_id = VOLUME,
                                     .key = KEY,
                                     .dir = dir,
                                     .memory = memory,
                                     .timeout_ns = 30 * NS_PER_S};
}

static struct sealed_db *open_db(uint64_t memory) {
    struct sealed_db *db;
    struct sealed_db_config c = config(memory);
    assert_int_equal(sealed_db_open(&c, &ref, &db), 0);
    return db;
}

static bool ready;
static int ready_err;
static void on_ready(void *arg, int err) {
    (void)arg;
    ready = true;
    ready_err = err;
}

static int wait_for(struct sealed_db *db, sqlite3 *sql) {
    ready = false;
    sealed_db_wait(db, sql, on_ready, NULL);
    assert_true(fake_env_run_until(fake, &ready, 120 * NS_PER_S));
    return ready_err;
}

static int connect_db(struct sealed_db *db, sqlite3 **ret) {
    int r;
    while ((r = sealed_db_connect(db, ret)) == -EINPROGRESS)
        if ((r = wait_for(db, NULL)) < 0)
            return r;
    return r;
}

/* The query's rows as one digest; every row is new after a wait, so it is asked from the beginning. restarts may be NULL. */
static int ask(struct sealed_db *db, sqlite3 *sql, const char *query, uint8_t ret[DIGEST_SIZE], unsigned *restarts) {
    for (;;) {
        sqlite3_stmt *s = NULL;
        CLEANUP_BUF struct buf b = BUF_INIT((size_t)1 << 30);
        int rc = sqlite3_prepare_v2(sql, query, -1, &s, NULL);
        while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(s); i++)
                buf_append(&b, sqlite3_column_blob(s, i), (size_t)sqlite3_column_bytes(s, i));
            rc = SQLITE_OK;
        }
        int r = rc == SQLITE_DONE ? 0 : sealed_db_error(db, sql);
        sqlite3_finalize(s);
        if (r == 0)
            digest_of(b.data, b.len, ret);
        if (r != -EINPROGRESS)
            return r;
        if (restarts)
            ++*restarts;
        if ((r = wait_for(db, sql)) < 0)
            return r;
    }
}

#define ALL "SELECT k, v FROM files UNION ALL SELECT k, v FROM dirs"

static void ask_file(const char *path, const char *query, uint8_t ret[DIGEST_SIZE]) {
    sqlite3 *sql;
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    assert_int_equal(ask(NULL, sql, query, ret, NULL), 0);
    sqlite3_close(sql);
}

/* The same answers from the bucket as from the file. */
static void same(const char *path, uint64_t memory, const char *query) {
    struct sealed_db *db = open_db(memory);
    sqlite3 *sql;
    uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];
    ask_file(path, query, want);
    assert_int_equal(connect_db(db, &sql), 0);
    assert_int_equal(ask(db, sql, query, got, NULL), 0);
    assert_memory_equal(got, want, DIGEST_SIZE);
    sqlite3_close(sql);
    fake_env_run(fake);
    sealed_db_close(db);
}

static int first_error(const char *query) {
    struct sealed_db *db = open_db(1 << 20);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    int r = connect_db(db, &sql);
    if (r == 0) {
        r = ask(db, sql, query, got, NULL);
        sqlite3_close(sql);
    }
    fake_env_advance(fake, 60 * NS_PER_S);
    sealed_db_close(db);
    return r;
}

static size_t gets(void) {
    return store_fault_gets(store, KEY);
}

static void new_ring(bool plain) {
    uint8_t key[SEAL_KEY_SIZE] = {9};
    keyring_free(keys);
    keys = keyring_new();
    if (!plain)
        keyring_add(keys, key);
}

static int setup(void **state) {
    (void)state;
    fake = fake_env_new();
    bucket = mem_bucket_new();
    store = store_fault_new(store_mem_new(bucket, fake_env(fake), NULL));
    dir = tmpdir_new();
    new_ring(false);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    store_free(store);
    mem_bucket_free(bucket);
    fake_env_free(fake);
    keys = keyring_free(keys);
    tmpdir_free(dir);
    return 0;
}

/* What comes back */

static void every_row_comes_back(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    assert_true(ref.n_blocks > 60);
    same(path, 1 << 20, ALL);
}

static void without_compression_too(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 20000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    same(path, 1 << 20, ALL);
}

static void and_in_a_plain_volume(void **state) {
    (void)state;
    new_ring(true);
    CLEANUP_FREE char *path = make_db("x.db", 2000, 20000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    assert_int_equal(*(const uint8_t *)mem_bucket_get(bucket, KEY, NULL), 4);
    same(path, 1 << 20, ALL);
}

static void with_memory_for_one_block(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 20000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    same(path, SEALED_DB_BLOCK, ALL);
}

static void with_no_room_on_disk(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 20000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db_config c = config(8 << 20);
    struct sealed_db *db;
    struct stat st;
    sqlite3 *sql;
    uint8_t want[DIGEST_SIZE], got[DIGEST_SIZE];
    char hex[DIGEST_HEX_SIZE];
    c.min_free = INT64_MAX;
    assert_int_equal(sealed_db_open(&c, &ref, &db), 0);
    ask_file(path, ALL, want);
    assert_int_equal(connect_db(db, &sql), 0);
    assert_int_equal(ask(db, sql, ALL, got, NULL), 0);
    assert_memory_equal(got, want, DIGEST_SIZE);
    sqlite3_close(sql);
    sealed_db_close(db);
    digest_hex(ref.digest, hex);
    CLEANUP_FREE char *local = xasprintf("%s/checkpoint/%s", dir, hex);
    assert_int_equal(stat(local, &st), 0);
    assert_int_equal(st.st_blocks, 0);
}

static void an_empty_database_is_one_too(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 0, 0);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    assert_int_equal(ref.n_blocks, 1);
    same(path, 0, ALL);
}

static void several_connections_share_what_was_fetched(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db *db = open_db(64 << 20);
    sqlite3 *a, *b;
    uint8_t one[DIGEST_SIZE], two[DIGEST_SIZE];
    assert_int_equal(connect_db(db, &a), 0);
    assert_int_equal(ask(db, a, ALL, one, NULL), 0);
    size_t before = gets();
    assert_int_equal(connect_db(db, &b), 0);
    assert_int_equal(ask(db, b, ALL, two, NULL), 0);
    assert_memory_equal(one, two, DIGEST_SIZE);
    assert_int_equal(gets(), before);
    sqlite3_close(a);
    sqlite3_close(b);
    sealed_db_close(db);
}

static void the_object_is_named_by_its_hash(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 2000);
    uint8_t digest[DIGEST_SIZE];
    size_t n;
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    const void *p = mem_bucket_get(bucket, KEY, &n);
    digest_of(p, n, digest);
    assert_memory_equal(digest, ref.digest, DIGEST_SIZE);
}

static void a_query_that_misses_is_told_so_and_goes_on(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db *db = open_db(1 << 20);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    unsigned restarts = 0;
    assert_int_equal(sealed_db_connect(db, &sql), -EINPROGRESS);
    assert_int_equal(connect_db(db, &sql), 0);
    fake_env_run(fake);
    assert_int_equal(ask(db, sql, "SELECT v FROM files WHERE k = CAST('00054321' AS BLOB)", got, &restarts), 0);
    assert_int_equal(restarts, 1); /* the hot zone is here, one leaf is not */
    sqlite3_close(sql);
    sealed_db_close(db);
}

/* Requests */

static void a_small_object_is_one_request(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 100, 5000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    assert_true(ref.object_size <= 1 << 20 && ref.n_blocks > 4);
    same(path, 1 << 20, ALL);
    assert_int_equal(gets(), 1);
}

static void a_large_one_is_its_table_and_its_hot_zone(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db *db = open_db(1 << 20);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    assert_int_equal(connect_db(db, &sql), 0);
    assert_int_equal(gets(), 2);
    assert_int_equal(ask(db, sql, "SELECT * FROM dirs", got, NULL), 0);
    assert_int_equal(gets(), 2);
    assert_int_equal(ask(db, sql, "SELECT v FROM files WHERE k = CAST('00030000' AS BLOB)", got, NULL), 0);
    assert_int_equal(gets(), 3);
    sqlite3_close(sql);
    sealed_db_close(db);
}

static void a_lazy_one_is_its_first_blocks_until_more_is_wanted(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db *db;
    struct sealed_db_config c = config(64 << 20);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    c.lazy = true;
    assert_in_range(ref.hot_blocks, 8, 100);
    assert_int_equal(sealed_db_open(&c, &ref, &db), 0);
    assert_int_equal(connect_db(db, &sql), 0);
    fake_env_run(fake);
    assert_int_equal(gets(), 2);
    assert_in_range(sealed_db_memory(db), SEALED_DB_BLOCK, 2 * SEALED_DB_BLOCK);
    assert_int_equal(ask(db, sql, "SELECT v FROM dirs WHERE k = 19000", got, NULL), 0);
    assert_int_equal(gets(), 3);
    sealed_db_warm(db);
    fake_env_run(fake);
    assert_int_equal(sealed_db_memory(db), (uint64_t)ref.hot_blocks * SEALED_DB_BLOCK);
    size_t before = gets();
    sealed_db_warm(db);
    assert_int_equal(ask(db, sql, "SELECT * FROM dirs", got, NULL), 0);
    assert_int_equal(gets(), before);
    sqlite3_close(sql);
    sealed_db_close(db);
}

static void who_reads_on_gets_twice_as_much_each_time(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 120000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    struct sealed_db *db = open_db(64 << 20);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    assert_true(ref.n_blocks > 127 && ref.n_blocks < 190);
    assert_int_equal(connect_db(db, &sql), 0);
    size_t before = gets();
    assert_int_equal(ask(db, sql, "SELECT v FROM files", got, NULL), 0);
    assert_int_equal(gets() - before, 8); /* 1 2 4 8 16 32 64 and what is left */
    sqlite3_close(sql);
    sealed_db_close(db);
}

static void a_scan_asks_for_a_megabyte_at_a_time_eight_times_at_once(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 200000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    struct sealed_db *db = open_db(64 << 20);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    assert_int_equal(connect_db(db, &sql), 0);
    size_t before = gets();
    sealed_db_scan(db, sql, true);
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_prepare_v2(sql, "SELECT v FROM files", -1, &s, NULL), SQLITE_OK);
    while (sqlite3_step(s) == SQLITE_ROW) /* the block where the hot zone ends is here */
        ;
    assert_int_equal(gets() - before, 8);
    sqlite3_finalize(s);
    assert_int_equal(ask(db, sql, "SELECT v FROM files", got, NULL), 0);
    assert_in_range(gets() - before, ref.n_blocks / 16, ref.n_blocks / 16 + 2);
    sqlite3_close(sql);
    fake_env_run(fake);
    sealed_db_close(db);
}

static void what_was_fetched_once_is_in_the_local_file(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    same(path, 1 << 20, ALL);
    size_t before = gets();
    same(path, 1 << 20, ALL);
    assert_int_equal(gets(), before);
}

static void a_hole_in_the_local_file_is_fetched_again(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    same(path, 1 << 20, ALL);
    size_t before = gets();
    char hex[DIGEST_HEX_SIZE];
    digest_hex(ref.digest, hex);
    CLEANUP_FREE char *local = xasprintf("%s/checkpoint/%s", dir, hex);
    CLEANUP_CLOSE int fd = open(local, O_RDWR | O_CLOEXEC);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 << 20, 65536), 0);
    same(path, 1 << 20, ALL);
    assert_in_range(gets() - before, 1, 2); /* it may cut two blocks */
}

static void a_damaged_local_file_is_fetched_again(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    same(path, 1 << 20, ALL);
    size_t before = gets();
    char hex[DIGEST_HEX_SIZE];
    digest_hex(ref.digest, hex);
    CLEANUP_FREE char *local = xasprintf("%s/checkpoint/%s", dir, hex);
    CLEANUP_CLOSE int fd = open(local, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "spoilt", 6, 3 << 20), 6);
    same(path, 1 << 20, ALL);
    assert_int_equal(gets() - before, 1);
    same(path, 1 << 20, ALL);
    assert_int_equal(gets() - before, 1); /* and mended */
}

static void a_damaged_table_in_it_as_well(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    same(path, 1 << 20, ALL);
    size_t before = gets();
    char hex[DIGEST_HEX_SIZE];
    digest_hex(ref.digest, hex);
    CLEANUP_FREE char *local = xasprintf("%s/checkpoint/%s", dir, hex);
    assert_int_equal(truncate(local, (off_t)ref.table_offset), 0);
    same(path, 1 << 20, ALL);
    assert_true(gets() > before);
}

/* Memory */

static void memory_is_bounded(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 200000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db *db = open_db(256 << 10);
    sqlite3 *sql;
    uint8_t got[DIGEST_SIZE];
    assert_int_equal(connect_db(db, &sql), 0);
    sqlite3_exec(sql, "PRAGMA cache_size=10", NULL, NULL, NULL);
    assert_int_equal(ask(db, sql, ALL, got, NULL), 0);
    uint64_t kept = sealed_db_memory(db);
    assert_in_range(kept, 1, (256 << 10) + (uint64_t)(ref.hot_blocks + 1) * SEALED_DB_BLOCK);
    sealed_db_scan(db, sql, true);
    assert_int_equal(ask(db, sql, ALL, got, NULL), 0);
    assert_in_range(sealed_db_memory(db), 1, kept + (16 << 20));
    sqlite3_close(sql);
    fake_env_run(fake);
    sealed_db_close(db);
}

/* Bad objects */

static void a_damaged_object_is_found_out(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    mem_bucket_corrupt(bucket, KEY, 3 << 20);
    assert_int_equal(first_error(ALL), -EBADMSG);
    assert_int_equal(first_error("SELECT v FROM dirs"), 0); /* the rest is as good as before */
}

static void so_is_one_in_a_plain_volume(void **state) {
    (void)state;
    new_ring(true);
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    mem_bucket_corrupt(bucket, KEY, 3 << 20);
    assert_int_equal(first_error(ALL), -EBADMSG);
}

static void a_damaged_answer_is_asked_for_once_more(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    store_fault_corrupt(store, KEY, 3, 1);
    same(path, 1 << 20, ALL);
}

static void a_truncated_object(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    size_t n;
    CLEANUP_FREE void *copy = xmemdup(mem_bucket_get(bucket, KEY, &n), (size_t)ref.object_size);
    mem_bucket_set(bucket, KEY, copy, n - 1);
    assert_int_equal(first_error(ALL), -EBADMSG);
    mem_bucket_set(bucket, KEY, copy, n / 2);
    assert_int_equal(first_error(ALL), -EBADMSG);
    mem_bucket_set(bucket, KEY, copy, 0);
    assert_int_equal(first_error(ALL), -EBADMSG);
}

static void an_object_that_is_not_there(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    mem_bucket_delete(bucket, KEY);
    assert_int_equal(first_error(ALL), -ENOENT);
}

static void an_object_of_another_volume_salt_or_key(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, OTHER_VOLUME, 1);
    assert_int_equal(first_error(ALL), -EBADMSG);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    ref.salt[0]++;
    assert_int_equal(first_error(ALL), -EBADMSG);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    ref.key_id[0]++;
    struct sealed_db_config c = config(0);
    struct sealed_db *db;
    assert_int_equal(sealed_db_open(&c, &ref, &db), -ENOKEY);
}

static void a_block_of_another_object(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 2);
    size_t n;
    CLEANUP_FREE uint8_t *other = xmemdup(mem_bucket_get(bucket, KEY, &n), (size_t)ref.object_size);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    CLEANUP_FREE uint8_t *mine = xmemdup(mem_bucket_get(bucket, KEY, &n), (size_t)ref.object_size);
    memcpy(mine + SEAL_HEADER_SIZE + 40 * (SEALED_DB_BLOCK + SEAL_TAG_SIZE), other + SEAL_HEADER_SIZE + 40 * (SEALED_DB_BLOCK + SEAL_TAG_SIZE),
           SEALED_DB_BLOCK + SEAL_TAG_SIZE);
    mem_bucket_set(bucket, KEY, mine, n);
    assert_int_equal(first_error(ALL), -EBADMSG);
}

static void references_that_cannot_be(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 6000);
    seal_db(path, SEALED_DB_RAW, VOLUME, 1);
    const struct sealed_db_ref good = ref;
    struct sealed_db_config c = config(0);
    struct sealed_db *db;
#define BAD(change, err)                                                                                      \
    ref = good;                                                                                              \
    change;                                                                                                  \
    assert_int_equal(sealed_db_open(&c, &ref, &db), err)
    BAD(ref.block_size = 4096, -EPROTONOSUPPORT);
    BAD(ref.compression = 2, -EPROTONOSUPPORT);
    BAD(ref.file_size = 0, -EBADMSG);
    BAD(ref.file_size += 1, -EBADMSG);
    BAD(ref.file_size = (uint64_t)1 << 60, -EBADMSG);
    BAD(ref.n_blocks++, -EBADMSG);
    BAD(ref.hot_blocks = ref.n_blocks + 1, -EBADMSG);
    BAD(ref.table_offset = 0, -EBADMSG);
    BAD(ref.table_offset = ref.object_size, -EBADMSG);
    BAD(ref.table_offset = UINT64_MAX, -EBADMSG);
    BAD(ref.object_size = UINT64_MAX, -EBADMSG);
    BAD(ref.sealed = false, -EBADMSG);
#undef BAD
}

static void a_bucket_that_is_away_is_trouble_for_as_long_as_it_may_be(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    store_fault_vanish(store);
    int64_t before = env_mono(fake_env(fake));
    struct sealed_db *db = open_db(1 << 20);
    sqlite3 *sql;
    assert_int_equal(connect_db(db, &sql), -ETIMEDOUT);
    assert_in_range(env_mono(fake_env(fake)) - before, 29 * NS_PER_S, 31 * NS_PER_S);
    store_fault_clear(store);
    assert_int_equal(connect_db(db, &sql), 0); /* who asks again, tries again */
    sqlite3_close(sql);
    fake_env_run(fake);
    sealed_db_close(db);
}

static void a_get_that_never_ends_is_not_waited_for(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    store_fault_hold(store, FAULT_GET, KEY);
    struct sealed_db *db = open_db(1 << 20);
    sqlite3 *sql;
    assert_int_equal(connect_db(db, &sql), -ETIMEDOUT);
    store_fault_release(store);
    assert_int_equal(connect_db(db, &sql), 0);
    sqlite3_close(sql);
    fake_env_run(fake);
    sealed_db_close(db);
}

/* Writing */

static void what_cannot_be_sealed(void **state) {
    (void)state;
    CLEANUP_FREE char *path = tmpdir_path(dir, "bad"), *out = tmpdir_path(dir, "out"), *none = tmpdir_path(dir, "none");
    CLEANUP_CLOSE int fd = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const uint8_t salt[SEAL_SALT_SIZE] = {0};
    sqlite3 *sql;
    assert_int_equal(sealed_db_write(none, fd, HOT, 1, keys, VOLUME, salt, NULL, &ref), -ENOENT);
    assert_int_equal(sqlite3_open(path, &sql), SQLITE_OK);
    run_sql(sql, "PRAGMA page_size=4096; CREATE TABLE a(b); CREATE TABLE c(b); CREATE TABLE d(b); CREATE TABLE e(b)");
    assert_int_equal(sealed_db_write(path, fd, HOT, 1, keys, VOLUME, salt, NULL, &ref), -EINVAL);
    run_sql(sql, "PRAGMA page_size=16384; VACUUM; PRAGMA journal_mode=WAL; CREATE TABLE f(g)");
    assert_int_equal(sealed_db_write(path, fd, HOT, 1, keys, VOLUME, salt, NULL, &ref), -EINVAL);
    sqlite3_close(sql);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(sealed_db_write(path, fd, HOT, 1, keys, VOLUME, salt, NULL, &ref), -EINVAL);
    assert_int_equal(truncate(path, SEALED_DB_PAGE), 0);
    assert_int_equal(sealed_db_write(path, fd, HOT, 1, keys, VOLUME, salt, NULL, &ref), -EBADMSG);
}

static void a_writer_can_be_stopped(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 2000), *out = tmpdir_path(dir, "out");
    CLEANUP_CLOSE int fd = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const uint8_t salt[SEAL_SALT_SIZE] = {0};
    _Atomic bool stop = true;
    assert_int_equal(sealed_db_write(path, fd, HOT, 1, keys, VOLUME, salt, &stop, &ref), -ECANCELED);
}

static void a_b_tree_that_bites_its_tail_is_no_database(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 20, 60000), *out = tmpdir_path(dir, "out");
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC), to = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const uint8_t salt[SEAL_SALT_SIZE] = {0};
    uint8_t page[SEALED_DB_PAGE];
    for (uint32_t i = 1; file_pread_all(fd, page, sizeof page, (uint64_t)i * SEALED_DB_PAGE) == 0; i++) {
        if (page[0] != 2)
            continue;
        const uint8_t self[4] = {(uint8_t)((i + 1) >> 24), (uint8_t)((i + 1) >> 16), (uint8_t)((i + 1) >> 8), (uint8_t)(i + 1)};
        assert_int_equal(file_pwrite_all(fd, self, 4, (uint64_t)i * SEALED_DB_PAGE + 8), 0);
        break;
    }
    const char *const all[] = {"files", NULL};
    assert_int_equal(sealed_db_write(path, to, all, 1, keys, VOLUME, salt, NULL, &ref), -EBADMSG);
}

/* Closing */

static void what_waits_when_it_is_closed_is_told(void **state) {
    (void)state;
    CLEANUP_FREE char *path = make_db("x.db", 2000, 60000);
    seal_db(path, SEALED_DB_ZSTD, VOLUME, 1);
    struct sealed_db *db = open_db(1 << 20);
    sqlite3 *sql;
    assert_int_equal(sealed_db_connect(db, &sql), -EINPROGRESS);
    ready = false;
    sealed_db_wait(db, NULL, on_ready, NULL);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, (void *(*)(void *))(void (*)(void))sealed_db_close, db), 0);
    while (!ready)
        fake_env_run(fake);
    while (pthread_tryjoin_np(thread, NULL) == EBUSY)
        fake_env_run(fake);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(every_row_comes_back),
        T(without_compression_too),
        T(and_in_a_plain_volume),
        T(with_memory_for_one_block),
        T(with_no_room_on_disk),
        T(an_empty_database_is_one_too),
        T(several_connections_share_what_was_fetched),
        T(the_object_is_named_by_its_hash),
        T(a_query_that_misses_is_told_so_and_goes_on),
        T(a_small_object_is_one_request),
        T(a_large_one_is_its_table_and_its_hot_zone),
        T(a_lazy_one_is_its_first_blocks_until_more_is_wanted),
        T(who_reads_on_gets_twice_as_much_each_time),
        T(a_scan_asks_for_a_megabyte_at_a_time_eight_times_at_once),
        T(what_was_fetched_once_is_in_the_local_file),
        T(a_hole_in_the_local_file_is_fetched_again),
        T(a_damaged_local_file_is_fetched_again),
        T(a_damaged_table_in_it_as_well),
        T(memory_is_bounded),
        T(a_damaged_object_is_found_out),
        T(so_is_one_in_a_plain_volume),
        T(a_damaged_answer_is_asked_for_once_more),
        T(a_truncated_object),
        T(an_object_that_is_not_there),
        T(an_object_of_another_volume_salt_or_key),
        T(a_block_of_another_object),
        T(references_that_cannot_be),
        T(a_bucket_that_is_away_is_trouble_for_as_long_as_it_may_be),
        T(a_get_that_never_ends_is_not_waited_for),
        T(what_cannot_be_sealed),
        T(a_writer_can_be_stopped),
        T(a_b_tree_that_bites_its_tail_is_no_database),
        T(what_waits_when_it_is_closed_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
