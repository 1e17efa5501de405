/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/dir.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/loop.h"
#include "fake_env.h"
#include "store_call.h"
#include "tmpdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <cmocka.h>

/* The system calls below stand before libc's: file systems that lack something, and disks that fail. An errno
 * here makes the call fail. The counters are atomic because one test has threads. */
static struct { int tmpfile, link_unnamed, link_proc, link_named, rename, fdatasync, fsync, mkdir; } fail;
static _Atomic unsigned n_fsync, n_fdatasync;

static int failing(int e) {
    errno = e;
    return -1;
}

int openat(int dir, const char *path, int flags, ...) {
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (fail.tmpfile && (flags & O_TMPFILE) == O_TMPFILE)
        return failing(fail.tmpfile);
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int linkat(int from, const char *path, int to, const char *name, int flags) {
    int e = flags & AT_EMPTY_PATH       ? fail.link_unnamed
            : flags & AT_SYMLINK_FOLLOW ? fail.link_proc
                                        : fail.link_named;
    return e ? failing(e) : (int)syscall(SYS_linkat, from, path, to, name, flags);
}

int renameat2(int from, const char *path, int to, const char *name, unsigned flags) {
    return fail.rename ? failing(fail.rename) : (int)syscall(SYS_renameat2, from, path, to, name, flags);
}

int mkdirat(int dir, const char *path, mode_t mode) {
    return fail.mkdir ? failing(fail.mkdir) : (int)syscall(SYS_mkdirat, dir, path, mode);
}

int fdatasync(int fd) {
    n_fdatasync++;
    return fail.fdatasync ? failing(fail.fdatasync) : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    n_fsync++;
    return fail.fsync ? failing(fail.fsync) : (int)syscall(SYS_fsync, fd);
}

static struct fake_env *fake;
static char *top, *path; /* path: the bucket */
static struct counters counters;
static struct store *s;

static int setup(void **state) {
    (void)state;
    memset(&fail, 0, sizeof fail);
    fake = fake_env_new();
    top = tmpdir_new();
    path = tmpdir_path(top, "bucket");
    counters = (struct counters){0};
    s = NULL;
    int r = store_dir_open(fake_env(fake), &counters, path, true, &s);
    n_fsync = n_fdatasync = 0;
    return r;
}

static int teardown(void **state) {
    (void)state;
    memset(&fail, 0, sizeof fail);
    s = store_free(s);
    free(path);
    tmpdir_free(top);
    fake = fake_env_free(fake);
    return 0;
}

static int put(const char *key, const char *text) {
    CLEANUP_CALL struct call c = {0};
    call_put(&c, s, key, text, strlen(text));
    assert_int_equal(c.done, 0);
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    assert_true(!c.err == !c.why);
    return c.err;
}

static void get(struct call *c, const char *key, uint64_t off, uint64_t len) {
    call_get(c, s, key, off, len);
    assert_int_equal(c->done, 0);
    fake_env_run(fake);
    assert_int_equal(c->done, 1);
    assert_true(!c->err == !c->why);
}

static int get_err(const char *key) {
    CLEANUP_CALL struct call c = {0};
    get(&c, key, 0, 0);
    return c.err;
}

static void file_has(const char *name, const char *text) {
    CLEANUP_FREE char *file = tmpdir_path(path, name);
    CLEANUP_BUF struct buf b = BUF_INIT(1000);
    assert_int_equal(file_load(file, &b), 0);
    assert_string_equal(buf_str(&b), text);
}

static bool file_is_there(const char *name) {
    CLEANUP_FREE char *file = tmpdir_path(path, name);
    return access(file, F_OK) == 0;
}

static size_t files_in_making(void) {
    CLEANUP_FREE char *tmp = tmpdir_path(path, ".tmp");
    DIR *d = opendir(tmp);
    assert_non_null(d);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void unmount(void) {
    CLEANUP_FREE char *away = tmpdir_path(top, "away");
    assert_int_equal(rename(path, away), 0);
}

static void mount(void) {
    CLEANUP_FREE char *away = tmpdir_path(top, "away");
    assert_int_equal(rename(away, path), 0);
}

/* ---- put ---- */

static void put_then_get(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    assert_int_equal(put("files/ab.txt", "hello"), 0);
    file_has("files/ab.txt", "hello");
    get(&c, "files/ab.txt", 0, 0);
    assert_int_equal(c.err, 0);
    assert_string_equal((char *)c.data, "hello");
    assert_int_equal(c.total, 5);
}

static void second_put_is_eexist_and_changes_nothing(void **state) {
    (void)state;
    assert_int_equal(put("a", "one"), 0);
    assert_int_equal(put("a", "two"), -EEXIST);
    file_has("a", "one");
    assert_int_equal(files_in_making(), 0);
}

static void empty_object(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    assert_int_equal(put("a", ""), 0);
    get(&c, "a", 0, 0);
    assert_int_equal(c.err, 0);
    assert_int_equal(c.len, 0);
    assert_int_equal(c.total, 0);
}

static int source_file(size_t n, uint8_t sha256[DIGEST_SIZE]) {
    CLEANUP_FREE char *name = tmpdir_path(top, "source");
    CLEANUP_FREE unsigned char *bytes = xmalloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 4096);
    digest_of(bytes, n, sha256);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(file_pwrite_all(fd, bytes, n, 0), 0);
    return fd;
}

static void puts_a_file_of_several_buffers(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, g = {0};
    const size_t n = 3 * 1024 * 1024 + 17;
    uint8_t sha256[DIGEST_SIZE], got[DIGEST_SIZE];
    CLEANUP_CLOSE int fd = source_file(n, sha256);
    call_put_fd(&c, s, "big", fd, n, sha256);
    fake_env_run(fake);
    assert_int_equal(c.err, 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    get(&g, "big", 0, 0);
    assert_int_equal(g.len, n);
    digest_of(g.data, g.len, got);
    assert_memory_equal(got, sha256, DIGEST_SIZE);
}

static void wrong_digest_makes_nothing(void **state) {
    (void)state;
    CLEANUP_CALL struct call memory = {0}, file = {0};
    uint8_t sha256[DIGEST_SIZE];
    CLEANUP_CLOSE int fd = source_file(2000000, sha256);
    sha256[0] ^= 1;
    call_put_fd(&file, s, "a", fd, 2000000, sha256);
    memory.put.bytes = "hello";
    call_put_fd(&memory, s, "b", -1, 5, sha256);
    fake_env_run(fake);
    assert_int_equal(file.err, -EIO);
    assert_int_equal(memory.err, -EIO);
    assert_false(file_is_there("a"));
    assert_false(file_is_there("b"));
}

static void short_source_makes_nothing(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    uint8_t sha256[DIGEST_SIZE];
    CLEANUP_CLOSE int fd = source_file(1000, sha256);
    call_put_fd(&c, s, "a", fd, 1001, sha256);
    fake_env_run(fake);
    assert_int_equal(c.err, -EIO);
    assert_non_null(strstr(c.why, "shorter"));
    assert_false(file_is_there("a"));
}

static void keys_cannot_leave_the_bucket(void **state) {
    (void)state;
    assert_int_equal(put("../outside", "x"), 0);
    assert_int_equal(get_err("../outside"), 0);
    file_has("%2E./outside", "x");
    CLEANUP_FREE char *outside = tmpdir_path(top, "outside");
    assert_int_equal(access(outside, F_OK), -1);
}

static void impossible_keys_are_einval(void **state) {
    (void)state;
    char key[300];
    memset(key, 'x', sizeof key);
    key[256] = '\0';
    const char *const bad[] = {"", "/a", key};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(put(bad[i], "x"), -EINVAL);
        assert_int_equal(get_err(bad[i]), -EINVAL);
    }
}

static void key_through_an_object_is_einval(void **state) {
    (void)state;
    put("a", "x");
    assert_int_equal(put("a/b", "x"), -EINVAL);
    assert_int_equal(put("a/b/c", "x"), -EINVAL);
    assert_int_equal(get_err("a/b"), -EINVAL);
}

static void key_of_a_directory_is_einval(void **state) {
    (void)state;
    put("a/b", "x");
    assert_int_equal(put("a", "x"), -EINVAL);
    assert_int_equal(get_err("a"), -EINVAL);
}

static void objects_are_read_only_and_typed(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    c.put.content_type = "image/png";
    call_put(&c, s, "a", "x", 1);
    fake_env_run(fake);
    assert_int_equal(c.err, 0);
    CLEANUP_FREE char *file = tmpdir_path(path, "a");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0222, 0);
    char type[64] = "";
    if (getxattr(file, "user.mime_type", type, sizeof type - 1) < 0 && errno == EOPNOTSUPP)
        return; /* kept where the file system can */
    assert_string_equal(type, "image/png");
}

