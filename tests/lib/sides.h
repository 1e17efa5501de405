/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two directories on which the same is done, and what is compared of them. Side 0 is the one that is right. One thread. Every difference ends the process with 1, after the last
 * calls have been printed.
 */
#ifndef ASSETFS_TESTS_SIDES_H
#define ASSETFS_TESTS_SIDES_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define PATH_SIZE 64
#define TRACE 24
/* Times before this were set by a call and must be equal on both sides; others only have to be later. */
#define MARKED_UNTIL 1000000000

struct sides {
    const char *path[2];
    int root[2];
    char *room[2]; /* what a call has read */
    uint64_t seed, number;
    int64_t result[2];
    int error[2];
    bool with_bytes;
    char trace[TRACE][256];
    size_t n_trace;
};

void sides_init(struct sides *, const char *local, const char *mounted, uint64_t seed, size_t room);
void sides_free(struct sides *);
/* Opens the directory of a side again. */
void sides_open(struct sides *, int side);

/* A call: its name for the trace, its result on each side (and the bytes in room, if it has read), and the comparison. */
void sides_begin(struct sides *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sides_result(struct sides *, int side, int64_t result, bool with_bytes);
void sides_end(struct sides *);
void sides_fail(struct sides *, const char *fmt, ...) __attribute__((format(printf, 2, 3), noreturn));

/* Both trees: names, types, modes, owners, links, sizes, targets, attributes, marked times, bytes. */
void sides_compare(struct sides *);

/* What must not change on the mount while nobody changes it: numbers and all times. */
struct memory {
    char *text;
};
struct memory sides_remember(struct sides *);
/* Compares with what is now, and frees it. */
void sides_recall(struct sides *, struct memory *);

#endif
