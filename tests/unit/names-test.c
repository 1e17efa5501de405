/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The calls of a filesystem on names and inodes: what they answer, and what the view is afterwards; before a commit, after it, and after a restart.
 */
#include "tree/names.h"
#include "tree_box.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void ok(int r) {
    assert_int_equal(r, 0);
}

static struct attr stat_of(struct tree_box *b, const char *path) {
    struct attr a = {0};
    ok(box_stat(b, path, &a));
    return a;
}

static void is_sound(struct tree_box *b) {
    CLEANUP_FREE char *wrong = tree_box_wrong(b);
    if (wrong)
        fail_msg("%s", wrong);
}

/* The view is the same pending, committed, and mounted again. */
static void stays(struct tree_box *b, const char *want) {
    assert_view(b, want);
    is_sound(b);
    box_commit(b);
    assert_int_equal(b->tree->pending_rows, 0);
    assert_view(b, want);
    is_sound(b);
    tree_box_reopen(b);
    assert_view(b, want);
    is_sound(b);
    assert_int_equal(counter_get(&b->counters, COUNTER_CHANGES_VOID), 0);
}

static void an_empty_tree(void **st) {
    struct tree_box *b = *st;
    struct attr a = stat_of(b, "");
    assert_int_equal(a.ino, ROOT_INO);
    assert_int_equal(a.mode, S_IFDIR | 0755);
    assert_int_equal(a.nlink, 2);
    stays(b, "");
}

static void every_type(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(box_create(b, "file"));
    ok(box_mkdir(b, "dir"));
    ok(box_symlink(b, "link", "target"));
    ok(names_make(b->tree, ROOT_INO, "fifo", 4, &(struct make){.mode = S_IFIFO | 0600}, &a));
    ok(names_make(b->tree, ROOT_INO, "chr", 3, &(struct make){.mode = S_IFCHR | 0600, .rdev = makedev(5, 1)}, &a));
    assert_int_equal(a.rdev, makedev(5, 1));
    ok(names_make(b->tree, ROOT_INO, "sock", 4, &(struct make){.mode = S_IFSOCK | 0600}, &a));
    stays(b, "chr dir/ fifo file= link->target sock");
    assert_int_equal(stat_of(b, "chr").rdev, makedev(5, 1));
    assert_int_equal(stat_of(b, "link").size, 6);
    assert_int_equal(stat_of(b, "fifo").mode, S_IFIFO | 0600);
}

static void making_what_is_there(void **st) {
    struct tree_box *b = *st;
    ok(box_create(b, "f"));
    assert_int_equal(box_create(b, "f"), -EEXIST);
    assert_int_equal(box_mkdir(b, "f"), -EEXIST);
    assert_int_equal(box_symlink(b, "f", "x"), -EEXIST);
    box_commit(b);
    assert_int_equal(box_create(b, "f"), -EEXIST);
    stays(b, "f=");
}

static void making_where_nothing_is(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    struct make m = {.mode = S_IFREG | 0600};
    ok(box_create(b, "f"));
    assert_int_equal(names_make(b->tree, box_ino(b, "f"), "x", 1, &m, &a), -ENOTDIR);
    assert_int_equal(names_make(b->tree, 12345, "x", 1, &m, &a), -ESTALE);
    ok(box_mkdir(b, "d"));
    uint64_t d = box_ino(b, "d");
    ok(box_rmdir(b, "d"));
    assert_int_equal(names_make(b->tree, d, "x", 1, &m, &a), -ENOENT); /* removed, still known */
    stays(b, "f=");
}

static void names_that_cannot_be(void **st) {
    struct tree_box *b = *st;
    char longest[256];
    struct attr a;
    struct make m = {.mode = S_IFREG | 0600};
    memset(longest, 'x', sizeof longest);
    assert_int_equal(names_make(b->tree, ROOT_INO, longest, 256, &m, &a), -ENAMETOOLONG);
    assert_int_equal(names_lookup(b->tree, ROOT_INO, longest, 256, &a), -ENAMETOOLONG);
    assert_int_equal(names_make(b->tree, ROOT_INO, "a/b", 3, &m, &a), -EINVAL);
    assert_int_equal(names_make(b->tree, ROOT_INO, "a\0b", 3, &m, &a), -EINVAL);
    assert_int_equal(names_make(b->tree, ROOT_INO, "", 0, &m, &a), -EINVAL);
    assert_true(names_make(b->tree, ROOT_INO, "..", 2, &m, &a) < 0);
    ok(names_make(b->tree, ROOT_INO, longest, 255, &m, &a));
    assert_int_equal(box_symlink(b, "empty", ""), -ENOENT);
    CLEANUP_FREE char *target = xcalloc(1, 4097);
    memset(target, 'x', 4096);
    assert_int_equal(box_symlink(b, "long", target), -ENAMETOOLONG);
    target[4095] = 0;
    ok(box_symlink(b, "long", target));
    is_sound(b);
}