/* ---- how objects get their names ---- */

static void makes_named_files_where_unnamed_are_not_known(void **state) {
    (void)state;
    fail.tmpfile = EOPNOTSUPP;
    assert_int_equal(put("a/b", "one"), 0);
    assert_int_equal(put("a/b", "two"), -EEXIST);
    assert_int_equal(put("a/c", "three"), 0);
    file_has("a/b", "one");
    assert_int_equal(files_in_making(), 0);
}

static void links_by_proc_without_privileges(void **state) {
    (void)state;
    fail.link_unnamed = ENOENT;
    fail.link_named = EIO;
    assert_int_equal(put("a/b", "one"), 0);
    assert_int_equal(put("a/b", "two"), -EEXIST);
    file_has("a/b", "one");
}

static void makes_named_files_where_unnamed_cannot_be_linked(void **state) {
    (void)state;
    fail.link_unnamed = fail.link_proc = ENOENT;
    assert_int_equal(put("a", "one"), 0);
    file_has("a", "one");
    assert_int_equal(files_in_making(), 0);
    fail.tmpfile = EIO; /* would be seen if it were tried again */
    assert_int_equal(put("b", "two"), 0);
}

static void renames_where_there_are_no_links(void **state) {
    (void)state;
    fail.tmpfile = EOPNOTSUPP;
    fail.link_named = EPERM;
    assert_int_equal(put("a", "one"), 0);
    file_has("a", "one");
    assert_int_equal(files_in_making(), 0);
}

