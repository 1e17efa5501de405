/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a program does to a mem_tree, by path ("d/x"): for tests that tell a story. No checks: the story must
 * be possible. Inode numbers are the caller's.
 */
#ifndef TESTS_MEM_PATH_H
#define TESTS_MEM_PATH_H

#include "mem_tree.h"

uint64_t mem_path_ino(const struct mem_tree *, const char *path); /* 0: none; "" is the root */
struct record *mem_path_record(const struct mem_tree *, const char *path);
void mem_path_mkdir(struct mem_tree *, const char *path, uint64_t ino);
void mem_path_create(struct mem_tree *, const char *path, uint64_t ino, const char *content);
void mem_path_symlink(struct mem_tree *, const char *path, uint64_t ino, const char *target);
void mem_path_write(struct mem_tree *, const char *path, const char *content);
void mem_path_chmod(struct mem_tree *, const char *path, uint32_t permissions);
void mem_path_remove(struct mem_tree *, const char *path);                 /* unlink, rmdir */
void mem_path_rename(struct mem_tree *, const char *from, const char *to); /* replaces */
void mem_path_exchange(struct mem_tree *, const char *a, const char *b);
void mem_path_link(struct mem_tree *, const char *from, const char *to);
/* Writes a temporary file and renames it over path, as editors and rsync do. */
void mem_path_save(struct mem_tree *, const char *path, uint64_t ino, const char *content);

/* All of it in one line: "d/ d/x=content f=content g->target"; a second name of a file is marked (link),
 * permission bits that are not those it was made with *, and " (conflicted copy, HOST DATE)" is ~HOST. */
void mem_path_print(const struct mem_tree *, struct buf *);

#define MEM_DIR_MODE 0755
#define MEM_FILE_MODE 0644

#endif