static void dot_names_are_answered(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    uint64_t d = box_ino(b, "d"), e = box_ino(b, "d/e");
    ok(names_lookup(b->tree, e, ".", 1, &a));
    assert_int_equal(a.ino, e);
    ok(names_lookup(b->tree, e, "..", 2, &a));
    assert_int_equal(a.ino, d);
    ok(names_lookup(b->tree, ROOT_INO, "..", 2, &a));
    assert_int_equal(a.ino, ROOT_INO);
}

static void a_name_of_two_bytes_is_no_dot_name(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(box_create(b, ".a"));
    ok(names_lookup(b->tree, ROOT_INO, ".a", 2, &a));
    assert_int_equal(a.ino, box_ino(b, ".a"));
    ok(names_lookup(b->tree, a.ino, ".", 1, &a)); /* of a file too: how the kernel opens a handle */
    assert_int_equal(a.ino, box_ino(b, ".a"));
    assert_int_equal(names_lookup(b->tree, a.ino, "..", 2, &a), -ENOTDIR);
    assert_int_equal(names_lookup(b->tree, a.ino + 1000, ".", 1, &a), -ESTALE);
    assert_int_equal(names_lookup(b->tree, ROOT_INO, ".b", 2, &a), -ENOENT);
    assert_int_equal(names_lookup(b->tree, ROOT_INO, "a", 1, &a), -ENOENT);
}

static void link_counts(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    ok(box_create(b, "d/f"));
    for (int i = 0; i < 2; i++) { /* pending, then confirmed */
        assert_int_equal(stat_of(b, "").nlink, 3);
        assert_int_equal(stat_of(b, "d").nlink, 3);
        assert_int_equal(stat_of(b, "d/e").nlink, 2);
        assert_int_equal(stat_of(b, "d/f").nlink, 1);
        box_commit(b);
    }
    ok(box_link(b, "d/f", "g"));
    ok(box_rename(b, "d/e", "e", 0));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat_of(b, "").nlink, 4);
        assert_int_equal(stat_of(b, "d").nlink, 2);
        assert_int_equal(stat_of(b, "d/f").nlink, 2);
        assert_int_equal(stat_of(b, "g").ino, stat_of(b, "d/f").ino);
        box_commit(b);
    }
    ok(box_rmdir(b, "e"));
    ok(box_unlink(b, "d/f"));
    assert_int_equal(stat_of(b, "").nlink, 3);
    assert_int_equal(stat_of(b, "g").nlink, 1);
    stays(b, "d/ g=");
}

static void linking(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(box_create(b, "f"));
    ok(box_mkdir(b, "d"));
    assert_int_equal(box_link(b, "d", "x"), -EPERM);
    assert_int_equal(box_link(b, "f", "d"), -EEXIST);
    assert_int_equal(names_link(b->tree, 999, ROOT_INO, "x", 1, &a), -ESTALE);
    uint64_t f = box_ino(b, "f");
    ok(box_unlink(b, "f"));
    assert_int_equal(names_link(b->tree, f, ROOT_INO, "x", 1, &a), -ENOENT);
    ok(box_symlink(b, "s", "t"));
    ok(box_link(b, "s", "s2"));
    stays(b, "d/ s->t s2->t");
}

/* Its times are another host's, whose clock is ahead: the link and its removal change nothing, and nothing is left to commit. */
static void linking_behind_a_clock(void **st) {
    struct tree_box *b = *st, *ahead = tree_box_join(b, "ahead");
    sim_env_skew(ahead->env, 3600 * NS_PER_S);
    ok(box_symlink(ahead, "s", "t"));
    box_commit(ahead);
    box_follow(b);
    ok(box_link(b, "s", "s2"));
    ok(box_unlink(b, "s2"));
    assert_int_equal(b->tree->pending_rows, 0);
    stays(b, "s->t");
    ok(box_link(b, "s", "s2"));
    ok(box_link(b, "s", "s3"));
    ok(box_unlink(b, "s2"));
    stays(b, "s->t s3->t");
    tree_box_free(ahead);
}