static void refuses_where_nothing_can_name_without_replacing(void **state) {
    (void)state;
    fail.tmpfile = EOPNOTSUPP;
    fail.link_named = EPERM;
    fail.rename = EINVAL;
    assert_int_equal(put("a", "one"), -EACCES);
    assert_int_equal(files_in_making(), 0);
    assert_false(file_is_there("a"));
}

static void old_leftovers_are_removed_young_ones_not(void **state) {
    (void)state;
    CLEANUP_FREE char *old = tmpdir_path(path, ".tmp/old"), *young = tmpdir_path(path, ".tmp/young");
    const int64_t day = 24 * 3600, now = FAKE_ENV_NOW / NS_PER_S;
    const struct timespec old_times[2] = {{now - 8 * day, 0}, {now - 8 * day, 0}},
                          young_times[2] = {{now - day, 0}, {now - day, 0}};
    assert_int_equal(file_write_atomic(old, "x", 1, 0600), 0);
    assert_int_equal(file_write_atomic(young, "x", 1, 0600), 0);
    assert_int_equal(utimensat(AT_FDCWD, old, old_times, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, young, young_times, 0), 0);
    store_free(s);
    assert_int_equal(store_dir_open(fake_env(fake), &counters, path, false, &s), 0);
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
}

/* ---- durability ---- */

static void first_put_syncs_every_directory_it_made(void **state) {
    (void)state;
    assert_int_equal(put("a/b/c", "x"), 0);
    assert_int_equal(n_fdatasync, 1);
    assert_int_equal(n_fsync, 3); /* a/b for the link, the bucket for a, a for b */
}

static void later_put_syncs_its_directory_alone(void **state) {
    (void)state;
    put("a/b/c", "x");
    n_fsync = n_fdatasync = 0;
    assert_int_equal(put("a/b/d", "x"), 0);
    assert_int_equal(n_fdatasync, 1);
    assert_int_equal(n_fsync, 1);
}

static void existing_object_is_synced_too(void **state) {
    (void)state;
    CLEANUP_FREE char *dir = tmpdir_path(path, "a"), *file = tmpdir_path(path, "a/b");
    assert_int_equal(mkdir(dir, 0755), 0); /* another host, killed before it came to its fsync */
    assert_int_equal(file_write_atomic(file, "x", 1, 0444), 0);
    n_fsync = n_fdatasync = 0;
    assert_int_equal(put("a/b", "x"), -EEXIST);
    assert_int_equal(n_fsync, 2);
    assert_int_equal(n_fdatasync, 0);
}

