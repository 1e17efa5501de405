/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the double keeps an object below its directory: in the layout of assetfs's directory bucket, so that a test which looks into the bucket's
 * directory, or puts a file there, need not know which of the two it has.
 *
 * A key is cut at its slashes, and each segment is a name. Bytes below 0x20, 0x7f and '%' are written as %XX (capital letters); so is the first byte of a
 * segment that a file system reads otherwise ("." and ".."), and of a first segment ".tmp", which is the bucket's own. An empty segment is "%00".
 */
#ifndef DOUBLE_OBJECT_PATH_H
#define DOUBLE_OBJECT_PATH_H

/* malloc'd; NULL: no file can have it (key empty, longer than 1024 bytes or with a leading slash, a segment that would be longer than 255). */
char *object_path(const char *key);

#endif