/* Likewise. */
static void a_name_comes_back_behind_a_clock(void **st) {
    struct tree_box *b = *st, *ahead = tree_box_join(b, "ahead");
    sim_env_skew(ahead->env, 3600 * NS_PER_S);
    ok(box_symlink(ahead, "s", "t"));
    ok(box_link(ahead, "s", "s2"));
    box_commit(ahead);
    box_follow(b);
    ok(box_unlink(b, "s"));
    ok(box_link(b, "s2", "s"));
    assert_int_equal(b->tree->pending_rows, 0);
    ok(box_link(b, "s", "s3"));
    ok(box_unlink(b, "s"));
    ok(box_rename(b, "s3", "s", 0));
    assert_int_equal(b->tree->pending_rows, 0);
    stays(b, "s->t s2->t");
    tree_box_free(ahead);
}

static void removing(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_create(b, "d/f"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(box_rmdir(b, "d"), -ENOTEMPTY);
        assert_int_equal(box_unlink(b, "d"), -EISDIR);
        assert_int_equal(box_rmdir(b, "d/f"), -ENOTDIR);
        assert_int_equal(box_unlink(b, "nothing"), -ENOENT);
        assert_int_equal(box_rmdir(b, "nothing"), -ENOENT);
        box_commit(b);
    }
    ok(box_unlink(b, "d/f"));
    assert_int_equal(box_stat(b, "d/f", &(struct attr){0}), -ENOENT);
    ok(box_rmdir(b, "d"));
    stays(b, "");
}

static void removed_and_made_again(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "one"));
    box_commit(b);
    uint64_t f = box_ino(b, "f");
    ok(box_unlink(b, "f"));
    ok(box_mkdir(b, "f"));
    ok(box_create(b, "f/x"));
    assert_true(box_ino(b, "f") != f);
    stays(b, "f/ f/x=");
}

/* Renaming */

static void rename_moves(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "text"));
    ok(box_mkdir(b, "d"));
    uint64_t f = box_ino(b, "f");
    ok(box_rename(b, "f", "d/g", 0));
    assert_int_equal(box_ino(b, "d/g"), f);
    stays(b, "d/ d/g=text");
    ok(box_rename(b, "d/g", "h", 0));
    stays(b, "d/ h=text");
    assert_int_equal(box_ino(b, "h"), f);
}

static void rename_there_and_back_is_nothing(void **st) {
    struct tree_box *b = *st;
    ok(box_create(b, "f"));
    box_commit(b);
    ok(box_rename(b, "f", "g", 0));
    ok(box_rename(b, "g", "f", 0));
    stays(b, "f=");
}

static void rename_replaces(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "new", "new"));
    ok(box_put(b, "old", "old"));
    box_commit(b);
    ok(box_rename(b, "new", "old", 0));
    stays(b, "old=new");
}