static void failed_sync_is_no_success(void **state) {
    (void)state;
    fail.fdatasync = EIO;
    assert_int_equal(put("a", "x"), -EIO);
    assert_false(file_is_there("a"));
    fail.fdatasync = 0;
    fail.fsync = EIO;
    assert_int_equal(put("a", "x"), -EIO); /* it may be there */
    assert_int_equal(put("a", "x"), -EIO); /* and that it is there must be synced as well */
    fail.fsync = 0;
    assert_int_equal(put("a", "x"), -EEXIST);
}

static void removed_directory_is_synced_again(void **state) {
    (void)state;
    put("a/b", "x");
    CLEANUP_FREE char *dir = tmpdir_path(path, "a"), *file = tmpdir_path(path, "a/b");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0);
    n_fsync = 0;
    assert_int_equal(put("a/b", "x"), 0);
    assert_int_equal(n_fsync, 2);
}

/* ---- errors ---- */

static void errno_becomes_a_store_error(void **state) {
    (void)state;
    const struct {
        int e, err;
    } cases[] = {{ENOSPC, -ENOSPC}, {EDQUOT, -ENOSPC}, {EROFS, -EACCES}, {EACCES, -EACCES},
                 {EPERM, -EACCES},  {EIO, -EIO},       {ESTALE, -EIO},   {ETIMEDOUT, -ETIMEDOUT}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        fail.fdatasync = cases[i].e;
        assert_int_equal(put("a", "x"), cases[i].err);
        fail.fdatasync = 0;
        fail.mkdir = cases[i].e;
        assert_int_equal(put("d/a", "x"), cases[i].err);
        fail.mkdir = 0;
    }
    assert_int_equal(put("a", "x"), 0);
}

static void why_is_a_sentence_with_the_directory(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    fail.fdatasync = ENOSPC;
    call_put(&c, s, "a", "x", 1);
    fake_env_run(fake);
    assert_non_null(strstr(c.why, path));
    assert_non_null(strstr(c.why, "make room"));
}

static void missing_object_is_enoent(void **state) {
    (void)state;
    assert_int_equal(get_err("a"), -ENOENT);
    assert_int_equal(get_err("a/b/c"), -ENOENT);
}

static void vanished_bucket_is_eio_never_enoent(void **state) {
    (void)state;
    put("a", "x");
    unmount();
    CLEANUP_CALL struct call c = {0};
    get(&c, "a", 0, 0);
    assert_int_equal(c.err, -EIO);
    assert_non_null(strstr(c.why, "is not there (not mounted?)"));
    assert_int_equal(put("b", "x"), -EIO);
    mount();
    assert_int_equal(get_err("a"), 0);
    assert_int_equal(put("b", "x"), 0);
}

static void empty_mount_point_is_no_bucket(void **state) {
    (void)state;
    put("a", "x");
    unmount();
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(get_err("a"), -EIO);
    assert_int_equal(put("b", "x"), -EIO);
    CLEANUP_CALL struct call c = {0};
    call_list(&c, s, "");
    fake_env_run(fake);
    assert_int_equal(c.err, -EIO);
    assert_int_equal(rmdir(path), 0); /* nothing was made in it */
    mount();
    assert_int_equal(get_err("a"), 0);
}

/* ---- get ---- */

static void range_is_cut_at_the_end(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    put("a", "0123456789");
    get(&c, "a", 2, 3);
    assert_string_equal((char *)c.data, "234");
    assert_int_equal(c.total, 10);
    get(&d, "a", 7, UINT64_MAX);
    assert_string_equal((char *)d.data, "789");
}

static void range_beyond_the_end_is_erange(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    put("a", "0123456789");
    put("empty", "");
    get(&c, "a", 10, 1);
    assert_int_equal(c.err, -ERANGE);
    get(&d, "empty", 0, 1);
    assert_int_equal(d.err, -ERANGE);
}

static void huge_object_is_not_read_at_once(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0}, d = {0};
    put("a", "x");
    CLEANUP_FREE char *file = tmpdir_path(path, "huge");
    CLEANUP_CLOSE int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    get(&c, "huge", 0, 0);
    assert_int_equal(c.err, -EINVAL);
    get(&d, "huge", (uint64_t)1 << 39, 10);
    assert_int_equal(d.err, 0);
    assert_int_equal(d.total, (uint64_t)1 << 40);
}

