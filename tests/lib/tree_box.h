/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A host: a tree with all that it needs (reader, cache, spool, uploader, a directory of its own) over a bucket in memory, in virtual time. Calls by path
 * ("d/x"; "" is the root) return what the tree returns; those that have to wait run the world until they are answered.
 *
 *     struct tree_box *b = tree_box_new();              a new volume, mounted, with a session
 *     assert_int_equal(box_put(b, "f", "text"), 0);
 *     box_commit(b);                                    what is pending is in the bucket
 *     tree_box_free(b);
 */
#ifndef ASSETFS_TESTS_TREE_BOX_H
#define ASSETFS_TESTS_TREE_BOX_H

#include "lazy.h"
#include "sim_env.h"
#include "store_fault.h"
#include "store_mem.h"
#include "tree/file.h"
#include "tree/names.h"
#include "tree/rows.h"

struct tree_box {
    struct sim *sim;
    struct env *env;
    struct mem_bucket *bucket;
    bool owns; /* sim and bucket */
    char *dir, *label;
    struct counters counters;
    struct store *store; /* store_fault over store_mem, or the one given */
    struct keyring *keys;
    struct block_cache *cache;
    struct reader *reader;
    struct spool *spool;
    struct tree_config cfg;
    struct tree *tree;
    struct buf why; /* of what failed last */
    struct lazy *lazy;    /* what the tree began from, once it has forgotten; else NULL */
    uint64_t invalidated; /* how often the kernel was told to forget something */
};

/* What tree_box_open() is given; zero where there is a default. */
struct tree_box_config {
    struct sim *sim;
    struct mem_bucket *bucket;
    struct env *env;     /* NULL: a new one of sim */
    struct store *store; /* its env must be env; owned by the box */
    const char *label;   /* "host" */
    char *dir;           /* taken over; NULL: a new one */
    const char *machine_id;
    const struct name_rules *names; /* of the caller */
    enum durability durability;
    int64_t timeout_ns;
    bool read_only;
    struct past at;      /* with read_only */
};

/* The key every volume of a test is sealed under. */
struct keyring *tree_box_keys(void);
/* Entry 1. */
void tree_box_init(struct sim *, struct mem_bucket *);
/* Opens and starts it. On an error the box is there, without a tree, and must be freed. */
struct tree_box *tree_box_open(const struct tree_box_config *, int *ret_err);
/* A world, a bucket, a volume and a host with a session. */
struct tree_box *tree_box_new(void);
/* Another host on the same world and bucket. */
struct tree_box *tree_box_join(struct tree_box *, const char *label);
/* Closes what is open and opens it again on the same directory: an unmount and a mount. */
void tree_box_reopen(struct tree_box *);
/* Nothing of what is confirmed is here any more (lazy.h). False: not now, for something is pending or open. */
bool box_forget(struct tree_box *);
/* Closes the tree and all below it; the box and its directory stay. */
void tree_box_close(struct tree_box *);
void *tree_box_free(struct tree_box *); /* NULL-safe; returns NULL */
/* For cmocka: *state becomes tree_box_new(). */
int tree_box_setup(void **state);
int tree_box_teardown(void **state);

/* Makes the host claim a session if it has none. 0, or -EIO after a virtual minute. */
int box_claim(struct tree_box *);
/* Everything pending becomes durable; fails the process after ten virtual minutes. */
void box_commit(struct tree_box *);
/* Applies what others have committed. */
void box_follow(struct tree_box *);

uint64_t box_ino(struct tree_box *, const char *path); /* 0: none */
int box_mkdir(struct tree_box *, const char *path);
int box_create(struct tree_box *, const char *path); /* an empty file, 0644 */
/* Writes the whole content (O_TRUNC), making the file if it is not there. */
int box_put(struct tree_box *, const char *path, const char *content);
int box_append(struct tree_box *, const char *path, const char *content);
int box_truncate(struct tree_box *, const char *path, uint64_t size);
int box_symlink(struct tree_box *, const char *path, const char *target);
int box_link(struct tree_box *, const char *from, const char *to);
int box_unlink(struct tree_box *, const char *path);
int box_rmdir(struct tree_box *, const char *path);
int box_rename(struct tree_box *, const char *from, const char *to, unsigned flags);
int box_chmod(struct tree_box *, const char *path, uint32_t mode);
int box_stat(struct tree_box *, const char *path, struct attr *ret);
int box_fsync(struct tree_box *, const char *path);
/* The bytes, malloc'd with a NUL behind them; NULL: they cannot be read (*ret_err). */
char *box_read(struct tree_box *, const char *path, size_t *ret_n, int *ret_err);
int box_read_ino(struct tree_box *, uint64_t ino, struct buf *ret);

/* For names_list(): the entries of a directory; v and each name are malloc'd. */
struct box_listed {
    struct names_entry *v;
    size_t n;
};
bool box_list_one(void *listed, const struct names_entry *);

/* The whole view in one line, in byte order: "d/ d/x=content f=content g->target"; malloc'd. */
char *box_print(struct tree_box *);
/* Fails the test unless box_print() is want. */
void assert_view(struct tree_box *, const char *want);
/* What must always hold of the database: link counts, digest, no row of P that says nothing. Returns NULL, or what is wrong, malloc'd. */
char *tree_box_wrong(struct tree_box *);
/* The same with all of C, which is fetched. */
char *tree_box_wrong_in_all(struct tree_box *);

#endif