static void rename_says_no(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    ok(box_create(b, "f"));
    ok(box_mkdir(b, "empty"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(box_rename(b, "nothing", "x", 0), -ENOENT);
        assert_int_equal(box_rename(b, "f", "d", 0), -EISDIR);
        assert_int_equal(box_rename(b, "d", "f", 0), -ENOTDIR);
        assert_int_equal(box_rename(b, "empty", "d", 0), -ENOTEMPTY);
        assert_int_equal(box_rename(b, "d", "d/e/d", 0), -EINVAL);
        assert_int_equal(box_rename(b, "d", "d/d", 0), -EINVAL);
        assert_int_equal(box_rename(b, "f", "d", RENAME_NOREPLACE), -EEXIST);
        assert_int_equal(box_rename(b, "f", "x", RENAME_EXCHANGE), -ENOENT);
        assert_int_equal(box_rename(b, "d", "d/e", RENAME_EXCHANGE), -EINVAL);
        assert_int_equal(box_rename(b, "d/e", "d", RENAME_EXCHANGE), -EINVAL);
        assert_int_equal(box_rename(b, "f", "x", RENAME_EXCHANGE | RENAME_NOREPLACE), -EINVAL);
        assert_int_equal(box_rename(b, "f", "x", RENAME_WHITEOUT), -EINVAL);
        box_commit(b);
    }
    stays(b, "d/ d/e/ empty/ f=");
}

static void rename_to_itself(void **st) {
    struct tree_box *b = *st;
    ok(box_create(b, "f"));
    ok(box_link(b, "f", "g"));
    ok(box_mkdir(b, "d"));
    ok(box_rename(b, "f", "f", 0));
    ok(box_rename(b, "f", "g", 0)); /* two names of one file: nothing */
    ok(box_rename(b, "d", "d", 0));
    assert_int_equal(box_rename(b, "f", "g", RENAME_NOREPLACE), -EEXIST);
    stays(b, "d/ f= g=");
}

static void exchange(void **st) {
    struct tree_box *b = *st;
    ok(box_put(b, "f", "text"));
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    box_commit(b);
    ok(box_rename(b, "f", "d", RENAME_EXCHANGE));
    assert_int_equal(stat_of(b, "").nlink, 3);
    stays(b, "d=text f/ f/e/");
    ok(box_rename(b, "f/e", "d", RENAME_EXCHANGE));
    assert_int_equal(stat_of(b, "f").nlink, 2);
    stays(b, "d/ f/ f/e=text");
}

static void directories_that_change_places(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_mkdir(b, "d/e"));
    ok(box_put(b, "d/e/x", "x"));
    ok(box_mkdir(b, "t"));
    box_commit(b);
    ok(box_rename(b, "d/e", "t/e", 0));
    ok(box_rename(b, "d", "t/e/d", 0));
    ok(box_rename(b, "t/e", "d", 0));
    stays(b, "d/ d/d/ d/x=x t/");
}

/* Attributes */

static void attributes(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    struct setattr s = {.what = SET_MODE | SET_UID | SET_GID | SET_ATIME | SET_MTIME,
                        .mode = 04755,
                        .uid = 5,
                        .gid = 6,
                        .atime = -7,
                        .mtime = INT64_MAX};
    ok(box_put(b, "f", "text"));
    ok(names_setattr(b->tree, box_ino(b, "f"), &s, &a));
    for (int i = 0; i < 2; i++) {
        a = stat_of(b, "f");
        assert_int_equal(a.mode, S_IFREG | 04755);
        assert_int_equal(a.uid, 5);
        assert_int_equal(a.gid, 6);
        assert_int_equal(a.atime, -7);
        assert_true(a.mtime == INT64_MAX);
        assert_int_equal(a.size, 4);
        box_commit(b);
    }
    stays(b, "f=text");
    assert_true(stat_of(b, "f").mtime == INT64_MAX);
}

static void setgid_directories_give_their_group(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(names_make(b->tree, ROOT_INO, "d", 1, &(struct make){.mode = S_IFDIR | 02775, .gid = 77}, &a));
    ok(box_mkdir(b, "d/e"));
    ok(box_create(b, "d/f"));
    assert_int_equal(stat_of(b, "d/e").gid, 77);
    assert_int_equal(stat_of(b, "d/e").mode, S_IFDIR | S_ISGID | 0755);
    assert_int_equal(stat_of(b, "d/f").gid, 77);
    assert_int_equal(stat_of(b, "d/f").mode, S_IFREG | 0644);
}

static void directory_times_follow_their_names(void **st) {
    struct tree_box *b = *st;
    ok(box_mkdir(b, "d"));
    ok(box_create(b, "f"));
    box_commit(b);
    struct attr before = stat_of(b, "d");
    sim_run(b->sim, NS_PER_S);
    ok(box_rename(b, "f", "d/f", 0));
    struct attr after = stat_of(b, "d");
    assert_true(after.mtime > before.mtime && after.ctime == after.mtime);
    assert_int_equal(stat_of(b, "d/f").ctime, after.ctime);
    assert_int_equal(stat_of(b, "").mtime, after.mtime);
    box_commit(b);
    assert_int_equal(stat_of(b, "d").mtime, after.mtime); /* as the journal says */
    assert_int_equal(stat_of(b, "").mtime, after.mtime);
}

static void times_that_were_set_stay(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    struct setattr s = {.what = SET_MTIME, .mtime = 1};
    ok(box_mkdir(b, "d"));
    ok(box_create(b, "d/f"));
    ok(names_setattr(b->tree, box_ino(b, "d"), &s, &a)); /* tar does so, after what is in it */
    box_commit(b);
    assert_int_equal(stat_of(b, "d").mtime, 1);
    tree_box_reopen(b);
    assert_int_equal(stat_of(b, "d").mtime, 1);
}