static void fifo_does_not_hold_up(void **state) {
    (void)state;
    CLEANUP_FREE char *file = tmpdir_path(path, "fifo");
    assert_int_equal(mkfifo(file, 0600), 0);
    assert_int_equal(get_err("fifo"), -EINVAL);
}

/* ---- list, url, counters ---- */

static void list_is(const char *prefix, size_t n, const char *const *keys) {
    CLEANUP_CALL struct call c = {0};
    call_list(&c, s, prefix);
    assert_int_equal(c.done, 0);
    fake_env_run(fake);
    assert_int_equal(c.done, 1);
    assert_int_equal(c.err, 0);
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        assert_non_null(strstr((char *)c.data, keys[i]));
        len += strlen(keys[i]) + 1;
    }
    assert_int_equal(c.len, len);
}

static void lists_keys_not_paths(void **state) {
    (void)state;
    const char *const all[] = {"files/ab", "files//x", ".tmp/own", "100%", ".assetfs/journal/1"};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        put(all[i], "x");
    CLEANUP_FREE char *leftover = tmpdir_path(path, ".tmp/leftover"), *foreign = tmpdir_path(path, "%zz");
    assert_int_equal(file_write_atomic(leftover, "x", 1, 0600), 0);
    assert_int_equal(file_write_atomic(foreign, "x", 1, 0600), 0);
    list_is("", ARRAY_SIZE(all), all);
}

static void lists_by_prefix(void **state) {
    (void)state;
    put("files/ab", "x");
    put("files/b", "x");
    put("filesystem/x", "x");
    put("other", "x");
    list_is("files/", 2, (const char *const[]){"files/ab", "files/b"});
    list_is("files/a", 1, (const char *const[]){"files/ab"});
    list_is("files", 3, (const char *const[]){"files/ab", "files/b", "filesystem/x"});
    list_is("files/ab/", 0, NULL);
    list_is("none", 0, NULL);
}

static void url_is_the_file(void **state) {
    (void)state;
    CLEANUP_FREE char *url = store_url(s, "files/a b"), *want = xasprintf("file://%s/files/a%%20b", path);
    assert_string_equal(url, want);
    CLEANUP_FREE char *none = store_url(s, "/a");
    assert_null(none);
}

static void counts_what_it_did(void **state) {
    (void)state;
    CLEANUP_CALL struct call c = {0};
    put("a", "hello");
    put("a", "hello");
    get(&c, "a", 1, 2);
    assert_int_equal(counter_get(&counters, COUNTER_STORE_PUTS), 2);
    assert_int_equal(counter_get(&counters, COUNTER_STORE_GETS), 1);
    assert_int_equal(counter_get(&counters, COUNTER_BYTES_UPLOADED), 5);
    assert_int_equal(counter_get(&counters, COUNTER_BYTES_FETCHED), 2);
}

/* ---- opening ---- */

static int open_at(const char *p, bool create) {
    struct store *other = NULL;
    int r = store_dir_open(fake_env(fake), NULL, p, create, &other);
    assert_true((r == 0) == (other != NULL));
    store_free(other);
    return r;
}

static void open_wants_an_absolute_path(void **state) {
    (void)state;
    assert_int_equal(open_at("srv/bucket", true), -EINVAL);
    assert_int_equal(open_at("", true), -EINVAL);
}

static void open_wants_a_bucket(void **state) {
    (void)state;
    CLEANUP_FREE char *none = tmpdir_path(top, "none"), *plain = tmpdir_path(top, "plain"),
                      *file = tmpdir_path(path, "f");
    assert_int_equal(mkdir(plain, 0755), 0);
    put("f", "x");
    assert_int_equal(open_at(none, false), -ENOENT);
    assert_int_equal(open_at(plain, false), -ENODATA);
    assert_int_equal(open_at(file, false), -ENOTDIR);
    assert_int_equal(open_at(path, false), 0);
}

static void a_bucket_that_is_away_can_be_opened_for_later(void **state) {
    (void)state;
    CLEANUP_CALL struct call away = {0}, back = {0};
    CLEANUP_FREE char *elsewhere = tmpdir_path(top, "elsewhere");
    put("f", "x");
    s = store_free(s);
    assert_int_equal(rename(path, elsewhere), 0);
    assert_int_equal(store_dir_open(fake_env(fake), NULL, path, STORE_OPEN_LATER, &s), 0);
    get(&away, "f", 0, 0);
    assert_int_equal(away.err, -EIO);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rename(elsewhere, path), 0);
    get(&back, "f", 0, 0);
    assert_int_equal(back.err, 0);
}

