/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "tmpdir.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

char *tmpdir_new(void) {
    const char *parent = getenv("TMPDIR");
    char *dir = tmpdir_path(parent && *parent ? parent : "/tmp", "assetfs-test-XXXXXX");
    if (!mkdtemp(dir)) {
        perror(dir);
        abort();
    }
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void tmpdir_free(char *dir) {
    if (dir)
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

char *tmpdir_path(const char *dir, const char *name) {
    char *path;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    return path;
}

int tmpdir_setup(void **state) {
    *state = tmpdir_new();
    return 0;
}

int tmpdir_teardown(void **state) {
    tmpdir_free(*state);
    return 0;
}
