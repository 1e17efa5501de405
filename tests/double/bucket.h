/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The objects: files of a directory, in the layout of object_path.h. What S3 keeps with an object (its ETag, its headers) is one extended attribute of the
 * file, "user.assetfs-double", lines of "Name: value"; a file that somebody else put there has none, and gets an ETag of its size and time.
 *
 * An object is made whole as a draft in a work directory beside, then linked into its place: link(2) never replaces, so of any number of concurrent puts
 * under a condition exactly one wins, and it is decided at the end, as S3 does. Nothing is synced: the double need not outlive a power cut.
 *
 * Threads: any; nothing is shared but the directory. A draft belongs to one thread at a time.
 */
#ifndef DOUBLE_BUCKET_H
#define DOUBLE_BUCKET_H

#include "mem.h"

#include <time.h>

#define BUCKET_DIGEST 32

struct bucket;

/* Makes both directories (and objects/.tmp, the mark of a directory bucket); work must be on the same file system. NULL with a sentence on standard error. */
struct bucket *bucket_new(const char *objects, const char *work);
/* Removes the work directory, not the objects. */
void bucket_free(struct bucket *);
/* A name for a new file in the work directory, malloc'd. */
char *bucket_work_name(struct bucket *, const char *kind);

struct draft;
/* NULL: errno */
struct draft *draft_new(struct bucket *);
/* 0 or a negative errno. */
int draft_write(struct draft *, const void *, size_t);
/* Appends the bytes of another draft, without hashing them: for what is made of parts. */
int draft_append(struct draft *, const struct draft *part);
uint64_t draft_size(const struct draft *);
/* The digest of what was written. Once. */
void draft_digest(struct draft *, unsigned char ret[BUCKET_DIGEST]);
/* MD5, for who asks with Content-MD5: reads the file again. */
int draft_md5(const struct draft *, unsigned char ret[16]);
/* NULL-safe; removes the file unless it became an object. */
void draft_free(struct draft *);

/* headers: "Name: value\n" lines. 0; -EEXIST: there is one, and only_if_absent; -ENAMETOOLONG: the directory cannot hold the key; -E2BIG: too many
 * headers; else another negative errno. */
int bucket_commit(struct bucket *, struct draft *, const char *key, const char *headers, bool only_if_absent);

struct object {
    int fd; /* the caller's to close */
    uint64_t size;
    time_t modified;
    char *path;    /* of the file */
    char *headers; /* "Name: value\n" lines, ETag among them */
};
/* -ENOENT, -ENAMETOOLONG, ... */
int bucket_open(struct bucket *, const char *key, struct object *ret);
bool bucket_has(struct bucket *, const char *key);
int bucket_remove(struct bucket *, const char *key);
/* Calls fn for each key that begins with prefix, sorted by bytes, at most max of them. 0 or a negative errno. */
int bucket_list(struct bucket *, const char *prefix, unsigned max, void (*fn)(void *arg, const char *key), void *arg);
void object_close(struct object *);

#endif