static void create_makes_what_is_missing(void **state) {
    (void)state;
    CLEANUP_FREE char *deep = tmpdir_path(top, "x/y/bucket//"), *plain = tmpdir_path(top, "plain");
    assert_int_equal(open_at(deep, true), 0);
    assert_int_equal(open_at(deep, false), 0);
    assert_int_equal(mkdir(plain, 0755), 0);
    assert_int_equal(open_at(plain, true), 0);
    assert_int_equal(open_at(plain, true), 0);
}

static void created_bucket_is_private(void **state) {
    (void)state;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* ---- threads: many puts at once, several at each key ---- */

enum { KEYS = 40, RIVALS = 4, CALLS = KEYS * RIVALS };

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;
static size_t n_done; /* guarded by all_lock */

static void count_done(struct call *c ATTR_UNUSED) {
    SCOPE_LOCK(&all_lock);
    if (++n_done == CALLS)
        pthread_cond_signal(&all_done);
}

static void put_rivals(struct store *store, struct call *calls) {
    n_done = 0;
    for (size_t i = 0; i < CALLS; i++) {
        char key[32];
        snprintf(key, sizeof key, "d%zu/e/%zu", i % KEYS % 3, i % KEYS);
        calls[i].then = count_done;
        call_put(&calls[i], store, key, "the same for all", 16);
    }
    SCOPE_LOCK(&all_lock);
    while (n_done < CALLS)
        pthread_cond_wait(&all_done, &all_lock);
}

static void one_of_many_rivals_makes_the_object(void **state) {
    (void)state;
    struct loop *loop;
    struct store *store;
    static struct call calls[CALLS];
    assert_int_equal(loop_new(8, &loop), 0);
    assert_int_equal(store_dir_open(loop_env(loop), NULL, path, false, &store), 0);
    put_rivals(store, calls);
    size_t made = 0, existed = 0;
    for (size_t i = 0; i < CALLS; i++) {
        made += calls[i].err == 0;
        existed += calls[i].err == -EEXIST;
        call_reset(&calls[i]);
    }
    loop_free(loop);
    store_free(store);
    CLEANUP_CALL struct call c = {0};
    call_list(&c, s, "d");
    fake_env_run(fake);
    assert_int_equal(made, KEYS);
    assert_int_equal(c.total, KEYS * 16);
    assert_int_equal(made + existed, CALLS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(put_then_get),
        T(second_put_is_eexist_and_changes_nothing),
        T(empty_object),
        T(puts_a_file_of_several_buffers),
        T(wrong_digest_makes_nothing),
        T(short_source_makes_nothing),
        T(keys_cannot_leave_the_bucket),
        T(impossible_keys_are_einval),
        T(key_through_an_object_is_einval),
        T(key_of_a_directory_is_einval),
        T(objects_are_read_only_and_typed),
        T(makes_named_files_where_unnamed_are_not_known),
        T(links_by_proc_without_privileges),
        T(makes_named_files_where_unnamed_cannot_be_linked),
        T(renames_where_there_are_no_links),
        T(refuses_where_nothing_can_name_without_replacing),
        T(old_leftovers_are_removed_young_ones_not),
        T(first_put_syncs_every_directory_it_made),
        T(later_put_syncs_its_directory_alone),
        T(existing_object_is_synced_too),
        T(failed_sync_is_no_success),
        T(removed_directory_is_synced_again),
        T(errno_becomes_a_store_error),
        T(why_is_a_sentence_with_the_directory),
        T(missing_object_is_enoent),
        T(vanished_bucket_is_eio_never_enoent),
        T(empty_mount_point_is_no_bucket),
        T(range_is_cut_at_the_end),
        T(range_beyond_the_end_is_erange),
        T(huge_object_is_not_read_at_once),
        T(fifo_does_not_hold_up),
        T(lists_keys_not_paths),
        T(lists_by_prefix),
        T(url_is_the_file),
        T(counts_what_it_did),
        T(open_wants_an_absolute_path),
        T(open_wants_a_bucket),
        T(a_bucket_that_is_away_can_be_opened_for_later),
        T(create_makes_what_is_missing),
        T(created_bucket_is_private),
        T(one_of_many_rivals_makes_the_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
