/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys of a directory bucket (store/dir.h) as paths below it: one segment at a time, reversible, exactly one path a key.
 * Pure; results are malloc'd.
 */
#ifndef ASSETFS_KEY_PATH_H
#define ASSETFS_KEY_PATH_H

#include "base/buf.h"

/* As a first segment this name is the bucket's own, and a key's is encoded ("%2Etmp"). */
#define KEY_PATH_RESERVED ".tmp"

/* The path relative to the bucket; NULL if no file can have it (key empty, longer than 1024 bytes or with a leading slash; a
 * segment that would be longer than 255). */
char *key_path_encode(const char *key) ATTR_WARN_UNUSED;
/* The way back; NULL for a file that is no object: its path is not what key_path_encode() makes. */
char *key_path_decode(const char *path) ATTR_WARN_UNUSED;
/* "file:///srv/bucket/files/x" of an absolute directory and a path below it (NULL: of the directory). */
char *key_path_url(const char *dir, const char *path) ATTR_WARN_UNUSED;

#endif