/* Extended attributes */

static int set_xattr(struct tree_box *b, const char *name, const char *value, int flags) {
    return names_setxattr(b->tree, box_ino(b, "f"), name, value, strlen(value), flags);
}

static void get_is(struct tree_box *b, const char *name, const char *want) {
    CLEANUP_BUF struct buf v = BUF_INIT(1 << 20);
    ok(names_getxattr(b->tree, box_ino(b, "f"), name, &v));
    assert_int_equal(v.len, strlen(want));
    assert_memory_equal(v.data ? v.data : (unsigned char *)"", want, v.len);
}

static void xattrs(void **st) {
    struct tree_box *b = *st;
    CLEANUP_BUF struct buf list = BUF_INIT(1 << 20), v = BUF_INIT(1 << 20);
    ok(box_create(b, "f"));
    ok(set_xattr(b, "user.b", "two", 0));
    ok(set_xattr(b, "user.a", "one", XATTR_CREATE));
    ok(set_xattr(b, "trusted.x", "", 0));
    assert_int_equal(set_xattr(b, "user.a", "x", XATTR_CREATE), -EEXIST);
    assert_int_equal(set_xattr(b, "user.c", "x", XATTR_REPLACE), -ENODATA);
    assert_int_equal(set_xattr(b, "security.x", "x", 0), -EOPNOTSUPP);
    assert_int_equal(set_xattr(b, "user.assetfs.url", "x", 0), -EPERM);
    assert_int_equal(set_xattr(b, "user.", "x", 0), -EINVAL);
    assert_int_equal(names_getxattr(b->tree, box_ino(b, "f"), "user.c", &v), -ENODATA);
    box_commit(b);
    tree_box_reopen(b);
    get_is(b, "user.a", "one");
    get_is(b, "trusted.x", "");
    ok(names_listxattr(b->tree, box_ino(b, "f"), &list));
    assert_int_equal(list.len, 24);
    assert_memory_equal(list.data, "trusted.x\0user.a\0user.b", 24);
    ok(names_removexattr(b->tree, box_ino(b, "f"), "user.a"));
    assert_int_equal(names_removexattr(b->tree, box_ino(b, "f"), "user.a"), -ENODATA);
    ok(set_xattr(b, "user.b", "three", XATTR_REPLACE));
    box_commit(b);
    get_is(b, "user.b", "three");
}

static void xattrs_have_limits(void **st) {
    struct tree_box *b = *st;
    CLEANUP_FREE char *big = xcalloc(1, XATTR_VALUE_MAX + 1);
    ok(box_create(b, "f"));
    uint64_t f = box_ino(b, "f");
    assert_int_equal(names_setxattr(b->tree, f, "user.big", big, XATTR_VALUE_MAX + 1, 0), -E2BIG);
    int r = 0, n = 0;
    for (; r == 0 && n < 40; n++) {
        CLEANUP_FREE char *name = xasprintf("user.%d", n);
        r = names_setxattr(b->tree, f, name, big, XATTR_VALUE_MAX, 0);
    }
    assert_true(r == -ENOSPC || r == -E2BIG);
    assert_int_equal(n, 16);
    box_commit(b);
    is_sound(b);
}

static void an_xattr_name_has_a_limit(void **st) {
    struct tree_box *b = *st;
    char name[300] = "user.";
    memset(name + 5, 'x', 255);
    ok(box_create(b, "f"));
    assert_int_equal(names_setxattr(b->tree, box_ino(b, "f"), name, "v", 1, 0), -ERANGE);
    name[255] = 0;
    ok(names_setxattr(b->tree, box_ino(b, "f"), name, "v", 1, 0));
    box_commit(b);
    is_sound(b);
}

/* Without a name */

static void an_open_file_without_a_name(void **st) {
    struct tree_box *b = *st;
    struct file *f;
    struct attr a;
    CLEANUP_BUF struct buf data = BUF_INIT(1 << 20);
    ok(box_put(b, "f", "text"));
    box_commit(b);
    uint64_t ino = box_ino(b, "f");
    ok(file_open(b->tree, ino, O_RDWR, &f));
    ok(box_unlink(b, "f"));
    ok(names_getattr(b->tree, ino, &a));
    assert_int_equal(a.nlink, 0);
    assert_int_equal(a.size, 4);
    box_commit(b);
    sim_run(b->sim, 10 * NS_PER_S);
    ok(names_getattr(b->tree, ino, &a));
    ok(box_read_ino(b, ino, &data));
    assert_memory_equal(data.data, "text", 4);
    names_forget(b->tree, ino);
    ok(names_getattr(b->tree, ino, &a)); /* still open */
    file_close(f, O_RDWR);
    assert_int_equal(names_getattr(b->tree, ino, &a), -ESTALE);
    stays(b, "");
}

/* Found, and not open yet: a program that has the name from the kernel opens what it found, whether a rename has replaced it since or not. */
static void bytes_stay_until_the_kernel_forgets(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    CLEANUP_BUF struct buf first = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);
    ok(box_put(b, "f", "old"));
    ok(box_put(b, "g", "new"));
    uint64_t ino = box_ino(b, "f");
    ok(box_rename(b, "g", "f", 0));
    ok(box_read_ino(b, ino, &first));
    assert_string_equal(buf_str(&first), "old");
    box_commit(b);
    sim_run(b->sim, 60 * NS_PER_S);
    ok(box_read_ino(b, ino, &again));
    assert_string_equal(buf_str(&again), "old");
    names_forget(b->tree, ino);
    assert_int_equal(names_getattr(b->tree, ino, &a), -ESTALE);
    stays(b, "f=new");
}

static void attributes_of_a_file_without_a_name(void **st) {
    struct tree_box *b = *st;
    struct file *f;
    struct attr before, a;
    ok(box_put(b, "f", "text"));
    box_commit(b);
    uint64_t ino = box_ino(b, "f");
    ok(file_open(b->tree, ino, O_RDWR, &f));
    ok(names_getattr(b->tree, ino, &before));
    ok(box_unlink(b, "f"));
    ok(names_getattr(b->tree, ino, &a));
    assert_true(a.ctime > before.ctime);
    ok(names_setattr(b->tree, ino, &(struct setattr){.what = SET_MODE | SET_MTIME, .mode = 0600, .mtime = 5}, &a));
    ok(names_setxattr(b->tree, ino, "user.x", "v", 1, 0));
    for (int committed = 0; committed < 2; committed++) {
        CLEANUP_BUF struct buf value = BUF_INIT(100);
        ok(names_getattr(b->tree, ino, &a));
        assert_int_equal(a.mode, S_IFREG | 0600);
        assert_int_equal(a.mtime, 5);
        assert_int_equal(a.nlink, 0);
        ok(names_getxattr(b->tree, ino, "user.x", &value));
        box_commit(b);
    }
    assert_int_equal(names_link(b->tree, ino, ROOT_INO, "g", 1, &a), -ENOENT);
    file_close(f, O_RDWR);
    names_forget(b->tree, ino);
    stays(b, "");
}

static void opened_for_reading_and_cut(void **st) {
    struct tree_box *b = *st;
    struct file *f;
    ok(box_put(b, "f", "text"));
    ok(file_open(b->tree, box_ino(b, "f"), O_RDONLY | O_TRUNC, &f));
    assert_int_equal(stat_of(b, "f").size, 0);
    file_close(f, O_RDONLY | O_TRUNC);
    stays(b, "f=");
}

static void a_forgotten_inode_is_stale(void **st) {
    struct tree_box *b = *st;
    struct attr a;
    ok(box_mkdir(b, "d"));
    uint64_t d = box_ino(b, "d");
    ok(box_rmdir(b, "d"));
    ok(names_getattr(b->tree, d, &a));
    uint64_t up;
    assert_int_equal(names_list(b->tree, d, NULL, NULL, &up), 0); /* removed, still open: empty */
    names_forget(b->tree, d);
    assert_int_equal(names_getattr(b->tree, d, &a), -ESTALE);
}

/* Restarts, numbers */

static void numbers_are_never_given_twice(void **st) {
    struct tree_box *b = *st;
    ok(box_create(b, "a"));
    uint64_t a = box_ino(b, "a");
    ok(box_unlink(b, "a"));
    tree_box_reopen(b);
    ok(box_create(b, "b"));
    assert_true(box_ino(b, "b") > a);
    assert_int_equal(box_ino(b, "b") >> SESSION_SHIFT, a >> SESSION_SHIFT);
}

static void another_machine_takes_another_session(void **st) {
    struct tree_box *b = *st;
    uint64_t session = b->tree->session;
    b->cfg.machine_id = "other";
    tree_box_reopen(b);
    assert_int_equal(b->tree->session, 0);
    assert_int_equal(box_create(b, "f"), -EIO); /* nobody waits in this test */
    ok(box_claim(b));
    ok(box_create(b, "f"));
    assert_true(box_ino(b, "f") >> SESSION_SHIFT > session);
    stays(b, "f=");
}

static void what_was_not_committed_survives_a_restart(void **st) {
    struct tree_box *b = *st;
    unsigned rule = store_fault_vanish(b->store);
    ok(box_put(b, "f", "text"));
    ok(box_mkdir(b, "d"));
    ok(box_rename(b, "f", "d/f", 0));
    tree_box_reopen(b); /* offline */
    assert_view(b, "d/ d/f=text");
    ok(box_append(b, "d/f", " and more"));
    tree_box_reopen(b);
    assert_view(b, "d/ d/f=text and more");
    store_fault_remove(b->store, rule);
    stays(b, "d/ d/f=text and more");
}

static void the_counter_runs_out(void **st) {
    struct tree_box *b = *st;
    uint64_t session = b->tree->session;
    ok(box_create(b, "before"));
    b->tree->counter = COUNTER_MAX - 17;
    int r = 0;
    for (int i = 0; i < 40 && r == 0; i++) {
        CLEANUP_FREE char *name = xasprintf("f%02d", i);
        r = box_create(b, name);
    }
    assert_int_equal(r, -EIO);
    ok(box_claim(b));
    ok(box_create(b, "after"));
    assert_true(box_ino(b, "after") >> SESSION_SHIFT > session);
    box_commit(b);
    is_sound(b);
    assert_int_equal(counter_get(&b->counters, COUNTER_CHANGES_VOID), 0);
    assert_int_equal(b->tree->pending_rows, 0);
}

static void two_hosts(void **st) {
    struct tree_box *a = *st, *b = tree_box_join(a, "other");
    ok(box_put(a, "f", "from a"));
    ok(box_mkdir(b, "d"));
    ok(box_put(b, "d/g", "from b"));
    box_commit(a);
    box_commit(b);
    box_follow(a);
    box_follow(b);
    assert_view(a, "d/ d/g=from b f=from a");
    assert_view(b, "d/ d/g=from b f=from a");
    tree_box_free(b);
}

/* What another host wrote is what an open file reads next. */
static void an_open_file_sees_what_another_host_wrote(void **st) {
    struct tree_box *a = *st, *b = tree_box_join(a, "other");
    struct file *f;
    ok(box_put(a, "f", "old"));
    box_commit(a);
    box_follow(b);
    uint64_t ino = box_ino(b, "f");
    ok(file_open(b->tree, ino, O_RDONLY, &f));
    assert_view(b, "f=old");
    ok(box_put(a, "f", "new and longer"));
    box_commit(a);
    box_follow(b);
    assert_view(b, "f=new and longer");
    assert_int_equal(file_seek(f, 0, SEEK_HOLE), 14);
    file_close(f, O_RDONLY);
    tree_box_free(b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, tree_box_setup, tree_box_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(an_empty_tree),
        T(every_type),
        T(making_what_is_there),
        T(making_where_nothing_is),
        T(names_that_cannot_be),
        T(dot_names_are_answered),
        T(a_name_of_two_bytes_is_no_dot_name),
        T(link_counts),
        T(linking),
        T(linking_behind_a_clock),
        T(a_name_comes_back_behind_a_clock),
        T(removing),
        T(removed_and_made_again),
        T(rename_moves),
        T(rename_there_and_back_is_nothing),
        T(rename_replaces),
        T(rename_says_no),
        T(rename_to_itself),
        T(exchange),
        T(directories_that_change_places),
        T(attributes),
        T(setgid_directories_give_their_group),
        T(directory_times_follow_their_names),
        T(times_that_were_set_stay),
        T(xattrs),
        T(xattrs_have_limits),
        T(an_xattr_name_has_a_limit),
        T(an_open_file_without_a_name),
        T(bytes_stay_until_the_kernel_forgets),
        T(attributes_of_a_file_without_a_name),
        T(opened_for_reading_and_cut),
        T(a_forgotten_inode_is_stale),
        T(numbers_are_never_given_twice),
        T(another_machine_takes_another_session),
        T(what_was_not_committed_survives_a_restart),
        T(the_counter_runs_out),
        T(two_hosts),
        T(an_open_file_sees_what_another_host_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
